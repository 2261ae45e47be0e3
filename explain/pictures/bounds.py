"""The largest files and pictures that are read, and what is said of larger ones."""

from __future__ import annotations

from explain.errors import PictureError

MAX_BYTES = 100_000_000
"""The largest file read."""

MAX_PIXELS = 64_000_000
"""The largest picture decoded: above what cameras and flat-panel detectors write."""

MAX_SIDE = 32_767
"""The longest side decoded: a browser's canvas ends there."""

READABLE = "JPEG, PNG, WebP, AVIF, JPEG 2000, BMP, TIFF, GIF, PGM, PPM or DICOM"

MAX_BANDS = 6
"""The most bands read of a file: what visible light leaves out fits in, and so do the stems that are made for it."""

_MAX_STORED_BYTES = 400_000_000
"""The most numbers unpacked, as the file stores them: the largest picture as 16-bit colour."""


def check_size(height: int, width: int) -> None:
    """Refuse absurd sizes; called with what a file's header says, before any pixel is decoded.

    Args:
        height: in pixels.
        width: in pixels.

    Raises:
        PictureError: there are no pixels, or too many.
    """
    if height < 1 or width < 1:
        raise PictureError("The picture has no pixels. Choose another file.")
    if height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
        raise PictureError(
            f"The picture of {width:,} × {height:,} pixels is too large: at most {MAX_PIXELS // 1_000_000} million "
            f"pixels, and {MAX_SIDE:,} a side, are read. Make it smaller first."
        )


def check_stored_bytes(count: int) -> None:
    """Refuse pictures whose numbers take up too much memory, by what a file's header says.

    Args:
        count: bytes of all the numbers, unpacked, in the type in which the file stores them.

    Raises:
        PictureError: there are too many.
    """
    if count > _MAX_STORED_BYTES:
        raise PictureError(
            f"The picture's numbers take up {count / 1e6:,.0f} MB; at most {_MAX_STORED_BYTES // 1_000_000} MB are "
            "read. Make the picture smaller, or save it with 8 bits a value."
        )


def check_bytes(count: int) -> None:
    """Refuse empty and huge files, by their length in bytes.

    Raises:
        PictureError: there are no bytes, or too many.
    """
    if count == 0:
        raise PictureError("The file is empty. Choose another one.")
    if count > MAX_BYTES:
        raise PictureError(
            f"The file of {count / 1e6:,.0f} MB is too large: at most {MAX_BYTES // 1_000_000} MB are read. "
            "Save the picture smaller first."
        )
