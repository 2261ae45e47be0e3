"""Maps as NIfTI (.nii.gz): numbers and where they lie, and no text at all."""

from __future__ import annotations

import gzip
import struct

import numpy as np

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SCANNER, _MILLIMETRES, _FLOAT = 1, 2, 16
_HEADER = 352


def encode_nifti(values: np.ndarray, affine: np.ndarray) -> bytes:
    """A volume as a packed file of NIfTI-1. Every text of its header is empty, and so is the name in the gzip file.

    Args:
        values: `(d, h, w)`: slices, rows, columns; written as float32.
        affine: from (slice, row, column, 1) to LPS millimetres, `(4, 4)`.
    """
    depth, rows, columns = values.shape
    # NIfTI counts columns first and towards the patient's right, front and head.
    turned = (_LPS_TO_RAS @ affine)[:, [2, 1, 0, 3]]
    steps = np.linalg.norm(turned[:3, :3], axis=0)
    header = bytearray(_HEADER)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, columns, rows, depth, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, _FLOAT, 32)
    struct.pack_into("<8f", header, 76, 1.0, *steps, 1.0, 1.0, 1.0, 1.0)
    struct.pack_into("<3f", header, 108, float(_HEADER), 1.0, 0.0)
    header[123] = _MILLIMETRES
    struct.pack_into("<2h", header, 252, 0, _SCANNER)
    struct.pack_into("<12f", header, 280, *turned[:3].ravel())
    header[344:348] = b"n+1\0"
    return gzip.compress(bytes(header) + np.ascontiguousarray(values, "<f4").tobytes(), mtime=0)
