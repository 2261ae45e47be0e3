"""The numbers of a slice as a browser is given them: of them it can make what the server draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explain.volumes import numbers as room
from explain.volumes.numbers import Numbers, cut_block, cut_numbers
from explain.volumes.planes import Plane
from explain.volumes.reading import read_volumes
from explain.volumes.volume import Volume
from explain.volumes.windows import Window
from tests.support.dicom_files import make_series, ramp, write


def read(numbers: np.ndarray, skip: int = -1, **elements: object) -> Volume:
    """A series as it is read, perhaps with a slice left out."""
    files = [write(ds) for at, ds in enumerate(make_series(numbers, **elements)) if at != skip]
    return read_volumes(files).series[0].open()


def show(numbers: Numbers, window: Window) -> np.ndarray:
    """The numbers through a window, as 8-bit greys."""
    odd = ~np.isfinite(numbers.stored)
    greys = window.apply(np.where(odd, 0, numbers.stored) * numbers.slope + numbers.intercept)
    greys = 1 - greys if numbers.inverted else greys
    return np.rint(np.where(odd, 0, greys) * 255).astype(np.uint8)


@pytest.mark.parametrize("plane", ["stack", "axial", "coronal", "sagittal"])
def test_windowed_numbers_are_the_picture(plane: Plane) -> None:
    volume = read(ramp(6, 8, 10) * 3, PixelSpacing=[5.0, 5.0], RescaleSlope=2, RescaleIntercept=-300)
    window = Window("Own", 40, 400)
    for index in range(volume.count(plane)):
        numbers = cut_numbers(volume, plane, index)
        assert numbers is not None and numbers.is_exact and numbers.stored.dtype == np.int16
        expected = volume.slice(index, plane, "40/400").pixels[..., 0]
        assert np.abs(show(numbers, window).astype(int) - expected).max() <= 1


def test_a_missing_slice_has_none_and_other_planes_run_through_it() -> None:
    volume = read(ramp(7, 8, 10), skip=3)
    assert cut_numbers(volume, "stack", 3) is None and cut_numbers(volume, "stack", 2) is not None
    numbers = cut_numbers(volume, "coronal", 2)
    assert numbers is not None and numbers.stored.shape == (7, 10)
    assert not numbers.stored[3].any() and numbers.stored[4].any()


def test_slices_of_different_scales_are_brought_to_the_files_units() -> None:
    volume = read(ramp(6, 8, 10), PixelSpacing=[5.0, 5.0])
    volume = replace(volume, slopes=np.arange(1.0, 7.0), padding=(0.0, 9.0))
    assert cut_numbers(volume, "stack", 2).slope == 3  # type: ignore[union-attr]
    for plane in ("coronal", "sagittal"):
        numbers = cut_numbers(volume, plane, 0)  # type: ignore[arg-type]
        assert numbers is not None and numbers.stored.dtype == np.float32 and numbers.slope == 1
        for row, column in ((0, 0), (2, 3), (5, 1)):
            voxel = volume.get_view(plane).find_voxel((0, row, column), volume.stored.shape)  # type: ignore[arg-type]
            value = volume.get_value(voxel)
            found = numbers.stored[row, column]
            assert np.isnan(found) if value is None else found == value


def test_slices_with_windows_of_their_own_do_not_share_one_in_other_planes() -> None:
    volume = read(ramp(6, 8, 10), PixelSpacing=[5.0, 5.0])
    own = tuple((Window("The file's window", at, 100 + at),) for at in range(6))
    volume = replace(volume, own_windows=own)
    along, across = cut_numbers(volume, "stack", 2), cut_numbers(volume, "coronal", 2)
    assert along is not None and along.is_exact and along.at == 2
    assert not cut_block(volume)[0].is_exact and cut_block(read(ramp(6, 8, 10)))[0].is_exact  # type: ignore[index]
    assert across is not None and not across.is_exact and across.at == 3
    turned = replace(volume, own_windows=(), inverted=np.array([True] + [False] * 5))
    assert not cut_numbers(turned, "coronal", 2).is_exact  # type: ignore[union-attr]


def test_the_smallest_type_that_holds_them_is_sent() -> None:
    volume = read(ramp(4, 3, 3))
    for dtype, expected in ((np.uint8, "int16"), (np.uint16, "uint16"), (np.int32, "int16"), (np.float64, "float32")):
        numbers = cut_numbers(replace(volume, stored=volume.stored.astype(dtype)), "stack", 1)
        assert numbers is not None and numbers.stored.dtype.name == expected
    wide = replace(volume, stored=volume.stored.astype(np.int32) * 10_000)
    assert cut_numbers(wide, "stack", 1).stored.dtype.name == "float32"  # type: ignore[union-attr]
    assert cut_numbers(replace(volume, stored=np.zeros((2, 3, 3, 3), np.uint8)), "stack", 0) is None


def test_the_block_keeps_every_so_many_voxels(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = read(ramp(7, 20, 30), skip=3)
    whole = cut_block(volume)
    assert whole is not None and whole[1] == (1, 1, 1)
    np.testing.assert_array_equal(whole[0].stored, volume.stored)
    monkeypatch.setattr(room, "LONGEST", 10)
    thin = cut_block(volume)
    assert thin is not None and thin[1] == (1, 2, 3)
    np.testing.assert_array_equal(thin[0].stored, volume.stored[:, ::2, ::3])
    uneven = cut_block(replace(volume, slopes=np.arange(7.0), padding=(0.0, 0.0)))
    assert uneven is not None and uneven[0].slope == 1
    assert uneven[0].stored[5, 4, 2] == volume.stored[5, 8, 6] * 5 and np.isnan(uneven[0].stored[0, 0, 0])
