"""The strip: where its bars stand, how high they are, and which numbers stand below them."""

from itertools import pairwise

import pytest

from explain.report.one_page import strip
from explain.report.one_page.strip import Lane, Rect, draw_strip

WIDTH = 535.0


def find_bars(rects: tuple[Rect, ...], *colours: str) -> list[Rect]:
    return [one for one in rects if one.colour in colours]


def test_a_bar_is_as_high_as_its_value_and_stands_at_its_slice() -> None:
    lane = Lane("Grad-CAM", {0: 0.25, 3: 1.0}, ("0 %", "100 %"), frozenset({0}))
    drawing = draw_strip([lane, Lane("CF-CAM", {1: 0.5})], 4, [2], [3], WIDTH)
    first, other, second = find_bars(drawing.rects, strip._BAR, strip._KEY_BAR)
    step = (WIDTH - strip._NAMES) / 4
    assert first.height / other.height == pytest.approx(0.25) and other.colour == strip._KEY_BAR
    assert second.height / other.height == pytest.approx(0.5) and second.y > other.y + other.height
    for bar, at in ((first, 0), (other, 3), (second, 1)):
        assert bar.x + bar.width / 2 == pytest.approx(strip._NAMES + (at + 0.5) * step)
    assert first.y + first.height == other.y + other.height == strip._LANE
    gaps = find_bars(drawing.rects, strip._ABSENT)
    assert [gap.x for gap in gaps] == [strip._NAMES + 2 * step] * 2 and gaps[0].width == step
    (nothing,) = find_bars(drawing.rects, strip._SHOWS_NOTHING)
    assert nothing.x == first.x
    assert [one.words for one in drawing.texts][:4] == ["Grad-CAM", "0 %", "100 %", "CF-CAM"]
    assert all(
        one.x >= 0 and one.x + one.width <= WIDTH + 1e-6 and one.y + one.height <= drawing.height
        for one in drawing.rects
    )


@pytest.mark.parametrize("count", [1, 2, 7, 36, 140, 3000])
def test_numbers_never_lie_on_each_other_and_shown_slices_have_theirs(count: int) -> None:
    keys = sorted({count // 3, 2 * count // 3})
    drawing = draw_strip([Lane("a", dict.fromkeys(range(count), 0.5))], count, [], keys, WIDTH)
    numbers = [one for one in drawing.texts if one.words.isdigit()]
    assert [int(one.words) - 1 for one in numbers if one.bold] == keys
    places = [one.x for one in numbers]
    assert all(b - a >= strip._NEXT_NUMBER for a, b in pairwise(places))
    assert len(numbers) <= 20
