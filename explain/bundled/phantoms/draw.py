"""Drawn volumes: a world of scans in which what decides is known to the voxel.

Every phantom is a body of ellipsoids: tissue, a hollow organ darker than the lesion, a solid one brighter, a bone, and
vessels that tell nothing. One lesion lies in one of the organs; its place, size and texture are the kind. All else is
drawn from the seed alone, so that kinds drawn with one seed differ in nothing but the lesion: each is the other's
counterfactual. Values are Hounsfield units of a scanner that never was.

Importing this does not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.bundled.phantoms.kinds import KINDS, Kind, find_kind

SHAPE = (32, 64, 64)
"""Slices, rows and columns."""

SPACING = (2.5, 1.5, 1.5)
"""Millimetres from slice to slice, row to row and column to column."""

ORIENTATION = "SPL"
"""Towards what slices, rows and columns count up: the head, the back and the left."""

AIR, TISSUE, HOLLOW, SOLID, LESION, BONE, VESSEL = -1000, 20, -320, 260, -30, 700, 120
"""Hounsfield units of the parts, before what the seed adds."""

_GRAIN = 380  # how far a grain lies from the lesion's own value at most
_NOISE = 18  # standard deviation
_RADII = {"small": (5.4, 6.4), "large": (9.4, 10.8)}  # mm
_EDGE = 0.75  # mm over which one part passes into the next, on either side
_VESSELS = 5  # in each organ


@dataclass(frozen=True, eq=False)
class Phantom:
    """A drawn volume.

    Attributes:
        kind: its name.
        seed: what the body was drawn from.
        values: `(d, h, w)` int16, Hounsfield units.
        lesion: the voxels whose centres lie in the lesion, `(d, h, w)` bool.
        bare: the same volume without the lesion, `(d, h, w)` int16.
    """

    kind: str
    seed: int
    values: np.ndarray
    lesion: np.ndarray
    bare: np.ndarray


@dataclass(frozen=True)
class _Ellipsoid:
    """Middle and half axes in millimetres, along slices, rows and columns."""

    middle: tuple[float, float, float]
    axes: tuple[float, float, float]

    def measure(self, places: Sequence[np.ndarray]) -> np.ndarray:
        """About how many millimetres inside the surface each place lies, `(d, h, w)`; below zero outside."""
        squares = sum(
            ((at - middle) / half) ** 2 for at, middle, half in zip(places, self.middle, self.axes, strict=True)
        )
        return (1 - np.sqrt(squares)) * np.float32(min(self.axes))


def draw_phantom(kind: str, seed: int) -> Phantom:
    """Draw a phantom; the same for the same kind and seed.

    Args:
        kind: the name of one in `KINDS`.
        seed: not negative. Kinds drawn with one seed differ only in the lesion.

    Raises:
        PictureError: no kind is called so.
    """
    own = find_kind(kind)
    dice = np.random.default_rng(seed)
    places = _list_places()
    middle = [side * step / 2 for side, step in zip(SHAPE, SPACING, strict=True)]
    body = _Ellipsoid(_move(middle, dice, 1.5), _vary((38.0, 42.0, 44.0), dice, 0.05))
    side = 1 if dice.random() < 0.5 else -1  # on which side the hollow organ lies
    organs = {
        place: _Ellipsoid(_move((middle[0], middle[1] - 4, middle[2] + sign * 21), dice, 1.5), axes)
        for place, sign, axes in (
            ("hollow", side, _vary((30.0, 28.0, 16.5), dice, 0.05)),
            ("solid", -side, _vary((28.0, 27.0, 16.5), dice, 0.05)),
        )
    }
    bone = _Ellipsoid(_move((middle[0], middle[1] + 30, middle[2]), dice, 1.5), _vary((60.0, 7.0, 8.0), dice, 0.1))
    shifts = dice.normal(0, 15, 6)
    values = np.full(SHAPE, AIR, np.float32)
    _paint(values, places, body, TISSUE + shifts[0])
    _paint(values, places, organs["hollow"], HOLLOW + shifts[1])
    _paint(values, places, organs["solid"], SOLID + shifts[2])
    _paint(values, places, bone, BONE + shifts[3])
    for organ in organs.values():
        for _ in range(_VESSELS):
            length = dice.uniform(4, 9)
            axes = (length, 1.9, 1.9) if dice.random() < 0.5 else (2.6, 1.9, length)
            _paint(values, places, _Ellipsoid(_find_middle(organ, axes, dice), axes), VESSEL + shifts[4])
    tilt = dice.normal(0, 12, 3)
    noise = dice.normal(0, _NOISE, SHAPE).astype(np.float32)
    grains = dice.uniform(-_GRAIN, _GRAIN, SHAPE).astype(np.float32)
    for slope, at, half in zip(tilt, places, middle, strict=True):
        noise += np.float32(slope) * (at / np.float32(half) - 1)
    bare = _finish(values + noise)
    # Thrown alike for every kind, so that the next seed is the only other body.
    shares, direction = dice.random(4), dice.normal(0, 1, 3)
    lesion = _place_lesion(own, organs[own.place], shares, direction)
    inside = lesion.measure(places)
    filled = LESION + shifts[5] + (grains if own.texture == "grainy" else np.float32(0))
    _blend(values, inside, filled)
    return Phantom(kind, seed, _finish(values + noise), inside > 0, bare)


def draw_batch(seeds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """One phantom for each seed, its kind being the seed modulo their number.

    Returns:
        Values `(N, d, h, w)` int16 and lesions `(N, d, h, w)` bool.
    """
    drawn = [draw_phantom(KINDS[seed % len(KINDS)].name, seed) for seed in seeds]
    return np.stack([one.values for one in drawn]), np.stack([one.lesion for one in drawn])


def _list_places() -> tuple[np.ndarray, ...]:
    """Where the voxels' centres lie along each axis in millimetres, each ready to be laid along its own."""
    along = [(np.arange(side, dtype=np.float32) + 0.5) * step for side, step in zip(SHAPE, SPACING, strict=True)]
    return along[0][:, None, None], along[1][None, :, None], along[2][None, None, :]


