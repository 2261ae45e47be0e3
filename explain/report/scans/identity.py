"""What a derived DICOM object takes over of its source: nothing of a patient, or what an archive files it by."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from explain.errors import ExplainError
from explain.volumes.loading import guard

_PLACES = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
_KEPT = (
    "SOPClassUID",
    "Modality",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "PixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
)
"""All that a source without identity keeps: what kind of picture it is and where it lies."""

_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Elements of type 2: they must be there, and may be empty."""

_NEEDED = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
NO_FRAME = (
    "The study does not say what its positions are measured from (FrameOfReferenceUID), which a Parametric Map needs. "
    "Choose NIfTI."
)

UTF8 = "ISO_IR 192"
"""The characters of all that is written."""


class Identity:
    """By what the objects of one export are filed, the same for all of them.

    Args:
        for_archive: whether patient and study are taken over; else all identifiers are new, and the rest is empty.
    """

    def __init__(self, for_archive: bool) -> None:
        self.for_archive = for_archive
        self._new: dict[str, str] = {}
        self._names: dict[str, Any] = {}

    def describe(self) -> str:
        """What was done, in a sentence."""
        if self.for_archive:
            return "For the archive: patient and study are those of the source."
        return "Without identity: patient and study are left out, and all identifiers are new."

    def read(self, data: bytes) -> Dataset:
        """The header of a source as a derived object may use it; a copy, with what may be empty added.

        Args:
            data: the source's file.

        Raises:
            ExplainError: it lacks what a DICOM object needs.
        """
        source = guard(lambda: _read(data))
        if lack := _say_lack(source, self.for_archive):
            raise ExplainError(lack)
        return guard(lambda: self._keep(source) if self.for_archive else self._strip(source))

    def sign(self, made: Dataset) -> None:
        """Put the patient's name into a made object, or say in it that there is none.

        The name takes this way because highdicom writes those that it finds odd into the log.
        """
        if self.for_archive:
            made.PatientName = self._names[str(made.StudyInstanceUID)]
        else:
            made.PatientIdentityRemoved = "YES"
            made.DeidentificationMethod = "Built anew without patient and study"

    def _keep(self, source: Dataset) -> Dataset:
        source.decode()
        source.SpecificCharacterSet = UTF8
        for name in _MAY_BE_EMPTY:
            if name not in source:
                setattr(source, name, "")
        self._names[str(source.StudyInstanceUID)] = source.PatientName
        source.PatientName = ""
        if source.PatientSex not in ("M", "F", "O"):
            source.PatientSex = ""
        return source

    def _strip(self, source: Dataset) -> Dataset:
        """Built anew of what may stay, so that nothing can be forgotten."""
        kept = Dataset()
        kept.SpecificCharacterSet = UTF8
        for name in _KEPT:
            if name in source:
                setattr(kept, name, source[name].value)
        for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
            if name in source:
                setattr(kept, name, [_keep_places(group) for group in source[name].value])
        for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            setattr(kept, name, self._renew(str(source.get(name) or name)))
        for name in _MAY_BE_EMPTY:
            setattr(kept, name, "")
        return kept

    def _renew(self, old: str) -> str:
        """A new identifier in place of an old one, always the same."""
        return self._new.setdefault(old, generate_uid())


def find_lack(data: bytes, for_archive: bool, has_place: bool) -> str:
    """What a source lacks that DICOM objects made of it need, in a sentence; empty where it has all.

    Args:
        data: the source's file.
        for_archive: whether they name patient and study.
        has_place: whether Parametric Maps are among them, which say where they lie.
    """
    source = guard(lambda: _read(data))
    return _say_lack(source, for_archive) or (NO_FRAME if has_place and not source.get("FrameOfReferenceUID") else "")


def _say_lack(source: Dataset, for_archive: bool) -> str:
    missing = [name for name in _NEEDED if not source.get(name)]
    if not missing or not (for_archive or "SOPClassUID" in missing):
        return ""
    return (
        f"The study lacks what a DICOM object is filed by: {', '.join(missing)}. Export it from its archive again, or "
        "choose NIfTI."
    )


def _read(data: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote what stands in the file
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)


def _keep_places(group: Dataset) -> Dataset:
    kept = Dataset()
    for name in _PLACES:
        if name in group:
            setattr(kept, name, [_copy(item) for item in group[name].value])
    return kept


def _copy(item: Iterable[Any]) -> Dataset:
    """The numbers of an item of a sequence: nothing else belongs into these."""
    kept = Dataset()
    for element in item:
        if element.VR in ("DS", "IS", "FD", "US") and not element.tag.is_private:
            kept.add(element)
    return kept
