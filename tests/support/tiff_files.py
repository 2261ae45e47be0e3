"""TIFF files written byte by byte, so that what they hold is known without anyone's reader or writer."""

from __future__ import annotations

import struct
import zlib

import numpy as np

PLAIN, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
_LETTERS = {"H": 3, "I": 4, "s": 2, "Q": 16}


def tiff(
    values: np.ndarray,
    photometric: int,
    order: str = "<",
    apart: bool = False,
    compression: int = PLAIN,
    predictor: int = 1,
    rows: int = 0,
    tile: int = 0,
    big: bool = False,
    more: dict[int, tuple[str, tuple[int, ...] | bytes]] | None = None,
) -> bytes:
    """A file of one picture.

    Args:
        values: `(H, W, C)`.
        photometric: 0 or 1 for grey, 2 for RGB.
        order: "<" for II, ">" for MM.
        apart: each band by itself.
        compression: of which kind.
        predictor: 1, 2 (differences) or 3 (of floats).
        rows: of a strip; 0 for all in one.
        tile: side of square tiles; 0 for strips.
        big: BigTIFF.
        more: other tags, by number: letter of `struct` and values.
    """
    height, width, bands = values.shape
    bits = 8 * values.itemsize
    pieces = []
    for plane in [values[:, :, c : c + 1] for c in range(bands)] if apart else [values]:
        if tile:
            padding = ((0, -height % tile), (0, -width % tile), (0, 0))
            padded = np.pad(plane, padding, constant_values=7)
            pieces += [
                padded[y : y + tile, x : x + tile] for y in range(0, height, tile) for x in range(0, width, tile)
            ]
        else:
            step = rows or height
            pieces += [plane[y : y + step] for y in range(0, height, step)]
    packed = [_pack(_predict(piece, predictor, order), compression) for piece in pieces]
    kinds = {"u": 1, "i": 2, "f": 3}
    tags: dict[int, tuple[str, tuple[int, ...] | bytes]] = {
        256: ("I", (width,)),
        257: ("I", (height,)),
        258: ("H", (bits,) * bands),
        259: ("H", (compression,)),
        262: ("H", (photometric,)),
        277: ("H", (bands,)),
        284: ("H", (2 if apart else 1,)),
        317: ("H", (predictor,)),
        339: ("H", (kinds[values.dtype.kind],) * bands),
    }
    counts = tuple(map(len, packed))
    start = 16 if big else 8
    offsets = tuple(start + sum(counts[:index]) for index in range(len(counts)))
    if tile:
        tags |= {322: ("I", (tile,)), 323: ("I", (tile,)), 324: ("I", offsets), 325: ("I", counts)}
    else:
        tags |= {273: ("I", offsets), 278: ("I", (rows or height,)), 279: ("I", counts)}
    tags |= more or {}
    pixels = b"".join(packed)
    pixels += b"\0" * (len(pixels) % 2)
    mark = b"II" if order == "<" else b"MM"
    directory = start + len(pixels)
    if big:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, directory)
    else:
        head = mark + struct.pack(order + "HI", 42, directory)
    return head + pixels + _directory(tags, order, directory, big)


def _directory(tags: dict[int, tuple[str, tuple[int, ...] | bytes]], order: str, at: int, big: bool) -> bytes:
    room, entry = (8, 20) if big else (4, 12)
    after = at + (8 if big else 2) + entry * len(tags) + room
    entries, bodies = b"", b""
    for tag, (letter, values) in sorted(tags.items()):
        body = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{letter}", *values)
        count = len(values)
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, _LETTERS[letter], count)
        if len(body) <= room:
            entries += body.ljust(room, b"\0")
        else:
            entries += struct.pack(order + ("Q" if big else "I"), after + len(bodies))
            bodies += body + b"\0" * (len(body) % 2)
    return struct.pack(order + ("Q" if big else "H"), len(tags)) + entries + b"\0" * room + bodies


def _predict(piece: np.ndarray, predictor: int, order: str) -> bytes:
    """Number by number, as the specification and its third technical note say it."""
    bits = 8 * piece.itemsize
    if predictor == 1:
        return piece.astype(piece.dtype.newbyteorder(order)).tobytes()
    rows, columns, bands = piece.shape
    out = b""
    for y in range(rows):
        if predictor == 2:
            numbers = [[int(n) for n in pixel] for pixel in piece[y].view(f"u{piece.itemsize}").reshape(columns, bands)]
            for x in range(columns):
                for c in range(bands):
                    before = numbers[x - 1][c] if x else 0
                    difference = (numbers[x][c] - before) % (1 << bits)
                    out += difference.to_bytes(piece.itemsize, "little" if order == "<" else "big")
        else:
            each = [struct.pack(">f", number) for pixel in piece[y] for number in pixel]
            shuffled = b"".join(bytes(number[place] for number in each) for place in range(4))
            out += bytes((b - (shuffled[i - bands] if i >= bands else 0)) % 256 for i, b in enumerate(shuffled))
    return out


def _pack(data: bytes, compression: int) -> bytes:
    if compression == DEFLATE:
        return zlib.compress(data)
    if compression == PACKBITS:
        return b"".join(bytes([len(part) - 1]) + part for part in (data[i : i + 128] for i in range(0, len(data), 128)))
    if compression == LZW:
        # Literals only: the table is emptied before its codes grow to ten bits.
        codes = "".join(
            f"{256:09b}" + "".join(f"{byte:09b}" for byte in data[i : i + 200]) for i in range(0, len(data), 200)
        )
        codes += f"{257:09b}"
        codes += "0" * (-len(codes) % 8)
        return bytes(int(codes[i : i + 8], 2) for i in range(0, len(codes), 8))
    return data
