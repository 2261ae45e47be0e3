"""A volume of numbers that a Python program holds."""

from __future__ import annotations

import hashlib

import numpy as np

from explain.errors import PictureError
from explain.pictures.picture import freeze
from explain.volumes.bounds import MOST_VOXELS
from explain.volumes.geometry import Geometry
from explain.volumes.volume import Volume

_SQUARE = 1e-3
"""How far the cosine between two axes may be from 0."""


def build_volume(
    values: np.ndarray,
    affine: np.ndarray | None = None,
    name: str = "volume",
    modality: str = "OT",
    unit: str = "",
) -> Volume:
    """A volume of an array.

    Args:
        values: `(d, h, w)`, slices first; numbers in the units that `unit` names.
        affine: from a voxel (slice, row, column, 1) to its centre in LPS millimetres, `(4, 4)`: towards the patient's
            left, back and head. Left out, nobody knows where they lie.
        name: what it is called.
        modality: the kind of machine, e.g. `CT`.
        unit: of the values, e.g. `HU`.

    Raises:
        PictureError: the array has another number of axes, is too large, holds no numbers, or the affine's axes stand
            at no right angles.
    """
    values = np.asarray(values)
    if values.ndim != 3 or not values.size or values.dtype.kind not in "iuf":
        raise PictureError(
            f"A volume is an array (slices, rows, columns) of numbers, and this is {values.shape} of {values.dtype}."
        )
    if values.size > MOST_VOXELS:
        raise PictureError(f"The array has {values.size:,} voxels, and up to {MOST_VOXELS:,} are read.")
    stored = freeze(values)
    digest = hashlib.sha256(f"array\n{stored.dtype} {stored.shape}\n".encode())
    digest.update(stored.data)
    geometry = None
    if affine is not None:
        affine = np.asarray(affine, dtype=float)
        geometry = _read_affine(affine, stored.shape[0])
        digest.update(affine.tobytes())
    return Volume(
        name=name,
        stored=stored,
        slopes=np.ones(len(stored)),
        intercepts=np.zeros(len(stored)),
        present=np.ones(len(stored), bool),
        digest=digest.hexdigest(),
        modality=modality,
        unit=unit,
        geometry=geometry,
        pitch=None if geometry is None else geometry.pitch,
        bits=8 * stored.itemsize,
    )


def _read_affine(affine: np.ndarray, slices: int) -> Geometry:
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise PictureError(f"An affine is 4 × 4 finite numbers, and this one is {affine.shape}.")
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    units = axes / np.where(lengths > 0, lengths, 1)
    if lengths.min() <= 0 or np.abs(units.T @ units - np.eye(3)).max() > _SQUARE:
        raise PictureError(
            "The axes of the affine stand at no right angles, so no plane can be cut. Resample it first."
        )
    origins = affine[:3, 3] + np.arange(slices)[:, None] * axes[:, 0]
    step, down, across = (float(length) for length in lengths)
    return Geometry(origins, units[:, 1], units[:, 2], (down, across), step)
