"""Radiological pictures: the first frame of a DICOM file, as its own window shows it.

Only the elements that describe the pixels and how they lie are read, and the kind of machine; those that describe the
patient never leave the file.
"""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi

from explain.errors import PictureError
from explain.pictures.dicom_frames import check_pixels, drop_unused_bits, open_dataset, read_frame
from explain.pictures.picture import Placement
from explain.pictures.scaling import RULES, warn_of_lonely_value
from explain.pictures.sides import Edges, name_edges, read_edges

_UNNAMED = "OT"  # the standard's word for any other machine


def is_dicom(data: bytes) -> bool:
    """Whether the bytes start as DICOM does: with its preamble, or at once with element group 0002 or 0008."""
    return (
        data[128:132] == b"DICM"
        or (data[:2] in (b"\x02\0", b"\x08\0") and data[3:4] == b"\0")
        or (data[:3] == b"\0\x08\0")
    )


def read(data: bytes, rules: int = RULES) -> tuple[np.ndarray, list[str]]:
    """Decode the first frame.

    Args:
        data: the whole file.
        rules: by which rules its numbers become pixels; see `explain.pictures.scaling.RULES`.

    Returns:
        Pixels: uint8 RGB `(H, W, 3)`, or float32 in 0…1, `(H, W, 1)` for grey and `(H, W, 3)` for colour, where the
        file holds more than 8 bits; and notes.

    Raises:
        PictureError: no picture inside, damaged, cut off, too large, or compressed in a way nothing here can decode.
    """
    try:
        dataset = open_dataset(data)
        frames = check_pixels(dataset)
        notes = [f"The file holds {frames:,} frames; the first one is used."] if frames > 1 else []
        stored = read_frame(dataset, 0, frames)
        if rules > 1:
            stored = drop_unused_bits(dataset, stored)
        return _values(dataset, stored, rules, notes), notes
    except PictureError:
        raise
    except MemoryError:
        raise PictureError("There is not enough memory to read the picture. Choose a smaller one.") from None
    except Exception:
        raise PictureError("The DICOM file is damaged or breaks the standard. Export it again.") from None


def read_modality(data: bytes) -> str:
    """The kind of machine a readable file comes from, by the standard's letters: `CT`, `MR`, `DX`; `OT` if unsaid."""
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True, specific_tags=["Modality"])
        said = str(dataset.get("Modality") or _UNNAMED).strip().upper()
    except Exception:
        return _UNNAMED
    # The standard's codes are short capitals; whatever else stands there might be anything.
    return said if re.fullmatch("[A-Z]{2,8}", said) else _UNNAMED


_PLACES = (
    "Modality",
    "PixelSpacing",
    "PixelSpacingCalibrationType",
    "ImagerPixelSpacing",
    "PatientOrientation",
    "ImageOrientationPatient",
)
_PROJECTIONS = ("CR", "DX", "RG", "MG", "XA", "RF")
"""Machines that throw a shadow of the patient on a detector."""


def read_placement(data: bytes) -> Placement | None:
    """How the pixels of a readable file of one frame lie in the patient: how large they are, and which sides are where.

    A radiograph's pitch is that of its detector, where the file does not say that it was calibrated (PS3.3 C.7.6.3 and
    10.7.1.3).

    Returns:
        None where the file says neither.
    """
    try:
        dataset = pydicom.dcmread(
            io.BytesIO(data), stop_before_pixels=True, force=True, specific_tags=[*_PLACES, "NumberOfFrames"]
        )
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            return None
        pitch, edges = _read_pitch(dataset, "PixelSpacing"), _read_sides(dataset)
        at_detector = dataset.get("Modality") in _PROJECTIONS and not dataset.get("PixelSpacingCalibrationType")
        if pitch is None:
            pitch, at_detector = _read_pitch(dataset, "ImagerPixelSpacing"), True
    except Exception:  # pydicom's, of a damaged element: the picture itself is whole
        return None
    if pitch is None and edges is None:
        return None
    return Placement(pitch, edges, at_detector=at_detector and pitch is not None)


def _read_pitch(dataset: Any, name: str) -> tuple[float, float] | None:
    sides = [float(side) for side in dataset.get(name) or ()]
    return (sides[0], sides[1]) if len(sides) == 2 and all(0 < side < 1000 for side in sides) else None


def _read_sides(dataset: Any) -> Edges | None:
    directions = [float(part) for part in dataset.get("ImageOrientationPatient") or ()]
    if len(directions) == 6 and np.isfinite(directions).all() and any(directions[:3]) and any(directions[3:]):
        return name_edges(directions[3:], directions[:3])
    said = [str(part) for part in dataset.get("PatientOrientation") or ()]
    return read_edges(*said) if len(said) == 2 else None


def _values(dataset: Any, stored: np.ndarray, rules: int, notes: list[str]) -> np.ndarray:
    """From stored numbers to the picture: see `read`."""
    photometric = dataset.get("PhotometricInterpretation", "MONOCHROME2")
    bits = min(max(1, dataset.get("BitsStored") or 8), 8 * stored.itemsize)
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)[..., :3]
        return (colours >> 8 * (colours.itemsize - 1)).astype(np.uint8)
    if stored.ndim == 3:
        if bits <= 8:
            return stored.astype(np.uint8)
        notes.append(f"Colours of {bits} bits: white is {(1 << bits) - 1:,}.")
        return _parts_of(stored, bits)
    values = _grey(dataset, stored, bits, rules, notes)
    inverse = rules > 1 and str(dataset.get("PresentationLUTShape") or "").strip().upper() == "INVERSE"
    if photometric == "MONOCHROME1" or inverse:
        # The two say the same thing: it is done once (PS3.3 C.11.6).
        why = "stores its greys from white to black (MONOCHROME1)"
        if photometric != "MONOCHROME1":
            why = "asks for its greys to be shown inverted (Presentation LUT Shape INVERSE)"
        notes.append(f"The file {why}; they were inverted.")
        values = 1 - values if values.dtype.kind == "f" else 255 - values
    return values[:, :, None] if values.dtype.kind == "f" else np.repeat(values[:, :, None], 3, axis=2)


