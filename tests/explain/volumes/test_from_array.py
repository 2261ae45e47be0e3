"""Volumes of arrays: their places, their digest, and what is none."""

import numpy as np
import pytest

from explain.errors import PictureError
from explain.volumes.from_array import build_volume


def _affine() -> np.ndarray:
    """Slices to the head, rows to the back, columns to the left."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2] = 2.5, 1.5, 1.25
    affine[:, 3] = (-10, -20, 30, 1)
    return affine


def test_voxels_lie_where_the_affine_says() -> None:
    volume = build_volume(np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3), _affine())
    assert volume.geometry is not None and volume.geometry.affine is not None
    assert np.allclose(volume.geometry.affine, _affine())
    assert volume.steps == (2.5, 1.5, 1.25) and volume.pitch == (1.5, 1.25)
    assert volume.get_value((2, 1, 1)) == 2 * 12 + 3 + 1
    assert not any(volume.planes.values())
    assert volume.name_edges("axial") == ("A", "L", "P", "R")


def test_the_digest_is_that_of_numbers_and_places() -> None:
    numbers = np.zeros((5, 4, 3), np.int16)
    digests = {
        build_volume(numbers).digest,
        build_volume(numbers, _affine()).digest,
        build_volume(numbers + 1).digest,
        build_volume(numbers.astype(np.float32)).digest,
    }
    assert len(digests) == 4
    assert build_volume(numbers.copy(), _affine(), name="other").digest in digests


@pytest.mark.parametrize(
    ("values", "affine", "said"),
    [
        (np.zeros((4, 4)), None, "slices, rows, columns"),
        (np.zeros((0, 4, 4)), None, "slices, rows, columns"),
        (np.zeros((2, 4, 4), complex), None, "complex128"),
        (np.zeros((2, 4, 4)), np.eye(3), "4 × 4"),
        (np.zeros((2, 4, 4)), np.full((4, 4), np.nan), "finite"),
        (np.zeros((2, 4, 4)), np.zeros((4, 4)), "right angles"),
        (np.zeros((2, 4, 4)), np.eye(4) + np.eye(4, k=1) * 0.2, "right angles"),
    ],
)
def test_what_is_no_volume_is_refused(values: np.ndarray, affine: np.ndarray | None, said: str) -> None:
    with pytest.raises(PictureError, match=said):
        build_volume(values, affine)
