"""NIfTI files of labels: which voxels of a scan somebody, or something, has outlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.errors import PictureError
from explain.progress import Watch
from explain.volumes.nifti import NiftiHeader, read_numbers
from explain.volumes.planes import View

MOST_AREAS = 16
"""Areas of one file that are offered, the largest of them."""

ALONE = "Its numbers are those of outlined areas. Give the scan with it, and they are offered as regions of that."

_MOST_BYTES = 1_000_000_000
_TURNED = 0.02  # by which a step may differ from one voxel of the scan
_BESIDE = 0.5  # of a voxel, by which the whole may lie beside it


@dataclass(frozen=True, eq=False)
class Labels:
    """A file of labels that lies voxel on voxel on a scan.

    Attributes:
        source: number of the file.
        header: what it says.
        view: how its numbers are turned to be the scan's.
    """

    source: int
    header: NiftiHeader
    view: View


def give_affine(header: NiftiHeader) -> np.ndarray | None:
    """From a voxel (slice, row, column, 1) to LPS millimetres, `(4, 4)`; None where the file does not say."""
    return None if header.affine is None else header.affine[:, [2, 1, 0, 3]]


def find_turn(header: NiftiHeader, affine: np.ndarray | None, shape: Sequence[int]) -> View | None:
    """How the numbers `(d, h, w)` of a file are permuted and flipped to lie voxel on voxel on a scan.

    Args:
        header: of the file.
        affine: of the scan, as `give_affine` has it.
        shape: of the scan, `(d, h, w)`.

    Returns:
        None where the file has another grid, or nobody knows where one of them lies.
    """
    own = give_affine(header)
    if own is None or affine is None:
        return None
    steps = np.linalg.inv(affine) @ own  # from its voxels to the scan's
    axes = np.abs(steps[:3, :3]).argmax(1)
    if sorted(axes) != [0, 1, 2]:
        return None
    flips = steps[np.arange(3), axes] < 0
    plain = np.zeros((3, 3))
    plain[np.arange(3), axes] = np.where(flips, -1, 1)
    sides = np.array(header.shape[2::-1])[axes]
    begins = np.where(flips, sides - 1, 0)
    if np.abs(steps[:3, :3] - plain).max() > _TURNED or np.abs(steps[:3, 3] - begins).max() > _BESIDE:
        return None
    if tuple(sides) != tuple(shape):
        return None
    return View((int(axes[0]), int(axes[1]), int(axes[2])), (bool(flips[0]), bool(flips[1]), bool(flips[2])))


def read_areas(data: bytes, labels: Labels, watch: Watch | None = None) -> dict[str, np.ndarray]:
    """The areas of a file, in the voxels of its scan, `(d, h, w)` bool, by names that say their numbers.

    Args:
        data: the whole file.
        labels: what it is.
        watch: told how far it is; may stop it.

    Raises:
        PictureError: its numbers cannot be read, or outline nothing.
    """
    numbers = read_numbers(data, labels.header, 0, watch)
    if numbers.ndim != 3 or labels.header.slope != 1 or labels.header.intercept != 0:
        raise PictureError("The labels are no whole numbers. Save them as integers.")
    turned = labels.view.turn(np.rint(numbers).astype(np.int64) if numbers.dtype.kind == "f" else numbers)
    found, counts = np.unique(turned, return_counts=True)
    areas = sorted(((int(n), int(one)) for n, one in zip(counts, found, strict=True) if one != 0), reverse=True)
    if not areas:
        raise PictureError("The labels outline nothing: all of them are 0.")
    most = max(1, min(MOST_AREAS, _MOST_BYTES // turned.size))
    return {f"Area {number}": turned == number for number in sorted(number for _, number in areas[:most])}
