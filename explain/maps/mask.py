"""Where a map is high, as a mask: threshold, pieces, edges of the picture, and how far all that decides the outcome.

A mask says where the map is high, and nothing of where a thing is. What else it might as well have been stands beside
it: the mask at a threshold a little lower and a little higher, and those of other methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from explain.errors import PictureError
from explain.maps.render import place
from explain.pictures.geometry import Box
from explain.pictures.picture import Placement
from explain.settings import Settings, setting

ASIDE = 0.05
"""How much lower and higher the threshold is, as a share of the highest value, to see what it decides."""

MOST_SIDE = 512
"""Pixels of a mask's longer side. That of a larger picture is found on it reduced to this, and enlarged."""

HIGH_NOWHERE = "Nothing of this map is above zero, so there is no place where it is high."
"""Why a map has no mask."""

SURE, NOT = 0.7, 0.25
"""Shares of the highest value above which a place is surely marked, and below which surely not, where edges decide on
what lies between (Ru et al., "Token Contrast for Weakly-Supervised Semantic Segmentation", 2023, arXiv 2303.01267).
"""

ROUNDS = 5
"""Of GrabCut (Rother, Kolmogorov and Blake, 2004, doi 10.1145/1015706.1015720)."""

_EDGE_SIDE = 192  # pixels of the longer side on which edges are followed: the time grows faster than the pixels
_LEVELS = 256
_HALF_A_PIXEL = 1.0  # of a mask that was enlarged to twice its size
_SEED = 1


class MaskSettings(Settings):
    """How a map becomes a mask. None of it needs the network again."""

    threshold: Literal["fixed", "otsu"] = setting(
        "fixed",
        "Threshold",
        "“Fixed”: the share of the map's highest value below. “Otsu”: the share that parts the map's values best into "
        "low and high ones, for each map its own.",
    )
    share: float = setting(
        0.2,
        "Above",
        "From which share of its highest value on a map is high, where the threshold is fixed.",
        low=0.05,
        high=0.95,
        step=0.01,
    )
    pieces: Literal["all", "largest"] = setting(
        "all", "Pieces", "All pieces that are high, or the largest alone. Pieces that touch at a corner are one."
    )
    edges: bool = setting(
        False,
        "Follow edges",
        "Let the colours of the picture decide (GrabCut) where the map is neither above 70 % of its highest value, "
        "which is surely in, nor below 25 %, which is surely out.",
    )


