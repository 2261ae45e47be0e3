"""Maps as DICOM objects: Parametric Maps, whose numbers lie where they do in the patient, and Secondary Captures, which
every archive shows.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import DS

from explain.engine.explanation import PictureExplanation
from explain.errors import ExplainError
from explain.maps.figure import DISCLAIMER
from explain.maps.heatmap import Heatmap
from explain.maps.render import RenderSettings, colour_bar, is_flat, is_grey, label_bar
from explain.maps.sheet import Block, Letters, write_paragraph, write_sheet
from explain.methods import get_method
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture
from explain.report.comparison import draw_overlay, find_ranges, title_map
from explain.report.scans.gathering import ScanMap
from explain.report.scans.identity import NO_FRAME, UTF8, Identity

Originals = Mapping[str, Callable[[int], bytes]]
"""By the digest of a series, or of a file of its own, what gives the file that a slice of the stack comes from."""

_MANUFACTURER = "CAMscope"
_LONGEST = 64  # characters of a description (LO)
_SHORTEST_SIDE = 512  # pixels of a capture, so that letters can be read on it
_LETTERS, _EDGE, _BAR = Letters(16, 600, (0, 0, 0)), 6, 10
_FIRST_SERIES = 9001


class DicomWriter:
    """Writes the objects of one export.

    Args:
        model: which made the maps.
        originals: the files that the pictures come from.
        for_archive: whether patient and study are named; by default they are not, and all identifiers are new.
        view: how maps are drawn.
    """

    def __init__(
        self,
        model: LoadedModel,
        originals: Originals,
        for_archive: bool = False,
        view: RenderSettings | None = None,
    ) -> None:
        self._model = model
        self._originals = originals
        self._identity = Identity(for_archive)
        self._view = view or RenderSettings()
        self._series: dict[tuple[str, str], tuple[int, str]] = {}
        self._numbers: dict[str, int] = {}

    def write_capture(
        self, entry: PictureExplanation, heatmap: Heatmap, ends: tuple[float, float] | None = None
    ) -> bytes:
        """A map on its picture, as it is seen on the page, with what it is and “Not for diagnostic use” below.

        Args:
            entry: what was answered of the picture.
            heatmap: one of its maps, which holds numbers.
            ends: values of the first and the last colour; its own where None.

        Raises:
            ExplainError: the picture is of no DICOM file, or its study lacks what a DICOM object needs.
        """
        from highdicom.sc import SCImage

        picture = entry.picture
        source = self._identity.read(self._read_original(picture))
        ends = ends or find_ranges([entry], self._view)[0][heatmap.key]
        drawn, factor = _enlarge(draw_overlay(entry, heatmap, self._view, ends))
        low, _, high = label_bar(*ends, self._view.signed, get_method(heatmap.method).painting)
        said = f"{title_map(entry, heatmap)} for “{heatmap.label}”, {low}{' … ' if high else ''}{high}. {DISCLAIMER}."
        below = [self._draw_bar(picture, heatmap, ends, drawn.shape[1]), _draw_words(said, drawn.shape[1])]
        placement = picture.placement
        number, uid = self._find_series("capture", heatmap.method)
        capture = SCImage.from_ref_dataset(
            source,
            np.concatenate([drawn, *below]),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            series_instance_uid=uid,
            series_number=number,
            sop_instance_uid=generate_uid(),
            instance_number=self._count(uid),
            manufacturer=_MANUFACTURER,
            patient_orientation=("L", "P"),
            transfer_syntax_uid=ExplicitVRLittleEndian,
            series_description=self._describe(heatmap),
        )
        sides: list[str] = []
        if placement is not None:
            if placement.pitch is not None and not placement.at_detector:
                capture.PixelSpacing = [DS(side / factor, auto_format=True) for side in placement.pitch]
            sides = [placement.edges[1], placement.edges[2]] if placement.edges else []
        capture.PatientOrientation = sides
        self._finish(capture, heatmap)
        return _encode(capture)

    def _draw_bar(self, picture: Picture, heatmap: Heatmap, ends: tuple[float, float], width: int) -> np.ndarray:
        style = self._view.settle_style(is_grey(picture.pixels), get_method(heatmap.method).painting)
        return np.repeat(colour_bar(self._view, style, width, is_flat(*ends))[None], _BAR, axis=0)

    def write_map(self, scan: ScanMap) -> bytes:
        """The numbers of maps of slices as a Parametric Map, at the layer's own resolution.

        Raises:
            ExplainError: the slices are of no DICOM files, or their study lacks what a DICOM object needs.
        """
        import highdicom as hd
        from pydicom.sr.codedict import codes

        heatmap = scan.heatmap
        sources = self._read_sources(scan)
        low, high = float(scan.values.min()), float(scan.values.max())
        through, down, across = (scan.affine[:3, axis] for axis in range(3))
        places = [scan.affine[:3, 3] + at * through for at in range(len(scan.values))]
        direction = [*(across / np.linalg.norm(across)), *(down / np.linalg.norm(down))]
        thickness = float(np.linalg.norm(through))
        for source in sources:  # highdicom compares the planes with those of the sources
            for name, value in (("SliceThickness", thickness), ("PixelSpacing", [1.0, 1.0])):
                if name not in source:
                    setattr(source, name, value)
            if "ImagePositionPatient" not in source or "ImageOrientationPatient" not in source:
                source.ImagePositionPatient, source.ImageOrientationPatient = list(places[0]), direction
        number, uid = self._find_series("map", heatmap.method)
        made = hd.pm.ParametricMap(
            sources,
            scan.values,
            series_instance_uid=uid,
            series_number=number,
            sop_instance_uid=generate_uid(),
            instance_number=self._count(uid),
            manufacturer=_MANUFACTURER,
            manufacturer_model_name=_cut(self._model.request.name),
            software_versions=_MANUFACTURER,
            device_serial_number=self._model.fingerprint[:16],
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[
                hd.pm.RealWorldValueMapping(
                    lut_label="Class activation",
                    lut_explanation=_cut(f"{get_method(heatmap.method).title}, in units of its own"),
                    unit=codes.UCUM.NoUnits,
                    value_range=(low, high),
                    slope=1,
                    intercept=0,
                    quantity_definition=codes.DCM.ClassActivation,
                )
            ],
            voi_lut_transformations=[
                hd.VOILUTTransformation((low + high) / 2, max(high - low, 1e-6), voi_lut_function="LINEAR_EXACT")
            ],
            content_label="CLASS_ACTIVATION",
            content_description=self._describe(heatmap),
            series_description=self._describe(heatmap),
            derived_pixel_contrast="NONE",
            pixel_measures=hd.PixelMeasuresSequence(
                pixel_spacing=(float(np.linalg.norm(down)), float(np.linalg.norm(across))),
                slice_thickness=thickness,
                spacing_between_slices=thickness,
            ),
            plane_orientation=hd.PlaneOrientationSequence("PATIENT", image_orientation=direction),
            plane_positions=[hd.PlanePositionSequence("PATIENT", image_position=place) for place in places],
        )
        self._finish(made, heatmap)
        return _encode(made)

    def _read_original(self, picture: Picture) -> bytes:
        """The file of a picture; of a slice of another plane, a file of its series."""
        section = picture.section
        read = self._originals.get(section.volume if section is not None else picture.source)
        if read is None:
            raise ExplainError(say_no_dicom(picture.name))
        return read(section.index if section is not None and section.plane == "stack" else 0)

    def _read_sources(self, scan: ScanMap) -> list[Dataset]:
        """The headers of the files that the maps come from, each once."""
        read = self._originals.get(scan.volume)
        if read is None:
            raise ExplainError(say_no_dicom(scan.title))
        files = dict.fromkeys(read(index) for index in scan.indices or (0,))
        sources = [self._identity.read(data) for data in files]
        if not all(source.get("FrameOfReferenceUID") for source in sources):
            raise ExplainError(NO_FRAME)
        return sources

    def _find_series(self, kind: str, method: str) -> tuple[int, str]:
        """Number and identifier of the series of a kind of object and a method."""
        return self._series.setdefault((kind, method), (_FIRST_SERIES + len(self._series), generate_uid()))

    def _count(self, series: str) -> int:
        self._numbers[series] = self._numbers.get(series, 0) + 1
        return self._numbers[series]

    def _describe(self, heatmap: Heatmap) -> str:
        purpose = ", for the archive" if self._identity.for_archive else ""
        said = f": {DISCLAIMER}{purpose}"
        return _cut(get_method(heatmap.method).title, _LONGEST - len(said)) + said

    def _finish(self, made: Any, heatmap: Heatmap) -> None:
        """Say in the object itself what it is, and what was left out."""
        made.SpecificCharacterSet = UTF8
        made.Laterality = ""
        made.DerivationDescription = (
            f"{DISCLAIMER}. {get_method(heatmap.method).title} for “{heatmap.label}” at the layer {heatmap.layer} of "
            f"{self._model.request.name}, fingerprint {self._model.fingerprint[:16]}. {self._identity.describe()}"
        )[:1024]
        made.BurnedInAnnotation = "NO"
        self._identity.sign(made)


def say_no_dicom(name: str) -> str:
    """Why no DICOM object is made of a picture."""
    return (
        f"“{name}” is of no DICOM file that is at hand, and a DICOM object is made from one. Choose NIfTI, or give the "
        "DICOM files again."
    )


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _enlarge(pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """The pixels, whole times as large where letters below them would not be read; and how many times."""
    factor = max(1, -(-_SHORTEST_SIDE // pixels.shape[1]))
    if factor == 1:
        return pixels, 1
    size = (pixels.shape[1] * factor, pixels.shape[0] * factor)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST), factor


def _draw_words(text: str, width: int) -> np.ndarray:
    """Words in white on black, `(h, width, 3)` uint8."""
    words = write_paragraph(text, width - 2 * _EDGE, _LETTERS)
    block = Block(width - 2 * _EDGE, words.height, words.marks)
    sheet = cv2.imdecode(np.frombuffer(write_sheet(block, _EDGE, "png"), np.uint8), cv2.IMREAD_COLOR)
    return 255 - np.asarray(sheet, np.uint8)


def _encode(made: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote what stands in the source
        made.save_as(file)
    return file.getvalue()
