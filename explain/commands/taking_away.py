"""`show --report --export`: what goes to a reader or an archive beside the folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.pictures.picture import Picture
from explain.report.export import Taker
from explain.report.one_page.panes import Regions
from explain.report.one_page.writing import OnePageReport, ReportKind, read_report_path
from explain.report.scans.writing import ScanExport, list_originals, read_kinds
from explain.storage import check_folder, refusing_to_write
from explain.volumes.volume import Volume

_KEY_SLICES = 3
"""Slices of a whole stack that have a page in its report."""


@dataclass(frozen=True, eq=False)
class TakeAway:
    """What was asked for beside the folder.

    Attributes:
        takers: what each answer is handed to.
        page: the report among them; None where none is wanted.
        place: where that goes, and as what.
    """

    takers: Sequence[Taker] = ()
    page: OnePageReport | None = None
    place: tuple[Path, ReportKind] | None = field(default=None)

    @classmethod
    def ask(
        cls,
        report: Path | None,
        export: str | None,
        for_archive: bool,
        view: RenderSettings,
        volume: Volume | None,
        stack: bool,
    ) -> TakeAway:
        """Read what the flags say.

        Args:
            report: of `--report`.
            export: of `--export`.
            for_archive: of `--for-archive`.
            view: how maps are drawn.
            volume: the series whose slices are explained; None for other pictures.
            stack: whether all of it is explained.

        Raises:
            ExplainError: the flags cannot be followed, which is said before a model is loaded.
        """
        kinds = () if export is None else read_kinds(export)
        if for_archive and "dicom" not in kinds:
            raise ExplainError("--for-archive is about DICOM files: say --export dicom as well.")
        if "nifti" in kinds and volume is None:
            raise ExplainError(
                "NIfTI files are made of slices of a series, whose place in the patient is known: say which with "
                "--slice, or leave nifti out."
            )
        place = None if report is None else read_report_path(report)
        if place is not None:
            check_folder(place[0].parent)
        page = None if place is None else OnePageReport(view, _find_regions(volume), _KEY_SLICES if stack else None)
        originals = list_originals([] if volume is None else [volume])
        exported = [ScanExport(kinds, originals, for_archive, view)] if kinds else []
        return cls((*([] if page is None else [page]), *exported), page, place)

    def write(self) -> str:
        """Write the report, where one is wanted; and say where to, as the end of a sentence.

        Raises:
            ExplainError: there is nothing to report, or it cannot be written.
        """
        if self.page is None or self.place is None:
            return ""
        path, kind = self.place
        data = self.page.encode(kind)
        with refusing_to_write(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        some = f" (the first {len(self.page.pages)} pictures)" if self.page.left_out else ""
        return f", the report to {path}{some}"


def _find_regions(volume: Volume | None) -> Callable[[Picture], Regions] | None:
    """What gives the areas that other files outline in a slice."""
    if volume is None or not volume.regions:
        return None
    known = volume

    def find(picture: Picture) -> Regions:
        section = picture.section
        if section is None:
            return {}
        plane: Any = section.plane
        masks = {name: known.cut_region(name, section.index, plane) for name in known.regions}
        return {name: mask for name, mask in masks.items() if mask.any()}

    return find
