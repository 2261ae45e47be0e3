"""TIFF files that Pillow reads wrongly or not at all: more than 8 bits a value, several bands, bands stored apart."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from explain.errors import PictureError
from explain.pictures.bounds import MAX_BANDS, MAX_SIDE, check_size, check_stored_bytes
from explain.pictures.scaling import Stored

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIPS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _EXTRA, _FORMAT = 322, 323, 324, 325, 338, 339
_EMPTY = 42113  # GDAL_NODATA
_ORIENTATION, _PROFILE = 274, 34675
_NEEDED = (
    *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIPS, _SAMPLES, _STRIP_ROWS, _STRIP_BYTES),
    *(_PLANAR, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _EXTRA, _FORMAT),
)

_PLAIN, _PACKBITS = 1, 32773
_DEFLATED = (8, 32946)
_BY_LIBTIFF = (5, _PACKBITS, 34925, 50000)
_WITH_PREDICTOR = (5, *_DEFLATED, 34925, 50000)
_COMPRESSED_AS = {
    2: "CCITT",
    3: "CCITT",
    4: "CCITT",
    5: "LZW",
    6: "JPEG",
    7: "JPEG",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "JPEG",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_KIND_WORDS = {1: "whole", 2: "signed whole", 3: "floating-point", 5: "complex whole", 6: "complex"}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_PHOTOMETRIC_WORDS = {
    **{0: "grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "ink (CMYK)", 6: "YCbCr", 8: "Lab", 9: "Lab"},
    **{10: "Lab", 32803: "raw sensor", 34892: "raw sensor", 32844: "LogL", 32845: "LogLuv"},
}
_UNNAMED, _PREMULTIPLIED, _ALPHA = 0, 1, 2
_MOST_PIECES = MAX_BANDS * MAX_SIDE
"""A strip for every row of every band."""
_MOST_SHARED = 4
"""How many times the file's own length its strips or tiles may be, where they share bytes."""
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class _Layout:
    """How the numbers lie in the file; `kind` is NumPy's type with its byte order."""

    height: int
    width: int
    samples: int
    kind: np.dtype
    apart: bool
    compression: int
    predictor: int
    reversed_bits: bool


def read(data: bytes) -> Stored | None:
    """Read the first directory, or give back None where Pillow reads it as well.

    Raises:
        PictureError: the file is cut off, too large, or holds what can be read neither here nor by Pillow.
    """
    tags = _read_tags(data)
    if tags is None or not _is_ours(tags, data.startswith(b"MM\0+")):
        return None
    layout = _lay_out(tags, data[:2] == b"MM")
    planes = _read_values(data, tags, layout)
    return _name_bands(tags, planes)


def describe(data: bytes) -> str:
    """What a file holds that can not be read, in a sentence; empty where not even that can be told."""
    tags = _read_tags(data)
    if tags is None:
        return ""
    bits, formats = _list_bits(tags), _list_formats(tags)
    photometric = _PHOTOMETRIC_WORDS.get(_number(tags, _PHOTOMETRIC, -1), "rare")
    depth = " and ".join(str(b) for b in dict.fromkeys(bits))
    words = _KIND_WORDS.get(formats[0], "rare") if len(set(formats)) == 1 else "mixed"
    bands = f"{len(bits)} bands" if len(bits) > 1 else "one band"
    packed = _number(tags, _COMPRESSION, _PLAIN)
    how = f", compressed as {_COMPRESSED_AS.get(packed, f'kind {packed}')}" if packed != _PLAIN else ""
    return f"The TIFF file holds {bands} of {depth}-bit {words} numbers ({photometric}{how})"


def _read_tags(data: bytes) -> Any:
    """The first directory, or None where there is none to be read."""
    big = data[2:4] in (b"\x2b\0", b"\0\x2b")
    try:
        # Pillow knows a BigTIFF by the byte at which little-endian files name it.
        head = b"II+\0" + data[4:16] if big else data[:8]
        tags = TiffImagePlugin.ImageFileDirectory_v2(head, data[:2])
        stream = io.BytesIO(data)
        start = tags.next
        stream.seek(start)
        tags.load(stream)
        named = _list_tags(data, start, big)
        # Values are decoded when they are asked for, and may be nonsense.
        for tag in (_WIDTH, _HEIGHT, _BITS, _FORMAT, _EXTRA, _SAMPLES, _PLANAR, _COMPRESSION, _PHOTOMETRIC):
            tags.get(tag)
        _list_bits(tags)
    except PictureError:
        raise
    except Exception:
        return None
    if any(tag in named and tag not in tags for tag in _NEEDED):
        # Pillow passes over entries whose values lie beyond the end, and takes them for their defaults.
        raise _cut_off()
    return tags if _number(tags, _WIDTH, 0) > 0 and _number(tags, _HEIGHT, 0) > 0 else None


