"""Maps of scans as files: NIfTI, and DICOM with or without identity."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, cast, get_args

from explain.engine.explanation import Explanation, PictureExplanation
from explain.engine.slices import SliceAnswer
from explain.errors import ExplainError
from explain.maps.heatmap import Heatmap
from explain.maps.render import RenderSettings
from explain.pictures.picture import Section
from explain.report.comparison import find_ranges
from explain.report.export import make_file_name
from explain.report.scans.dicom import DicomWriter, Originals
from explain.report.scans.gathering import Gatherer, ScanMap, SliceMap, has_place
from explain.report.scans.nifti import encode_nifti
from explain.storage import read_file
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume

ScanKind = Literal["nifti", "dicom"]
"""As what maps of scans can be written."""


class ScanExport:
    """Files of the maps of scans, made while the answers come.

    Args:
        kinds: as what.
        originals: for DICOM, the files that the pictures come from; see `list_originals`.
        for_archive: whether DICOM objects name patient and study; by default they do not.
        view: how maps are drawn on captures.
    """

    def __init__(
        self,
        kinds: Sequence[ScanKind],
        originals: Originals | None = None,
        for_archive: bool = False,
        view: RenderSettings | None = None,
    ) -> None:
        self._kinds = kinds
        self._originals = dict(originals or {})
        self._for_archive = for_archive
        self._view = view or RenderSettings()
        self._gatherer = Gatherer()
        self._writer: DicomWriter | None = None

    def take(
        self,
        explanation: Explanation,
        entry: PictureExplanation,
        ends: Mapping[str, tuple[float, float]],
        number: int = 1,
        file: Path | None = None,
    ) -> dict[str, bytes]:
        """Take the maps of a picture: see `explain.report.export.Taker`. A capture can be written at once.

        Raises:
            ExplainError: nobody knows where in a patient the picture lies, or a DICOM object cannot be made of it.
        """
        if "nifti" in self._kinds and not has_place(entry.picture):
            raise ExplainError(
                f"Nobody knows where in a patient “{entry.picture.name}” lies: NIfTI files are made of slices of a "
                "series whose files say so. Leave NIfTI out."
            )
        if file is not None and entry.picture.modality is not None:
            self._originals[entry.picture.source] = partial(_read_file, file)
        self._gatherer.add(entry)
        if "dicom" not in self._kinds:
            return {}
        if self._writer is None:
            self._writer = DicomWriter(explanation.model, self._originals, self._for_archive, self._view)
        files: dict[str, bytes] = {}
        for heatmap in entry.maps:
            if heatmap.key in ends:
                name = _name(f"{number:02d}", heatmap, ".capture.dcm", files)
                files[name] = self._writer.write_capture(entry, heatmap, ends[heatmap.key])
        return files

    def finish(self) -> dict[str, bytes]:
        """The files of what lies beside each other, by their names.

        Raises:
            ExplainError: a DICOM object cannot be made.
        """
        files: dict[str, bytes] = {}
        for scan in self._gatherer.list_maps():
            if "nifti" in self._kinds:
                files[_name(scan.name, scan.heatmap, ".nii.gz", files)] = encode_nifti(scan.values, scan.affine)
            if self._writer is not None and self._can_be_map(scan):
                files[_name(scan.name, scan.heatmap, ".map.dcm", files)] = self._writer.write_map(scan)
        return files

    def _can_be_map(self, scan: ScanMap) -> bool:
        return scan.volume in self._originals


def export_scans(
    explanation: Explanation,
    kinds: Sequence[ScanKind],
    originals: Originals | None = None,
    for_archive: bool = False,
    view: RenderSettings | None = None,
) -> dict[str, bytes]:
    """All maps of an answer in the forms that hospitals use, by file name. See `ScanExport`.

    Raises:
        ExplainError: there are none, or a picture cannot be written like that.
    """
    if not any(entry.maps for entry in explanation.pictures):
        raise ExplainError("There is nothing to export: no map was made. Explain a picture first.")
    export = ScanExport(kinds, originals, for_archive, view)
    files: dict[str, bytes] = {}
    ranges = find_ranges(explanation.pictures, view or RenderSettings())
    for number, (entry, ends) in enumerate(zip(explanation.pictures, ranges, strict=True), 1):
        files |= export.take(explanation, entry, ends, number)
    return files | export.finish()


def export_stack(volume: Volume, section: Section, answers: Iterable[SliceAnswer]) -> dict[str, bytes]:
    """The maps of a whole stack as NIfTI files, by their names; no slice is drawn for it.

    Args:
        volume: the series.
        section: one of its slices: the plane and window of all of them.
        answers: of its slices.

    Raises:
        ExplainError: nobody knows where they lie.
    """
    gatherer, plane = Gatherer(), cast(Plane, section.plane)
    for answer in answers:
        placement = volume.find_placement(answer.index, plane)
        if placement is None or placement.origin is None:
            raise ExplainError(
                f"Nobody knows where in a patient “{volume.name}” lies: NIfTI files cannot be made of it."
            )
        for heatmap in answer.maps.values():
            gatherer.add_map(SliceMap(heatmap, replace(section, index=answer.index), placement, volume.name))
    files: dict[str, bytes] = {}
    for scan in gatherer.list_maps():
        files[_name(scan.name, scan.heatmap, ".nii.gz", files)] = encode_nifti(scan.values, scan.affine)
    return files


def pack(files: Mapping[str, bytes]) -> bytes:
    """Files as one zip."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def list_originals(volumes: Sequence[Volume] = (), files: Mapping[str, Path] | None = None) -> Originals:
    """The DICOM files that pictures come from, for `export_scans`.

    Args:
        volumes: series whose slices are explained; of NIfTI, there are none.
        files: DICOM files of their own, by the SHA-256 of their bytes.
    """
    found: dict[str, Callable[[int], bytes]] = {
        volume.digest: volume.read_original for volume in volumes if volume.read_original is not None
    }
    for digest, path in (files or {}).items():
        found[digest] = partial(_read_file, path)
    return found


def read_kinds(text: str) -> tuple[ScanKind, ...]:
    """The kinds in a list with commas between.

    Raises:
        ExplainError: one is none.
    """
    known: dict[str, ScanKind] = {kind: kind for kind in get_args(ScanKind)}
    wanted = [word.strip().lower() for word in text.split(",") if word.strip()]
    unknown = [word for word in wanted if word not in known]
    if unknown or not wanted:
        raise ExplainError(f"Maps are exported as {' or '.join(known)}, not as “{', '.join(unknown)}”.")
    return tuple(known[word] for word in dict.fromkeys(wanted))


def _read_file(path: Path, _index: int) -> bytes:
    return read_file(path)


def _name(start: str, heatmap: Heatmap, ending: str, taken: Mapping[str, bytes]) -> str:
    """A name that none of the files has yet."""
    name = f"{start}-{make_file_name(heatmap.method)}-{make_file_name(heatmap.layer)}-{heatmap.target}"
    number, free = 1, f"{name}{ending}"
    while free in taken:
        number += 1
        free = f"{name}-{number}{ending}"
    return free
