"""From what networks answered about one specimen to what the canvas shows: a row a network, the same picture in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.browser.canvas import Pane, Row
from components.maps.headings import describe_layers, describe_target
from components.maps.rows import Answered, Asked, build_rows
from components.studio.parts import outline_parts
from components.truth.specimen import Specimen
from components.words import format_share
from explain.engine.explanation import PictureExplanation
from explain.maps.heatmap import Heatmap
from explain.maps.region_share import mask_share
from explain.models.loaded import LoadedModel

_MOST_ANSWERS = 2


@dataclass(frozen=True, eq=False)
class Network:
    """One of the networks that are asked about the same picture.

    Attributes:
        key: unique among them; of its row.
        title: what it is, for a person.
        model: it.
        note: what else is known of it, in short.
    """

    key: str
    title: str
    model: LoadedModel
    note: str = ""


def build_truth_rows(
    specimen: Specimen, answers: Sequence[tuple[Network, PictureExplanation]], methods: Sequence[str]
) -> list[Row]:
    """A row for each network, with the share of each map that lies where the answer is known to lie.

    Args:
        specimen: the picture.
        answers: of each network.
        methods: in the order of their panes.
    """
    rows = []
    outlines = [] if specimen.region is None else outline_parts({"": specimen.region})
    for network, entry in answers:
        usable = [name for name in methods if name not in entry.unavailable]
        (row,) = build_rows(Answered((entry,)), Asked(methods, usable, network.model.request.name))
        maps = {heatmap.method: heatmap for heatmap in entry.maps}
        panes = [_say_truth(pane, specimen, maps.get(pane.key)) for pane in row.panes]
        told = [describe_target(entry), network.note, network.model.request.name, *describe_layers(entry)]
        detail = " · ".join(filter(None, told))
        rows.append(
            replace(row, key=network.key, label=network.title, panes=panes, detail=detail, outlines=outlines, notes=())
        )
    return rows


def _say_truth(pane: Pane, specimen: Specimen, heatmap: Heatmap | None) -> Pane:
    """A pane with what is known: on the picture what it is, and on a map how much lies where the answer does."""
    if pane.key == "picture":
        sentence = f"The truth: {specimen.label}."
        return replace(pane, sentence=sentence, choices=pane.choices[:_MOST_ANSWERS])
    if heatmap is None:
        return pane
    said = describe_share(heatmap, specimen)
    return replace(pane, sentence=f"{said[0].upper()}{said[1:]}.", time="")


def describe_share(heatmap: Heatmap, specimen: Specimen) -> str:
    """How much of a map lies where the answer is known to lie, beside the share that a map of no meaning has there."""
    chance = specimen.find_chance(heatmap.box)
    if specimen.region is None or chance is None:
        return f"{specimen.name} lies everywhere"
    share = mask_share(heatmap.values, heatmap.box, specimen.region)
    if share is None:
        return f"nothing of it on {specimen.name}"
    return f"{format_share(share)} on {specimen.name}, by chance {format_share(chance)}"
