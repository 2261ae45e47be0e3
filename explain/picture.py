"""From the bytes of a file to a picture that can be shown and explained."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from explain.errors import PictureError

MAX_BYTES = 100_000_000
"""The largest file read."""

MAX_PIXELS = 64_000_000
"""The largest picture decoded: above what cameras and flat-panel detectors write."""

MAX_SIDE = 32_767
"""The longest side decoded: a browser's canvas ends there."""

_ALTERED = " (altered)"

READABLE = "JPEG, PNG, WebP, BMP, TIFF, GIF or DICOM"


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
    """The picture whose `model_pixels` are `values`, made read-only, with the pixels that are shown of them."""
    model_pixels = _frozen(values)
    pixels = model_pixels if values.dtype == np.uint8 else _frozen(_shown(values))
    return Picture(name, pixels, model_pixels, digest, notes)


def decode(data: bytes, name: str) -> Picture:
    """Read a picture, whatever its file's extension says.

    Args:
        data: the whole file.
        name: what the person calls it; kept as it is in `Picture.name`.

    Raises:
        PictureError: for anything that is not a whole, readable picture within the bounds above.
    """
    try:
        _check_bytes(len(data))
        # Both readers load libraries (Pillow, pydicom) that a page can be painted without.
        from explain import dicom, raster

        values, notes = dicom.read(data) if dicom.is_dicom(data) else raster.read(data)
    except PictureError as error:
        # Nothing of the cause is kept: the words of a DICOM reader may quote the patient's data.
        raise PictureError(f"“{_short(name)}”: {error}") from None
    return build_picture(name, values, hashlib.sha256(data).hexdigest(), tuple(notes))


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


def check_size(height: int, width: int) -> None:
    """Refuse absurd sizes; called with what a file's header says, before any pixel is decoded."""
    if height < 1 or width < 1:
        raise PictureError("The picture has no pixels. Choose another file.")
    if height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
        raise PictureError(
            f"The picture of {width:,} × {height:,} pixels is too large: at most {MAX_PIXELS // 1_000_000} million "
            f"pixels, and {MAX_SIDE:,} a side, are read. Make it smaller first."
        )


def _check_bytes(count: int) -> None:
    if count == 0:
        raise PictureError("The file is empty. Choose another one.")
    if count > MAX_BYTES:
        raise PictureError(
            f"The file of {count / 1e6:,.0f} MB is too large: at most {MAX_BYTES // 1_000_000} MB are read. "
            "Save the picture smaller first."
        )


def _shown(values: np.ndarray) -> np.ndarray:
    """The 8-bit RGB view of float32 `values` in 0…1, `(H, W, 1 or 3)`."""
    scaled = np.rint(values * 255).astype(np.uint8)
    return np.repeat(scaled, 3, axis=2) if scaled.shape[2] == 1 else scaled


def _frozen(array: np.ndarray) -> np.ndarray:
    frozen = np.ascontiguousarray(array)
    frozen.setflags(write=False)
    return frozen


def _short(name: str) -> str:
    """A name fit for a sentence: printable, and no longer than a line."""
    printable = "".join(character if character.isprintable() else "�" for character in name)
    return printable if len(printable) <= 80 else printable[:40] + "…" + printable[-39:]
