"""The report's pictures: as large as they are printed, with a scale of the right length and outlines at their place."""

from dataclasses import replace

import numpy as np
import pytest

from explain.pictures.picture import Placement
from explain.report.one_page.content import Page
from explain.report.one_page.panes import (
    LONGEST_SIDE,
    count_columns,
    draw_picture,
    find_scale,
    list_columns,
    trace_regions,
)
from tests.explain.report.one_page.conftest import SIDE
from tests.support.engine import make_picture


def test_panes_are_as_large_as_they_are_printed(photo_page: Page) -> None:
    page = photo_page
    assert {pane.pixels.shape for pane in page.panes} == {(80, SIDE, 3)}
    assert page.panes[0].bar is None and all(pane.bar is not None for pane in page.panes[1:])
    assert "strongest at" in page.panes[1].alt or "nothing in it" in page.panes[1].alt
    large = draw_picture(make_picture(1, size=(900, 300)), {})
    assert large.pixels.shape == (LONGEST_SIDE, 213, 3)


@pytest.mark.parametrize(("pitch", "millimetres"), [(0.5, 10), (1.0, 20), (0.1, 2), (0.01, 0), (10.0, 200)])
def test_the_scale_is_as_long_as_it_says(pitch: float, millimetres: int) -> None:
    picture = replace(make_picture(size=(40, 50)), placement=Placement((7.0, pitch)))
    scale = find_scale(picture)
    assert (scale.millimetres if scale else 0) == millimetres
    if scale:
        assert scale.share * 50 * pitch == pytest.approx(millimetres) and scale.share <= 0.4
    assert find_scale(make_picture()) is None


def test_outlines_lie_where_regions_do() -> None:
    mask = np.zeros((40, 50), bool)
    mask[10:20, 5:25] = True
    (drawn,), (given,) = (
        trace_regions({"box": (5.0, 10.0, 25.0, 20.0)}, (40, 50)),
        trace_regions({"mask": mask}, (40, 50)),
    )
    assert set(drawn) == set(given) == {(x / 50, y / 40) for x in (5.5, 24.5) for y in (10.5, 19.5)}


def test_rows_are_as_full_as_they_can_be() -> None:
    assert [list_columns(count, 5) for count in (2, 3, 5, 7, 9)] == [
        [1, 2],
        [1, 2, 3],
        [1, 2, 3, 5],
        [1, 2, 3, 4],
        [1, 2, 3, 5],
    ]
    square, wide = np.zeros((10, 10, 3)), np.zeros((10, 40, 3))
    assert [count_columns(count, square) for count in (2, 5, 7, 9)] == [2, 5, 4, 5]
    assert [count_columns(count, wide) for count in (1, 2, 4, 9)] == [1, 2, 2, 3]
