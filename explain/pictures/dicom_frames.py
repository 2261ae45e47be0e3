"""The pixels of a DICOM file as they are stored: its header held against the data, and one frame decoded at a time."""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from PIL import Image, Jpeg2KImagePlugin, JpegImagePlugin  # noqa: F401 - each registers its format
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from explain.errors import PictureError
from explain.pictures.bounds import MAX_BYTES, check_size
from explain.pictures.decoder_process import DecoderProcess

# Set once, not around each call, which would swap the filters of the whole process under the other sessions.
warnings.filterwarnings("ignore", module=r"pydicom\.")
# What pydicom logs of an odd value quotes it, and what stands beside it: that may be the patient's name.
logging.getLogger("pydicom").propagate = False

PIXELS = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelPaddingValue",
    "RescaleIntercept",
    "RescaleSlope",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "PresentationLUTShape",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "PixelData",
]
"""The elements that describe pixels; no other of a file is read for its picture."""

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

_READ_AS = {
    HTJ2KLossless: JPEG2000Lossless,
    HTJ2KLosslessRPCL: JPEG2000Lossless,
    HTJ2K: JPEG2000,
}
"""High-Throughput JPEG 2000 is a codestream of the same kind: OpenJPEG in Pillow reads both."""

_decoder = DecoderProcess()


def open_dataset(data: bytes, elements: Sequence[str] = PIXELS, pixels: bool = True) -> Any:
    """The elements asked for, of a file of whatever encoding; its transfer syntax is always known then.

    Args:
        data: the whole file.
        elements: by the standard's keywords.
        pixels: whether to go on to the pixels, which come last and are most of the file.

    Raises:
        PictureError: it unfolds to an absurd size. What pydicom raises on damage is let through.
    """
    _check_deflated(data)
    dataset = pydicom.dcmread(io.BytesIO(data), force=True, specific_tags=list(elements), stop_before_pixels=not pixels)
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        syntax = "1.2.840.10008.1.2" + ("" if implicit else ".1" if little else ".2")
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
    said = dataset.file_meta.TransferSyntaxUID
    dataset.file_meta.TransferSyntaxUID = _READ_AS.get(said, said)
    return dataset


def _check_deflated(data: bytes) -> None:
    """Refuse a deflated file that unfolds beyond all bounds: pydicom inflates it whole, in one piece."""
    position, deflated = 132 if data[128:132] == b"DICM" else 0, False
    while data[position : position + 2] == b"\2\0":
        element, representation, length = struct.unpack_from("<H2sH", data, position + 2)
        value = position + 8
        if representation.decode("latin-1") in EXPLICIT_VR_LENGTH_32:
            (length,) = struct.unpack_from("<I", data, value)
            value += 4
        if element == 0x0010:
            deflated = data[value : value + length].rstrip(b"\0 ") == DeflatedExplicitVRLittleEndian.encode()
        position = value + length
    if not deflated:
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    rest, found = data[position:], 0
    while rest and not inflate.eof:
        found += len(inflate.decompress(rest, 1 << 20))
        rest = inflate.unconsumed_tail
        if found > 2 * MAX_BYTES:
            raise PictureError("The deflated DICOM file unfolds to an absurd size. Export it again uncompressed.")


def check_pixels(dataset: Any) -> int:
    """Hold the header against the bounds and the data, before any pixel is decoded.

    Returns:
        The number of frames.

    Raises:
        PictureError: there is no picture, it is too large, cut off, or stored in a way that is not read.
    """
    elements = [name for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if name in dataset]
    if not elements:
        raise PictureError("The DICOM file holds no picture (a report, plan or recording). Choose one that does.")
    if not all(isinstance(dataset.get(name), int) for name in ("Rows", "Columns")):
        raise PictureError("The DICOM file does not say how large its picture is. Export it again.")
    rows, columns = dataset.Rows, dataset.Columns
    check_size(rows, columns)
    samples = dataset.get("SamplesPerPixel") or 1
    photometric = dataset.get("PhotometricInterpretation", "MONOCHROME2")
    known = _COLOUR if samples == 3 else (*_GREY, "PALETTE COLOR") if samples == 1 else ()
    if photometric not in known:
        raise PictureError(
            "The DICOM file stores its colours in a rare way that cannot be read. Export it as RGB or grey."
        )
    try:
        frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        frames = dataset.NumberOfFrames = 1
    if not dataset.file_meta.TransferSyntaxUID.is_compressed or elements[0] != "PixelData":
        bits = {"PixelData": dataset.get("BitsAllocated", 0), "FloatPixelData": 32, "DoubleFloatPixelData": 64}[
            elements[0]
        ]
        bits_per_pixel = 16 if photometric == "YBR_FULL_422" else samples * bits
        if len(dataset[elements[0]].value or b"") < (rows * columns * frames * bits_per_pixel + 7) // 8:
            raise PictureError("The DICOM file is cut off: part of its picture is missing. Copy or export it again.")
    return frames


