"""A decoded picture, and the same picture with other pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

_ALTERED = " (altered)"


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, upright.

    Attributes:
        name: what the person called it. Shown, never used as a path or a key.
        pixels: what is shown, `(H, W, 3)` uint8 RGB, read-only.
        model_pixels: what the model is given before resizing, `(H, W, C)` with C 1 or 3: uint8 in 0…255, or float32 in
            0…1 where the file held more than 8 bits. The same array as `pixels` where nothing is lost by it.
        digest: SHA-256 of the file's bytes, hexadecimal: the picture's identity in every cache.
        notes: sentences on what decoding did (turned upright, first frame of several, windowed, 16-bit …).
    """

    name: str
    pixels: np.ndarray
    model_pixels: np.ndarray
    digest: str
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def build_picture(name: str, values: np.ndarray, digest: str, notes: tuple[str, ...]) -> Picture:
    """The picture whose `model_pixels` are `values`, made read-only, with the pixels that are shown of them.

    Args:
        name: what the person called it.
        values: see `Picture.model_pixels`; not to be written to afterwards.
        digest: see `Picture`.
        notes: see `Picture`.
    """
    model_pixels = freeze(values)
    pixels = model_pixels if values.dtype == np.uint8 else freeze(_shown(values))
    return Picture(name, pixels, model_pixels, digest, notes)


def alter(picture: Picture, values: np.ndarray, note: str) -> Picture:
    """The picture with other pixels. It is a picture of its own, known by what it shows and said to be altered.

    Args:
        picture: the picture before.
        values: its new `model_pixels`, of the same shape and type.
        note: what was done, in a sentence; joins the picture's notes.
    """
    digest = hashlib.sha256(f"altered\n{values.dtype} {values.shape}\n".encode())
    digest.update(np.ascontiguousarray(values).data)
    name = picture.name if picture.name.endswith(_ALTERED) else picture.name + _ALTERED
    return build_picture(name, values, digest.hexdigest(), (*picture.notes, note))


def _shown(values: np.ndarray) -> np.ndarray:
    """The 8-bit RGB view of float32 `values` in 0…1, `(H, W, 1 or 3)`."""
    scaled = np.rint(values * 255).astype(np.uint8)
    return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled


def freeze(array: np.ndarray) -> np.ndarray:
    """The array as many may share it: contiguous and read-only. Itself where it is contiguous, else a copy."""
    frozen = np.ascontiguousarray(array)
    frozen.setflags(write=False)
    return frozen
