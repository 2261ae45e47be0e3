"""DICOM objects of maps, read by highdicom, checked by dciodvfy: their place, their words, and no patient in them."""

import io
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from explain.engine.explanation import Explanation
from explain.errors import ExplainError
from explain.pictures.picture import Picture
from explain.report.scans.writing import export_scans, list_originals
from explain.volumes.volume import Volume
from tests.explain.report.scans.conftest import DATES, list_orders, locate, open_series, open_volume
from tests.support.dicom_files import SECRETS, make_slice, ramp, write
from tests.support.engine import make_picture

Tell = Callable[[Sequence[Picture]], Explanation]


def with_original(volume: Volume) -> Volume:
    """The volume as if it came from a DICOM file."""
    data = write(make_slice(ramp(1)[0], **DATES))
    return replace(volume, read_original=lambda at: data)


def check_place(tell: Tell, affine: np.ndarray, plane: str) -> None:
    from highdicom.pm.sop import pmread

    volume = with_original(open_volume(affine))
    answer = tell([volume.slice(at, plane) for at in (1, 2)])  # type: ignore[arg-type]
    files = export_scans(answer, ["dicom"], list_originals([volume]))
    made = pmread(io.BytesIO(files[f"{plane}-2-to-3-grad-cam-stages.1-2.map.dcm"]))
    found = made.get_volume(apply_real_world_transform=False)
    back = np.linalg.inv(found.affine)
    sides = np.abs(affine[:3, :3]) @ np.ones(3)
    for slice_, entry in enumerate(answer.pictures):
        heatmap = entry.maps[0]
        for row, column in np.ndindex(3, 4):
            voxel = locate(volume, plane, slice_ + 1, heatmap, (row, column))
            at = back @ [*voxel, 1.0]
            nearest = tuple(int(part) for part in np.rint(at[:3]))
            assert found.array[nearest] == heatmap.values[row, column]
            middle = (found.affine @ [*nearest, 1.0])[:3]
            assert (np.abs(middle - voxel) <= sides / 2 + 1e-3).all()


@pytest.mark.parametrize("order", [0, 9, 22, 31, 46])
def test_numbers_lie_at_the_right_millimetres(tell: Tell, order: int) -> None:
    check_place(tell, list_orders()[order], ("axial", "coronal", "sagittal")[order % 3])


@pytest.mark.slow
def test_numbers_lie_at_the_right_millimetres_in_all_48_orders(tell: Tell) -> None:
    for affine in list_orders():
        for plane in ("axial", "coronal", "sagittal"):
            check_place(tell, affine, plane)


@pytest.fixture(scope="module")
def exported(tell: Tell) -> dict[bool, dict[str, bytes]]:
    """Two slices of a series, with and without identity."""
    volume = open_series()
    answer = tell([volume.slice(at) for at in (3, 4)])
    return {archive: export_scans(answer, ["dicom"], list_originals([volume]), archive) for archive in (False, True)}


def test_without_identity_no_byte_names_the_patient(exported: dict[bool, dict[str, bytes]], tmp_path: Path) -> None:
    source = pydicom.dcmread(io.BytesIO(open_series().read_original(3)))  # type: ignore[misc]
    identifiers = [source.SeriesInstanceUID, source.FrameOfReferenceUID, *DATES.values()]
    assert len(exported[False]) == 3
    for data in exported[False].values():
        for secret in (*SECRETS, *identifiers, str(tmp_path)):
            assert secret.encode() not in data and secret.encode("utf-16-le") not in data, secret
        made = pydicom.dcmread(io.BytesIO(data))
        assert made.PatientName == made.StudyDate == "" and made.PatientIdentityRemoved == "YES"
        assert made.SeriesDescription == "Grad-CAM: Not for diagnostic use"
        assert made.DerivationDescription.startswith("Not for diagnostic use. Grad-CAM for “dog” at the layer stages.1")
    studies = {pydicom.dcmread(io.BytesIO(data)).StudyInstanceUID for data in exported[False].values()}
    assert len(studies) == 1


def test_for_the_archive_patient_and_study_are_named_and_it_is_said(exported: dict[bool, dict[str, bytes]]) -> None:
    made = [pydicom.dcmread(io.BytesIO(data)) for data in exported[True].values()]
    series = pydicom.dcmread(io.BytesIO(open_series().read_original(3))).SeriesInstanceUID  # type: ignore[misc]
    for one in made:
        assert (one.PatientName, one.PatientID) == SECRETS[:2] and one.StudyInstanceUID == DATES["StudyInstanceUID"]
        assert one.SeriesDescription == "Grad-CAM: Not for diagnostic use, for the archive"
        assert "For the archive" in one.DerivationDescription and one.SeriesInstanceUID != series
    assert made[0].SeriesInstanceUID == made[1].SeriesInstanceUID != made[2].SeriesInstanceUID
    assert [one.InstanceNumber for one in made] == [1, 2, 1]
    assert made[2].ContentDescription == made[2].SeriesDescription


def test_a_capture_is_the_picture_with_its_map_and_words(exported: dict[bool, dict[str, bytes]]) -> None:
    made = pydicom.dcmread(io.BytesIO(exported[False]["01-grad-cam-stages.1-2.capture.dcm"]))
    pixels = made.pixel_array
    # 48 columns of 0.5 mm, eleven times as large.
    assert pixels.shape[1] == 528 and pixels.shape[0] > 440 + 10
    assert [float(side) for side in made.PixelSpacing] == pytest.approx([0.5 / 11] * 2)
    assert list(made.PatientOrientation) == ["L", "P"]
    assert (pixels[455:] > 128).any(), "words in white"


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is absent: `apt-get install dicom3tools`.")
def test_dciodvfy_finds_no_error(exported: dict[bool, dict[str, bytes]], tmp_path: Path) -> None:
    for archive, files in exported.items():
        for name, data in files.items():
            file = tmp_path / f"{archive}-{name}"
            file.write_bytes(data)
            done = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
            assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == [], name


def test_what_comes_of_no_dicom_file_is_refused_in_a_sentence(tell: Tell) -> None:
    for picture in (make_picture(), open_volume(list_orders()[0]).slice(1, "axial")):
        with pytest.raises(ExplainError, match="is of no DICOM file that is at hand"):
            export_scans(tell([picture]), ["dicom"])


def test_a_study_without_a_frame_of_reference_has_no_parametric_map(tell: Tell) -> None:
    volume = open_series()
    bare = make_slice(ramp(1)[0], **DATES)
    del bare.FrameOfReferenceUID
    data = write(bare)
    originals = {volume.digest: lambda at: data}
    with pytest.raises(ExplainError, match="what its positions are measured from"):
        export_scans(tell([volume.slice(3)]), ["dicom"], originals, for_archive=True)


def test_a_radiograph_of_its_own_has_a_capture_alone(tell: Tell) -> None:
    data = write(make_slice(ramp(1)[0], **DATES))
    picture = replace(make_picture(), source="d", modality="DX")
    files = export_scans(tell([picture]), ["dicom"], {"d": lambda at: data})
    assert list(files) == ["01-grad-cam-stages.1-2.capture.dcm"]
