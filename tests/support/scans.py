"""Real scans, which are not part of the project: tests of them are skipped where they are absent."""

from __future__ import annotations

import tarfile
import tempfile
from functools import cache
from pathlib import Path

import pytest

_ARCHIVE = Path(__file__).resolve().parents[3] / "shared" / "data" / "volumes.tar.xz"


@cache
def find_scans() -> Path:
    """The folder of `dicom2nifti`, `head_ct` and `orientations`, unpacked once for all runs; else the test skips."""
    if not _ARCHIVE.is_file():
        pytest.skip("The real scans are absent (../shared/data/volumes.tar.xz).")
    place = Path(tempfile.gettempdir()) / f"camscope-scans-{_ARCHIVE.stat().st_size}"
    if not place.is_dir():
        with tempfile.TemporaryDirectory(dir=place.parent) as half, tarfile.open(_ARCHIVE) as archive:
            archive.extractall(half, filter="data")
            if not place.is_dir():
                (Path(half) / "volumes").rename(place)
    return place
