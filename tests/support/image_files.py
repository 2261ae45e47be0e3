"""Picture files of every kind."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from explain.errors import PictureError
from explain.pictures.decode import decode

PNG = b"\x89PNG\r\n\x1a\n"


def coloured(height: int = 30, width: int = 40, seed: int = 0) -> np.ndarray:
    """An asymmetric picture of noise on a gradient."""
    noise = np.random.default_rng(seed).integers(0, 120, (height, width, 3))
    return (noise + np.arange(width)[None, :, None] + 2 * np.arange(height)[:, None, None]).astype(np.uint8)


def saved(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, pixels: bytes, bits: int = 8, colour: int = 0, interlaced: int = 0, *more: bytes
) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced))
    return PNG + header + b"".join(more) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def refusal(data: bytes, name: str = "a.png") -> str:
    with pytest.raises(PictureError) as caught:
        decode(data, name)
    sentence = str(caught.value)
    assert sentence.startswith(f"“{name}”: ") and sentence.endswith(".") and "\n" not in sentence
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    return sentence