def _grey(dataset: Any, stored: np.ndarray, bits: int, rules: int, notes: list[str]) -> np.ndarray:
    """Grey `(H, W)`, black to white: float32 in 0…1, or uint8 where the file holds plain 8-bit grey.

    The order is the standard's (PS3.3 C.11.1, C.11.2): rescale, then the first window, or else the first lookup table,
    or else the range of values found, the padding around the picture left out.
    """
    values, rescaled = _rescaled(dataset, stored, rules, notes)
    holder = _holder(dataset, "WindowWidth", "FrameVOILUTSequence")
    window = _window(holder)
    if window:
        centre, width, count = window
        which = "the file's window" if count == 1 else f"the first of the file's {count} windows"
        notes.append(f"Shown through {which}: centre {centre:g}, width {width:g}.")
        shown = apply_window(values, centre, width, str(holder.get("VOILUTFunction") or "LINEAR")).astype(np.float32)
        if np.ptp(shown) < 1 / 255 and stored.min() != stored.max():
            notes.append(
                f"All of the picture comes out as one grey: its values, {values.min():g} to {values.max():g}, do not "
                "fit that window. Export it with one that fits."
            )
        return shown
    if dataset.get("VOILUTSequence"):
        notes.append("Shown through the file's own lookup table.")
        depth = dataset.VOILUTSequence[0].LUTDescriptor[2]
        return _parts_of(apply_voi(np.rint(values).astype(np.int64), dataset, index=0), depth)
    if bits <= 8 and stored.dtype.kind == "u" and not rescaled:
        return np.rint(_parts_of(stored, bits) * 255).astype(np.uint8)
    return _range_found(values, stored != dataset.get("PixelPaddingValue"), notes).astype(np.float32)


def _parts_of(stored: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned integers of so many bits as float32 in 0…1."""
    return np.clip(stored.astype(np.float32) / np.float32((1 << bits) - 1), 0, 1)


def _rescaled(dataset: Any, stored: np.ndarray, rules: int, notes: list[str]) -> tuple[np.ndarray, bool]:
    """The modality's own values (Hounsfield units …), and whether they differ from the stored ones."""
    if dataset.get("ModalityLUTSequence"):
        return apply_modality_lut(stored, dataset).astype(np.float32), True
    exact: np.ndarray = stored.astype(np.float32 if stored.itemsize <= 2 else np.float64)
    holder = _holder(dataset, "RescaleSlope", "PixelValueTransformationSequence")
    if holder is None:
        if "RescaleSlope" in dataset or _holder(dataset, "RescaleIntercept", "PixelValueTransformationSequence"):
            notes.append("The file does not say by which slope it is to be rescaled: its stored values are used.")
        return exact, False
    slope, intercept = float(holder.RescaleSlope), float(holder.get("RescaleIntercept") or 0)
    if rules > 1 and (slope == 0 or not np.isfinite([slope, intercept]).all()):
        notes.append(f"The file's rescale slope is {slope:g}, from which no picture comes: its stored values are used.")
        return exact, False
    return exact * slope + intercept, (slope, intercept) != (1, 0)


def _holder(dataset: Any, keyword: str, macro: str) -> Any:
    """What holds `keyword`: the file itself, or the functional groups of its first frame (PS3.3 C.7.6.16), or None."""
    holders = [dataset]
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for group in (dataset.get(groups) or [])[:1]:
            holders += (group.get(macro) or [])[:1]
    return next((holder for holder in holders if holder.get(keyword) is not None), None)


def _window(holder: Any) -> tuple[float, float, int] | None:
    """Centre and width of the first window, and how many there are; None where there is none that can be used."""
    if holder is None or holder.get("WindowCenter") is None:
        return None
    centres, widths = np.atleast_1d(holder.WindowCenter), np.atleast_1d(holder.WindowWidth)
    if not centres.size or not widths.size:
        return None
    centre, width = float(centres[0]), float(widths[0])
    return (centre, width, centres.size) if np.isfinite([centre, width]).all() and width > 0 else None


def apply_window(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """Values through a window, as 0…1: PS3.3 C.11.2.1.2.1 (LINEAR) and C.11.2.1.3 (SIGMOID, LINEAR_EXACT)."""
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -80, 80)))
    if function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if width <= 1:
        return (values > centre - 0.5).astype(np.float32)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _range_found(values: np.ndarray, inside: np.ndarray, notes: list[str]) -> np.ndarray:
    """Scaled from the smallest to the largest finite value inside."""
    finite = np.isfinite(values)
    found = values[inside & finite] if (inside & finite).any() else values[finite]
    if not found.size:
        raise PictureError("The DICOM file's picture holds no numbers, only NaN or infinity. Choose another one.")
    low, high = float(found.min()), float(found.max())
    notes.append(f"The file names no window: its values from {low:g} to {high:g} are shown.")
    warn_of_lonely_value(found, notes)
    return np.clip((np.where(finite, values, low) - low) / ((high - low) or 1), 0, 1)
