"""A box's edges by name, its spans by axis, and what is worked out from them, against numbers written out."""

import json
import pickle

import numpy as np
import pytest
from pydantic import BaseModel

from explain.pictures.geometry import Box, Span

BOX = Box(10.0, -4.0, 50.0, 24.0)


def test_a_box_is_the_tuple_of_its_edges_everywhere() -> None:
    """Files, pages and caches hold boxes as four numbers, in this order."""

    class Entry(BaseModel):
        box: tuple[float, float, float, float]

    edges = (10.0, -4.0, 50.0, 24.0)
    assert (BOX.left, BOX.top, BOX.right, BOX.bottom) == edges
    assert edges == BOX and hash(BOX) == hash(edges) and {edges: "kept"}[BOX] == "kept"
    assert json.dumps(BOX) == json.dumps(list(BOX)) == "[10.0, -4.0, 50.0, 24.0]"
    assert Entry(box=BOX).model_dump_json() == '{"box":[10.0,-4.0,50.0,24.0]}'
    assert isinstance(pickle.loads(pickle.dumps(BOX)), Box)
    np.testing.assert_array_equal(np.asarray(BOX), edges)
    with pytest.raises(AttributeError):
        BOX.left = 0.0  # type: ignore[misc]


def test_spans_go_with_the_axes_of_an_array() -> None:
    assert BOX.spans == (Span(-4.0, 24.0), Span(10.0, 50.0))
    assert Box.from_spans(BOX.spans) == BOX
    assert [span.length for span in BOX.spans] == [28.0, 40.0]
    assert Box.whole((30, 70)) == (0.0, 0.0, 70.0, 30.0)
    assert all(type(edge) is float for edge in Box.whole((30, 70)))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_from_cells_to_pixels_and_back(count: int) -> None:
    span = Span(-3.5, 17.25)
    width = (17.25 + 3.5) / count
    cells = np.arange(count)
    middles = span.to_pixels(cells, count)
    np.testing.assert_allclose(middles, [-3.5 + width / 2 + cell * width for cell in range(count)])
    np.testing.assert_allclose(span.to_cells(middles, count), cells, atol=1e-12)
    assert span.to_cells(span.start, count) == -0.5
    assert span.to_cells(span.stop, count) == count - 0.5
    assert span.to_pixels(0, count) == middles[0]


@pytest.mark.parametrize(("cell", "middle"), [((0, 0), (15.0, 3.0)), ((1, 3), (45.0, 17.0)), ((1, 0), (15.0, 17.0))])
def test_the_middle_of_a_cell(cell: tuple[int, int], middle: tuple[float, float]) -> None:
    found = BOX.find_middle(cell, (2, 4))
    assert found == middle
    assert BOX.find_middle(np.array(cell), (2, 4)) == middle
    assert all(type(number) is float for number in found)


@pytest.mark.parametrize(("point", "share"), [((10, -4), (0, 0)), ((50, 24), (1, 1)), ((20, 17), (0.25, 0.75))])
def test_how_far_on_the_way_a_point_lies(point: tuple[float, float], share: tuple[float, float]) -> None:
    assert BOX.find_share(point) == share


def test_what_boxes_have_in_common() -> None:
    other = Box(-8.0, 2.0, 30.0, 90.0)
    assert Box.common([BOX, other]) == Box.common([other, BOX]) == (10.0, 2.0, 30.0, 24.0)
    assert Box.common([BOX]) == BOX
    assert not Box.common([BOX, other]).is_empty
    assert Box.common([BOX, Box(50.0, 0.0, 60.0, 10.0)]).is_empty  # they only touch
    assert Box.common([BOX, Box(20.0, 30.0, 30.0, 40.0)]).is_empty


def test_at_another_size() -> None:
    assert BOX.scaled(0.5) == (5.0, -2.0, 25.0, 12.0)
    assert BOX.resized((20, 100), (40, 50)) == (5.0, -8.0, 25.0, 48.0)
    assert BOX.resized((37, 53), (37, 53)) == BOX


def test_on_a_picture() -> None:
    assert BOX.clipped((20, 40)) == (10.0, 0.0, 40.0, 20.0)
    assert BOX.clipped((90, 90)) == (10.0, 0.0, 50.0, 24.0)
    assert BOX.clipped((90, 90)).lies_on((24, 50))
    for size in ((23, 50), (24, 49)):
        assert not BOX.clipped((90, 90)).lies_on(size)
    assert not BOX.lies_on((90, 90))
    assert not Box(5.0, 5.0, 5.0, 9.0).lies_on((90, 90))
    assert not Box(0.0, 0.0, float("nan"), 9.0).lies_on((90, 90))


@pytest.mark.parametrize("axis", ["left", "top", "right", "bottom"])
def test_every_pixels_centre_is_covered_or_not(axis: str) -> None:
    """A pixel is inside where its centre is, counted as the renderer does: the start belongs to a box, the stop not."""
    box, inwards = Box.whole((30, 70)), 1 if axis in ("left", "top") else -1
    assert box.covers((30, 70))
    just, too_far = (0.5, 0.51) if inwards > 0 else (0.49, 0.5)
    assert box._replace(**{axis: getattr(box, axis) + inwards * just}).covers((30, 70))
    assert not box._replace(**{axis: getattr(box, axis) + inwards * too_far}).covers((30, 70))


def test_whole_pixels() -> None:
    box = Box(2.6, 0.4, 7.4, 2.5)
    assert box.rounded() == (3, 0, 7, 2)
    assert all(type(edge) is int for edge in box.rounded())
    pixels = np.arange(40).reshape(4, 10)
    np.testing.assert_array_equal(pixels[box.slices], pixels[0:2, 3:7])
    assert box.slices == box.rounded().slices


def test_as_an_outline() -> None:
    assert BOX.corners == [(10.0, -4.0), (50.0, -4.0), (50.0, 24.0), (10.0, 24.0)]
