"""Pictures in folders of their classes, as files and in a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

import numpy as np
from PIL import Image

Files = Iterable[tuple[str, bytes]]


def draw(seed: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def fill(*folders: str, count: int = 5, first: int = 0) -> list[tuple[str, bytes]]:
    """Different pictures in each of the folders."""
    places = [f"{folder}/{number}.png" for folder in folders for number in range(count)]
    return [(path, draw(first + number)) for number, path in enumerate(places)]


def pack(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for path, data in files:
            archive.writestr(path, data)
    return buffer.getvalue()
