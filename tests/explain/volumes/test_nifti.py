"""NIfTI files made by hand, with nibabel as a second opinion where it is installed; and what is refused."""

from __future__ import annotations

import gzip
import struct
import threading
import zlib
from typing import Any

import numpy as np
import pytest

from explain.errors import Cancelled, PictureError
from explain.progress import Watch
from explain.volumes.loading import load_nifti
from explain.volumes.nifti import is_nifti, read_header, read_numbers
from explain.volumes.volume import Volume
from explain.volumes.windows import Window
from tests.support.scans import find_scans

KINDS = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "c8": 32, "i1": 256, "u2": 512, "u4": 768, "i8": 1024}
FULL = Window("Full", 0.0, 20_000.0, "LINEAR_EXACT")


def nifti(numbers: np.ndarray, order: str = "<", **header: Any) -> bytes:
    """A file of numbers `(…, z, y, x)`; what the header says otherwise is given."""
    head = bytearray(352)
    dims = [numbers.ndim, *numbers.shape[::-1]]
    dims += [1] * (8 - len(dims))
    steps = header.get("steps", (1.0, 2.0, 3.0, 4.0, 1, 1, 1, 1))
    struct.pack_into(f"{order}i", head, 0, 348)
    struct.pack_into(f"{order}8h", head, 40, *header.get("dims", dims))
    struct.pack_into(
        f"{order}hhh", head, 68, header.get("intent", 0), header.get("kind", KINDS[numbers.dtype.str[1:]]), 16
    )
    struct.pack_into(f"{order}8f", head, 76, *steps)
    struct.pack_into(f"{order}3f", head, 108, header.get("offset", 352), *header.get("scale", (0.0, 0.0)))
    head[123] = header.get("units", 2)
    struct.pack_into(f"{order}2h", head, 252, *header.get("codes", (0, 0)))
    struct.pack_into(f"{order}6f", head, 256, *header.get("quaternion", (0,) * 6))
    struct.pack_into(f"{order}12f", head, 280, *np.ravel(header.get("rows", np.zeros((3, 4)))))
    head[344:348] = header.get("magic", b"n+1\0")
    head[148 : 148 + 8] = b"Doe^Jane"
    return bytes(head) + numbers.astype(numbers.dtype.newbyteorder(order)).tobytes()


def opened(data: bytes, volume: int = 0) -> Volume:
    return load_nifti(data, read_header(data), "Volume", "d", volume)


def numbers(*shape: int, kind: str = "i2") -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype=kind).reshape(shape)


STANDING = np.array([[-2.0, 0, 0, 90], [0, 3.0, 0, -126], [0, 0, 4.0, -72]])
"""To the patient's left, the back at first, and up: how most brains are stored."""


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8", "i1", "u2", "u4", "i8"])
def test_every_type_in_either_order(order: str, kind: str) -> None:
    body = numbers(3, 4, 5, kind=kind)
    scan = opened(nifti(body, order, scale=(2.0, -3.0)))
    assert np.array_equal(scan.stored, body) and scan.stored.dtype == np.dtype(kind)
    assert scan.get_value((1, 2, 3)) == body[1, 2, 3] * 2.0 - 3.0


def test_packed_or_not_is_the_same() -> None:
    data = nifti(numbers(4, 5, 6), rows=STANDING, codes=(0, 1))
    packed = gzip.compress(data)
    assert is_nifti(data) and is_nifti(packed)
    assert np.array_equal(opened(packed).stored, opened(data).stored)
    halves = gzip.compress(data[:200]) + gzip.compress(data[200:])
    assert np.array_equal(opened(halves).stored, opened(data).stored)
    assert not is_nifti(gzip.compress(b"text" * 200)) and not is_nifti(b"\x1f\x8bnothing") and not is_nifti(b"")


