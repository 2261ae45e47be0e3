"""PGM and PPM files, which Pillow reads slowly, and stretches to 16 bits or cuts to 8 where they are deeper."""

from __future__ import annotations

import re

import numpy as np

from explain.errors import PictureError
from explain.pictures.bounds import check_size, check_stored_bytes
from explain.pictures.scaling import MOST_WHITE, Stored

_HEADER = re.compile(rb"P([2356])" + rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,10})" * 3 + rb"\s")
_HEADER_BYTES = 65_536


def read(data: bytes) -> Stored | None:
    """Read the first picture: uint8 where that holds all of it. None where Pillow has to read it.

    Raises:
        PictureError: cut off, too large, or damaged.
    """
    header = _HEADER.match(data[:_HEADER_BYTES])
    if header is None:
        return None
    kind, (width, height, white) = int(header[1]), (int(header[number]) for number in (2, 3, 4))
    if not 0 < white <= MOST_WHITE:
        raise PictureError(f"The PGM or PPM file is damaged: it says that its largest number is {white:,}.")
    check_size(height, width)
    bands = 3 if kind in (3, 6) else 1
    count = height * width * bands
    size = 1 if white < 256 else 2
    check_stored_bytes(size * count)
    values = _read_text(data[header.end() :], count) if kind < 5 else _read_binary(data, header.end(), count, size)
    if values.max() > white:
        raise PictureError(
            f"The PGM or PPM file is damaged: it holds numbers above {white:,}, its largest by its header."
        )
    if size == 1:
        values = np.rint(np.arange(256) * 255 / white).clip(0, 255).astype(np.uint8)[values]
    return Stored(
        values=values.reshape(height, width, bands),
        what="grey" if bands == 1 else "colour",
        # Who writes the largest number there is has seldom asked how large the picture's are.
        white=white if white < MOST_WHITE else None,
    )


def _read_binary(data: bytes, start: int, count: int, size: int) -> np.ndarray:
    if len(data) < start + size * count:
        raise PictureError("The PGM or PPM file is cut off: part of the picture is missing. Copy it again.")
    return np.frombuffer(data, f">u{size}", count, start).astype(f"u{size}")


def _read_text(text: bytes, count: int) -> np.ndarray:
    text = re.sub(rb"#[^\r\n]*", b"", text)
    if re.search(rb"[^\s\d]", text):
        raise PictureError("The PGM or PPM file is damaged: it holds signs that are no numbers. Copy it again.")
    values = np.fromstring(text.decode("ascii"), np.int64, count=-1, sep=" ") if text.strip() else np.empty(0)
    if values.size < count:
        raise PictureError("The PGM or PPM file is cut off: part of the picture is missing. Copy it again.")
    return values[:count]
