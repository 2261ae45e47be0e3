"""What a person scrolls to and windows on the canvas becomes the page's own: which slice, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from components.browser.canvas import read_near, read_planes, read_stack_place
from components.browser.canvas.stack import PLANE_NAMES, Stack, read_cross
from components.choices.series import get_scans
from explain.errors import PictureError
from explain.pictures.picture import Picture


def find_stacks(pictures: Sequence[Picture], key: str) -> dict[str, Stack]:
    """The stacks that pictures are slices of, by the digests of those of the series that is open.

    Args:
        pictures: those on the page.
        key: of the canvas that shows them.
    """
    if all(picture.section is None for picture in pictures):
        return {}
    scans = get_scans()
    found = {}
    for picture in pictures:
        section = picture.section
        if section is None or scans.volume is None or picture.digest != scans.shown:
            continue
        near = read_near(key)
        is_near = near is not None and (near.volume, near.plane) == (section.volume, section.plane)
        found[picture.digest] = Stack(
            scans.volume,
            next(plane for plane in PLANE_NAMES if plane == section.plane),
            section.index,
            scans.window or "",
            scans.inverted,
            follows=scans.given is None,
            given=say_given(scans.given, section.window),
            near=near.index if near is not None and is_near else None,
            cross=read_cross(read_planes(key), scans.volume),
        )
    return found


def say_given(given: str | None, window: str) -> str:
    """Through which window models see the slices, where it is not the one that is shown."""
    return "" if given is None else f"Models are given the window “{window}”, whichever is shown."


def follow_place(key: str) -> bool:
    """Make what a person has come to look at on a canvas the page's own; whether that changed anything.

    Args:
        key: of the canvas.
    """
    place, scans = read_stack_place(key), get_scans()
    if place is None or scans.volume is None or place.volume != scans.volume.digest:
        return False
    if scans.volume.planes[place.plane] or not 0 <= place.index < scans.volume.count(place.plane):
        return False
    try:
        if place.window:
            scans.volume.choose_window(place.window, 0)
    except PictureError:
        return False
    before = (scans.plane, scans.find_index(), scans.window, scans.inverted)
    scans.plane = place.plane
    scans.indices[place.plane] = place.index
    scans.inverted = place.inverted
    if place.window != (scans.window or next(iter(scans.volume.windows), "")):
        scans.window = place.window
    return before != (scans.plane, scans.find_index(), scans.window, scans.inverted)