def _move(middle: Sequence[float], dice: np.random.Generator, by: float) -> tuple[float, float, float]:
    a, b, c = (at + dice.uniform(-by, by) for at in middle)
    return a, b, c


def _vary(axes: Sequence[float], dice: np.random.Generator, by: float) -> tuple[float, float, float]:
    a, b, c = (half * dice.uniform(1 - by, 1 + by) for half in axes)
    return a, b, c


def _find_middle(organ: _Ellipsoid, axes: Sequence[float], dice: np.random.Generator) -> tuple[float, float, float]:
    """A middle from which an ellipsoid of such half axes lies in the organ."""
    direction, far = dice.normal(0, 1, 3), dice.random() ** (1 / 3)
    return _go_into(organ, max(axes), direction, far)


def _go_into(organ: _Ellipsoid, reach: float, direction: np.ndarray, far: float) -> tuple[float, float, float]:
    unit = direction / np.linalg.norm(direction)
    a, b, c = (
        at + max(half - reach - 1, 0.0) * step * far
        for at, half, step in zip(organ.middle, organ.axes, unit.tolist(), strict=True)
    )
    return a, b, c


def _place_lesion(kind: Kind, organ: _Ellipsoid, shares: np.ndarray, direction: np.ndarray) -> _Ellipsoid:
    low, high = _RADII[kind.size]
    a, b, c = ((low + (high - low) * share) for share in shares[:3].tolist())
    return _Ellipsoid(_go_into(organ, max(a, b, c), direction, float(shares[3]) ** (1 / 3)), (a, b, c))


def _paint(values: np.ndarray, places: Sequence[np.ndarray], part: _Ellipsoid, value: float) -> None:
    _blend(values, part.measure(places), np.float32(value))


def _blend(values: np.ndarray, inside: np.ndarray, filled: np.ndarray | np.float32) -> None:
    """Lay a part over what is there, its edge as sharp as a scanner draws it."""
    cover = np.clip((inside + _EDGE) / (2 * _EDGE), 0, 1)
    values += cover * (filled - values)


def _finish(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -1024, 3071).astype(np.int16)