def _list_tags(data: bytes, start: int, big: bool) -> set[int]:
    """The tags that the directory names."""
    order = ">" if data[:2] == b"MM" else "<"
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    first, step = (start + 8, 20) if big else (start + 2, 12)
    if first + count * step > len(data):
        raise _cut_off()
    return {struct.unpack_from(order + "H", data, first + step * index)[0] for index in range(count)}


def _number(tags: Any, tag: int, default: int) -> int:
    value = tags.get(tag, default)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default


def _numbers(tags: Any, tag: int) -> tuple[int, ...]:
    value = tags.get(tag, ())
    value = value if isinstance(value, tuple) else (value,)
    return tuple(number for number in value if isinstance(number, int))


def _list_bits(tags: Any) -> tuple[int, ...]:
    """Bits of each band. Writers may give them once for all."""
    samples = max(_number(tags, _SAMPLES, 1), 1)
    bits = _numbers(tags, _BITS) or (1,)
    return (bits + bits[-1:] * (min(samples, 1 << 16) - len(bits)))[:samples]


def _list_formats(tags: Any) -> tuple[int, ...]:
    return _numbers(tags, _FORMAT) or (1,)


def _list_extra(tags: Any) -> tuple[int, ...]:
    return _numbers(tags, _EXTRA)


def _is_ours(tags: Any, is_big_endian_bigtiff: bool) -> bool:
    """Whether the numbers have to be read here; Pillow may know more kinds of compression and of colour."""
    bits, formats = _list_bits(tags), _list_formats(tags)
    photometric, planar = _number(tags, _PHOTOMETRIC, _BLACK_IS_ZERO), _number(tags, _PLANAR, 1)
    samples, deep = len(bits), max(bits) > 8
    if (
        photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
        or len(set(bits)) > 1
        or bits[0] not in (8, 16, 32, 64)
    ):
        if deep and planar == 2:
            raise _refuse(tags)
        return False
    extra, colours = _list_extra(tags), 3 if photometric == _RGB else 1
    if deep or set(formats) != {1}:
        known = samples == 1 and planar != 2
    elif samples <= colours:
        known = True
    else:
        # A fourth value without a word is an alpha, as Pillow has it; a named alpha, too, whatever follows it.
        known = extra[:1] in ((_PREMULTIPLIED,), (_ALPHA,), (999,)) or (samples == 4 and not extra)
    if is_big_endian_bigtiff:
        # Pillow takes it for a plain TIFF.
        known = False
    packed = _number(tags, _COMPRESSION, _PLAIN)
    if packed in (_PLAIN, *_DEFLATED, *_BY_LIBTIFF):
        return deep or not known
    # JPEG and the like are Pillow's alone. It leaves out the bands that follow red, green and blue.
    if known or (not deep and colours == 3 and set(extra) == {_UNNAMED} and samples <= 6):
        return False
    raise _refuse(tags)


def _refuse(tags: Any) -> PictureError:
    bits, packed = _list_bits(tags), _number(tags, _COMPRESSION, _PLAIN)
    how = (
        f"compressed as {_COMPRESSED_AS.get(packed, f'kind {packed}')}" if packed != _PLAIN else "stored in a rare way"
    )
    return PictureError(
        f"The TIFF file holds {len(bits)} bands of {max(bits)} bits, {how}, which cannot be read. "
        "Save it uncompressed, or as 8-bit RGB."
    )


