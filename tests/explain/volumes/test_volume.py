"""A volume's slices against plain formulae: values, windows, shape, places, gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explain.errors import PictureError
from explain.volumes.geometry import arrange
from explain.volumes.volume import Volume
from explain.volumes.windows import Window
from tests.support.dicom_files import ramp

FULL = Window("Full", 0.0, 2000.0, "LINEAR_EXACT")


def volume(numbers: np.ndarray | None = None, pitch: tuple[float, float] = (1.0, 1.0), **elements: Any) -> Volume:
    """A CT of slices 2 mm apart, axial."""
    stored = ramp() if numbers is None else numbers
    origins = np.array([[0.0, 0.0, 2.0 * at] for at in range(len(stored))])
    down, across = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    known: dict[str, Any] = {
        "slopes": np.ones(len(stored)),
        "intercepts": np.zeros(len(stored)),
        "present": np.ones(len(stored), bool),
        "geometry": arrange(origins, down, across, pitch).geometry,
        "pitch": pitch,
        "modality": "CT",
        **elements,
    }
    return Volume("CT, 6 slices", stored, digest="d", **known)


def test_a_slice_is_its_values_through_the_window() -> None:
    slopes, intercepts = np.linspace(1, 2, 6), np.linspace(-1000, 0, 6)
    scan = volume(slopes=slopes, intercepts=intercepts)
    for at in range(6):
        picture = scan.slice(at, window=FULL)
        values = scan.stored[at] * slopes[at] + intercepts[at]
        assert picture.model_pixels.shape == (8, 10, 1) and picture.model_pixels.dtype == np.float32
        assert np.allclose(picture.model_pixels[:, :, 0], np.clip(values / 2000 + 0.5, 0, 1), atol=1e-6)
        assert picture.modality == "CT" and picture.kind == "scan"
        assert not picture.pixels.flags.writeable
        assert scan.get_value((at, 3, 4)) == pytest.approx(values[3, 4])


def test_inverted_after_the_window() -> None:
    """Half of the slices from white to black: turned before the window, those would be all white."""
    inverted = np.array([True, False] * 3)
    scan, window = volume(inverted=inverted), Window("Low", 100.0, 200.0, "LINEAR_EXACT")
    for at in range(6):
        plain = np.clip(scan.stored[at] / 200, 0, 1)
        for invert in (False, True):
            greys = scan.slice(at, window=window, invert=invert).model_pixels[:, :, 0]
            assert np.allclose(greys, 1 - plain if inverted[at] != invert else plain, atol=1e-6)


def test_padding_is_black_and_no_value() -> None:
    numbers = ramp()
    numbers[:, 0] = -2000
    scan = volume(numbers, padding=(-2000.0, -1500.0), inverted=np.ones(6, bool))
    assert scan.get_value((0, 0, 0)) is None and scan.get_value((0, 1, 0)) == 10
    assert not scan.slice(0, window=FULL).model_pixels[0].any()
    ranged = scan.windows["Range of the series"]
    assert isinstance(ranged, Window) and ranged.centre - ranged.width / 2 > 0


def test_planes_cut_through_the_stack() -> None:
    scan = volume(pitch=(2.0, 2.0))
    grey = lambda values: np.clip(values / 2000 + 0.5, 0, 1)  # noqa: E731
    coronal = scan.slice(3, "coronal", FULL).model_pixels[:, :, 0]
    assert np.allclose(coronal, grey(scan.stored[::-1, 3, :]), atol=1e-6)
    sagittal = scan.slice(4, "sagittal", FULL).model_pixels[:, :, 0]
    assert np.allclose(sagittal, grey(scan.stored[::-1, :, 10 - 1 - 4]), atol=1e-6)
    assert scan.count("coronal") == 8 and scan.count("sagittal") == 10


def test_planes_of_slices_that_differ() -> None:
    """Each line of another plane by its own slice's slope, window and inversion."""
    windows = tuple((Window("Own", 100.0 * at, 400.0 + at, "LINEAR_EXACT"),) for at in range(6))
    inverted = np.array([False, True, False, False, True, False])
    scan = volume(
        pitch=(2.0, 2.0), slopes=np.arange(1.0, 7), intercepts=-np.arange(6.0), own_windows=windows, inverted=inverted
    )
    cut = scan.slice(3, "coronal").model_pixels[:, :, 0]
    for at in range(6):
        line = windows[at][0].apply(scan.stored[at, 3] * (at + 1.0) - at)
        assert np.allclose(cut[5 - at], 1 - line if inverted[at] else line, atol=1e-6)
        assert np.allclose(scan.slice(at).model_pixels[3, :, 0], cut[5 - at], atol=1e-6)


@pytest.mark.parametrize(
    ("pitch", "stack", "coronal"),
    [((1.0, 1.0), (8, 10), (12, 10)), ((3.0, 1.0), (24, 10), (12, 10)), ((1.0, 4.0), (8, 40), (6, 20))],
)
def test_shapes_are_those_in_millimetres(
    pitch: tuple[float, float], stack: tuple[int, int], coronal: tuple[int, int]
) -> None:
    scan = volume(pitch=pitch)
    assert scan.size() == stack and scan.slice(0).size == stack
    assert scan.size("coronal") == coronal and scan.slice(0, "coronal").size == coronal
    assert scan.measure("coronal") == (pitch[0], 2.0, pitch[1])
    assert ("square" in " ".join(scan.slice(0).notes)) == (stack != (8, 10))


def test_an_absurd_pixel_is_not_enlarged() -> None:
    assert volume(pitch=(1e-6, 1.0)).size() == (8, 10)


