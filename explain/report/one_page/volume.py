"""What stands on the one-page report of a volume that was explained whole: a row of panes for each plane."""

from __future__ import annotations

from collections import defaultdict

from explain.engine.whole_volumes import VolumeExplanation
from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.methods import get_method
from explain.networks.layer import describe_grid
from explain.report.comparison import describe_asking, describe_settings, title_map
from explain.report.manifest import find_versions
from explain.report.one_page.command import can_be_made_again, write_command
from explain.report.one_page.content import (
    Facts,
    Page,
    Said,
    describe_answer,
    describe_legend,
    describe_model,
    describe_versions,
    say_measured,
)
from explain.report.one_page.panes import Pane, draw_map, draw_picture, join_titles
from explain.report.scans.volumes import find_ends, lay_out

_MOST_BESIDE = 4
"""Maps beside the picture of a plane."""


def describe_volume_page(answer: VolumeExplanation, view: RenderSettings, window: str | None = None) -> Page:
    """Gather the page of a volume: the planes through the peak of its first map.

    Args:
        answer: what the engine answered.
        view: how maps are drawn.
        window: through which window the slices are shown.

    Raises:
        ExplainError: there is no map to report.
    """
    if not answer.maps:
        reasons = " ".join(dict.fromkeys(answer.unavailable.values()))
        raise ExplainError(f"There is nothing to report of “{answer.volume.name}”: no map was made. {reasons}".strip())
    laid, ends = lay_out(answer, window), find_ends(answer, view)
    panes: list[Pane] = []
    hatched = False
    for entry in laid.pictures:
        section = entry.picture.section
        assert section is not None
        plane = "Slice" if section.plane == "stack" else section.plane.capitalize()
        panes.append(draw_picture(entry.picture, {}, f"{plane} {section.index + 1}"))
        for cut in entry.maps[:_MOST_BESIDE]:
            panes.append(draw_map(entry, cut, title_map(entry, cut), ends[cut.key], view, {}))
            hatched = hatched or not cut.box.covers(entry.picture.size)
    asking, settings = describe_asking(laid), describe_settings(laid)
    layers = f"{'Layer' if len(answer.layers) == 1 else 'Layers'} {join_titles(answer.layers)}"
    return Page(
        cautions=answer.cautions,
        name=answer.volume.name,
        picture=_describe_volume(answer),
        model=describe_model(answer.model),
        answers=tuple(describe_answer(one, answer.targets) for one in answer.predictions[:5]),
        explained=f"The maps are for {join_titles([f'“{label}”' for label in answer.labels])}.",
        panes=tuple(panes),
        columns=1 + min(len(laid.pictures[0].maps), _MOST_BESIDE),
        legend=describe_legend(panes, hatched),
        sections=(
            ("What was measured of the maps", say_measured(laid.pictures[0], laid.pictures[0].maps, whole=False)),
            ("What else to know", _say_warnings(answer)),
            ("What no map says", _say_limits(answer)),
            ("How it was made", (Said(f"{layers}; {asking}. {f'{settings}.' if settings else ''}".rstrip()),)),
        ),
        proof=(
            ("Series (SHA-256)", answer.volume.digest),
            *describe_versions(answer.model, find_versions(answer.device)),
        ),
        command=(write_command(laid, laid.pictures[0], whole=True), can_be_made_again(laid, laid.pictures[0])),
    )


def _describe_volume(answer: VolumeExplanation) -> Facts:
    volume = answer.volume
    depth, rows, columns = volume.stored.shape[:3]
    kind = "A volume" if volume.modality == "OT" else f"A {volume.modality} scan"
    size = f"{depth:,} slices of {columns:,} × {rows:,} voxels"
    if volume.steps is not None:
        sides = zip((depth, rows, columns), volume.steps, strict=True)
        size += f", {' × '.join(f'{side * step:.0f}' for side, step in sides)} mm"
    facts = [("What it is", f"{kind}, {size}.")]
    facts.append(("What is shown", "The planes through the peak of the first map, with one scale for each map."))
    if volume.notes:
        facts.append(("How it was read", " ".join(volume.notes)))
    return tuple(facts)


def _say_warnings(answer: VolumeExplanation) -> tuple[Said, ...]:
    found: dict[str, list[str]] = defaultdict(list)
    for one in answer.maps:
        for sentence in one.heatmap.warnings:
            found[sentence].append(get_method(one.heatmap.method).title)
    said = [Said(note) for note in answer.notes if note not in answer.cautions]
    said += [Said(sentence, join_titles(list(dict.fromkeys(maps)))) for sentence, maps in found.items()]
    said += [Said(f"No map: {reason}", get_method(name).title) for name, reason in answer.unavailable.items()]
    return tuple(said)


def _say_limits(answer: VolumeExplanation) -> tuple[Said, ...]:
    grids = join_titles(list(dict.fromkeys(describe_grid(one.values.shape) for one in answer.maps)))
    return (
        Said("A map shows what the model responds to, not whether the model is right, nor what the patient has."),
        Said(f"A map is as coarse as its cells, here {grids}. Nothing marked is not the same as nothing there."),
    )