def test_version_two() -> None:
    body = numbers(4, 5, 6)
    head = bytearray(544)
    struct.pack_into("<i", head, 0, 540)
    head[4:12] = b"n+2\0\r\n\x1a\n"
    struct.pack_into("<hh", head, 12, 4, 16)
    struct.pack_into("<8q", head, 16, 3, 6, 5, 4, 1, 1, 1, 1)
    struct.pack_into("<8d", head, 104, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<q2d", head, 168, 544, 1.0, 0.0)
    struct.pack_into("<2i", head, 344, 0, 1)
    struct.pack_into("<12d", head, 400, *STANDING.ravel())
    struct.pack_into("<2i", head, 500, 2, 0)
    scan = opened(bytes(head) + body.tobytes())
    assert np.array_equal(scan.stored, body) and scan.name_edges("axial") == ("A", "L", "P", "R")


def test_no_scale_of_nothing() -> None:
    for scale in ((0.0, 5.0), (float("nan"), 1.0), (1.0, float("inf"))):
        assert opened(nifti(numbers(2, 3, 4), scale=scale)).get_value((1, 1, 1)) == 17


def test_units_are_made_millimetres() -> None:
    for units, factor in ((1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0)):
        header = read_header(nifti(numbers(4, 5, 6), units=units, rows=STANDING, codes=(0, 1)))
        assert np.allclose(header.pitch, np.array([2, 3, 4]) * factor)
        assert header.affine is not None and np.allclose(header.affine[:3, 3], np.array([-90, 126, -72]) * factor)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("qfac", [-1.0, 0.0, 1.0])
def test_the_quaternion_against_nibabel(seed: int, qfac: float) -> None:
    nibabel = pytest.importorskip("nibabel")
    rng = np.random.default_rng(seed)
    quaternion = rng.normal(size=4)
    b, c, d = (quaternion / np.linalg.norm(quaternion) * np.sign(quaternion[0]))[1:]
    data = nifti(numbers(3, 4, 5), steps=(qfac, 2, 3, 4, 1, 1, 1, 1), codes=(1, 0), quaternion=(b, c, d, 7, -8, 9))
    theirs = nibabel.Nifti1Image.from_bytes(data).header.get_qform()
    ours = read_header(data).affine
    assert ours is not None and np.allclose(np.diag([-1.0, -1, 1, 1]) @ ours, theirs, atol=1e-4)


def test_two_transforms_that_differ() -> None:
    said = {"codes": (1, 1), "quaternion": (0, 0, 0, 1, 2, 3), "rows": STANDING}
    header = read_header(nifti(numbers(4, 5, 6), **said))
    assert "says twice" in header.notes[0]
    assert header.affine is not None and np.allclose(header.affine[:3, 3], [-90, 126, -72])  # the sform's
    alike = {**said, "rows": np.array([[2.0, 0, 0, 1], [0, 3, 0, 2], [0, 0, 4, 3]])}
    assert read_header(nifti(numbers(4, 5, 6), **alike)).notes == ()


def test_nothing_known_of_the_sides() -> None:
    scan = opened(nifti(numbers(4, 5, 6)))
    assert scan.name_edges() is None and "Left and right are not known" in scan.notes[-1]
    assert scan.geometry is None and scan.pitch == (3.0, 2.0)
    assert read_header(nifti(numbers(4, 5, 6), rows=np.full((3, 4), np.nan), codes=(0, 1))).affine is None


def test_axes_that_are_not_at_right_angles() -> None:
    sheared = STANDING.copy()
    sheared[0, 1] = 1.0
    assert "right angles" in opened(nifti(numbers(4, 5, 6), rows=sheared, codes=(0, 1))).planes["axial"]


def test_one_of_several_volumes() -> None:
    body = numbers(3, 4, 5, 6)
    data = nifti(body)
    for volume in range(3):
        scan = opened(data, volume)
        assert np.array_equal(scan.stored, body[volume]) and f"Volume {volume + 1} of 3" in scan.notes[0]
    assert opened(data, 0).digest != opened(data, 1).digest
    with pytest.raises(PictureError, match="no volume 4"):
        opened(data, 3)


def test_the_plane_of_thick_slices_is_shown() -> None:
    for axis, edges in ((0, ("H", "P", "F", "A")), (1, ("H", "L", "F", "R")), (2, ("A", "L", "P", "R"))):
        rows = np.column_stack([np.diag(np.where(np.arange(3) == axis, 5.0, 1.0)), np.zeros(3)])
        scan = opened(nifti(numbers(4, 5, 6), rows=rows, codes=(0, 1)))
        assert scan.name_edges() == edges and scan.count() == (6, 5, 4)[axis]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"kind": 32}, "complex"),
        ({"kind": 1536}, "rare way"),
        ({"intent": 1007}, "several numbers"),
        ({"dims": (5, 4, 3, 2, 1, 3, 1, 1)}, "several numbers"),
        ({"dims": (3, 0, 3, 2, 1, 1, 1, 1)}, "how large"),
        ({"dims": (9, 4, 3, 2, 1, 1, 1, 1)}, "how large"),
        ({"dims": (3, 32767, 32767, 32767, 1, 1, 1, 1)}, "too large"),
        ({"offset": float("nan")}, "where its numbers begin"),
        ({"magic": b"ni1\0"}, "stands alone"),
        ({"magic": b"abc\0"}, "no NIfTI"),
    ],
)
def test_what_is_refused(header: dict[str, Any], words: str) -> None:
    with pytest.raises(PictureError, match=words) as caught:
        opened(nifti(numbers(2, 3, 4), **header))
    assert str(caught.value).endswith(".")