@pytest.mark.parametrize("pitch", [(1.0, 1.0), (3.0, 1.0), (0.4, 1.1)])
def test_the_crosshair_finds_its_way_through_all_planes(pitch: tuple[float, float]) -> None:
    scan = volume(pitch=pitch)
    for voxel in ((0, 0, 0), (5, 7, 9), (2, 6, 1)):
        for plane in ("stack", "axial", "coronal", "sagittal"):
            index, point = scan.find_point(plane, voxel)  # type: ignore[arg-type]
            assert scan.find_voxel(plane, index, point) == voxel  # type: ignore[arg-type]


def test_a_missing_slice_is_refused_and_black_in_other_planes() -> None:
    present = np.array([True, True, False, True, True, True])
    scan = volume(present=present, intercepts=np.full(6, 500.0), pitch=(2.0, 2.0))
    assert scan.missing == (2,) and scan.get_value((2, 0, 0)) is None
    with pytest.raises(PictureError, match="Slice 3 is not in the series"):
        scan.slice(2)
    coronal = scan.slice(0, "coronal", FULL).model_pixels[:, :, 0]
    gaps = scan.find_gaps("coronal")
    assert np.flatnonzero(gaps.any(axis=1)).tolist() == [3] and gaps[3].all()
    assert not coronal[gaps].any() and coronal[~gaps].all()
    assert not scan.find_gaps().any()


def test_which_slices_are_there() -> None:
    scan = volume(present=np.array([True, False, True, True, True, True]))
    assert scan.list_there() == [0, 2, 3, 4, 5] and scan.list_there("coronal") == [*range(8)]
    down = volume(
        present=np.array([True, False, True, True, True, True]),
        geometry=arrange(
            np.array([[0.0, 0.0, -2.0 * at] for at in range(6)]), np.array([0.0, 1, 0]), np.array([1.0, 0, 0]), (1, 1)
        ).geometry,
    )
    for plane in ("stack", "axial"):
        there = [at for at in range(6) if _can_be_shown(down, at, plane)]
        assert down.list_there(plane) == there  # type: ignore[arg-type]


def _can_be_shown(scan: Volume, at: int, plane: str) -> bool:
    try:
        picture = scan.slice(at, plane)  # type: ignore[arg-type]
    except PictureError:
        return False
    assert picture.section == scan.name_section(at, plane)  # type: ignore[arg-type]
    return True


def test_a_slice_that_is_not_there() -> None:
    for index in (-1, 6):
        with pytest.raises(PictureError, match="has 6 in this plane"):
            volume().slice(index)


def test_windows_to_choose_from() -> None:
    own = ((Window("Brain", 40, 80), Window("Skull", 500, 2000)), (Window("Brain", 45, 90),), (), (), (), ())
    scan = volume(own_windows=own)
    assert list(scan.windows)[:3] == ["Brain", "Skull", "Range of the series"]
    assert {"Lung", "Bone", "Liver", "Soft tissue"} < set(scan.windows)
    assert [scan.choose_window(None, at).centre for at in range(3)] == [40, 45, 40]
    assert scan.choose_window("Skull", 1).centre == 45  # the last it has
    assert scan.choose_window("Lung", 0).width == 1500
    assert scan.choose_window("-600/1500.5", 0) == Window("Own", -600, 1500.5)
    again = scan.slice(0, window=Window("Any", -600, 1500.5))
    assert again.section is not None and scan.slice(0, window=again.section.window).digest == again.digest
    with pytest.raises(PictureError, match="no window “Liver 9”"):
        scan.slice(0, window="Liver 9")
    assert list(volume(modality="MR").windows) == ["Range of the series"]
    assert list(volume(ramp().astype(np.uint8), modality="US", bits=8).windows) == ["As stored"]


def test_a_digest_for_all_that_is_shown_otherwise() -> None:
    scan = volume(own_windows=((Window("Own", 40, 80),),) * 6)
    seen = [scan.slice(0), scan.slice(1), scan.slice(0, "coronal"), scan.slice(0, window="Lung")]
    seen += [scan.slice(0, window=FULL), scan.slice(0, invert=True)]
    assert len({picture.digest for picture in seen}) == len(seen)
    assert scan.slice(0).digest == scan.slice(0, window=Window("Called otherwise", 40, 80)).digest


def test_letters() -> None:
    scan = volume()
    assert scan.name_edges() == ("A", "L", "P", "R") and scan.name_edges("sagittal") == ("H", "P", "F", "A")
    assert volume(geometry=None).name_edges() is None
    assert "do not say where" in volume(geometry=None).planes["axial"]
    with pytest.raises(PictureError, match="do not say where"):
        volume(geometry=None).slice(0, "axial")


def test_a_clip_in_colour() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    clip = volume(frames, geometry=None, pitch=None)
    assert np.array_equal(clip.slice(1).pixels, frames[1]) and clip.windows == {} and clip.get_value((0, 0, 0)) is None
    assert "colour" in clip.planes["axial"]


def test_a_region_is_cut_like_the_numbers() -> None:
    region = np.zeros((6, 8, 10), bool)
    region[2, 3:5, 6] = True
    scan = volume(pitch=(2.0, 1.0), regions={"Liver": region})
    assert np.array_equal(scan.cut_region("Liver", 2)[6:10, 6], np.ones(4, bool))
    assert scan.cut_region("Liver", 2).sum() == 4 and not scan.cut_region("Liver", 1).any()
    assert scan.cut_region("Liver", 3, "coronal").shape == scan.size("coronal")
