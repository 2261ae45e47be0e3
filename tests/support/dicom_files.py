"""DICOM series made for tests, each with a patient in it who must never be seen."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

SECRETS = ("Doe^Jane", "PAT-4711", "19600229", "St. Nowhere", "Dr^Who", "ACC-99", "Chest of Jane")
"""What stands in the elements that name a patient, and in free text."""

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def make_slice(stored: np.ndarray, **elements: Any) -> Dataset:
    """A CT slice of these stored values, of a series of its own name."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.InstitutionName, ds.ReferringPhysicianName = SECRETS[:5]
    ds.AccessionNumber, ds.SeriesDescription = SECRETS[5:]
    ds.Modality = "CT"
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    ds.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8 * stored.itemsize
    ds.HighBit = ds.BitsAllocated - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    ds["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds


def make_series(
    numbers: np.ndarray,
    positions: Sequence[Sequence[float]] | None = None,
    orientation: Sequence[float] = AXIAL,
    **elements: Any,
) -> list[Dataset]:
    """One file for each slice of `numbers` `(d, h, w)`, 5 mm apart where no positions are given."""
    normal = np.cross(orientation[:3], orientation[3:])
    places = [tuple(normal * 5.0 * at) for at in range(len(numbers))] if positions is None else positions
    common = {"PixelSpacing": [0.5, 0.5], "ImageOrientationPatient": list(orientation), **elements}
    return [
        make_slice(one, ImagePositionPatient=[float(part) for part in place], InstanceNumber=at + 1, **common)
        for at, (one, place) in enumerate(zip(numbers, places, strict=True))
    ]


def make_enhanced(numbers: np.ndarray, frames: Sequence[dict[str, Any]], **elements: Any) -> Dataset:
    """One file of many frames; of each, what is given by sequence: `{"PlanePositionSequence": {…}, …}`."""
    ds = make_slice(numbers, NumberOfFrames=len(numbers), **elements)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = EnhancedMRImageStorage
    ds.Modality = elements.get("Modality", "MR")
    ds.PerFrameFunctionalGroupsSequence = Items([group(one) for one in frames])
    return ds


def group(macros: dict[str, Any]) -> Dataset:
    """A functional group of these macros."""
    found = Dataset()
    for macro, elements in macros.items():
        item = Dataset()
        for name, value in elements.items():
            setattr(item, name, value)
        setattr(found, macro, Items([item]))
    return found


def write(ds: Dataset) -> bytes:
    """The bytes of the file."""
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def ramp(count: int = 6, rows: int = 8, columns: int = 10) -> np.ndarray:
    """Numbers `(d, h, w)` int16 that are all different, and so tell every place."""
    return np.arange(count * rows * columns, dtype=np.int16).reshape(count, rows, columns)


def find_secrets(*things: object) -> list[str]:
    """The secrets that stand in what things say of themselves."""
    said = " ".join(repr(thing) for thing in things)
    return [secret for secret in SECRETS if secret in said]