def test_a_file_cut_off() -> None:
    data = nifti(numbers(4, 5, 6))
    for part in (data[:-1], gzip.compress(data[:-1]), gzip.compress(data)[:-40]):
        with pytest.raises(PictureError, match=r"cut off|damaged"):
            opened(part)


def test_a_bomb_is_unpacked_no_further_than_it_says() -> None:
    data = nifti(numbers(4, 5, 6))
    stream = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = stream.compress(data) + b"".join(stream.compress(bytes(1 << 20)) for _ in range(40)) + stream.flush()
    assert np.array_equal(opened(packed).stored, numbers(4, 5, 6))
    claimed = gzip.compress(nifti(numbers(1, 1, 1), dims=(3, 2000, 2000, 2000, 1, 1, 1, 1)))
    with pytest.raises(PictureError, match="too large"):
        opened(claimed)


def test_colours_are_no_values() -> None:
    body = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 3)).astype(np.uint8)
    head = nifti(np.zeros((3, 4, 5), np.uint8), kind=128, steps=(1,) * 8)[:352]
    scan = opened(head + body.tobytes())
    assert np.array_equal(scan.slice(1).pixels, body[1])


@pytest.mark.slow
def test_one_head_in_all_48_orders() -> None:
    """The same pictures, letters and millimetres from every order of axes in which a head can be stored."""
    nibabel = pytest.importorskip("nibabel")
    paths = sorted((find_scans() / "orientations").glob("*.nii.gz"))
    assert len(paths) == 48
    seen: dict[str, list[np.ndarray]] = {}
    for path in paths:
        data = path.read_bytes()
        scan = opened(data)
        canonical = nibabel.as_closest_canonical(nibabel.load(path))
        body = np.asarray(canonical.dataobj)
        peak = np.unravel_index(int(np.argmax(scan.stored)), scan.stored.shape)
        assert scan.geometry is not None and scan.geometry.affine is not None
        place = np.diag([-1.0, -1, 1, 1]) @ scan.geometry.affine @ [*peak, 1]
        at = np.linalg.inv(canonical.affine) @ place
        assert body[tuple(np.rint(at[:3]).astype(int))] == pytest.approx(scan.get_value(peak))
        for plane, edges in (("axial", "ALPR"), ("coronal", "HLFR"), ("sagittal", "HPFA")):
            assert "".join(scan.name_edges(plane) or ()) == edges  # type: ignore[arg-type]
            middle = scan.slice(scan.count(plane) // 2, plane, FULL)  # type: ignore[arg-type]
            seen.setdefault(plane, []).append(middle.pixels)
    for pictures in seen.values():
        assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


def test_unpacking_is_followed_and_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.volumes.nifti._AT_ONCE", 64)
    packed = gzip.compress(nifti(numbers(4, 5, 6)))
    header, told, cancel = read_header(packed), [], threading.Event()
    whole = read_numbers(packed, header, watch=Watch(lambda share, text: told.append((share, text))))
    assert np.array_equal(whole, numbers(4, 5, 6)) and len(told) > 4 and told == sorted(told)
    assert {text for _, text in told} == {"Unpacking the volume"}
    cancel.set()
    with pytest.raises(Cancelled):
        read_numbers(packed, header, watch=Watch(cancel=cancel))


def test_sizes_that_the_file_does_not_say_are_not_made_up() -> None:
    unsaid = opened(nifti(numbers(4, 5, 6), steps=(1.0, 0.0, 3.0, 4.0, 1, 1, 1, 1)))
    assert unsaid.pitch is None and unsaid.measure() is None
    assert "The file does not say how large its voxels are." in unsaid.notes
    assert opened(nifti(numbers(4, 5, 6))).pitch == (3.0, 2.0)
