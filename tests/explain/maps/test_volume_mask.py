"""Where a map over a volume is high, beside a slow reading of the map at every voxel."""

from __future__ import annotations

import gc
import gzip
from weakref import ref

import numpy as np
import pytest

from explain.errors import PictureError
from explain.maps.mask import ASIDE, MaskSettings
from explain.maps.volume_map import WHOLE
from explain.maps.volume_mask import MOST_ALONG, find_volume_mask, reduce_shape
from explain.pictures.geometry import Span
from explain.report.scans.nifti import encode_nifti
from explain.volumes.planes import PLANES, Plane
from explain.volumes.reading import read_volumes
from tests.explain.maps.test_volume_map import _SHAPE, _build

SPANS = (Span(2, 10), Span(-3, 13), Span(1, 5))


def read_slowly(values: np.ndarray, spans: tuple[Span, Span, Span]) -> np.ndarray:
    """The map at the middle of each voxel, between eight cells, as a share of the highest; -1 where there is none."""
    found = np.full(_SHAPE, -1.0)
    positive = np.maximum(values, 0)
    for voxel in np.ndindex(_SHAPE):
        if not all(span.start <= at + 0.5 <= span.stop for at, span in zip(voxel, spans, strict=True)):
            continue
        total = 0.0
        places = [
            min(max((at + 0.5 - span.start) / span.length * count - 0.5, 0), count - 1)
            for at, span, count in zip(voxel, spans, values.shape, strict=True)
        ]
        for corner in np.ndindex(2, 2, 2):
            cell = [
                min(int(at) + step, count - 1) for at, step, count in zip(places, corner, values.shape, strict=True)
            ]
            weight = np.prod([1 - at % 1 if step == 0 else at % 1 for at, step in zip(places, corner, strict=True)])
            total += weight * positive[tuple(cell)]
        found[voxel] = total
    return np.where(found >= 0, found / found.max(), -1)


@pytest.mark.parametrize("spans", [None, SPANS])
def test_it_is_where_the_map_is_above_a_share_of_its_highest_value(spans: tuple[Span, Span, Span] | None) -> None:
    values = np.random.default_rng(2).standard_normal((3, 4, 5))
    one = _build(values, spans)
    level = read_slowly(one.values, one.block.spans)
    mask = find_volume_mask(one, MaskSettings(share=0.4))
    assert (mask.voxels == (level > 0.4)).all()
    assert (mask.aside[0] == (level > 0.4 - ASIDE)).all() and (mask.aside[1] == (level > 0.4 + ASIDE)).all()
    assert mask.part == mask.voxels.sum() / 960
    assert mask.millimetres == pytest.approx(mask.voxels.sum() * 6.0)
    along = np.argwhere(mask.voxels)
    for (start, stop), low, high in zip(mask.extents, along.min(0), along.max(0), strict=True):
        assert (start, stop) == (low, high + 1)
    assert mask.sides == tuple((stop - start) * mm for (start, stop), mm in zip(mask.extents, (3, 2, 1), strict=True))


def test_pieces_touch_at_corners_too_and_the_largest_may_stand_alone() -> None:
    values = np.zeros((12, 10, 8))
    values[0:2, 0:2, 0:2] = values[2, 2, 2] = 1  # one piece of nine voxels
    values[8:10, 6:8, 5:7] = 1  # and one of eight
    one = _build(values)
    everything = find_volume_mask(one, MaskSettings(share=0.9))
    assert everything.pieces == 2 and everything.voxels.sum() == 17
    largest = find_volume_mask(one, MaskSettings(share=0.9, pieces="largest"))
    assert largest.pieces == 1 and largest.voxels.sum() == 9 and largest.voxels[2, 2, 2]
    assert "in 2 pieces, 30 × 16 × 7 mm" in everything.describe() and "in 1 piece," in largest.describe()


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("plane", PLANES)
def test_a_cut_is_the_mask_there(plane: Plane, turned: bool) -> None:
    values = np.random.default_rng(3).random((3, 4, 5))
    values[0] = values[:, 0] = values[..., 0] = 0  # to one side of each axis, so that no way round is the same
    one = _build(values, None, turned)
    mask = find_volume_mask(one, MaskSettings(share=0.5))
    volume = one.volume
    counted, there = 0, []
    for index in range(volume.count(plane)):
        cut = mask.cut(plane, index)
        assert cut.plane == plane
        there += [index] * bool(cut.pixels.any())
        _, rows, columns = volume.get_view(plane).count(_SHAPE)
        assert cut.pixels.shape == (rows, columns) and cut.size == volume.size(plane)
        for row, column in np.ndindex(rows, columns):
            voxel = volume.get_view(plane).find_voxel((index, row, column), _SHAPE)
            assert cut.pixels[row, column] == mask.voxels[voxel]
        counted += int(cut.pixels.sum())
        assert cut.alike_aside == mask.alike_aside and cut.compared is mask.voxels
    assert counted == mask.voxels.sum()
    assert mask.find_slices(plane) == (there[0], there[-1])


def test_a_cut_of_a_map_knows_of_which_it_is_one() -> None:
    one = _build(np.ones((3, 4, 5)))
    cut = one.cut("coronal", 3)
    assert cut is not None and cut.details[WHOLE] is one


def test_as_a_file_it_lies_at_the_same_millimetres() -> None:
    values = np.zeros((4, 5, 2))
    values[3, 1, 0] = 1
    mask = find_volume_mask(_build(values, None, True), MaskSettings(share=0.6))
    assert mask.affine is not None
    data = encode_nifti(mask.voxels.astype(np.float32), mask.affine)
    read = read_volumes([gzip.decompress(data)]).series[0].open()
    assert read.geometry is not None and read.geometry.affine is not None and mask.volume.geometry is not None

    def find_middle(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
        return np.asarray((affine @ (*np.argwhere(voxels).mean(0), 1))[:3])

    assert np.allclose(
        find_middle(read.stored > 0.5, read.geometry.affine),
        find_middle(mask.voxels, mask.volume.geometry.affine),
        atol=1e-4,
    )


def test_that_of_a_large_volume_is_reduced() -> None:
    assert reduce_shape((140, 512, 60)) == (MOST_ALONG, MOST_ALONG, 60)


def test_no_mask_holds_on_to_the_scan() -> None:
    """Masks are remembered, and scans are many megabytes of a patient's, which their sessions give back."""
    one = _build(np.random.default_rng(3).random((3, 4, 5)))
    scan = ref(one.volume.stored)
    mask, again = find_volume_mask(one), find_volume_mask(one, MaskSettings(share=0.7))
    assert mask.volume.digest == one.volume.digest and again.part < mask.part
    del one
    gc.collect()
    assert scan() is None
    assert mask.cut("coronal", 3).size and mask.affine is not None and mask.millimetres


def test_a_map_that_is_high_nowhere_has_none() -> None:
    for values in (np.zeros((2, 2, 2)), -np.ones((2, 2, 2)), np.full((2, 2, 2), np.nan)):
        with pytest.raises(PictureError, match="Nothing of this map is above zero"):
            find_volume_mask(_build(values))
    with pytest.raises(PictureError, match="Nothing of this map is above zero"):
        beside = np.zeros((2, 2, 2))
        beside[0] = 1
        find_volume_mask(_build(beside, (Span(-40, 12), Span(0, 10), Span(0, 8))))