def read_frame(dataset: Any, index: int, frames: int) -> np.ndarray:
    """One frame as stored: `(H, W)`, or `(H, W, 3)` RGB. The others are not decoded.

    Args:
        dataset: passed by `check_pixels`.
        index: which frame, from 0.
        frames: how many there are.

    Raises:
        PictureError: nothing here can decode it, or it is damaged. What pydicom raises on plain pixels is let through.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return pixel_array(dataset, index=index)
    plugin = _choose_plugin(dataset, syntax)
    if plugin is None:
        raise PictureError(
            f"The picture is compressed as {syntax.name}, which nothing installed can decode. {_remedy(syntax)}"
        )
    frame = _check_compressed_size(dataset, index, frames)
    try:
        if plugin == "gdcm":
            return _decoder.decode(dataset, frame)
        return pixel_array(dataset, index=index, decoding_plugin=plugin)
    except Exception:
        raise PictureError(
            f"The picture, compressed as {syntax.name}, is damaged, cut off or of a rare kind. "
            "Export it again uncompressed."
        ) from None


def _choose_plugin(dataset: Any, syntax: UID) -> str | None:
    """What decodes a frame: Pillow, and pydicom itself, for all that they can; GDCM for the rest."""
    try:
        available = get_decoder(syntax).available_plugins
    except NotImplementedError:
        return None
    deep = (dataset.get("BitsStored") or 8) != 8
    unsuited = set()
    if syntax.name.startswith("JPEG Extended") and deep:
        unsuited = {"pillow", "gdcm"}  # both decode its 8 bits only
    elif "2000" in syntax.name and deep and dataset.get("SamplesPerPixel") == 3:
        unsuited = {"pillow"}
    suited = [name for name in available if name not in unsuited]
    for name in ("pydicom", "pillow", "gdcm", *suited):
        if name in suited:
            return name
    return None


def _remedy(syntax: UID) -> str:
    if "JPEG-LS" in syntax.name or "JPEG Lossless" in syntax.name:
        packages = "python-gdcm"
    elif "2000" in syntax.name:
        packages = "pylibjpeg and pylibjpeg-openjpeg"
    else:
        return "Export it again uncompressed."
    return f"Install {packages}, or export it again uncompressed."


def _check_compressed_size(dataset: Any, index: int, frames: int) -> bytes:
    """Hold the size inside the compressed frame against the DICOM header's, which is all that was bounded so far.

    Returns:
        The compressed frame.
    """
    offsets = None
    if dataset.get("ExtendedOffsetTable") and dataset.get("ExtendedOffsetTableLengths"):
        offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
    try:
        frame = get_frame(dataset.PixelData, index, number_of_frames=frames, extended_offsets=offsets)
    except Exception:
        raise PictureError("The DICOM file is damaged: one of its frames is missing. Export it again.") from None
    size = _read_jpeg_size(frame)
    if size is None:
        try:
            width, height = Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")).size
        except Image.UnidentifiedImageError:
            return frame
        size = (height, width)
    if size != (dataset.Rows, dataset.Columns):
        raise PictureError("The DICOM file contradicts itself about the size of its picture. Export it again.")
    return frame


def _read_jpeg_size(frame: bytes) -> tuple[int, int] | None:
    """Height and width by the frame header of a JPEG or JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2); None for all else."""
    position = 2
    while frame[:2] == b"\xff\xd8" and position + 9 <= len(frame) and frame[position] == 0xFF:
        marker, length = frame[position + 1], int.from_bytes(frame[position + 2 : position + 4], "big")
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width = struct.unpack_from(">HH", frame, position + 5)
            return height, width
        position += 1 if marker == 0xFF else 2 + length
    return None


def drop_unused_bits(dataset: Any, stored: np.ndarray) -> np.ndarray:
    """The numbers without what the bits above those stored hold, overlays of old: they mean nothing (PS3.5 8.1.1).

    Some decoders leave them in, others do not; what is right already stays the same.
    """
    bits, width = dataset.get("BitsStored"), 8 * stored.itemsize
    if stored.dtype.kind not in "iu" or not isinstance(bits, int) or not 0 < bits < width:
        return stored
    if stored.dtype.kind == "u":
        return stored & stored.dtype.type((1 << bits) - 1)
    # Up and down again, so that the highest of the bits stored is the sign.
    return (stored << (width - bits)) >> (width - bits)