def _lay_out(tags: Any, big_endian: bool) -> _Layout:
    bits, formats = _list_bits(tags), _list_formats(tags)
    height, width, samples = _number(tags, _HEIGHT, 0), _number(tags, _WIDTH, 0), len(bits)
    check_size(height, width)
    if samples > MAX_BANDS:
        raise PictureError(
            f"The TIFF file holds {samples} bands; at most {MAX_BANDS} are read. Choose some of them, e.g. with "
            "gdal_translate -b 4 -b 3 -b 2."
        )
    if len(set(formats)) > 1 or formats[0] not in _KINDS or (formats[0] == 3 and bits[0] == 8):
        words = _KIND_WORDS.get(formats[0], "rare") if len(set(formats)) == 1 else "several kinds of"
        raise PictureError(f"The TIFF file holds {words} numbers, which cannot be read. Save it as 8-bit or float RGB.")
    check_stored_bytes(height * width * samples * bits[0] // 8)
    compression = _number(tags, _COMPRESSION, _PLAIN)
    return _Layout(
        height=height,
        width=width,
        samples=samples,
        kind=np.dtype(f"{'>' if big_endian else '<'}{_KINDS[formats[0]]}{bits[0] // 8}"),
        apart=_number(tags, _PLANAR, 1) == 2,
        compression=compression,
        predictor=_number(tags, _PREDICTOR, 1) if compression in _WITH_PREDICTOR else 1,
        reversed_bits=_number(tags, _FILL_ORDER, 1) == 2,
    )


def _read_values(data: bytes, tags: Any, layout: _Layout) -> np.ndarray:
    """All numbers, `(H, W, C)` in the machine's byte order."""
    height, width, samples = layout.height, layout.width, layout.samples
    values = np.zeros((height, width, samples), layout.kind.newbyteorder("="))
    tiled = _TILES in tags or _TILE_WIDTH in tags
    offsets = _numbers(tags, _TILES if tiled and _TILES in tags else _STRIPS)
    counts = _numbers(tags, _TILE_BYTES if _TILE_BYTES in tags else _STRIP_BYTES)
    if tiled:
        rows, columns = _number(tags, _TILE_HEIGHT, 0), _number(tags, _TILE_WIDTH, 0)
        check_size(rows, columns)
    else:
        rows, columns = min(_number(tags, _STRIP_ROWS, height) or height, height), width
    together = 1 if layout.apart else samples
    check_stored_bytes(rows * columns * together * layout.kind.itemsize)
    planes = samples if layout.apart else 1
    pieces = planes * math.ceil(height / rows) * math.ceil(width / columns)
    if pieces > _MOST_PIECES or sum(counts[:pieces]) > _MOST_SHARED * len(data):
        raise _damaged()
    if len(offsets) < pieces or (counts and len(counts) < pieces):
        raise _cut_off()
    empty = _read_empty(tags)
    for index, (plane, top, left) in enumerate(_list_places(layout, rows, columns)):
        here = values[top : top + rows, left : left + columns]
        if layout.apart:
            here = here[:, :, plane : plane + 1]
        # Strips end with the picture; tiles are always whole.
        size = (rows if tiled else here.shape[0], columns, together)
        needed = math.prod(size) * layout.kind.itemsize
        count = counts[index] if counts else needed
        if offsets[index] == 0 and count == 0:
            # GDAL leaves out what holds nothing.
            here[...] = _cast(empty, values.dtype)
            continue
        packed = data[offsets[index] : offsets[index] + count]
        if len(packed) < count and layout.compression != _PLAIN:
            raise _cut_off()
        if layout.reversed_bits:
            packed = packed.translate(_REVERSED)
        chunk = _undo_prediction(_unpack(packed, layout, size, needed), layout, size)
        here[...] = chunk[: here.shape[0], : here.shape[1]]
    return values


def _list_places(layout: _Layout, rows: int, columns: int) -> Iterator[tuple[int, int, int]]:
    """Plane, first row and first column of each strip or tile, in the order of the file."""
    for plane in range(layout.samples if layout.apart else 1):
        for top in range(0, layout.height, rows):
            for left in range(0, layout.width, columns):
                yield plane, top, left


def _unpack(packed: bytes, layout: _Layout, size: tuple[int, int, int], needed: int) -> bytes:
    """A strip or tile as so many bytes; never more than are needed are unfolded."""
    if layout.compression == _PLAIN:
        found = packed[:needed]
    elif layout.compression in _DEFLATED:
        try:
            found = zlib.decompressobj().decompress(packed, needed)
        except zlib.error:
            raise _damaged() from None
    else:
        found = _unpack_by_libtiff(packed, layout.compression, size[0], needed // size[0])
    if len(found) < needed:
        raise _cut_off()
    return found


def _unpack_by_libtiff(packed: bytes, compression: int, rows: int, row_bytes: int) -> bytes:
    """Have Pillow unpack a strip: as bytes of grey it passes them on as they are."""
    entries = [
        *((_WIDTH, row_bytes), (_HEIGHT, rows), (_BITS, 8), (_COMPRESSION, compression)),
        *((_PHOTOMETRIC, _BLACK_IS_ZERO), (_STRIPS, 0), (_SAMPLES, 1), (_STRIP_ROWS, rows)),
        *((_STRIP_BYTES, len(packed)), (_PLANAR, 1)),
    ]
    start = 8 + 2 + 12 * len(entries) + 4
    body = b"".join(struct.pack("<HHII", tag, 4, 1, start if tag == _STRIPS else value) for tag, value in entries)
    file = b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + b"\0\0\0\0" + packed
    try:
        with Image.open(io.BytesIO(file), formats=("TIFF",)) as image:
            return image.tobytes()
    except (Image.DecompressionBombError, MemoryError):
        raise PictureError(
            "The TIFF file is compressed in one piece that is too large. Save it uncompressed."
        ) from None
    except Exception:
        raise _damaged() from None


def _undo_prediction(found: bytes, layout: _Layout, size: tuple[int, int, int]) -> np.ndarray:
    """A strip's or tile's numbers, `size`, of what is stored as differences (TIFF 6.0, 14; Technical Note 3)."""
    kind = layout.kind
    if layout.predictor == 1:
        return np.frombuffer(found, kind).reshape(size)
    if layout.predictor == 2:
        whole = np.dtype(f"{kind.byteorder if kind.itemsize > 1 else '|'}u{kind.itemsize}")
        steps = np.frombuffer(found, whole).reshape(size).astype(whole.newbyteorder("="))
        return np.cumsum(steps, axis=1, dtype=steps.dtype).view(kind.newbyteorder("="))
    if layout.predictor == 3 and kind.kind == "f":
        rows, columns, samples = size
        steps = np.frombuffer(found, np.uint8).reshape(rows, columns * kind.itemsize, samples)
        summed = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(rows, kind.itemsize, columns * samples)
        return np.ascontiguousarray(summed.swapaxes(1, 2)).view(f">f{kind.itemsize}").reshape(size)
    raise _damaged()


def _name_bands(tags: Any, planes: np.ndarray) -> Stored:
    """Which of the planes are grey, colour, alpha or others."""
    photometric = _number(tags, _PHOTOMETRIC, _BLACK_IS_ZERO)
    extra, colours = _list_extra(tags), 3 if photometric == _RGB else 1
    if not extra and planes.shape[2] == colours + 1 == 4:
        extra = (_ALPHA,)
    alpha, premultiplied = None, False
    for place, kind in enumerate(extra[: planes.shape[2] - colours], start=colours):
        if kind in (_PREMULTIPLIED, _ALPHA) and planes.dtype.kind != "i":
            alpha, premultiplied = read_alpha(planes[:, :, place]), kind == _PREMULTIPLIED
            planes = np.delete(planes, place, axis=2)
            break
    count = planes.shape[2]
    what = "grey" if count == 1 else "colour" if photometric == _RGB and count == 3 else "values"
    note = ""
    if count == 2:
        note = "The file holds 2 bands; the first is shown, and given to models of grey or colour."
    elif count == 3 and what != "colour":
        note = "The file holds 3 bands that it does not name; they are taken as red, green and blue."
    elif count > 3:
        note = (
            f"The file holds {count} bands; the first three are shown, and given to models of "
            "grey or colour, as red, green and blue."
        )
    return Stored(
        values=planes,
        what=what,
        alpha=alpha,
        premultiplied=premultiplied,
        white_is_zero=photometric == _WHITE_IS_ZERO,
        empty=_read_empty(tags),
        several=bool(tags.next),
        orientation=_number(tags, _ORIENTATION, 1),
        profile=_read_profile(tags),
        note=note,
    )


def read_alpha(plane: np.ndarray) -> np.ndarray:
    """How opaque each pixel is, 0…1; as deep as its largest number."""
    if plane.dtype.kind == "f":
        return np.clip(np.nan_to_num(plane.astype(np.float32)), 0, 1)
    deepest = 8 * plane.dtype.itemsize
    bits = next((bits for bits in (8, 10, 12, 14, 16) if bits < deepest and plane.max() < 1 << bits), deepest)
    return (plane / float((1 << bits) - 1)).astype(np.float32)


def _read_empty(tags: Any) -> float | None:
    """The number of the cells in which nothing was measured, as GDAL notes it."""
    text = tags.get(_EMPTY)
    try:
        return float(text.strip("\0 ")) if isinstance(text, str) else None
    except ValueError:
        return None


def _read_profile(tags: Any) -> bytes:
    profile = tags.get(_PROFILE)
    return profile if isinstance(profile, bytes) else b""


def _cast(empty: float | None, kind: np.dtype) -> Any:
    """The number of empty cells in a file's own kind of numbers; 0 where there is none, or it does not fit in."""
    if empty is None:
        return 0
    if kind.kind == "f":
        return empty
    bounds = np.iinfo(kind)
    return int(empty) if np.isfinite(empty) and bounds.min <= empty <= bounds.max else 0


def _cut_off() -> PictureError:
    return PictureError("The TIFF file is cut off: part of the picture is missing. Copy or download it again.")


def _damaged() -> PictureError:
    return PictureError("The TIFF file is damaged. Copy or download it again, or save it anew as PNG.")
