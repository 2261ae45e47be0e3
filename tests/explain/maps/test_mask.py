"""Masks of maps, against threshold, flood fill and Otsu's variances written out pixel by pixel."""

import numpy as np
import pytest

from explain.errors import PictureError
from explain.maps.mask import MaskSettings, compare_masks, find_mask, find_otsu, find_overlap, keep_pieces, reduce_size
from explain.pictures.geometry import Box
from explain.pictures.picture import Placement
from explain.pictures.region import contains


def plain_level(values: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Each pixel's share of the highest value, bilinear between the middles of cells; -1 where nothing was seen."""
    level = np.full(size, -1.0)
    rows, columns = box.spans
    for y in range(size[0]):
        for x in range(size[1]):
            if not (rows.start <= y + 0.5 < rows.stop and columns.start <= x + 0.5 < columns.stop):
                continue
            v = min(max((y + 0.5 - rows.start) / rows.length * values.shape[0] - 0.5, 0), values.shape[0] - 1)
            u = min(max((x + 0.5 - columns.start) / columns.length * values.shape[1] - 0.5, 0), values.shape[1] - 1)
            a, b = min(int(v), values.shape[0] - 2), min(int(u), values.shape[1] - 2)
            cell = np.maximum(values, 0)[a : a + 2, b : b + 2].astype(float)
            level[y, x] = (1 - (v - a)) * ((1 - (u - b)) * cell[0, 0] + (u - b) * cell[0, 1])
            level[y, x] += (v - a) * ((1 - (u - b)) * cell[1, 0] + (u - b) * cell[1, 1])
    return np.where(level < 0, level, level / level.max())


def plain_largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece by flood fill; pixels that touch at a corner are of one piece."""
    left, best = {(int(y), int(x)) for y, x in np.argwhere(mask)}, set()
    while left:
        piece, edge = set(), [min(left)]
        while edge:
            y, x = edge.pop()
            if (y, x) in left:
                left.remove((y, x))
                piece.add((y, x))
                edge += [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        best = piece if len(piece) > len(best) else best
    out = np.zeros(mask.shape, dtype=bool)
    out[tuple(np.array(sorted(best)).T)] = True
    return out


def plain_otsu(level: np.ndarray) -> float:
    """Each step tried: the variance between what lies up to it and what lies above."""
    steps = [min(int(one * 256), 255) for one in level.tolist()]
    best, found = -1.0, 0
    for cut in range(255):
        low, high = [one for one in steps if one <= cut], [one for one in steps if one > cut]
        if low and high:
            apart = len(low) * len(high) * (sum(low) / len(low) - sum(high) / len(high)) ** 2
            best, found = (apart, cut) if apart > best * (1 + 1e-12) else (best, found)
    return (found + 1) / 256


@pytest.mark.parametrize("seed", range(3))
def test_a_mask_is_what_threshold_and_pieces_leave(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, size, box = rng.normal(size=(5, 6)).astype(np.float32), (30, 44), Box(3.0, -2.0, 40.0, 31.0)
    level = plain_level(values, box, size)
    mask = find_mask(values, box, size, MaskSettings(share=0.3))
    assert np.array_equal(mask.pixels, level > 0.3)
    assert all(np.array_equal(got, level > at) for got, at in zip(mask.aside, (0.25, 0.35), strict=True))
    assert mask.area == (level > 0.3).mean() and mask.areas_aside == ((level > 0.25).mean(), (level > 0.35).mean())
    assert mask.alike_aside[0] == (level > 0.3).sum() / (level > 0.25).sum()
    assert mask.value == pytest.approx(0.3 * np.maximum(values, 0).max(), rel=0.2)  # the highest pixel, not cell
    largest = find_mask(values, box, size, MaskSettings(share=0.3, pieces="largest"))
    assert np.array_equal(largest.pixels, plain_largest(level > 0.3))
    inside = np.argwhere(level > 0.3)
    assert mask.box == Box(inside[:, 1].min(), inside[:, 0].min(), inside[:, 1].max() + 1, inside[:, 0].max() + 1)


@pytest.mark.parametrize("seed", range(3))
def test_otsu_has_the_largest_variance_between(seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = np.concatenate([rng.beta(2, 9, 150), rng.beta(9, 3, 60)])
    assert find_otsu(level) == plain_otsu(level)
    values = rng.random((4, 4)).astype(np.float32)
    mask = find_mask(values, Box.whole((16, 16)), (16, 16), MaskSettings(threshold="otsu", share=0.9))
    assert mask.share == plain_otsu(plain_level(values, Box.whole((16, 16)), (16, 16)).ravel())


def test_a_map_that_is_the_same_everywhere_is_high_everywhere() -> None:
    for how in ("fixed", "otsu"):
        mask = find_mask(np.ones((3, 3)), Box.whole((9, 9)), (9, 9), MaskSettings(threshold=how))
        assert mask.area == 1 and mask.alike_aside == (1, 1)


def test_edges_are_those_of_the_picture() -> None:
    y, x = np.mgrid[:96, :96] + 0.5
    disc = (y - 48) ** 2 + (x - 52) ** 2 < 26**2
    noise = np.random.default_rng(3).integers(-12, 13, (96, 96, 3))
    pixels = (np.where(disc[..., None], (200, 70, 60), (60, 90, 190)) + noise).astype(np.uint8)
    values = np.exp(-((np.arange(8)[:, None] - 3.5) ** 2 + (np.arange(8)[None] - 3.8) ** 2) / 5).astype(np.float32)
    box = Box.whole((96, 96))
    plain = find_mask(values, box, (96, 96), MaskSettings(share=0.3))
    cut = find_mask(values, box, (96, 96), MaskSettings(share=0.3, edges=True), pixels)
    assert find_overlap(plain.pixels, disc) < 0.9 < 0.97 < find_overlap(cut.pixels, disc)
    assert cut.followed and plain.followed
    level = plain_level(values, box, (96, 96))
    assert cut.pixels[level > 0.7].all() and not cut.pixels[level < 0.25].any()
    again = find_mask(values, box, (96, 96), MaskSettings(share=0.3, edges=True), pixels)
    assert np.array_equal(again.pixels, cut.pixels)
    everywhere = find_mask(np.ones((2, 2)), box, (96, 96), MaskSettings(edges=True), pixels)
    assert not everywhere.followed and everywhere.area == 1


def test_the_outline_goes_around_the_mask_and_its_holes() -> None:
    values = np.zeros((6, 6), dtype=np.float32)
    values[1:5, 1:5] = 1
    values[2:4, 2:4] = 0
    mask = find_mask(values, Box.whole((60, 72)), (60, 72), MaskSettings(share=0.5))
    drawn = np.zeros((60, 72), dtype=bool)
    for ring in mask.outline():
        drawn ^= contains(ring, np.arange(72) + 0.5, np.arange(60) + 0.5)
    assert len(mask.outline()) == 2 and find_overlap(drawn, mask.pixels) > 0.96


def test_a_large_picture_has_a_mask_of_its_own_size() -> None:
    size = (1500, 3000)
    assert reduce_size(size) == (256, 512)
    mask = find_mask(np.eye(4, dtype=np.float32), Box.whole(size), size, MaskSettings(share=0.5))
    whole = mask.enlarge()
    assert whole.shape == size and whole.mean() == pytest.approx(mask.area, abs=1e-3)
    assert mask.box.lies_on(size) and max(x for ring in mask.outline() for x, _ in ring) > 2900


def test_millimetres_are_known_where_the_picture_knows_them() -> None:
    mask = find_mask(np.ones((2, 2)), Box.whole((10, 20)), (10, 20))
    assert mask.measure_millimetres(Placement((0.5, 2.0))) == 200
    assert mask.measure_millimetres(Placement(None)) is None and mask.measure_millimetres(None) is None


def test_masks_are_compared_by_what_they_share() -> None:
    masks = [
        find_mask(np.array([[a, b]]), Box.whole((4, 8)), (4, 8), MaskSettings(share=0.5)) for a, b in ((0, 1), (1, 0))
    ]
    assert np.array_equal(compare_masks([mask.pixels for mask in masks]), [[1, 0], [0, 1]])
    empty = np.zeros((2, 2), dtype=bool)
    assert find_overlap(empty, empty) == 1 and keep_pieces(empty, "largest") is empty


@pytest.mark.parametrize("values", [-np.ones((2, 2)), np.zeros((2, 2)), np.array([[1.0, np.nan]])])
def test_a_map_with_nothing_to_show_has_no_mask(values: np.ndarray) -> None:
    with pytest.raises(PictureError, match="no place where it is high"):
        find_mask(values, Box.whole((4, 4)), (4, 4))
    with pytest.raises(PictureError, match="no place where it is high"):
        find_mask(np.array([[1.0, 0.0]]), Box(-3.0, 0.0, 0.0, 4.0), (4, 4))
