"""What the header of a DICOM file says of each frame: where it lies, how it is shown, what tells it from others.

Identifiers group frames in memory. Nothing that names a patient, a date or a place is read, and none of what is read
here is shown but numbers, the kind of machine and the names of windows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from explain.errors import PictureError
from explain.pictures.bounds import check_size
from explain.pictures.dicom_frames import PIXELS, open_dataset
from explain.volumes.windows import Function, Window

_PIXEL_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

HEADER = [
    *(name for name in PIXELS if name not in _PIXEL_DATA),
    "SOPClassUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "PixelAspectRatio",
    "InstanceNumber",
    "ImageType",
    "Modality",
    "BodyPartExamined",
    "PatientOrientation",
    "WindowCenterWidthExplanation",
    "PixelPaddingRangeLimit",
    "RescaleType",
    "Units",
    "BurnedInAnnotation",
    "FrameTime",
    "LossyImageCompression",
    "TemporalPositionIdentifier",
    "EchoTime",
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "AcquisitionNumber",
    "TriggerTime",
    "ReferencedSeriesSequence",
    "SegmentSequence",
    "SegmentationType",
    "MaximumFractionalValue",
]
"""The elements read of a file beside its pixels."""

SPLITTERS = (
    ("TemporalPositionIdentifier", "FrameContentSequence", "TemporalPositionIndex", "time"),
    ("EchoTime", "MREchoSequence", "EffectiveEchoTime", "echo time"),
    ("DiffusionBValue", "MRDiffusionSequence", "DiffusionBValue", "diffusion"),
    ("AcquisitionNumber", "FrameContentSequence", "FrameAcquisitionNumber", "acquisition"),
    ("TriggerTime", "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "trigger time"),
    ("StackID", "FrameContentSequence", "StackID", "stack"),
)
"""What may tell slices at one place apart, in this order: the element, its sequence and name in enhanced files, and
what people call it."""

_REFUSED = {
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map",
    "1.2.840.10008.5.1.4.1.1.481.2": "a dose distribution",
    "1.2.840.10008.5.1.4.1.1.481.3": "outlines for radiotherapy (RT Structure Set)",
    "1.2.840.10008.5.1.4.1.1.481": "a plan or record of radiotherapy",
    "1.2.840.10008.5.1.4.1.1.88": "a report (Structured Report)",
    "1.2.840.10008.5.1.4.1.1.104": "a document",
    "1.2.840.10008.5.1.4.1.1.9": "a recording of curves, such as an ECG",
    "1.2.840.10008.5.1.4.1.1.11": "a presentation state",
    "1.2.840.10008.5.1.4.1.1.66": "raw data or a registration",
}
"""By the beginning of their SOP class, longest first, what is no picture."""

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_DIRECTORY = "1.2.840.10008.1.3.10"
_BODY_PARTS = {
    *("ABDOMEN", "ANKLE", "ARM", "BRAIN", "BREAST", "CHEST", "CSPINE", "ELBOW", "FOOT", "HAND", "HEAD", "HEART", "HIP"),
    *("KNEE", "LEG", "LIVER", "LSPINE", "LUNG", "NECK", "PELVIS", "PROSTATE", "SHOULDER", "SPINE", "TSPINE", "WRIST"),
}
_SURVEYS = {"LOCALIZER", "REF_SURVIEW", "SCOUT"}


class NoScan(Exception):
    """The file is no scan, for the reason given; empty where nobody needs to hear of it."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a file.

    Attributes:
        source: number of its file.
        digest: SHA-256 of that, hexadecimal.
        index: which of the file's frames, from 0; `count` is how many there are.
        series: identifier of its series; in memory only.
        reference: identifier of what its positions are measured from; in memory only.
        modality: the kind of machine.
        size: rows and columns.
        colours: 1, or 3 for colour.
        position: of its first voxel in LPS millimetres; None where unsaid.
        orientation: where columns and where rows count up to, as Image Orientation (Patient) has it; None where unsaid.
        pitch: millimetres from row to row and from column to column; None where unsaid.
        slope: by which its numbers are multiplied.
        intercept: what is added then.
        windows: those that the file names.
        inverted: whether its greys go from white to black.
        padding: the stored numbers that stand for nothing.
        unit: of its values.
        bits: bits of a number that is stored.
        number: its Instance Number.
        splits: what may tell it from others at the same place, by the names in `SPLITTERS`.
        is_survey: whether it is a survey image, which belongs to no stack.
        seconds: from frame to frame of a clip.
        body_part: one of the standard's words; empty where unsaid.
        names_patient: whether the file says that text was burnt into it.
        edges: its Patient Orientation: towards where columns and rows count up.
    """

    source: int
    digest: str
    index: int
    count: int
    series: str
    reference: str
    modality: str
    size: tuple[int, int]
    colours: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    pitch: tuple[float, float] | None
    slope: float
    intercept: float
    windows: tuple[Window, ...]
    inverted: bool
    padding: tuple[float, float] | None
    unit: str
    bits: int
    number: int | None
    splits: dict[str, str] = field(default_factory=dict)
    is_survey: bool = False
    seconds: float | None = None
    body_part: str = ""
    names_patient: bool = False
    edges: tuple[str, str] | None = None


def read_header(data: bytes) -> Any:
    """The elements of `HEADER` that a file has.

    Raises:
        NoScan: it is a report, a plan or the like.
        PictureError: it is damaged, or its picture too large.
    """
    try:
        dataset = open_dataset(data, HEADER, pixels=False)
        kind = str(dataset.get("SOPClassUID") or "")
        if str(dataset.file_meta.get("MediaStorageSOPClassUID") or kind) == _DIRECTORY:
            raise NoScan("")
        what = next((said for beginning, said in _REFUSED.items() if f"{kind}.".startswith(f"{beginning}.")), "")
        if what and kind != SEGMENTATION:
            raise NoScan(f"It is {what}, not a scan.")
        if not all(isinstance(dataset.get(name), int) for name in ("Rows", "Columns")):
            raise NoScan("It holds no picture.")
        check_size(dataset.Rows, dataset.Columns)
    except (NoScan, PictureError):
        raise
    except Exception:
        raise PictureError("The DICOM file is damaged or breaks the standard. Export it again.") from None
    return dataset


def list_frames(dataset: Any, source: int, digest: str) -> Iterator[Frame]:
    """Every frame of a file.

    Args:
        dataset: see `read_header`.
        source: number of the file.
        digest: SHA-256 of it, hexadecimal.

    Raises:
        PictureError: it claims an absurd number of frames.
    """
    count = _read_int(dataset.get("NumberOfFrames")) or 1
    if not 1 <= count <= 100_000:
        raise PictureError("The DICOM file claims an absurd number of frames. Export it again.")
    said = [str(word).strip().upper() for word in _list(dataset.get("ImageType"))]
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    milliseconds = _read_numbers(dataset.get("FrameTime"), 1)
    body = re.sub("[^A-Z]", "", str(dataset.get("BodyPartExamined") or "").upper())
    edges = [str(word).strip().upper() for word in _list(dataset.get("PatientOrientation"))]
    modality = read_code(dataset.get("Modality"))
    for index in range(count):
        slope, intercept, unit = _read_rescale(dataset, index, modality)
        spacing = _get(dataset, index, "PixelMeasuresSequence", "PixelSpacing")
        pitch = _read_numbers(dataset.get("ImagerPixelSpacing") if spacing is None else spacing, 2)
        orientation = _read_numbers(_get(dataset, index, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
        yield Frame(
            source=source,
            digest=digest,
            index=index,
            count=count,
            series=str(dataset.get("SeriesInstanceUID") or ""),
            reference=str(dataset.get("FrameOfReferenceUID") or ""),
            modality=modality,
            size=(dataset.Rows, dataset.Columns),
            colours=3 if (_read_int(dataset.get("SamplesPerPixel")) or 1) > 1 or photometric == "PALETTE COLOR" else 1,
            position=_read_numbers(_get(dataset, index, "PlanePositionSequence", "ImagePositionPatient"), 3),
            orientation=orientation if orientation is not None and _is_orthonormal(orientation) else None,
            pitch=(pitch[0], pitch[1]) if pitch is not None and min(pitch) > 0 else None,
            slope=slope,
            intercept=intercept,
            windows=_read_windows(dataset, index),
            inverted=photometric == "MONOCHROME1" or shape == "INVERSE",
            padding=_read_padding(dataset),
            unit=unit,
            bits=_read_int(dataset.get("BitsStored")) or 16,
            number=_read_int(dataset.get("InstanceNumber")),
            splits=_read_splits(dataset, index),
            is_survey=bool(_SURVEYS & set(said)),
            seconds=milliseconds[0] / 1000 if milliseconds and milliseconds[0] > 0 and count > 1 else None,
            body_part=body.lower() if body in _BODY_PARTS else "",
            names_patient=str(dataset.get("BurnedInAnnotation") or "").strip().upper() == "YES",
            edges=(edges[0], edges[1]) if len(edges) == 2 else None,
        )


def read_code(value: Any) -> str:
    """A kind of machine by the standard's letters; `OT` for anything else, which might be any text."""
    said = str(value or "").strip().upper()
    return said if re.fullmatch("[A-Z]{2,8}", said) else "OT"


