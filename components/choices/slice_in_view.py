"""What a person scrolls to and windows on the canvas becomes the page's own: which slice, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.browser.canvas import read_near, read_planes, read_stack_places
from components.browser.canvas.stack import PLANE_NAMES, Place, Stack, read_cross
from components.choices.prior import Prior, get_prior
from components.choices.series import Scans, get_scans
from explain.errors import PictureError
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.volumes.volume import Volume


def find_stacks(pictures: Sequence[Picture], key: str) -> dict[str, Stack]:
    """The stacks that pictures are slices of, by digest: of the series that is open, and of its prior study.

    Args:
        pictures: those on the page.
        key: of the canvas that shows them.
    """
    if all(picture.section is None for picture in pictures):
        return {}
    scans, prior = get_scans(), get_prior()
    digests = {picture.digest for picture in pictures}
    are_linked = prior.volume is not None and prior.together and {scans.shown, prior.shown} <= digests
    link = prior.find_link(scans) if are_linked else None
    found = {}
    for picture in pictures:
        section = picture.section
        if section is None or scans.volume is None or picture.digest not in (scans.shown, prior.shown):
            continue
        plane = next(plane for plane in PLANE_NAMES if plane == section.plane)
        if picture.digest == scans.shown:
            stack = Stack(
                scans.volume,
                plane,
                section.index,
                scans.window or "",
                scans.inverted,
                follows=scans.given is None,
                given=say_given(scans.given, section.window),
                link=None if link is None or prior.volume is None else (prior.volume.digest, link.there),
                **_find_near(scans.volume, plane, key),
            )
        else:
            assert prior.volume is not None
            stack = Stack(
                prior.volume,
                plane,
                section.index,
                prior.find_window(scans),
                link=None if link is None else (scans.volume.digest, link.back),
                said="Scrolled by itself." if link is None else link.said,
                **_find_near(prior.volume, plane, key),
            )
        found[picture.digest] = stack
    return found


def _find_near(volume: Volume, plane: str, key: str) -> dict[str, Any]:
    """What the browser wants of a series beside the slice in view."""
    near = read_near(key, volume.digest)
    is_near = near is not None and near.plane == plane
    return {
        "near": near.index if near is not None and is_near else None,
        "cross": read_cross(read_planes(key), volume),
    }


def say_given(given: str | None, window: str) -> str:
    """Through which window models see the slices, where it is not the one that is shown."""
    return "" if given is None else f"Models are given the window “{window}”, whichever is shown."


def follow_place(key: str) -> bool:
    """Make what a person has come to look at on a canvas the page's own; whether that changed anything.

    Args:
        key: of the canvas.
    """
    scans, prior = get_scans(), get_prior()
    places = {place.volume: place for place in read_stack_places(key)}
    changed = False
    if scans.volume is not None and scans.volume.digest in places:
        changed = _follow(scans, places[scans.volume.digest])
    if prior.volume is not None and prior.volume.digest in places:
        changed = _follow_beside(scans, prior, places[prior.volume.digest]) or changed
    return changed


def _can_be_shown(volume: Volume, place: Place) -> bool:
    if volume.planes[place.plane] or not 0 <= place.index < volume.count(place.plane):
        return False
    try:
        if place.window:
            volume.choose_window(place.window, 0)
    except PictureError:
        return False
    return True


def _follow(scans: Scans, place: Place) -> bool:
    assert scans.volume is not None
    if not _can_be_shown(scans.volume, place):
        return False
    before = (scans.plane, scans.find_index(), scans.window, scans.inverted)
    scans.plane = place.plane
    scans.indices[place.plane] = place.index
    scans.inverted = place.inverted
    if place.window != (scans.window or next(iter(scans.volume.windows), "")):
        scans.window = place.window
    return before != (scans.plane, scans.find_index(), scans.window, scans.inverted)


def _follow_beside(scans: Scans, prior: Prior, place: Place) -> bool:
    """The same for the prior study, which is looked at in the plane of the other."""
    assert prior.volume is not None
    if not _can_be_shown(prior.volume, place):
        return False
    if place.plane != prior.find_plane(scans):
        if scans.volume is None or scans.volume.planes[place.plane]:
            return False
        scans.plane = place.plane
        return True
    before = (prior.find_index(scans), prior.find_window(scans))
    prior.index, prior.seen_beside = place.index, scans.find_index()
    if place.window != prior.find_window(scans):
        prior.window = place.window
    return before != (prior.find_index(scans), prior.find_window(scans))
