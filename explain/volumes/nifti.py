"""NIfTI volumes (.nii, .nii.gz), by the standard's header: 348 bytes of version 1, 540 of version 2.

What is packed is unpacked only as far as its header says, and no further: a few bytes can claim sixteen gigabytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from explain.errors import PictureError
from explain.progress import Watch
from explain.volumes.bounds import MOST_BYTES, check_voxels, say_too_many_bytes
from explain.volumes.geometry import Geometry
from explain.volumes.planes import Plane, View, find_view

_TYPES = {
    **{2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"},
    **{128: "rgb", 2304: "rgba"},
}
_COMPLEX = (32, 1792, 2048)
_LABELS = 1002
_VECTORS = (1004, 1005, 1006, 1007, 1010)  # matrices, displacements, vectors, quaternions
_MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}
_UNEQUAL = 0.01  # of a voxel, by which two transforms may differ
_AT_ONCE = 16 * 2**20  # bytes that are unpacked before it is asked whether they are still wanted
_THICK = 1.2
"""Times that slices are thicker than the other sides of a voxel, from where on their plane is the one to look at."""

_LPS = np.diag([-1.0, -1.0, 1.0])
"""NIfTI counts towards right, front and head."""


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What the header says.

    Attributes:
        shape: of the numbers: columns, rows, slices and volumes, as NIfTI counts.
        type: NumPy's name of a number, with its byte order; `rgb` and `rgba` for colours.
        offset: where the numbers begin.
        slope: by which they are multiplied; 1 where the file says nothing of use.
        intercept: what is added then.
        affine: from a voxel (column, row, slice, 1) to LPS millimetres, `(4, 4)`; None where the file says nothing.
        pitch: millimetres from column to column, row to row and slice to slice; None where the file does not say.
        is_labels: whether the numbers are those of outlined areas.
        notes: sentences on what contradicts itself.
    """

    shape: tuple[int, int, int, int]
    type: str
    offset: int
    slope: float
    intercept: float
    affine: np.ndarray | None
    pitch: tuple[float, float, float] | None
    is_labels: bool
    notes: tuple[str, ...]

    @property
    def bytes_per_voxel(self) -> int:
        """Bytes of a number, or of a colour."""
        return _count_bytes(self.type)


def _count_bytes(kind: str) -> int:
    return {"rgb": 3, "rgba": 4}.get(kind) or np.dtype(kind).itemsize


def is_nifti(data: bytes) -> bool:
    """Whether the bytes are a NIfTI file's, packed or not."""
    try:
        return _find_order(_unpack(data, 540)) is not None
    except PictureError:
        return False


def is_packed(data: bytes) -> bool:
    """Whether the bytes are gzip's."""
    return data[:2] == b"\x1f\x8b"


def _unpack(data: bytes, wanted: int, watch: Watch | None = None) -> bytes:
    """The first bytes of what is packed, as many as wanted at most; every part of a file of several is read."""
    if not is_packed(data):
        return data[:wanted]
    found, rest, watch = bytearray(), data, watch or Watch()
    try:
        while rest and len(found) < wanted:
            inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
            found += inflate.decompress(rest, min(wanted - len(found), _AT_ONCE))
            while not inflate.eof and len(found) < wanted and inflate.unconsumed_tail:
                watch.stop_if_cancelled()
                watch.report(len(found) / wanted, "Unpacking the volume")
                found += inflate.decompress(inflate.unconsumed_tail, min(wanted - len(found), _AT_ONCE))
            if not inflate.eof:
                break
            rest = inflate.unused_data if is_packed(inflate.unused_data) else b""
    except zlib.error:
        raise PictureError("The gzip file is damaged. Copy or export it again.") from None
    return bytes(found)


def _find_order(head: bytes) -> tuple[str, int] | None:
    """Byte order and version, by the header's length at its beginning."""
    for order in "<>":
        if len(head) >= 348 and struct.unpack_from(f"{order}i", head)[0] == 348 and head[344:347] in (b"n+1", b"ni1"):
            return order, 1
        if len(head) >= 540 and struct.unpack_from(f"{order}i", head)[0] == 540 and head[4:7] in (b"n+2", b"ni2"):
            return order, 2
    return None


