"""A map with all that a reader must know to trust it or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from explain.methods.base import Method
from explain.passes.count import Passes
from explain.percent import write_percent
from explain.pictures.geometry import Box
from explain.settings import Settings

CLASS_AGNOSTIC = "Does not depend on the class: it would look the same for any other."
"""What is said of every map of a method that does not ask for the class."""


WHOLE_GRID = "cells of the volume's map"
"""Where the details of a cut through a volume's map hold how many cells the whole has along each axis."""


@dataclass(frozen=True, eq=False)
class Heatmap:
    """One method's map of one picture, one layer and one class.

    Attributes:
        method: the method's name, e.g. `grad-cam`.
        settings: what it was made with.
        layer: name of the layer.
        target: index of the explained class.
        label: its name.
        values: `(h, w)` float32 at the layer's own resolution, signed, not normalised, no ReLU applied.
        box: the rectangle of the picture, in its pixels, over which the map lies.
        seconds: time of the method itself, without the shared pass of the network.
        passes: passes of the network run for this answer and shared by all maps of it, and the method's own; none when
            it was cached.
        own_passes: those of them that are the method's own.
        remembered: it was made for an earlier answer, and `seconds` are of then.
        warnings: sentences that belong beside the map.
        details: what else the method found out (clusters, heads …).
        rules: names of the rules that spoke, such as `zero` or `class-agnostic`; see `find_rules`.
        own_warnings: those of the warnings that are the method's own.
        own_rules: those of the rules that are the method's own.
    """

    method: str
    settings: Settings
    layer: str
    target: int
    label: str
    values: np.ndarray
    box: Box
    seconds: float
    passes: Passes
    own_passes: Passes = field(default_factory=Passes)
    remembered: bool = False
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    own_warnings: tuple[str, ...] = ()
    own_rules: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What tells it from the other maps of its picture: method, layer and class."""
        return f"{self.method}/{self.layer}/{self.target}"

    @property
    def grid(self) -> tuple[int, ...]:
        """How many cells it has along each axis; of a cut through a volume's map, those of the whole."""
        return tuple(self.details.get(WHOLE_GRID, self.values.shape))

    @property
    def blank(self) -> bool:
        """Whether nothing in it is above zero, so that there is nothing to show."""
        return is_blank(self.values)

    @property
    def strength(self) -> float:
        """How strongly it is drawn, 0…1; see `find_strength`."""
        return find_strength(self.values)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return float(self.values.min()), float(self.values.max())

    @property
    def peak(self) -> tuple[float, float]:
        """Where the map is highest: x and y of that cell's centre, in the picture's pixels."""
        return find_peak(self.values, self.box)


def find_highest_cell(values: np.ndarray) -> tuple[int, int]:
    """Row and column of the highest cell of a map `(h, w)`; the first of several."""
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def find_peak(values: np.ndarray, box: Box) -> tuple[float, float]:
    """Where a map `(h, w)` laid over `box` is highest: x and y of that cell's centre, in the picture's pixels."""
    return box.find_middle(find_highest_cell(values), values.shape)


def describe_peak(values: np.ndarray, box: Box, height: int, width: int) -> str:
    """Where the map is highest, as the end of a sentence for those who do not see it."""
    if not (values > 0).any():
        return "nothing in it is above zero"
    across, down = find_peak(values, box)
    x, y = across / width, down / height
    return f"strongest at {name_place(x, y)}, {write_percent(x)} from the left and {write_percent(y)} from the top"


def name_place(x: float, y: float) -> str:
    """A place of the picture in words, by thirds; `x` and `y` go from 0 to 1."""
    across = ("left", "", "right")[min(max(int(x * 3), 0), 2)]
    down = ("upper", "", "lower")[min(max(int(y * 3), 0), 2)]
    if not across and not down:
        return "the centre"
    if not across:
        return {"upper": "the top", "lower": "the bottom"}[down]
    return f"the {down} {across}".replace("  ", " ")


