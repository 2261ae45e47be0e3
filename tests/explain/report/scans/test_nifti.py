"""NIfTI files of maps, read by nibabel: at the right millimetres however a file's axes lie, and without a word."""

import gzip
from collections.abc import Callable, Sequence

import nibabel as nib
import numpy as np
import pytest

from explain.engine.explanation import Explanation
from explain.pictures.picture import Picture
from explain.report.scans.nifti import encode_nifti
from explain.report.scans.writing import export_scans
from explain.volumes.nifti import find_geometry, read_header, read_numbers
from tests.explain.report.scans.conftest import SIDES, list_orders, locate, open_volume

RAS = np.array([-1.0, -1.0, 1.0])


def test_all_its_texts_are_empty_and_our_own_reader_reads_it() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    affine = list_orders()[13]
    data = encode_nifti(values, affine)
    assert data[3] & 0b11100 == 0, "no name, no comment in the gzip file"
    header = nib.Nifti1Image.from_bytes(gzip.decompress(data)).header
    for field in ("data_type", "db_name", "intent_name", "descrip", "aux_file"):
        assert header[field].item() == b""
    assert header.get_xyzt_units() == ("mm", "unknown") and int(header["sform_code"]) == 1
    own = read_header(data)
    np.testing.assert_array_equal(read_numbers(data, own), values)
    geometry = find_geometry(own)
    assert geometry is not None and geometry.affine is not None
    np.testing.assert_allclose(geometry.affine, affine, atol=1e-5)


def test_maps_lie_at_the_right_millimetres_in_all_48_orders(
    tell: Callable[[Sequence[Picture]], Explanation],
) -> None:
    for affine in list_orders():
        volume = open_volume(affine)
        for plane in ("axial", "coronal", "sagittal"):
            answer = tell([volume.slice(at, plane) for at in (1, 2)])  # type: ignore[arg-type]
            ((name, data),) = export_scans(answer, ["nifti"]).items()
            assert name == f"{plane}-2-to-3-grad-cam-stages.1-2.nii.gz"
            image = nib.Nifti1Image.from_bytes(gzip.decompress(data))
            numbers = np.asarray(image.dataobj)
            for slice_, entry in enumerate(answer.pictures):
                heatmap = entry.maps[0]
                for row, column in np.ndindex(3, 4):
                    assert numbers[column, row, slice_] == heatmap.values[row, column]
                    found = (image.affine @ [column, row, slice_, 1.0])[:3] * RAS
                    voxel = locate(volume, plane, slice_ + 1, heatmap, (row, column))
                    # The middle of a cell lies somewhere in the voxel that the crosshair shows there.
                    sides = np.abs(affine[:3, :3]) @ np.ones(3)
                    assert (np.abs(found - voxel) <= sides / 2 + 1e-4).all()


@pytest.mark.parametrize("order", [0, 17, 47])
def test_steps_are_those_of_cells(order: int) -> None:
    data = encode_nifti(np.zeros((2, 3, 4), np.float32), list_orders()[order])
    header = nib.Nifti1Image.from_bytes(gzip.decompress(data)).header
    assert header.get_zooms() == (SIDES[2], SIDES[1], SIDES[0])
