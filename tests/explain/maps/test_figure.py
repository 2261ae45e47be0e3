"""The figure for a report: every pane, its colours and its words."""

import io

import numpy as np
import pytest
from PIL import Image

from explain.maps.figure import FigurePane, FigureRow, figure
from explain.maps.render import (
    COLOUR_TABLES,
    RenderSettings,
)
from explain.pictures.geometry import Box


def test_the_figure_holds_every_pane_with_its_colours():
    rng = np.random.default_rng(0)
    pixels = np.full((60, 90, 3), (40, 90, 200), dtype=np.uint8)
    values = rng.uniform(0, 1, (5, 5)).astype(np.float32)
    settings = RenderSettings(opacity=1.0, style="even")
    panes = [
        FigurePane("Picture", "90 × 60 pixels", pixels),
        FigurePane("Grad-CAM", "cat", pixels, values, Box(0.0, 0.0, 90.0, 60.0), 0.0, 1.0),
        FigurePane("CF-CAM", "cat", pixels, np.zeros((5, 5)), Box(0.0, 0.0, 90.0, 60.0), note="Blank: " + "word " * 40),
    ]
    one = np.asarray(Image.open(io.BytesIO(figure([FigureRow("chelsea.png", panes)], settings, "Title"))))
    two = np.asarray(Image.open(io.BytesIO(figure([FigureRow("a", panes), FigureRow("b", panes[:1])], settings))))
    assert two.shape[1] == one.shape[1]
    assert two.shape[0] > one.shape[0] * 1.5
    # The plain picture, the lowest colour of the blank map, and the brightest of the map's own scale are all there.
    for colour, fewest in (((40, 90, 200), 50_000), (tuple(COLOUR_TABLES["viridis"][0]), 50_000), ((253, 231, 37), 10)):
        assert (one == colour).all(axis=2).sum() >= fewest, colour
    assert (one[-50:] < 128).any(), "the disclaimer is written at the bottom"


def test_every_row_says_that_it_is_not_for_diagnosis_and_a_caution_before_its_maps():
    panes = [FigurePane(f"Map {number}", "", np.full((60, 90, 3), 255, dtype=np.uint8)) for number in range(3)]

    def find_amber(*rows: FigureRow) -> np.ndarray:
        sheet = np.asarray(Image.open(io.BytesIO(figure(rows, RenderSettings()))))
        return (sheet == (146, 64, 0)).all(axis=2)

    plain = find_amber(FigureRow("a", panes))
    middle = plain.shape[1] // 2
    assert plain[:70, middle:].sum() > 100 and not plain[:70, :middle].any(), "at the right of the row's name"
    twice = find_amber(FigureRow("a", panes), FigureRow("b", panes))
    assert twice[:-70].sum() == 2 * plain[:-70].sum()
    warned = find_amber(FigureRow("a", panes, caution="It knows no X-rays."))
    assert warned[:100, :middle].sum() > 100 and warned.shape[0] > plain.shape[0]


@pytest.mark.parametrize("size", [(1, 1), (8000, 200), (200, 8000)])
def test_the_figure_takes_any_shape(size):
    pixels = np.zeros((*size, 3), dtype=np.uint8)
    box = Box(0.0, 0.0, float(size[1]), float(size[0]))
    pane = FigurePane("Grad-CAM", "", pixels, np.eye(3, dtype=np.float32), box, 0.0, 1.0)
    height, width = np.asarray(Image.open(io.BytesIO(figure([FigureRow("x" * 200, [pane])], RenderSettings())))).shape[
        :2
    ]
    assert height < 1000
    assert width < 500
