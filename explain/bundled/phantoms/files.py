"""A drawn phantom as scanners hand volumes over: a DICOM series in a zip, and a NIfTI file. Of nobody."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import zipfile

import numpy as np

from explain.bundled.phantoms.draw import SPACING, Phantom

_ORIGIN = (-48.0, -48.0, -40.0)
"""LPS millimetres of the first voxel's centre."""

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_AIR = 1024  # what is added before values are stored, which DICOM's reader takes off again
_WHEN = (1980, 1, 1, 0, 0, 0)  # the least that a zip can say


def encode_nifti(phantom: Phantom, mask: bool = False) -> bytes:
    """The phantom as `.nii.gz`, its axes towards the left, the back and the head.

    Args:
        phantom: what was drawn.
        mask: the lesion alone, 1 inside.
    """
    values = phantom.lesion.astype(np.uint8) if mask else phantom.values
    depth, height, width = values.shape
    code, bits = (2, 8) if mask else (4, 16)
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, width, height, depth, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, 1.0, SPACING[2], SPACING[1], SPACING[0], 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352.0, 1.0, 0.0)
    header[123] = 2  # millimetres
    struct.pack_into("<2h", header, 252, 0, 1)  # the sform says where voxels lie
    # Its rows lead to RAS, where x and y count the other way.
    rows = [(-SPACING[2], 0, 0, -_ORIGIN[0]), (0, -SPACING[1], 0, -_ORIGIN[1]), (0, 0, SPACING[0], _ORIGIN[2])]
    for number, row in enumerate(rows):
        struct.pack_into("<4f", header, 280 + 16 * number, *row)
    header[344:348] = b"n+1\0"
    body = np.ascontiguousarray(values.astype("<u1" if mask else "<i2")).tobytes()
    return gzip.compress(bytes(header) + bytes(4) + body, mtime=0)


def encode_series(phantom: Phantom) -> bytes:
    """The phantom as a zip of DICOM files, one a slice; the same bytes for the same phantom."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for at in range(len(phantom.values)):
            name = zipfile.ZipInfo(f"slice-{at + 1:03d}.dcm", _WHEN)
            name.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(name, _encode_slice(phantom, at))
    return buffer.getvalue()


def _encode_slice(phantom: Phantom, at: int) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    series = f"{phantom.kind} {phantom.seed}"
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = _SECONDARY_CAPTURE, _make_uid(f"{series} {at}")
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _make_uid(f"{series} study"), _make_uid(f"{series} series")
    ds.FrameOfReferenceUID = _make_uid(f"{series} frame")
    ds.Modality, ds.SeriesDescription = "OT", "Drawn phantom, not a scan"
    ds.PatientName = ds.PatientID = ds.PatientBirthDate = ds.PatientSex = ""
    ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.ReferringPhysicianName = ds.StudyID = ""
    ds.SeriesNumber, ds.InstanceNumber = 1, at + 1
    ds.ConversionType = "SYN"
    ds.ImagePositionPatient = [_ORIGIN[0], _ORIGIN[1], _ORIGIN[2] + at * SPACING[0]]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[2]], SPACING[0]
    ds.Rows, ds.Columns = phantom.values.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -_AIR, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 0, 1000
    ds.BurnedInAnnotation = "NO"
    ds.PixelData = (phantom.values[at].astype(np.int32) + _AIR).astype("<u2").tobytes()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta = meta
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _make_uid(text: str) -> str:
    """A UID of nobody's, the same for the same text (PS3.5 B.2)."""
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:15], 'big')}"