def read_header(data: bytes) -> NiftiHeader:
    """What the header says, and nothing of the numbers yet.

    Raises:
        PictureError: it is no NIfTI file, is damaged, or holds what is no volume.
    """
    head = _unpack(data, 540)
    found = _find_order(head)
    if found is None:
        raise PictureError("The file is no NIfTI volume, or is damaged. Export it again.")
    order, version = found
    if head[344:347] == b"ni1" or head[4:7] == b"ni2":
        raise PictureError(
            "The NIfTI header stands alone, its numbers are in another file. Save both as one .nii file."
        )
    if version == 1:
        dims = struct.unpack_from(f"{order}8h", head, 40)
        intent, kind = struct.unpack_from(f"{order}hh", head, 68)
        steps = struct.unpack_from(f"{order}8f", head, 76)
        offset, slope, intercept = struct.unpack_from(f"{order}3f", head, 108)
        units = head[123]
        codes = struct.unpack_from(f"{order}2h", head, 252)
        quaternion = struct.unpack_from(f"{order}6f", head, 256)
        rows = struct.unpack_from(f"{order}12f", head, 280)
    else:
        kind = struct.unpack_from(f"{order}h", head, 12)[0]
        dims = struct.unpack_from(f"{order}8q", head, 16)
        steps = struct.unpack_from(f"{order}8d", head, 104)
        offset = struct.unpack_from(f"{order}q", head, 168)[0]
        slope, intercept = struct.unpack_from(f"{order}2d", head, 176)
        codes = struct.unpack_from(f"{order}2i", head, 344)
        quaternion = struct.unpack_from(f"{order}6d", head, 352)
        rows = struct.unpack_from(f"{order}12d", head, 400)
        units, intent = struct.unpack_from(f"{order}2i", head, 500)
    shape = _check_shape(dims, kind, intent)
    pitch, affine, notes = _read_transform(steps, units, codes, quaternion, rows)
    name = _TYPES[kind]
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        slope, intercept = 1.0, 0.0
    smallest = 352 if version == 1 else 544
    if not np.isfinite(offset) or not 0 <= offset <= MOST_BYTES:
        raise PictureError("The NIfTI file does not say where its numbers begin. Export it again.")
    return NiftiHeader(
        shape=shape,
        type=name if name.startswith("rgb") else f"{order}{name}",
        offset=max(int(offset), smallest - 4),
        slope=float(slope),
        intercept=float(intercept),
        affine=affine,
        pitch=pitch,
        is_labels=intent == _LABELS,
        notes=tuple(notes),
    )


def _check_shape(dims: tuple[int, ...], kind: int, intent: int) -> tuple[int, int, int, int]:
    if kind in _COMPLEX:
        raise PictureError(
            "The NIfTI file holds complex numbers or 128-bit ones. Save its magnitude as a volume of its own."
        )
    if kind not in _TYPES:
        raise PictureError("The NIfTI file stores its numbers in a rare way. Save it as 16-bit integers or as floats.")
    count = dims[0]
    if not 1 <= count <= 7 or any(side < 1 for side in dims[1 : count + 1]):
        raise PictureError("The NIfTI file does not say how large its volume is. Export it again.")
    if intent in _VECTORS or any(side > 1 for side in dims[5 : count + 1]):
        raise PictureError(
            "The NIfTI file holds several numbers for each voxel (vectors, or five dimensions). Save one of them."
        )
    sides = [*dims[1 : count + 1], 1, 1, 1][:4]
    check_voxels(sides[2::-1], _count_bytes(_TYPES[kind]))
    return sides[0], sides[1], sides[2], sides[3]


def _read_transform(
    steps: tuple[float, ...],
    units: int,
    codes: tuple[int, ...],
    quaternion: tuple[float, ...],
    rows: tuple[float, ...],
) -> tuple[tuple[float, float, float] | None, np.ndarray | None, list[str]]:
    """The sides of a voxel in millimetres, where voxels lie, and what contradicts itself."""
    scale = _MILLIMETRES.get(units & 7, 1.0)
    own = [abs(step) * scale if np.isfinite(step) and step != 0 else 1.0 for step in steps[1:4]]
    by_quaternion = _read_quaternion(steps[0], own, quaternion, scale) if codes[0] > 0 else None
    by_rows = np.array(rows, dtype=np.float64).reshape(3, 4) * scale if codes[1] > 0 else None
    notes = []
    if by_rows is not None and not _is_usable(by_rows):
        notes.append("The file's transform (sform) is no place in space: it is not used.")
        by_rows = None
    if by_rows is not None and by_quaternion is not None:
        size = np.linalg.norm(by_rows[:, :3], axis=0).min()
        if np.abs(by_rows - by_quaternion).max() > _UNEQUAL * size:
            notes.append("The file says twice where it lies, and not the same (sform, qform): the first is used.")
    chosen = by_rows if by_rows is not None else by_quaternion
    if chosen is None and not all(np.isfinite(step) and step != 0 for step in steps[1:4]):
        return None, None, [*notes, "The file does not say how large its voxels are."]
    if chosen is None:
        return (own[0], own[1], own[2]), None, notes
    affine = np.eye(4)
    affine[:3] = _LPS @ chosen
    sides = np.linalg.norm(affine[:3, :3], axis=0)
    return (float(sides[0]), float(sides[1]), float(sides[2])), affine, notes


