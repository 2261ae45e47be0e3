"""What a network of volumes answers: its maps at the right millimetres, and its manifest, which replays them."""

import gzip
import io
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest

from explain import save
from explain.engine.whole_volumes import VolumeExplanation
from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.report import replay
from explain.report.manifest import VOLUME_MAPS, build_volume_manifest, read_manifest, write_manifest
from explain.report.replay import replay_manifest
from explain.report.scans.gathering import Gatherer
from explain.report.scans.volumes import export_volume, find_ends, lay_out
from explain.report.scans.writing import list_originals
from tests.explain.report.scans.conftest import DATES
from tests.support.dicom_files import SECRETS
from tests.support.volume_network import load_network


def test_maps_leave_with_their_place_and_nobodys_name(volume_answer: VolumeExplanation) -> None:
    files = export_volume(volume_answer, ["nifti", "dicom"], list_originals([volume_answer.volume]))
    assert sum(name.endswith(".capture.dcm") for name in files) == 6 and len(files) == 10
    for name, data in files.items():
        for secret in (*SECRETS, *DATES.values()):
            assert secret.encode() not in (gzip.decompress(data) if name.endswith("gz") else data), name
    for one in volume_answer.maps:
        start = f"volume-{one.heatmap.method}-step-1"
        image = nib.Nifti1Image.from_bytes(gzip.decompress(files[f"{start}.nii.gz"]))
        np.testing.assert_array_equal(np.asarray(image.dataobj).T, one.values)
        made = pydicom.dcmread(io.BytesIO(files[f"{start}.map.dcm"]))
        assert made.NumberOfFrames == 8 and made.SeriesDescription.endswith("Not for diagnostic use")
        for slice_, row, column in ((0, 0, 0), (7, 3, 5), one.peak_cell):
            # By hand: the input is the middle of the slices, from row 12 and column 16 on, a cell two voxels wide, and
            # a voxel half a millimetre.
            place = (0.5 * (16.5 + 2 * column), 0.5 * (12.5 + 2 * row), 5.0 * slice_)
            found = (image.affine @ [column, row, slice_, 1.0])[:3] * (-1, -1, 1)
            np.testing.assert_allclose(found, place, atol=1e-3)


def test_its_slices_go_through_the_peak_with_one_scale(volume_answer: VolumeExplanation) -> None:
    laid = lay_out(volume_answer)
    assert [entry.picture.section.plane for entry in laid.pictures] == ["axial", "coronal", "sagittal"]  # type: ignore[union-attr]
    ends = find_ends(volume_answer, RenderSettings())
    for entry in laid.pictures:
        assert [cut.key for cut in entry.maps] == list(ends)
        low, high = ends[entry.maps[0].key]
        assert low <= max(float(entry.maps[0].values.max()), 0.0) <= high + 1e-6


def test_what_lies_nowhere_is_refused(volume_answer: VolumeExplanation) -> None:
    with pytest.raises(ExplainError, match="There is nothing to export"):
        export_volume(replace(volume_answer, maps=()), ["nifti"])
    lost = replace(volume_answer.maps[0], volume=replace(volume_answer.volume, geometry=None))
    with pytest.raises(ExplainError, match="Nobody knows where in a patient"):
        export_volume(replace(volume_answer, maps=(lost,)), ["nifti"])


def test_its_manifest_is_of_format_2_and_names_nobody(volume_answer: VolumeExplanation) -> None:
    data = write_manifest(build_volume_manifest(volume_answer))
    written, manifest = json.loads(data), read_manifest(data)
    assert manifest.format == 2 and "pictures" not in written and manifest.pictures == ()
    (volume,) = manifest.volumes
    assert (volume.digest, volume.kind, volume.shape, volume.missing) == (
        volume_answer.volume.digest,
        "dicom",
        (8, 40, 48),
        (),
    )
    assert volume.spacing == (5.0, 0.5, 0.5)
    np.testing.assert_allclose(np.reshape(volume.affine, (3, 4)), volume_answer.volume.geometry.affine[:3])  # type: ignore[union-attr,index,arg-type]
    assert manifest.maps[0].box == (0.0, 8.0, 12.0, 28.0, 16.0, 32.0)
    assert not [secret for secret in (*SECRETS, *DATES.values()) if secret.encode() in data]


def test_a_volume_is_replayed_bit_for_bit(
    volume_answer: VolumeExplanation, ct_files: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_load_model", lambda engine, *_: load_network(engine))
    (tmp_path / "manifest.json").write_bytes(write_manifest(build_volume_manifest(volume_answer)))
    np.savez(tmp_path / VOLUME_MAPS, **{one.key: one.values for one in volume_answer.maps})
    (tmp_path / "renamed").mkdir()
    for number, data in enumerate(ct_files):
        (tmp_path / "renamed" / f"{9 - number}").write_bytes(data)
    again = replay_manifest(tmp_path / "manifest.json", [tmp_path / "renamed"])
    assert again.reproduced and again.lines[-1] == "2 of 2 maps are the same, bit for bit."
    assert again.lines[-2] == "CT, 8 slices, HiRes-CAM: the same, bit for bit."
    with pytest.raises(ExplainError, match="The series of CT, 8 slices was not found"):
        replay_manifest(tmp_path / "manifest.json", [])


def test_its_slices_as_pictures_are_replayed_too(
    volume_answer: VolumeExplanation, ct_files: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_load_model", lambda engine, *_: load_network(engine))
    save(lay_out(volume_answer), tmp_path / "out")
    (tmp_path / "series").mkdir()
    for number, data in enumerate(ct_files):
        (tmp_path / "series" / f"{number}").write_bytes(data)
    assert replay_manifest(tmp_path / "out" / "manifest.json", [tmp_path / "series"]).reproduced


def test_of_a_slice_of_it_the_whole_map_leaves_once(volume_answer: VolumeExplanation) -> None:
    volume = volume_answer.volume
    gatherer = Gatherer()
    for index in (2, 3):
        gatherer.add(volume_answer.lay_on(volume.slice(index)))
    taken = gatherer.list_maps()
    assert [one.name for one in taken] == ["volume"] * len(volume_answer.maps)
    for one, own in zip(taken, volume_answer.maps, strict=True):
        assert own.affine is not None
        assert np.array_equal(one.values, own.values) and np.allclose(one.affine, own.affine)
