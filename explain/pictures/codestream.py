"""What the headers of JPEG 2000 and AVIF files say that Pillow does not tell, and whether a JPEG 2000 is whole."""

from __future__ import annotations

import struct

from explain.errors import PictureError
from explain.pictures.bounds import check_size

_START = b"\xff\x4f\xff\x51"
_TILE_PART, _END = 0xFF90, 0xFFD9
_MOST_COMPONENTS = 4
_AVIF_HEADER_BYTES = 1 << 16


def read_depth(data: bytes, kind: str) -> int:
    """Bits of each value, as the header of a JPEG 2000 or an AVIF says; 8 for all other kinds of files."""
    if kind == "JPEG2000":
        return max((data[at] & 0x7F) + 1 for at in _list_depths(data, _find_codestream(data)[0]))
    if kind == "AVIF":
        # AV1CodecConfigurationRecord (AV1 in ISOBMFF, 2.3.3): high_bitdepth and twelve_bit.
        at = data.find(b"av1C", 0, _AVIF_HEADER_BYTES)
        flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
        return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    return 8


def check_codestream(data: bytes) -> None:
    """Hold a JPEG 2000 against the bounds, and refuse one that is cut off, which its decoder would fill up with grey.

    Raises:
        PictureError: cut off, damaged, too large, or of more components than can be read.
    """
    try:
        start, end = _find_codestream(data)
        right, lower, left, upper, across, down, offset_x, offset_y = struct.unpack_from(">8I", data, start + 8)
        check_size(lower - upper, right - left)
        header = data.find(b"ihdr", 0, start)
        if header >= 0 and struct.unpack_from(">II", data, header + 4) != (lower - upper, right - left):
            raise _damaged()
        if len(_list_depths(data, start)) > _MOST_COMPONENTS:
            raise PictureError("The JPEG 2000 file holds more than 4 bands, which cannot be read. Save it as TIFF.")
        if not across or not down:
            raise _damaged()
        tiles = -(-(right - offset_x) // across) * -(-(lower - offset_y) // down)
        _check_tiles(data, start + 2, end, tiles)
    except PictureError:
        raise
    except (struct.error, IndexError, ValueError):
        raise _cut_off() from None


def _check_tiles(data: bytes, at: int, end: int, tiles: int) -> None:
    """Walk from marker to marker (ISO/IEC 15444-1, annex A) through all parts of all tiles."""
    found: set[int] = set()
    while at < end:
        marker, length = struct.unpack_from(">HH", data, at) if at + 4 <= end else (_read_marker(data, at, end), 0)
        if marker == _END:
            break
        if marker != _TILE_PART:
            if length < 2 or found:
                raise _damaged()
            at += 2 + length
            continue
        tile, size = struct.unpack_from(">HI", data, at + 4)
        found.add(tile)
        if size == 0:
            # The last part reaches to the end of all.
            at = data.rindex(b"\xff\xd9", at, end)
        elif size < 14:
            raise _damaged()
        else:
            at += size
    if at > end or len(found) < tiles:
        raise _cut_off()


def _read_marker(data: bytes, at: int, end: int) -> int:
    if at + 2 > end:
        raise _cut_off()
    (marker,) = struct.unpack_from(">H", data, at)
    if marker != _END:
        raise _cut_off()
    return _END


def _find_codestream(data: bytes) -> tuple[int, int]:
    """Where the pixels' part of the file starts and ends: all of it, or the box that holds it (annex I)."""
    if data.startswith(_START):
        return 0, len(data)
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, body)
            body += 8
        end = at + length if length else len(data)
        if end < body:
            break
        if kind == b"jp2c":
            if data[body : body + 4] != _START:
                break
            if end > len(data):
                raise _cut_off()
            return body, end
        at = end
    raise _cut_off()


def _list_depths(data: bytes, start: int) -> range:
    """Where the depths of the components stand."""
    (count,) = struct.unpack_from(">H", data, start + 40)
    if not count or start + 42 + 3 * count > len(data):
        raise _cut_off()
    return range(start + 42, start + 42 + 3 * count, 3)


def _cut_off() -> PictureError:
    return PictureError("The JPEG 2000 file is cut off: part of the picture is missing. Copy or download it again.")


def _damaged() -> PictureError:
    return PictureError("The JPEG 2000 file is damaged. Copy or download it again, or save it as PNG.")