def _is_usable(rows: np.ndarray) -> bool:
    if not np.isfinite(rows).all() or np.abs(rows).max() > 1e6:
        return False
    sides = np.linalg.norm(rows[:, :3], axis=0)
    return bool(sides.min() > 1e-6 and abs(np.linalg.det(rows[:, :3] / sides)) > 0.05)


def _read_quaternion(qfac: float, sides: list[float], quaternion: tuple[float, ...], scale: float) -> np.ndarray | None:
    """The transform of a quaternion `(3, 4)`, to right, front and head (nifti1.h, method 2)."""
    b, c, d = quaternion[:3]
    if not np.isfinite(quaternion).all() or np.abs(quaternion).max() > 1e6:
        return None
    a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    length = np.sqrt(a * a + b * b + c * c + d * d)
    a, b, c, d = a / length, b / length, c / length, d / length
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    # A qfac of 0 counts as 1.
    stretched = turn * np.array([sides[0], sides[1], -sides[2] if qfac < 0 else sides[2]])
    return np.column_stack([stretched, np.array(quaternion[3:]) * scale])


def read_numbers(data: bytes, header: NiftiHeader, volume: int = 0, watch: Watch | None = None) -> np.ndarray:
    """The numbers of one volume `(d, h, w)`, as stored, or RGB `(d, h, w, 3)`.

    Args:
        data: the whole file.
        header: what `read_header` said.
        volume: which one of a file of several, from 0.
        watch: told how far it is; may stop it.

    Raises:
        PictureError: the file is cut off, too large, or has no such volume.
        Cancelled: it was stopped.
    """
    columns, rows, slices, volumes = header.shape
    if not 0 <= volume < volumes:
        raise PictureError(f"There is no volume {volume + 1}: the file holds {volumes}.")
    size = columns * rows * slices * header.bytes_per_voxel
    start = header.offset + volume * size
    if start + size > MOST_BYTES:
        raise PictureError(say_too_many_bytes())
    found = _unpack(data, start + size, watch)
    if len(found) < start + size:
        raise PictureError("The NIfTI file is cut off: part of its numbers is missing. Copy or export it again.")
    if header.type.startswith("rgb"):
        colours = np.frombuffer(found, np.uint8, count=size, offset=start)
        return colours.reshape(slices, rows, columns, header.bytes_per_voxel)[..., :3]
    numbers = np.frombuffer(found, header.type, count=columns * rows * slices, offset=start)
    return numbers.reshape(slices, rows, columns).astype(header.type[1:], copy=False)


def find_geometry(header: NiftiHeader) -> Geometry | None:
    """Where the voxels lie, as slices, rows and columns; None where the file does not say."""
    if header.affine is None:
        return None
    columns, rows, slices, _ = header.shape
    across, down, through = (header.affine[:3, axis] for axis in range(3))
    origins = header.affine[:3, 3] + np.outer(np.arange(slices), through)
    fault = ""
    units = [axis / np.linalg.norm(axis) for axis in (across, down, through)]
    if max(abs(units[0] @ units[1]), abs(units[0] @ units[2]), abs(units[1] @ units[2])) > 0.02:
        fault = "Other planes cannot be shown: the file's axes do not stand at right angles to each other."
    elif min(columns, rows, slices) < 4:
        fault = "Other planes cannot be shown: they need at least 4 slices."
    assert header.pitch is not None
    step = header.pitch[2] if slices > 1 else None
    return Geometry(origins, units[1], units[0], (header.pitch[1], header.pitch[0]), step, fault)


def find_best_plane(header: NiftiHeader, geometry: Geometry | None) -> Plane:
    """The plane to look at: that of the slices where they are thick, else the axial one.

    A file is stored in any order, so that its own order of rows and columns says nothing of what is up.
    """
    pitch = header.pitch
    if geometry is None or geometry.fault or pitch is None:
        return "stack"
    sides = sorted(range(3), key=lambda axis: pitch[axis])
    if pitch[sides[2]] < _THICK * pitch[sides[1]]:
        return "axial"
    assert header.affine is not None
    normal = int(np.argmax(np.abs(header.affine[:3, sides[2]])))
    planes: tuple[Plane, ...] = ("sagittal", "coronal", "axial")
    return planes[normal]


def show_as(header: NiftiHeader) -> View:
    """How its numbers are turned to be looked at in that plane."""
    geometry = find_geometry(header)
    return View() if geometry is None else find_view(find_best_plane(header, geometry), geometry.directions)