def find_rules(method: Method, values: np.ndarray, label: str) -> dict[str, str]:
    """The rules that speak of a map, each with its sentence.

    - `not finite`: a value is no number; the map is not shown.
    - `negative only`: nothing is above zero, and something below.
    - `zero`: nothing is above or below zero.
    - `faint`: what is above zero is nearly nothing beside what is below.
    - `constant`: every place has the same value.
    - `class-agnostic`: the method does not look at the class.

    A method adds the names of its own, such as the `sign by mean activation` of Eigen-CAM.
    """
    rules = {}
    if not np.isfinite(values).all():
        rules["not finite"] = "The map holds values that are not numbers, so it is not shown. Try another layer."
    elif not (values > 0).any():
        rule = "negative only" if (values < 0).any() else "zero"
        if method.class_agnostic:
            rules[rule] = "Blank: at this layer no place stands out."
        elif rule == "negative only":
            one, other = ("for", "against") if method.against else ("against", "for")
            rules[rule] = f"Blank: at this layer everything speaks {one} “{label}”, nothing {other} it."
        else:
            rules[rule] = f"Blank: at this layer nothing speaks for or against “{label}”."
    elif find_share(values) < FAINT:
        share = write_percent(find_share(values))
        if method.class_agnostic:
            rules["faint"] = f"Almost blank: places rise above zero by {share} of what others fall below. Drawn pale."
        else:
            one, other = ("against", "for") if method.against else ("for", "against")
            rules["faint"] = (
                f"Almost blank: what speaks {one} “{label}” has {share} of the strength of what speaks {other} it. "
                "Drawn pale."
            )
    elif np.ptp(values) <= 1e-6 * np.abs(values).max():
        rules["constant"] = "Every place has the same value: the map does not say where."
    if method.class_agnostic:
        rules["class-agnostic"] = CLASS_AGNOSTIC
    return rules


def judge(heatmap: Heatmap, method: Method) -> Heatmap:
    """The same map with read-only values and all that must be said of it: what its method says, and what `find_rules`
    does.
    """
    heatmap.values.setflags(write=False)
    rules = find_rules(method, heatmap.values, heatmap.label)
    return replace(
        heatmap,
        warnings=tuple(rules.values()) + heatmap.own_warnings,
        rules=tuple(rules) + heatmap.own_rules,
    )


def is_blank(values: np.ndarray) -> bool:
    """Whether the map has nothing to show: no finite value above zero."""
    return not (np.isfinite(values).all() and bool((values > 0).any()))


FAINT = 0.1
"""A map whose peak is below this share of what it is measured by is almost blank."""

_PALEST = 0.25


def find_share(values: np.ndarray) -> float:
    """The highest value as a share of the largest magnitude below zero; 1 where that is smaller."""
    lowest, highest = float(values.min()), float(values.max())
    return highest / -lowest if highest < -lowest else 1.0


def find_strength(values: np.ndarray, beside: float = 0.0) -> float:
    """How strongly a map is drawn, 0…1: 1, but for one that is almost blank, which stretched colours would make look
    as alive as any.

    Args:
        values: the map `(h, w)`.
        beside: the highest value of the maps that it is compared with, in the same unit.
    """
    if is_blank(values):
        return 1.0
    share = min(find_share(values), float(values.max()) / beside if beside > 0 else 1.0)
    return 1.0 if share >= FAINT else max(_PALEST, share / FAINT)


def find_peaks(maps: Iterable[Heatmap]) -> dict[tuple[str, str], float]:
    """The highest value of each method at each layer: what the maps of its classes are measured by."""
    peaks: dict[tuple[str, str], float] = {}
    for heatmap in maps:
        at = (heatmap.method, heatmap.layer)
        peaks[at] = max(peaks.get(at, 0.0), 0.0 if heatmap.blank else float(heatmap.values.max()))
    return peaks


def describe_faintness(heatmap: Heatmap, beside: float) -> str:
    """What is said of a map that is almost blank only beside those of other classes; empty for every other.

    Args:
        heatmap: the map.
        beside: the highest value of them all, see `find_peaks`.
    """
    share = float(heatmap.values.max()) / beside if beside > 0 and not heatmap.blank else 1.0
    if share >= FAINT or find_share(heatmap.values) < FAINT:
        return ""
    return f"Almost blank beside the other classes: it has {write_percent(share)} of their highest value. Drawn pale."
