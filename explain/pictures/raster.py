"""Pictures as cameras, scanners and screens write them: JPEG, PNG, WebP, AVIF, JPEG 2000, BMP, TIFF, GIF, PGM, PPM."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import (  # noqa: F401 - each registers its format, so that no session meets a half-filled registry
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from explain.errors import PictureError
from explain.pictures import netpbm, tiff
from explain.pictures.bounds import check_size, check_stored_bytes
from explain.pictures.codestream import check_codestream, read_depth
from explain.pictures.foreign import name_foreign
from explain.pictures.scaling import RULES, Stored, keep, scale

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
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    *((b"P%d" % number + space, "PPM") for number in range(1, 7) for space in (b" ", b"\t", b"\n", b"\r", b"#")),
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

_DARK = 64
"""Of 255: two bits and more are empty above what is brightest."""


def read(data: bytes, white: int | None = None, rules: int = RULES) -> tuple[np.ndarray, list[str], bool]:
    """Decode the first picture of a file.

    Colour profiles are not applied: models are trained on the stored numbers.

    Args:
        data: the whole file.
        white: the number that is white in files of 16 bits; guessed where None.
        rules: by which rules the file's numbers become pixels; see `explain.pictures.scaling.RULES`.

    Returns:
        Pixels, upright: uint8 `(H, W, C)`, or float32 in 0…1 `(H, W, C)` where the file holds more than 8 bits; of as
        many bands as the file holds, which is 3 but for grey of more than 8 bits and for files of several bands; notes;
        and whether `white` was used.

    Raises:
        PictureError: not a picture, damaged, cut off, or too large.
    """
    kind = _kind(data)
    notes: list[str] = []
    several, profile = False, b""
    if kind == "PNG":
        data, several, profile = _essential_png(data)
    elif kind == "JPEG2000":
        check_codestream(data)
    stored = _read_deep(data, kind, rules)
    if stored is None:
        return _read_by_pillow(data, kind, (several, profile), white, rules)
    if stored.note:
        notes.append(stored.note)
    deep = stored.values.dtype != np.uint8
    values = scale(stored, white, rules, notes) if deep else keep(stored, notes)
    if values.dtype == np.uint8 and values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    values = _turn(values, stored.orientation, notes)
    _say_rest(stored.several or several, stored.profile or profile, notes)
    return values, notes, white is not None and stored.values.dtype.kind in "iu" and deep


def _read_deep(data: bytes, kind: str, rules: int) -> Stored | None:
    """What Pillow would read wrongly or not at all; None for all else, and for all under the first rules."""
    if kind == "PPM":
        return netpbm.read(data)
    if rules < 2:
        return None
    if kind == "TIFF":
        return tiff.read(data)
    return _read_deep_png(data) if kind == "PNG" else None


def _read_by_pillow(
    data: bytes, kind: str, found: tuple[bool, bytes], white: int | None, rules: int
) -> tuple[np.ndarray, list[str], bool]:
    """See `read`; `found` is whether there are several pictures, and the colour profile, where known already."""
    notes: list[str] = []
    try:
        image = _opened(data, kind)
    except PictureError as error:
        known = tiff.describe(data) if kind == "TIFF" else ""
        raise PictureError(f"{known} It is damaged, or of a rare kind.") if known else error from None
    check_size(image.height, image.width)
    # Pillow turns a TIFF upright while loading and then drops the tag.
    orientation = _orientation(image, notes) if kind == "TIFF" else 1
    several = found[0] or _has_more(image)
    deep = image.mode in _DEEP_MODES
    depth = 8 if deep else 16 if any(";16" in str(tile[3]) for tile in image.tile) else read_depth(data, kind)
    profile = found[1] or image.info.get("icc_profile") or b""
    try:
        image.load()
        values = scale(_stored_grey(image, data, kind), white, rules, notes) if deep else _rgb(image, notes)
    except PictureError:
        raise
    except Exception as error:
        raise _unreadable(kind, error) from None
    if kind != "TIFF":
        values = _turn(values, _orientation(image, notes), notes)
    elif orientation in _UPRIGHT:
        notes.insert(0, _say_turned(orientation))
    if depth > 8:
        notes.append(f"The file holds {depth} bits for each colour; the upper 8 are used.")
        if 0 < values.max() < _DARK:
            notes.append(
                "Nothing is in its uppermost bits, so that the picture is nearly black. Save it as a PNG or TIFF of 16 "
                "bits, whose bits in use are told."
            )
    _say_rest(several, profile, notes)
    return values, notes, white is not None and deep and image.mode != "F"


def _turn(values: np.ndarray, orientation: int, notes: list[str]) -> np.ndarray:
    """The picture upright."""
    if orientation not in _UPRIGHT:
        return values
    notes.insert(0, _say_turned(orientation))
    return _UPRIGHT[orientation][0](values)


def _say_turned(orientation: int) -> str:
    return f"The picture was {_UPRIGHT[orientation][1]}, as its EXIF orientation says."


def _say_rest(several: bool, profile: bytes, notes: list[str]) -> None:
    """Say what else is in the file and not used."""
    if several:
        notes.insert(0, "The file holds several pictures; the first one is used.")
    if profile and b"sRGB" not in profile and "sRGB".encode("utf-16-be") not in profile:
        notes.append("The file's colour profile is not applied: the model is given the colours as stored.")


def _kind(data: bytes) -> str:
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and {b"avif", b"avis"} & _list_brands(data):
        return "AVIF"
    raise PictureError(name_foreign(data))


def _list_brands(data: bytes) -> set[bytes]:
    """What the file says it can be read as (ISO/IEC 14496-12, 4.3)."""
    (length,) = struct.unpack_from(">I", data)
    return {data[start : start + 4] for start in (8, *range(16, min(length, 512), 4))}


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


def _stored_grey(image: Any, data: bytes, kind: str) -> Stored:
    """The numbers of a picture that Pillow has loaded, of more than 8 bits of grey."""
    stored = np.asarray(image)
    depth = read_depth(data, kind)
    if kind == "JPEG2000" and depth < 16:
        # Pillow shifts them up to 16 bits.
        stored = stored >> (16 - depth)
    transparent = image.info.get("transparency")
    return Stored(
        values=stored[:, :, None],
        alpha=(stored != transparent).astype(np.float32) if isinstance(transparent, int) else None,
        # Pillow inverts "white is zero" for 8 bits only.
        white_is_zero=getattr(image, "tag_v2", {}).get(262) == 0,
        white=(1 << depth) - 1 if kind == "JPEG2000" and depth < 16 else None,
    )


def _read_deep_png(data: bytes) -> Stored | None:
    """Colour of 16 bits, with what is transparent; of a PNG that was checked. None where it holds anything else."""
    bits, colour = data[24], data[25]
    if bits != 16 or colour not in (2, 4, 6):
        return None
    header = _opened(data, "PNG")
    check_size(header.height, header.width)
    check_stored_bytes(header.height * header.width * (6 if colour == 2 else 8))
    pixels = cv2.imdecode(np.frombuffer(_without_transparency(data), np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape[:2] != (header.height, header.width):
        raise _unreadable("PNG", ValueError("pixels"))
    values, alpha = np.ascontiguousarray(pixels[:, :, 2::-1]), None
    if colour == 4:
        values = values[:, :, :1]
    if colour in (4, 6):
        alpha = tiff.read_alpha(pixels[:, :, 3])
    elif "transparency" in header.info:
        alpha = (values != np.array(header.info["transparency"])).any(axis=2).astype(np.float32)
    notes: list[str] = []
    orientation = _orientation(header, notes)
    what = "grey" if colour == 4 else "colour"
    return Stored(values, what, alpha, orientation=orientation, note=" ".join(notes))


def _without_transparency(data: bytes) -> bytes:
    """A PNG that `_essential_png` has reduced, without the chunk that makes one of its colours transparent."""
    at = 8
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind == b"tRNS":
            return data[:at] + data[end:]
        if kind == b"IDAT":
            return data
        at = end


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