def _get(dataset: Any, index: int, macro: str, keyword: str) -> Any:
    """An element of a frame: of its own group, of the group that all frames share, or of the file (PS3.3 C.7.6.16)."""
    own, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    for group in ([own[index]] if own and index < len(own) else []) + list((shared or [])[:1]):
        items = group.get(macro)
        if items and items[0].get(keyword) is not None:
            return items[0].get(keyword)
    return dataset.get(keyword)


def _list(value: Any) -> Sequence[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, (str, bytes, int, float)) else list(value)


def _read_int(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _read_numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """So many finite numbers; None for anything else."""
    try:
        numbers = tuple(float(number) for number in _list(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if len(numbers) == count and np.isfinite(numbers).all() else None


def _is_orthonormal(orientation: tuple[float, ...]) -> bool:
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    return bool(
        abs(np.linalg.norm(across) - 1) < 0.01 and abs(np.linalg.norm(down) - 1) < 0.01 and abs(across @ down) < 0.01
    )


def _read_rescale(dataset: Any, index: int, modality: str) -> tuple[float, float, str]:
    """Slope, intercept and unit of a frame's values; those of a lookup table are made when its pixels are read."""
    macro = "PixelValueTransformationSequence"
    slope = _read_numbers(_get(dataset, index, macro, "RescaleSlope"), 1)
    intercept = _read_numbers(_get(dataset, index, macro, "RescaleIntercept"), 1)
    unit = read_unit(_get(dataset, index, macro, "RescaleType") or dataset.get("Units"))
    if dataset.get("ModalityLUTSequence") or slope is None or slope[0] == 0:
        return 1.0, 0.0, ""
    return slope[0], intercept[0] if intercept else 0.0, unit or ("HU" if modality == "CT" else "")


def read_unit(value: Any) -> str:
    """A unit of values, by the standard's short codes; empty for any other text, and for `unspecified`."""
    said = str(value or "").strip()
    return said if re.fullmatch(r"[A-Za-z0-9/%.*^-]{1,12}", said) and said.upper() not in ("US", "NONE") else ""


def _read_windows(dataset: Any, index: int) -> tuple[Window, ...]:
    """Every window of a frame, and its lookup table after them."""
    macro = "FrameVOILUTSequence"
    centres = _read_some(_get(dataset, index, macro, "WindowCenter"))
    widths = _read_some(_get(dataset, index, macro, "WindowWidth"))
    named = [str(name).strip() for name in _list(_get(dataset, index, macro, "WindowCenterWidthExplanation"))]
    said = str(_get(dataset, index, macro, "VOILUTFunction") or "LINEAR").strip().upper()
    function = cast(Function, said) if said in ("LINEAR", "LINEAR_EXACT", "SIGMOID") else "LINEAR"
    pairs = list(dict.fromkeys(zip(centres, widths, strict=False)))
    found: dict[str, Window] = {}
    for place, (centre, width) in enumerate(pairs):
        name = named[place] if place < len(named) else ""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _.()/-]{0,23}", name):
            name = "The file's window" if len(pairs) == 1 else f"The file's window {place + 1}"
        window = Window(name.capitalize() if name.isupper() else name, centre, width, function)
        if np.isfinite([centre, width]).all() and width > 0:
            found.setdefault(window.key, window)
    table = _read_table(dataset)
    return tuple(found.values()) + ((table,) if table is not None else ())


def _read_some(value: Any) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in _list(value))
    except (TypeError, ValueError, OverflowError):
        return ()


def _read_table(dataset: Any) -> Window | None:
    """The file's own lookup table of greys (PS3.3 C.11.2.1.1), as a window."""
    try:
        item = (dataset.get("VOILUTSequence") or [None])[0]
        if item is None:
            return None
        count, first, bits = (int(number) for number in item.LUTDescriptor)
        data = item.LUTData
        entries = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.atleast_1d(data)
        entries = entries[: count or 1 << 16].astype(np.float64) / ((1 << bits) - 1)
        greys = tuple(float(grey) for grey in np.clip(entries, 0, 1))
        return Window("The file's table", 0, 1, "LINEAR", (greys, float(first))) if len(greys) > 1 else None
    except Exception:
        return None


def _read_padding(dataset: Any) -> tuple[float, float] | None:
    value = _read_int(dataset.get("PixelPaddingValue"))
    if value is None:
        return None
    limit = _read_int(dataset.get("PixelPaddingRangeLimit"))
    limit = value if limit is None else limit
    return min(value, limit), max(value, limit)


def _read_splits(dataset: Any, index: int) -> dict[str, str]:
    found = {}
    for plain, macro, inner, name in SPLITTERS:
        value = _get(dataset, index, macro, inner)
        value = dataset.get(plain) if value is None else value
        if value is not None and str(value) != "":
            found[name] = str(value)
    diffusion = _get(dataset, index, "MRDiffusionSequence", "DiffusionGradientDirectionSequence")
    direction = (diffusion[0] if diffusion else dataset).get("DiffusionGradientOrientation")
    if direction is not None:
        found["diffusion"] = f"{found.get('diffusion', '')} {_list(direction)}"
    return found
