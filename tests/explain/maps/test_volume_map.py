"""A map over a volume: where its cells lie, and that its cuts through planes are what a slow reading finds."""

from dataclasses import replace

import numpy as np
import pytest

from explain.maps.heatmap import Heatmap
from explain.maps.volume_map import VolumeMap
from explain.methods import get_method
from explain.passes.count import Passes
from explain.pictures.geometry import Box, Span
from explain.volumes.from_array import build_volume
from explain.volumes.model_input import Block
from explain.volumes.planes import PLANES, Plane, View

_SHAPE = (12, 10, 8)


def _build(values: np.ndarray, spans: tuple[Span, Span, Span] | None = None, turned: bool = False) -> VolumeMap:
    affine = np.eye(4)
    affine[:3, :3] = np.diag((3.0, 2.0, 1.0))[::-1]
    if turned:  # rows to the head, columns to the front, slices to the right
        affine[:3, :3] = np.array([[-3.0, 0, 0], [0, 0, -1.0], [0, 2.0, 0]])
    volume = build_volume(np.zeros(_SHAPE, np.int16), affine)
    heatmap = Heatmap(
        method="grad-cam",
        settings=get_method("grad-cam").settings(),
        layer="layer",
        target=0,
        label="lesion",
        values=values.astype(np.float32),
        box=Box.whole((1, 1)),
        seconds=0.0,
        passes=Passes(),
    )
    whole = (Span(0, 12), Span(0, 10), Span(0, 8))
    return VolumeMap(heatmap, volume, Block(spans or whole, View()))


def test_a_peak_lies_where_its_cell_does() -> None:
    values = np.zeros((4, 5, 2))
    values[3, 1, 0] = 1
    found = _build(values)
    # Cells of 3 × 2 × 4 voxels: the middle of the fourth is voxel 10, of the second 2.5, of the first 1.5.
    assert found.peak_cell == (3, 1, 0)
    assert found.peak_voxel == (10, 3, 2)
    assert found.peak == pytest.approx((1.5 * 1, 2.5 * 2, 10 * 3))


def test_a_cell_beside_the_volume_has_the_nearest_voxel() -> None:
    values = np.zeros((2, 2, 2))
    values[1, 0, 1] = 1
    found = _build(values, (Span(-20, 32), Span(0, 10), Span(0, 8)))
    assert found.peak_voxel == (11, 2, 6)


def test_cells_are_described() -> None:
    assert _build(np.zeros((4, 5, 4))).describe_cells() == "The map has 4×5×4 cells, 9 × 4 × 2 mm each."
    few = _build(np.zeros((2, 5, 4))).describe_cells()
    assert few == "The map has 2×5×4 cells, 18 × 4 × 2 mm each: only 2 from slice to slice."
    nowhere = _build(np.zeros((4, 5, 4)))
    nowhere = replace(nowhere, volume=replace(nowhere.volume, geometry=None, pitch=None))
    assert nowhere.describe_cells() == "The map has 4×5×4 cells."
    assert nowhere.affine is None and nowhere.peak is None


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("spans", [None, (Span(2, 10), Span(-3, 13), Span(1, 5))])
def test_a_cut_is_the_map_there(plane: Plane, turned: bool, spans: tuple[Span, Span, Span] | None) -> None:
    """Each cell of each cut against the map read at the millimetres at which the slice's picture shows it."""
    rng = np.random.default_rng(4)
    found = _build(rng.normal(size=(3, 4, 5)), spans, turned)
    volume = found.volume
    into_cells = np.linalg.inv(found.voxel_affine)
    shown = 0
    for index in range(volume.count(plane)):
        cut = found.cut(plane, index)
        axis = volume.get_view(plane).axes[0]
        middle = volume.find_voxel(plane, index, (0.5, 0.5))[axis] + 0.5
        span = found.block.spans[axis]
        if cut is None:
            assert not span.start <= middle <= span.stop
            continue
        shown += 1
        assert span.start <= middle <= span.stop
        rows, columns = cut.values.shape
        for row in range(rows):
            for column in range(columns):
                x, y = cut.box.find_middle((row, column), cut.values.shape)
                height, width = volume.size(plane)
                view = volume.get_view(plane)
                _, down, across = view.count(_SHAPE)
                place = [float(index), y * down / height - 0.5, x * across / width - 0.5]
                voxel = np.zeros(3)
                for own, flip, at in zip(view.axes, view.flips, place, strict=True):
                    voxel[own] = _SHAPE[own] - 1 - at if flip else at
                cell = (into_cells @ (*voxel, 1))[:3]
                fixed = [round(at) for other, at in enumerate(cell) if other != axis]
                along = np.clip(cell[axis], 0, found.values.shape[axis] - 1)
                line = np.moveaxis(found.values, axis, 0)[:, fixed[0], fixed[1]]
                expected = np.interp(along, np.arange(len(line)), line)
                assert cut.values[row, column] == pytest.approx(expected, abs=1e-5)
    assert shown == (
        volume.count(plane)
        if spans is None
        else sum(
            span.start <= at + 0.5 <= span.stop
            for at in range(volume.count(plane))
            for span in [found.block.spans[volume.get_view(plane).axes[0]]]
        )
    )
