"""Is a picture unlike those that a model learned from? Its answer then means little, however sure it sounds.

What two layers hold is described by mean and standard deviation of each channel over the cells. How far that lies from
the same of known pictures is a Mahalanobis distance (Lee et al. 2018, arXiv 1807.03888, there class by class; here of
all classes together). A picture counts as unlike them where that is further than nearly all known pictures lie that had
no part in the fit: only known pictures set the bound (a conformal p-value, Bates et al. 2023, arXiv 2104.08279).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explain.errors import ExplainError, PictureError

if TYPE_CHECKING:
    from explain.networks.layer import Layer

CHANCE = 0.025
"""The share of known pictures that may be called unlike the others."""

FEWEST = 39
"""Known pictures with which a p-value of `CHANCE` can be told at all: 1 / (39 + 1)."""

SENTENCE = "This picture is unlike those the model learned from; its answer means little."
SENTENCE_OF_REFERENCES = "This picture is unlike the reference pictures; what the model says of it means little."

_DEPTHS = (0.3, 0.5)  # of the layers: past the first filters, before the classes; chosen on pictures kept for that
_AXES = 32  # kept of each layer's covariance; the others share one variance
_FOLDS = 5
_LEAST_SPREAD = 1e-3
_LEAST_DISTANCE = 1e-4  # added, so that equal pictures are no further apart than rounding puts them
_ROUNDING = 1e-6
_FLOOR = 0.05  # of a layer's usual standard deviation: a channel that is even is even, however exactly

Statistics = Mapping[str, np.ndarray]
"""By layer, mean and standard deviation of each channel over the cells of n pictures, `(n, 2, C)`."""


def list_described(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers of a model whose statistics are taken, in the order in which they run."""
    places = dict.fromkeys(min(int(depth * len(layers) + 0.5), len(layers) - 1) for depth in _DEPTHS)
    return tuple(layers[place] for place in places) if layers else ()


@dataclass(frozen=True, eq=False)
class Level:
    """Known pictures at one layer: a Gaussian whose covariance has a few axes of its own and one variance for the rest
    (Tipping and Bishop 1999, doi 10.1111/1467-9868.00196).

    Attributes:
        layer: its name.
        mean: of the features `(k,)`, see `_flatten`.
        scale: standard deviation of each, `(k,)`.
        axes: of the standardised features, `(r, k)`, orthonormal.
        variances: along them, `(r,)`.
        rest: the variance along all others.
        floor: added to each standard deviation before its logarithm is taken.
        middle: of the logarithms of known pictures' distances, the median.
        spread: how far above it nine in ten lie.
    """

    layer: str
    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    rest: float
    floor: float
    middle: float = 0.0
    spread: float = 1.0

    def measure(self, statistics: np.ndarray) -> np.ndarray:
        """Of `(n, 2, C)`, the logarithms of the squared Mahalanobis distances, by the number of features, `(n,)`.

        Raises:
            PictureError: the network gave numbers that are not finite.
        """
        features = _flatten(statistics, self.floor)
        standard = (features - self.mean) / self.scale
        along = standard @ self.axes.T
        others = np.maximum((standard**2).sum(1) - (along**2).sum(1), 0)
        squared = (along**2 / self.variances).sum(1) + others / self.rest
        return np.log(squared / features.shape[1] + _LEAST_DISTANCE)

    def score(self, statistics: np.ndarray) -> np.ndarray:
        """The same where 0 is the median of known pictures, and 1 what nine in ten stay below."""
        return (self.measure(statistics) - self.middle) / self.spread


@dataclass(frozen=True, eq=False)
class Known:
    """Pictures that a model knows, or ought to.

    Attributes:
        levels: one a layer.
        null: scores of known pictures that had no part in what they were compared with, lowest first.
        made: of what, in a sentence.
        references: whether a person named them; else the model learned from such.
    """

    levels: tuple[Level, ...]
    null: np.ndarray
    made: str
    references: bool = False

    @property
    def bound(self) -> float:
        """The score above which a p-value is at most `CHANCE`."""
        place = math.ceil((len(self.null) + 1) * (1 - CHANCE))
        return float(self.null[place - 1])

    def score(self, statistics: Statistics) -> np.ndarray:
        """How far pictures lie from the known ones, `(n,)`: the mean over the layers.

        Raises:
            PictureError: the network gave numbers that are not finite.
        """
        return np.mean([level.score(statistics[level.layer]) for level in self.levels], axis=0)

    def judge(self, statistics: Statistics) -> Unlikeness:
        """The measurement of one picture, of statistics `(1, 2, C)`."""
        value = float(self.score(statistics)[0])
        return Unlikeness(value, tuple(self.null.tolist()), self.bound, self.made, self.references)


@dataclass(frozen=True)
class Unlikeness:
    """How unlike the known pictures one is.

    Attributes:
        value: its score; None where nothing was measured.
        null: the known pictures' own, lowest first.
        bound: above which it counts as unlike them.
        made: what it was compared with, in a sentence; where nothing was measured, why.
        references: whether a person named them.
    """

    value: float | None
    null: tuple[float, ...] = field(default=(), repr=False)
    bound: float | None = None
    made: str = ""
    references: bool = False

    @property
    def unlike(self) -> bool:
        """Whether it is further from them than nearly all of them are from each other."""
        return self.value is not None and self.bound is not None and self.value > self.bound + _ROUNDING

    @property
    def sentence(self) -> str:
        """What is said above the maps; empty where it is like them, or was not measured."""
        if not self.unlike:
            return ""
        return SENTENCE_OF_REFERENCES if self.references else SENTENCE

    @property
    def chance(self) -> float | None:
        """The p-value: how rarely a known picture is as far from the others, at least one in so many and one."""
        if self.value is None:
            return None
        return (1 + sum(one >= self.value for one in self.null)) / (len(self.null) + 1)


