"""From what networks answered about one specimen to what the canvas shows: a row a network, the same picture in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.browser.canvas import Pane, Row
from components.maps.headings import describe_layers, describe_target
from components.maps.rows import Answered, Asked, build_rows
from components.studio.parts import outline_parts
from components.truth.specimen import Specimen
from components.words import format_share
from explain.engine.explanation import PictureExplanation
from explain.maps.agreement import rank_correlations
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


Answer = tuple[Network, PictureExplanation]
"""What a network says of the specimen."""


def build_truth_rows(
    specimen: Specimen, answers: Sequence[Answer], methods: Sequence[str], others: Sequence[Answer] = ()
) -> list[Row]:
    """A row for each network, with the share of each map that lies where the answer is known to lie.

    Args:
        specimen: the picture.
        answers: of each network.
        methods: in the order of their panes.
        others: of each network about the picture with the switch put the other way; none where nobody asked.
    """
    rows = []
    outlines = [] if specimen.region is None else outline_parts({"": specimen.region})
    before = {network.key: {heatmap.method: heatmap for heatmap in entry.maps} for network, entry in others}
    for network, entry in answers:
        usable = [name for name in methods if name not in entry.unavailable]
        (row,) = build_rows(Answered((entry,)), Asked(methods, usable, network.model.request.name))
        maps = {heatmap.method: heatmap for heatmap in entry.maps}
        was = before.get(network.key, {})
        panes = [_say_truth(pane, specimen, maps.get(pane.key), was.get(pane.key)) for pane in row.panes]
        told = [describe_target(entry), network.note, network.model.request.name, *describe_layers(entry)]
        detail = " · ".join(filter(None, told))
        rows.append(
            replace(
                row,
                key=network.key,
                label=network.title,
                panes=panes,
                detail=detail,
                outlines=outlines,
                notes=(),
                remedy=None,
            )
        )
    return rows


def _say_truth(pane: Pane, specimen: Specimen, heatmap: Heatmap | None, before: Heatmap | None) -> Pane:
    """A pane with what is known: on the picture what it is, and on a map how much lies where the answer does."""
    if pane.key == "picture":
        sentence = specimen.told or f"The truth: {specimen.label}."
        return replace(pane, sentence=sentence, choices=pane.choices[:_MOST_ANSWERS])
    if heatmap is None:
        return pane
    said = describe_share(heatmap, specimen)
    alike = "" if before is None else f" {describe_likeness(heatmap, before)}"
    return replace(pane, sentence=f"{said[0].upper()}{said[1:]}.{alike}", time="")


def describe_likeness(heatmap: Heatmap, before: Heatmap) -> str:
    """How alike a map is to that of the picture with the switch put the other way, in a sentence."""
    alike = rank_correlations([heatmap.values, before.values], [heatmap.box, before.box])[0, 1]
    if np.isnan(alike):
        return "A blank map can be compared with none."
    return f"Rank correlation with the map once the switch is put the other way: {alike:.2f}."


def describe_share(heatmap: Heatmap, specimen: Specimen) -> str:
    """How much of a map lies where the answer is known to lie, beside the share that a map of no meaning has there."""
    chance = specimen.find_chance(heatmap.box)
    if specimen.region is None or chance is None:
        return f"{specimen.name} lies everywhere"
    share = mask_share(heatmap.values, heatmap.box, specimen.region)
    if share is None:
        return f"nothing of it on {specimen.name}"
    return f"{format_share(share)} on {specimen.name}, by chance {format_share(chance)}"