@dataclass(frozen=True, eq=False)
class Mask:
    """Where a map is high.

    Attributes:
        pixels: the mask, `(h, w)` bool, of the picture reduced to `MOST_SIDE`.
        size: height and width of the picture.
        settings: how it was made.
        share: of the highest value, above which the map is high, 0…1.
        value: the same as a value of the map.
        aside: the masks at a share `ASIDE` lower and higher, as `pixels`.
        followed: whether edges could be followed, where that was asked; there must be something in and something out.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    settings: MaskSettings
    share: float
    value: float
    aside: tuple[np.ndarray, np.ndarray]
    followed: bool = True

    @property
    def area(self) -> float:
        """Its share of the picture, 0…1."""
        return float(self.pixels.mean())

    @property
    def compared(self) -> np.ndarray:
        """What is compared with other masks, bool; of one shape for all of a picture."""
        return self.pixels

    @property
    def areas_aside(self) -> tuple[float, float]:
        """Those of the masks at a lower and a higher threshold, 0…1."""
        lower, higher = (float(pixels.mean()) for pixels in self.aside)
        return lower, higher

    @property
    def alike_aside(self) -> tuple[float, float]:
        """How far it is the same as these, as intersection over union, 0…1."""
        lower, higher = (find_overlap(self.pixels, pixels) for pixels in self.aside)
        return lower, higher

    @property
    def box(self) -> Box:
        """The rectangle around it, in the picture's pixels; empty where the mask is."""
        along = [np.flatnonzero(self.pixels.any(axis)) for axis in (1, 0)]
        if not along[0].size:
            return Box(0.0, 0.0, 0.0, 0.0)
        rows, columns = along
        drawn = Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
        return drawn.resized(self.pixels.shape, self.size)

    def enlarge(self) -> np.ndarray:
        """The mask with every pixel of the picture, `(H, W)` bool."""
        height, width = self.size
        whole = cv2.resize(self.pixels.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        return whole.astype(bool)

    def outline(self) -> list[list[tuple[float, float]]]:
        """Its edge as closed polygons of corners `(x, y)` in the picture's pixels, those of holes among them; nowhere
        farther from it than half a pixel of the mask.
        """
        padded = np.pad(self.pixels, 1).astype(np.uint8)
        # Twice as large, so that an outline runs along the edges of pixels and a single one has an inside.
        found, _ = cv2.findContours(
            cv2.resize(padded, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST),
            cv2.RETR_CCOMP,
            cv2.CHAIN_APPROX_SIMPLE,
        )
        down, across = (whole / side for whole, side in zip(self.size, self.pixels.shape, strict=True))
        rings = [cv2.approxPolyDP(ring, _HALF_A_PIXEL, True)[:, 0] for ring in found]
        return [[((x - 1.5) / 2 * across, (y - 1.5) / 2 * down) for x, y in ring.tolist()] for ring in rings]

    def measure_millimetres(self, placement: Placement | None) -> float | None:
        """Its area in mm², by where the picture lies; None where nobody knows how large the pixels are."""
        if placement is None or placement.pitch is None:
            return None
        down, across = placement.pitch
        height, width = self.size
        return self.area * height * width * down * across


def find_mask(
    values: np.ndarray,
    box: Box,
    size: tuple[int, int],
    settings: MaskSettings | None = None,
    pixels: np.ndarray | None = None,
) -> Mask:
    """Where a map is high: threshold, pieces, edges, in this order.

    The map is cut off at zero and laid on the picture as the renderer does; what the model did not see is not high.
    Otsu's share is that of 256 equal steps from zero to the highest value which has the largest variance between what
    lies up to it and what lies above (Otsu 1979, doi 10.1109/TSMC.1979.4310076, equation 18).

    Args:
        values: the raw map, `(h, w)`, signed.
        box: where it lies, in the picture's pixels.
        size: height and width of the picture.
        settings: how; left out, a fixed share, all pieces and no edges.
        pixels: the picture, `(H, W, 3)` uint8 RGB; needed where edges are followed.

    Raises:
        PictureError: nothing of the map is above zero, or it holds values that are not numbers.
    """
    settings = settings or MaskSettings()
    if not np.isfinite(values).all() or not (values > 0).any():
        raise PictureError(HIGH_NOWHERE)
    drawn = place(np.maximum(values, 0), box.resized(size, reduce_size(size)), reduce_size(size))
    seen = np.isfinite(drawn)
    highest = float(drawn[seen].max()) if seen.any() else 0.0
    if highest <= 0:
        raise PictureError(HIGH_NOWHERE)
    level = np.nan_to_num(drawn) / np.float32(highest)
    share = settings.share if settings.threshold == "fixed" else find_otsu(level[seen])
    small = None if pixels is None or not settings.edges else _reduce(pixels, level.shape)
    made = [_follow(keep_pieces(level > at, settings.pieces), level, small, settings) for at in list_shares(share)]
    (mask, followed), lower, higher = made
    return Mask(mask, size, settings, share, share * highest, (lower[0], higher[0]), followed)


def list_shares(share: float) -> tuple[float, float, float]:
    """The share above which a map is high, and those `ASIDE` lower, where that is above 0, and higher."""
    return share, max(share - ASIDE, 0.0), share + ASIDE


def reduce_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a mask of a picture of `size`."""
    factor = min(1.0, MOST_SIDE / max(size))
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def find_otsu(level: np.ndarray) -> float:
    """The share that parts levels `(n,)`, 0…1, best into low and high, see `find_mask`; 0 where all are of one step."""
    counts = np.bincount(np.minimum((level * _LEVELS).astype(int), _LEVELS - 1), minlength=_LEVELS).astype(np.float64)
    steps = np.arange(_LEVELS)
    below, sums = np.cumsum(counts), np.cumsum(counts * steps)
    above = below[-1] - below
    apart = below * above
    between = np.divide((sums[-1] * below / below[-1] - sums) ** 2, apart, out=np.zeros(_LEVELS), where=apart > 0)
    return float((between.argmax() + 1) / _LEVELS) if between.any() else 0.0


def keep_pieces(mask: np.ndarray, which: Literal["all", "largest"]) -> np.ndarray:
    """The mask, or of its pieces the largest alone; of two as large the upper one. `(h, w)` bool to the same."""
    if which == "all" or not mask.any():
        return mask
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    largest: np.ndarray = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return largest


def find_overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two masks of one shape, 0…1; 1 of two empty ones."""
    union = int((first | second).sum())
    return float((first & second).sum() / union) if union else 1.0


def compare_masks(masks: Sequence[np.ndarray]) -> np.ndarray:
    """The overlap of every pair of masks of one shape, `(n, n)`; see `find_overlap`."""
    return np.array([[find_overlap(one, other) for other in masks] for one in masks])


def _reduce(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The picture as small as edges are looked for in, BGR as OpenCV takes it."""
    factor = min(1.0, _EDGE_SIDE / max(shape))
    height, width = (max(1, round(side * factor)) for side in shape)
    return np.ascontiguousarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)[..., ::-1])


def _follow(
    mask: np.ndarray, level: np.ndarray, small: np.ndarray | None, settings: MaskSettings
) -> tuple[np.ndarray, bool]:
    """The mask with its edges where the picture has some, and whether that could be done."""
    if small is None:
        return mask, not settings.edges
    height, width = small.shape[:2]
    inside, strength = (
        cv2.resize(array.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) for array in (mask, level)
    )
    kept = inside >= 0.5
    hints = np.where(kept, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    hints[kept & (strength > SURE)] = cv2.GC_FGD
    hints[strength < NOT] = cv2.GC_BGD
    within = (hints == cv2.GC_FGD) | (hints == cv2.GC_PR_FGD)
    if not within.any() or within.all() or not ((hints == cv2.GC_PR_FGD) | (hints == cv2.GC_PR_BGD)).any():
        return mask, False
    cv2.setRNGSeed(_SEED)  # of this thread: GrabCut begins with clusters drawn by lot
    found, _, _ = cv2.grabCut(
        small, hints, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK
    )
    cut = ((found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)).astype(np.uint8)
    large = cv2.resize(cut, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_NEAREST_EXACT).astype(bool)
    return keep_pieces(large, settings.pieces), True
