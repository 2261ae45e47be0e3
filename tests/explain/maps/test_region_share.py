"""The share of a map inside an outline, against sums written out."""

import numpy as np
import pytest

from explain.maps.region_share import inside, mask_share, region_share, sampling_grid
from explain.pictures.geometry import Box


def plain_share(values: np.ndarray, box: tuple[float, ...], size: tuple[int, int], polygon: list) -> float:
    """Sample by sample: bilinear between the middles of the cells, an outline by counting crossings to the left."""
    rows, columns = sampling_grid(size)
    total = within = 0.0
    for j in range(rows):
        for i in range(columns):
            x, y = (i + 0.5) * size[1] / columns, (j + 0.5) * size[0] / rows
            if not (box[0] <= x < box[2] and box[1] <= y < box[3]):
                continue
            u = min(max((x - box[0]) / (box[2] - box[0]) * values.shape[1] - 0.5, 0), values.shape[1] - 1)
            v = min(max((y - box[1]) / (box[3] - box[1]) * values.shape[0] - 0.5, 0), values.shape[0] - 1)
            left, top = int(u), int(v)
            right, bottom = min(left + 1, values.shape[1] - 1), min(top + 1, values.shape[0] - 1)
            cell = [[max(float(values[a, b]), 0) for b in (left, right)] for a in (top, bottom)]
            above, below = (line[0] + (line[1] - line[0]) * (u - left) for line in cell)
            value = above + (below - above) * (v - top)
            crossings = 0
            for k, (x1, y1) in enumerate(polygon):
                x2, y2 = polygon[(k + 1) % len(polygon)]
                if (y1 <= y) != (y2 <= y) and x1 + (y - y1) * (x2 - x1) / (y2 - y1) <= x:
                    crossings += 1
            total += value
            within += value * (crossings % 2)
    return within / total


@pytest.mark.parametrize("seed", range(3))
def test_the_share_equals_the_sum_written_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(4, 5))
    size, box = (40, 300), Box(30.0, -5.0, 260.0, 50.0)
    polygon = [(float(x), float(y)) for x, y in rng.uniform((0, 0), (300, 40), (5, 2))]
    assert region_share(values, box, size, polygon) == pytest.approx(plain_share(values, box, size, polygon), abs=1e-6)


def test_the_share_on_a_mask_equals_the_sum_written_out() -> None:
    rng = np.random.default_rng(5)
    values, mask = rng.normal(size=(3, 4)), rng.random((14, 20)) < 0.3
    left, top, right, bottom = box = Box(2.0, -1.0, 18.0, 16.0)
    total = within = 0.0
    for i in range(14):
        for j in range(20):
            x, y = j + 0.5, i + 0.5
            if not (left <= x < right and top <= y < bottom):
                continue
            u = min(max((x - left) / (right - left) * 4 - 0.5, 0), 3)
            v = min(max((y - top) / (bottom - top) * 3 - 0.5, 0), 2)
            a, b = min(int(v), 1), min(int(u), 2)
            cell = np.maximum(values, 0)[a : a + 2, b : b + 2]
            value = (1 - (v - a)) * ((1 - (u - b)) * cell[0, 0] + (u - b) * cell[0, 1])
            value += (v - a) * ((1 - (u - b)) * cell[1, 0] + (u - b) * cell[1, 1])
            total += value
            within += value * mask[i, j]
    assert mask_share(values, box, mask) == pytest.approx(within / total, abs=1e-6)
    assert mask_share(np.ones((3, 3)), Box.whole((14, 20)), mask) == pytest.approx(mask.mean())
    assert mask_share(-np.ones((3, 3)), box, mask) is None
    assert mask_share(np.full((3, 3), np.nan), box, mask) is None


def test_known_shares() -> None:
    size, whole = (100, 200), Box(0.0, 0.0, 200.0, 100.0)
    half = [(0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0)]
    flat = np.ones((3, 3))
    assert region_share(flat, whole, size, half) == pytest.approx(0.5)
    assert region_share(flat, Box(0.0, 0.0, 100.0, 100.0), size, half) == pytest.approx(1)
    assert region_share(flat, Box(100.0, 0.0, 200.0, 100.0), size, half) == 0
    assert region_share(-flat, whole, size, half) is None
    assert region_share(np.array([[-5.0, 1.0]]), whole, size, [(150, 0), (200, 0), (200, 100), (150, 100)]) == 0.5


def test_an_outline_may_reach_beyond_the_picture_and_turn_either_way() -> None:
    box = [(-50.0, -50.0), (100.0, -50.0), (100.0, 400.0), (-50.0, 400.0)]
    assert inside(box, (100, 200)).mean() == 0.5
    np.testing.assert_array_equal(inside(box, (100, 200)), inside(box[::-1], (100, 200)))
    assert not inside(box[:2], (100, 200)).any()
    assert sampling_grid((3000, 4000)) == (384, 512)
    assert sampling_grid((1, 4000)) == (1, 512)
