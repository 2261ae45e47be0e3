"""Pictures as cameras, scanners and screens write them: JPEG, PNG, WebP, BMP, TIFF and GIF."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import (  # noqa: F401 - each registers its format, so that no session meets a half-filled registry
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from explain.errors import PictureError
from explain.pictures.bounds import READABLE, check_size

# What Pillow warns of is either refused here or said in a note. Set once: `warnings.catch_warnings` around each call
# would swap the filters of the whole process under the other sessions.
warnings.filterwarnings("ignore", module=r"PIL\.")

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
)

# EXIF tag 0x0112 (CIPA DC-008, 4.6.4): how to turn the stored pixels upright, and how to say it.
_UPRIGHT: dict[int, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    2: (lambda a: a[:, ::-1], "mirrored left to right"),
    3: (lambda a: a[::-1, ::-1], "turned by 180°"),
    4: (lambda a: a[::-1], "mirrored top to bottom"),
    5: (lambda a: a.swapaxes(0, 1), "mirrored along its diagonal"),
    6: (lambda a: np.rot90(a, -1), "turned clockwise by 90°"),
    7: (lambda a: a[::-1, ::-1].swapaxes(0, 1), "mirrored along its other diagonal"),
    8: (lambda a: np.rot90(a), "turned anticlockwise by 90°"),
}

_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


def read(data: bytes) -> tuple[np.ndarray, list[str]]:
    """Decode the first picture of a file.

    Colour profiles are not applied: models are trained on the stored numbers.

    Returns:
        Pixels, upright: uint8 RGB `(H, W, 3)`, or float32 grey in 0…1 `(H, W, 1)` where the file holds more than 8 bits
        of grey; and notes.

    Raises:
        PictureError: not a picture, damaged, cut off, or too large.
    """
    kind = _kind(data)
    notes: list[str] = []
    several, profile = False, b""
    if kind == "PNG":
        data, several, profile = _essential_png(data)
    image = _opened(data, kind)
    check_size(image.height, image.width)
    # Pillow turns a TIFF upright while loading and then drops the tag.
    orientation = _orientation(image, notes) if kind == "TIFF" else 1
    several = several or _has_more(image)
    halved = image.mode not in _DEEP_MODES and any(";16" in str(tile[3]) for tile in image.tile)
    profile = profile or image.info.get("icc_profile") or b""
    try:
        image.load()
        deep = image.mode in _DEEP_MODES
        values = _deep_grey(image, notes) if deep else _rgb(image, notes)
    except PictureError:
        raise
    except Exception as error:
        raise _unreadable(kind, error) from None
    if kind != "TIFF":
        orientation = _orientation(image, notes)
    if orientation in _UPRIGHT:
        turn, words = _UPRIGHT[orientation]
        values = values if kind == "TIFF" else turn(values)
        notes.insert(0, f"The picture was {words}, as its EXIF orientation says.")
    if several:
        notes.insert(0, "The file holds several pictures; the first one is used.")
    if halved:
        notes.append("The file holds 16 bits for each colour; the upper 8 are used.")
    if profile and b"sRGB" not in profile and "sRGB".encode("utf-16-be") not in profile:
        notes.append("The file's colour profile is not applied: the model is given the colours as stored.")
    return values, notes


def _kind(data: bytes) -> str:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        raise PictureError(f"HEIC and AVIF pictures and videos cannot be read. Save the picture as one of {READABLE}.")
    if data[:5] == b"%PDF-":
        raise PictureError(f"A PDF document cannot be read. Save the picture in it as one of {READABLE}.")
    raise PictureError(f"This is not a picture that can be read. Give a {READABLE} file.")


def _opened(data: bytes, kind: str) -> Any:
    """The picture with its header read and its pixels not; an `ImageFile`, untyped for its undocumented `tile`."""
    try:
        return Image.open(io.BytesIO(data), formats=(kind,))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        check_size(1 << 15, 1 << 15)
        raise
    except Exception as error:
        raise _unreadable(kind, error) from None


def _unreadable(kind: str, error: Exception) -> PictureError:
    if isinstance(error, MemoryError):
        return PictureError("There is not enough memory to read the picture. Make it smaller first.")
    if "truncated" in str(error) or isinstance(error, EOFError):
        return _cut_off(kind)
    return PictureError(
        f"The {kind} file is damaged, cut off, or of a rare kind that cannot be read. "
        "Open it in a picture editor and save it as PNG."
    )


def _cut_off(kind: str) -> PictureError:
    return PictureError(f"The {kind} file is cut off: part of the picture is missing. Copy or download it again.")


def _orientation(image: Any, notes: list[str]) -> int:
    """Of a picture whose pixels are loaded, where EXIF may follow them; of a TIFF, before. 1 where nothing is said."""
    exif: Any = getattr(image, "tag_v2", None)
    if exif is None:
        # Not `image.getexif()`: it fails once and then calls the damaged data empty.
        exif = Image.Exif()
        try:
            exif.load(image.info.get("exif") or b"")
        except Exception:
            notes.append("The file's EXIF data are damaged and were ignored, its orientation with them.")
            return 1
    orientation = exif.get(0x0112)
    return orientation if isinstance(orientation, int) else 1


def _has_more(image: Any) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:
        # The second frame of a GIF is damaged; only the first is wanted.
        return True


def _rgb(image: Image.Image, notes: list[str]) -> np.ndarray:
    """Any 8-bit mode as uint8 `(H, W, 3)`, what is transparent laid on white."""
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    image = image.convert("RGBA")
    if np.asarray(image.getchannel("A")).min() < 255:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        notes.append("Its transparent parts were laid on white.")
    return np.asarray(image.convert("RGB"))


def _deep_grey(image: Any, notes: list[str]) -> np.ndarray:
    """Grey of more than 8 bits as float32 in 0…1 `(H, W, 1)`.

    Integers are divided by the largest value of the smallest bit depth (8, 10, 12, 14 or 16) that holds them all: a
    12-bit sensor's picture in a 16-bit file looks as it should, and zero stays black. Floats in 0…1 stay as they are.
    Anything else is scaled from its smallest to its largest value.
    """
    stored = np.asarray(image)
    transparent = stored == image.info["transparency"] if isinstance(image.info.get("transparency"), int) else None
    if stored.dtype.kind == "f":
        finite = np.isfinite(stored)
        if not finite.any():
            raise PictureError("The picture holds no numbers, only NaN or infinity. Choose another file.")
        if not finite.all():
            stored = np.where(finite, stored, stored[finite].min())
            notes.append("Pixels that are not numbers are shown as the darkest value.")
    low, high = stored.min(), stored.max()
    if stored.dtype.kind == "f" and low >= 0 and high <= 1:
        values = stored.astype(np.float32)
        notes.append("Floating-point grey between 0 (black) and 1 (white), used as it is.")
    elif stored.dtype.kind != "f" and low >= 0 and high < 1 << 16:
        bits = next(bits for bits in (8, 10, 12, 14, 16) if high < 1 << bits)
        values = stored.astype(np.float32) / np.float32((1 << bits) - 1)
        notes.append(f"16-bit grey of which {bits} bits are used: white is {(1 << bits) - 1}.")
    else:
        span = float(high) - float(low)
        values = ((stored.astype(np.float64) - float(low)) / (span or 1)).astype(np.float32)
        notes.append(f"Grey values are scaled from {low:g} (black) to {high:g} (white).")
    # Pillow inverts "white is zero" for 8 bits only.
    if getattr(image, "tag_v2", {}).get(262) == 0:
        values = 1 - values
    if transparent is not None and transparent.any():
        values[transparent] = 1
        notes.append("Its transparent parts were laid on white.")
    return values[:, :, None]


def _essential_png(data: bytes) -> tuple[bytes, bool, bytes]:
    """What the pixels of a PNG need, checked; its other chunks are where decompression bombs are kept.

    Pillow looks at no pixel chunk's checksum and takes a stream that ends early for black pixels: both are checked.

    Returns:
        The file reduced to header, palette, transparency, pixels and EXIF; whether it is animated; its colour profile.
    """
    kept: dict[bytes, list[memoryview]] = {kind: [] for kind in (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT")}
    animated, profile = False, b""
    view = memoryview(data)
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if kind == b"IEND" or end > len(data):
            break
        body = view[position + 8 : end - 4]
        if kind in kept:
            if zlib.crc32(view[position + 4 : end - 4]) == struct.unpack_from(">I", data, end - 4)[0]:
                kept[kind].append(view[position:end])
            elif kind != b"eXIf":
                raise PictureError("The PNG file is damaged: a checksum is wrong. Copy or download it again.")
        elif kind == b"acTL" and length >= 8:
            animated = struct.unpack(">I", body[:4])[0] > 1
        elif kind == b"iCCP" and not profile:
            profile = _unpacked_profile(bytes(body))
        position = end
    if not kept[b"IHDR"] or len(kept[b"IHDR"][0]) != 25:
        raise _unreadable("PNG", ValueError("no header"))
    _check_png_pixels(bytes(kept[b"IHDR"][0][8:21]), kept[b"IDAT"])
    once = [kept[kind][0] for kind in (b"IHDR", b"PLTE", b"tRNS", b"eXIf") if kept[kind]]
    return b"".join([data[:8], *once, *kept[b"IDAT"], b"\0\0\0\0IEND\xaeB`\x82"]), animated, profile


def _unpacked_profile(body: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(body[body.index(b"\0") + 2 :], 1 << 20)
    except (ValueError, zlib.error):
        return b""


def _check_png_pixels(header: bytes, chunks: list[memoryview]) -> None:
    """Raise where the compressed pixels are fewer than the header promises (PNG specification, 7.2 and 8.2)."""
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    check_size(height, width)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour)
    if channels is None:
        raise _unreadable("PNG", ValueError("colour type"))
    # Column and row of the first pixel and the steps between pixels, for each of Adam7's passes.
    adam7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    needed = 0
    for left, top, across, down in adam7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            needed += rows * (1 + (columns * channels * bits + 7) // 8)
    inflate = zlib.decompressobj()
    found = 0
    try:
        for chunk in chunks:
            rest: bytes | memoryview = chunk[8:-4]
            while rest and found < needed and not inflate.eof:
                found += len(inflate.decompress(rest, 1 << 20))
                rest = inflate.unconsumed_tail
        if found < needed:
            found += len(inflate.flush())
    except zlib.error:
        raise _unreadable("PNG", ValueError("pixels")) from None
    if found < needed:
        raise _cut_off("PNG")