NOT_MEASURED = Unlikeness(
    None, made="Nobody knows here what this model learned from. Name a folder of reference pictures to compare with."
)


def fit(statistics: Statistics, made: str, held: Statistics | None = None, references: bool = False) -> Known:
    """Learn what known pictures look like from inside.

    Args:
        statistics: of the pictures to fit.
        made: see `Known`.
        held: of known pictures that set the bound; left out, each of the first is compared with those of four fifths of
            which it is none.
        references: see `Known`.

    Raises:
        PictureError: there are too few.
    """
    count = len(next(iter(statistics.values())))
    others = count if held is None else len(next(iter(held.values())))
    check_count(min(count, others))
    levels, scores = [], []
    for layer, values in statistics.items():
        level = _fit_level(layer, values)
        if held is None:
            distances = np.empty(count)
            for fold in range(_FOLDS):
                own = np.arange(count) % _FOLDS == fold
                distances[own] = _fit_level(layer, values[~own]).measure(values[own])
        else:
            distances = level.measure(held[layer])
        middle = float(np.median(distances))
        spread = max(float(np.quantile(distances, 0.9)) - middle, _LEAST_SPREAD)
        levels.append(replace(level, middle=middle, spread=spread))
        scores.append((distances - middle) / spread)
    return Known(tuple(levels), np.sort(np.mean(scores, axis=0)), made, references)


def check_count(count: int) -> None:
    """Whether so many different pictures are enough to compare with.

    Raises:
        PictureError: they are not.
    """
    if count < FEWEST:
        raise PictureError(
            f"{count} reference pictures are too few to tell what is unlike them: at least {FEWEST} different ones are "
            "needed. Name a folder with more."
        )


def _fit_level(layer: str, statistics: np.ndarray) -> Level:
    floor = _FLOOR * max(float(np.median(statistics[:, 1])), 1e-9)
    features = _flatten(statistics, floor)
    mean = features.mean(0)
    scale = features.std(0)
    scale = np.maximum(scale, max(1e-3 * float(scale.max()), 1e-6))  # of a channel that is always off
    standard = (features - mean) / scale
    _, singular, axes = np.linalg.svd(standard, full_matrices=False)
    count, size = features.shape
    variances = singular**2 / count
    kept = min(_AXES, count // 3, size - 1, len(variances))
    rest = max((float((standard**2).mean(0).sum()) - float(variances[:kept].sum())) / (size - kept), 0.02)
    return Level(layer, mean, scale, axes[:kept], np.maximum(variances[:kept], rest), rest, floor)


def _flatten(statistics: np.ndarray, floor: float) -> np.ndarray:
    """From `(n, 2, C)` to features `(n, 2·C)`: means, and logarithms of standard deviations.

    Raises:
        PictureError: they are not finite.
    """
    values = np.asarray(statistics, dtype=np.float64)
    features = np.concatenate([values[:, 0], np.log(values[:, 1] + floor)], axis=1)
    if not np.isfinite(features).all():
        raise PictureError("The network gave numbers for this picture that are not finite, so it cannot be compared.")
    return features


def pack_known(known: Known) -> dict[str, np.ndarray]:
    """What is known of known pictures as named arrays, which `unpack_known` reads."""
    packed: dict[str, np.ndarray] = {"null": known.null.astype(np.float32)}
    for level in known.levels:
        packed[f"{level.layer}/mean"] = level.mean.astype(np.float32)
        packed[f"{level.layer}/scale"] = level.scale.astype(np.float32)
        packed[f"{level.layer}/axes"] = level.axes.astype(np.float16)
        packed[f"{level.layer}/variances"] = level.variances.astype(np.float32)
        packed[f"{level.layer}/numbers"] = np.array([level.rest, level.floor, level.middle, level.spread])
    return packed


def unpack_known(packed: Mapping[str, np.ndarray], layers: Sequence[str], made: str) -> Known:
    """What `pack_known` made arrays of.

    Args:
        packed: the arrays.
        layers: names of the layers.
        made: see `Known`.

    Raises:
        KeyError: there is no array of a layer.
    """
    levels = []
    for layer in layers:
        mean, scale, axes, variances = (
            packed[f"{layer}/{part}"].astype(np.float64) for part in ("mean", "scale", "axes", "variances")
        )
        levels.append(Level(layer, mean, scale, axes, variances, *map(float, packed[f"{layer}/numbers"])))
    return Known(tuple(levels), packed["null"].astype(np.float64), made)


def write_known(known: Known, path: Path, notes: Mapping[str, str]) -> None:
    """Write what is known of known pictures as a safetensors file.

    Args:
        known: it.
        path: of the file.
        notes: how it was made, and of which model: kept in the file's header.
    """
    from safetensors.numpy import save_file

    layers = "\n".join(level.layer for level in known.levels)
    save_file(pack_known(known), path, {**notes, "layers": layers, "made": known.made})


def read_known(path: Path) -> tuple[Known, dict[str, str]]:
    """What `write_known` wrote, and the notes in its header.

    Raises:
        ExplainError: it is damaged.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            notes = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        return unpack_known(tensors, notes["layers"].split("\n"), notes["made"]), notes
    except (SafetensorError, KeyError, TypeError) as error:
        raise ExplainError(f"{path.name} is damaged. Get the complete repository again. ({error})") from None
