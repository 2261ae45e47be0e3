"""From headers to stacks, on series made by hand, and on real ones with what a published converter made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from explain.volumes.header import Frame, list_frames, read_header
from explain.volumes.reading import Found, read_volumes
from explain.volumes.series import Stack, build_stacks
from explain.volumes.volume import Volume
from tests.support.dicom_files import AXIAL, CORONAL, SAGITTAL, find_secrets, make_enhanced, make_series, ramp, write
from tests.support.scans import find_scans


def list_all(files: Sequence[Dataset]) -> list[Frame]:
    """The frames of files, shuffled."""
    frames = [
        frame
        for number, ds in enumerate(files)
        for frame in list_frames(read_header(write(ds)), number, f"digest {number}")
    ]
    return [frames[at] for at in np.random.default_rng(0).permutation(len(frames))]


def stacks_of(files: Sequence[Dataset]) -> list[Stack]:
    """The stacks that files make; none may be left over, and none may name the patient."""
    stacks, alone = build_stacks(list_all(files))
    assert not alone and not find_secrets(*stacks)
    return stacks


def at_heights(heights: Sequence[float], **elements: Any) -> list[Dataset]:
    return make_series(ramp(len(heights)), [(0, 0, height) for height in heights], **elements)


def sources(stack: Stack) -> list[int | None]:
    return [None if frame is None else frame.source for frame in stack.frames]


def test_positions_order_slices_not_their_numbers() -> None:
    files = at_heights([0, 5, 10, 15, 20])
    for ds, number in zip(files, (3, 1, 5, 2, 4), strict=True):
        ds.InstanceNumber = number
    (stack,) = stacks_of(files)
    assert sources(stack) == [0, 1, 2, 3, 4] and stack.geometry is not None and stack.geometry.step == 5


def test_spacing_between_slices_is_not_believed() -> None:
    (stack,) = stacks_of(at_heights([0, 2.37, 4.74, 7.11], SpacingBetweenSlices=2.5, SliceThickness=2.5))
    assert stack.geometry is not None and stack.geometry.step == pytest.approx(2.37)


def test_missing_slices() -> None:
    (stack,) = stacks_of(at_heights([0, 5, 20, 25, 30]))
    assert sources(stack) == [0, 1, None, None, 2, 3, 4]
    assert "Slices 3, 4 are missing in the series, 2 in all" in stack.notes[0]


@pytest.mark.parametrize(
    ("element", "name"),
    [
        ("TemporalPositionIdentifier", "time"),
        ("EchoTime", "echo time"),
        ("DiffusionBValue", "diffusion"),
        ("AcquisitionNumber", "acquisition"),
        ("TriggerTime", "trigger time"),
    ],
)
def test_slices_at_one_place_are_told_apart(element: str, name: str) -> None:
    files = at_heights([0, 5, 10, 15] * 2, Modality="MR")
    for at, ds in enumerate(files):
        setattr(ds, element, 1 + at // 4)
        ds.InstanceNumber = 1 + (at % 4) * 2 + at // 4
    stacks = stacks_of(files)
    assert sorted(map(str, map(sources, stacks))) == ["[0, 1, 2, 3]", "[4, 5, 6, 7]"]
    assert all(f"by {name}." in stack.notes[0] for stack in stacks)


@pytest.mark.parametrize("by_place", [False, True])
def test_numbers_tell_them_apart_where_nothing_else_does(by_place: bool) -> None:
    files = at_heights([0, 5, 10, 15] * 3, Modality="MR")
    for at, ds in enumerate(files):
        ds.InstanceNumber = 1 + ((at % 4) * 3 + at // 4 if by_place else at)
    stacks = stacks_of(files)
    assert sorted(map(str, map(sources, stacks))) == ["[0, 1, 2, 3]", "[4, 5, 6, 7]", "[8, 9, 10, 11]"]
    assert all("order of the files' numbers only" in stack.notes[0] for stack in stacks)


def test_slices_all_at_one_place() -> None:
    files = at_heights([7, 7, 7, 7])
    for ds, number in zip(files, (4, 2, 3, 1), strict=True):
        ds.InstanceNumber = ds.AcquisitionNumber = number
    (stack,) = stacks_of(files)
    assert sources(stack) == [3, 1, 2, 0] and stack.geometry is not None
    assert "nothing tells them apart" in stack.notes[0] and "several slices lie at one place" in stack.geometry.fault


def test_one_series_of_two_directions() -> None:
    files = at_heights([0, 5, 10, 15]) + make_series(ramp(5), orientation=SAGITTAL)
    stacks = stacks_of(files)
    assert sorted(len(stack.frames) for stack in stacks) == [4, 5]
    assert all("One of 2 stacks of one series" in stack.notes[0] for stack in stacks)


@pytest.mark.parametrize(
    "elements", [{"SeriesInstanceUID": "1.2.3"}, {"FrameOfReferenceUID": "1.2.3"}, {"PixelSpacing": [0.5, 0.6]}]
)
def test_what_keeps_series_apart(elements: dict[str, Any]) -> None:
    stacks = stacks_of(at_heights([0, 5, 10, 15]) + at_heights([0, 5, 10, 15], **elements))
    assert sorted(map(str, map(sources, stacks))) == ["[0, 1, 2, 3]", "[4, 5, 6, 7]"]


def test_directions_that_differ_by_rounding_are_one() -> None:
    files = at_heights([0, 5, 10, 15])
    files[2].ImageOrientationPatient = [1.0, 0.0004, 0.0, -0.0004, 1.0, 0.0]
    assert len(stacks_of(files)) == 1


def test_survey_images_and_colours_stand_alone() -> None:
    survey = make_series(ramp(2), orientation=CORONAL, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    colour = make_series(np.zeros((2, 4, 12), np.uint8), Columns=4, SamplesPerPixel=3, PhotometricInterpretation="RGB")
    radiograph = make_series(ramp(1), Modality="DX")
    del radiograph[0].ImageOrientationPatient, radiograph[0].ImagePositionPatient
    stacks, alone = build_stacks(list_all([*survey, *colour, *radiograph, *at_heights([0, 5, 10, 15])]))
    assert [len(stack.frames) for stack in stacks] == [4] and len(alone) == 5
    assert sum(frame.is_survey for frame in alone) == 2


def test_slices_that_do_not_say_where_they_lie() -> None:
    files = at_heights([0, 5, 10, 15])
    for ds, number in zip(files, (3, 1, 4, 2), strict=True):
        del ds.ImagePositionPatient, ds.ImageOrientationPatient
        ds.InstanceNumber = number
    (stack,) = stacks_of(files)
    assert sources(stack) == [1, 3, 0, 2] and stack.geometry is None and "files' numbers" in stack.notes[0]


def test_frames_of_an_enhanced_file() -> None:
    """Position, spacing, window and rescale of each frame are its own, or else those that all share."""
    heights = [10, 0, 15, 5]
    frames = [
        {
            "PlanePositionSequence": {"ImagePositionPatient": [0, 0, height]},
            "FrameVOILUTSequence": {"WindowCenter": height, "WindowWidth": 100},
            "PixelValueTransformationSequence": {"RescaleSlope": 1 + height, "RescaleIntercept": -height},
        }
        for height in heights
    ]
    shared = Dataset()
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient, measures.PixelSpacing = list(AXIAL), [0.5, 0.25]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Items([orientation]), Items([measures])
    ds = make_enhanced(ramp(4), frames, SharedFunctionalGroupsSequence=Items([shared]))
    (stack,) = stacks_of([ds])
    assert [frame.index for frame in stack.there] == [1, 3, 0, 2]
    assert stack.geometry is not None and stack.geometry.pitch == (0.5, 0.25) and stack.geometry.step == 5
    for frame, height in zip(stack.there, sorted(heights), strict=True):
        assert (frame.slope, frame.intercept) == (1 + height, -height)
        assert (frame.windows[0].centre, frame.windows[0].width) == (height, 100)


def test_a_clip_keeps_its_order() -> None:
    ds = make_series(ramp(1))[0]
    del ds.ImagePositionPatient, ds.ImageOrientationPatient
    ds.Modality, ds.NumberOfFrames, ds.FrameTime, ds.PixelData = "US", 6, 40, ramp(6).tobytes()
    (stack,) = stacks_of([ds])
    assert [frame.index for frame in stack.there] == list(range(6))
    assert stack.geometry is None and stack.there[0].seconds == 0.04


def test_windows_of_a_file() -> None:
    elements: dict[str, Any] = {
        "WindowCenter": [40, 40, -600, 5],
        "WindowWidth": [80, 80, 1500, 0],
        "WindowCenterWidthExplanation": ["BRAIN", "LUNG", "Doe^Jane", "X"],
    }
    frames = list_all(at_heights([0], **elements))
    assert [(w.name, w.centre, w.width) for w in frames[0].windows] == [
        ("Brain", 40, 80),
        ("Lung", -600, 1500),
    ]


def test_a_name_in_a_windows_explanation_is_not_said() -> None:
    (frame,) = list_all(at_heights([0], WindowCenter=40, WindowWidth=80, WindowCenterWidthExplanation="Doe^Jane"))
    assert frame.windows[0].name == "The file's window"


def test_nonsense_in_the_header() -> None:
    (frame,) = list_all(at_heights([0], PixelSpacing=[0, -1], BodyPartExamined="JANE DOE", Modality="DOE JANE"))
    assert frame.pitch is None and frame.body_part == "" and frame.modality == "OT"
    (frame,) = list_all(make_series(ramp(1), orientation=(1, 0, 0, 1, 0, 0), positions=[(0, 0, 0)]))
    assert frame.orientation is None


# Real series -----------------------------------------------------------------------------------------------------


def found_in(place: str) -> Found:
    return read_volumes([find_scans() / place])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "shapes", "words"),
    [
        ("gantrytilting/001", [(4, 512, 512)], "tilted by 14°"),
        ("sliceincrement/001", [(5, 512, 512)], "Slice 4 is missing"),
        ("sliceincrement/002", [(5, 512, 512)], "Slice 4 is missing"),
        ("sliceorientation/001", [(2, 288, 288), (2, 288, 288)], "One of 2 stacks of one series"),
        ("notavolume/001", [(4, 512, 512)], "at one place"),
        ("slicecount/001", [(2, 256, 256)], "at least 4 slices"),
    ],
)
def test_each_failing_series_is_opened_with_a_sentence(place: str, shapes: list[Any], words: str) -> None:
    found = found_in(f"dicom2nifti/failing/{place}")
    assert [series.shape for series in found.series] == shapes and not found.problems
    for series in found.series:
        scan = series.open()
        assert words in " ".join(scan.notes) and scan.slice(0).size == series.shape[1:]


@pytest.mark.slow
def test_head_ct_of_two_makers() -> None:
    (uneven,) = found_in("head_ct/GE").series
    assert uneven.shape[0] == 28 and "1.08, 4 and 7 mm" in " ".join(uneven.notes)
    found = found_in("head_ct/Philips")
    assert [series.name for series in found.series] == ["CT, 28 slices"]
    assert sum(picture.is_survey for picture in found.pictures) == 4 and len(found.pictures) == 7
    assert not found.problems  # its directory files are passed over
    scan = found.series[0].open()
    assert scan.measure() == (pytest.approx(5.0), 0.451171875, 0.451171875) and scan.unit == "HU"
    assert scan.size("coronal") == (310, 512) and next(iter(scan.windows)) == "The file's window"


GOOD = [
    *("ge/anatomical/001", "ge/anatomical/001_implicit", "ge/dti/001", "ge/dti/001_implicit", "ge/dti/002"),
    *("ge/fmri/001", "ge/fmri/001_implicit", "generic/anatomical/001", "generic/anatomical/001_implicit"),
    *("generic/anatomical/002_non_isotropic", "philips_enhanced/anatomical/001"),
    *("philips_enhanced/anatomical/001_implicit", "philips_enhanced/fmri/001", "philips_enhanced/fmri/001_implicit"),
    *("siemens_multiframe/anatomical/001", "failing/slicecount/001"),
    *(f"generic/{name}/001" for name in ("compressed", "compressed_j2k", "compressed_jpeg", "compressed_jpegls")),
    "generic/compressed_rle/001",
]


@pytest.mark.slow
@pytest.mark.parametrize("place", GOOD)
def test_a_series_is_what_a_published_converter_makes_of_it(place: str) -> None:
    """Every voxel at its millimetre, against the NIfTI files of dicom2nifti, by nibabel."""
    nibabel = pytest.importorskip("nibabel")
    if "jpeg" in place:
        pytest.importorskip("gdcm")
    reference = nibabel.load(find_scans() / "dicom2nifti" / f"{place}_ground_truth.nii.gz")
    body = np.asarray(reference.dataobj)
    body = body if body.ndim == 4 else body[..., None]
    series = found_in(f"dicom2nifti/{place}").series
    assert len(series) == body.shape[3]
    matched = {find_volume(one.open(), body, reference.affine) for one in series}
    assert matched == set(range(body.shape[3]))


def find_volume(scan: Volume, body: np.ndarray, theirs: np.ndarray) -> int:
    """Which of the reference's volumes a scan is, where one is it to the voxel."""
    assert scan.geometry is not None and scan.geometry.affine is not None
    there = np.linalg.inv(theirs) @ np.diag([-1.0, -1, 1, 1]) @ scan.geometry.affine
    at = np.einsum("ab,b...->a...", there[:3, :3], np.indices(scan.stored.shape)) + there[:3, 3][:, None, None, None]
    assert np.abs(at - np.rint(at)).max() < 1e-3
    x, y, z = np.rint(at).astype(int)
    values = scan.stored * scan.slopes[:, None, None] + scan.intercepts[:, None, None]
    equal = [volume for volume in range(body.shape[3]) if np.abs(body[x, y, z, volume] - values).max() < 1e-3]
    assert len(equal) == 1
    return equal[0]
