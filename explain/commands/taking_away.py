"""`show --report --export`: what goes to a reader or an archive beside the folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explain.commands.flags import write_files
from explain.engine.whole_volumes import VolumeExplanation
from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.pictures.picture import Picture
from explain.report.export import Taker
from explain.report.one_page.panes import Regions
from explain.report.one_page.stack import ExplainedStack
from explain.report.one_page.volume import describe_volume_page
from explain.report.one_page.writing import OnePageReport, ReportKind, read_report_path
from explain.report.scans.volumes import export_volume
from explain.report.scans.writing import ScanExport, ScanKind, list_originals, read_kinds
from explain.storage import check_folder, refusing_to_write
from explain.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class TakeAway:
    """What was asked for beside the folder.

    Attributes:
        takers: what each answer is handed to.
        page: the report among them; None where none is wanted.
        place: where that goes, and as what.
        kinds: as what maps of scans are exported.
        for_archive: whether DICOM files name patient and study.
        view: how maps are drawn.
    """

    takers: Sequence[Taker] = ()
    page: OnePageReport | None = None
    place: tuple[Path, ReportKind] | None = None
    kinds: tuple[ScanKind, ...] = ()
    for_archive: bool = False
    view: RenderSettings = field(default_factory=RenderSettings)

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
        place = None if report is None else read_report_path(report)
        if place is not None:
            check_folder(place[0].parent)
        page = None if place is None else OnePageReport(view, _find_regions(volume))
        originals = list_originals([] if volume is None else [volume])
        exported = [ScanExport(kinds, originals, for_archive, view)] if kinds else []
        # A stack has one page, once all of it is answered.
        return cls((*([] if page is None or stack else [page]), *exported), page, place, kinds, for_archive, view)

    def refuse_pictures(self) -> None:
        """Refuse what can be made of scans alone, where pictures are explained.

        Raises:
            ExplainError: NIfTI files were asked for.
        """
        if "nifti" in self.kinds:
            raise ExplainError(
                "NIfTI files are made of slices of a series, whose place in the patient is known: say which with "
                "--slice, or leave nifti out."
            )

    def write_volume(self, answer: VolumeExplanation, out: Path, window: str | None = None) -> str:
        """Write what was asked for of a volume that was explained whole; and say where to, as the end of a sentence.

        Args:
            answer: what the engine answered.
            out: the folder.
            window: through which window slices are shown.

        Raises:
            ExplainError: there are no maps, nobody knows where they lie, or something cannot be written.
        """
        if self.kinds:
            originals = list_originals([answer.volume])
            write_files(out, export_volume(answer, self.kinds, originals, self.for_archive, self.view, window))
        if self.page is not None:
            self.page.pages.append(describe_volume_page(answer, self.view, window))
        return self.write()

    def write_stack(self, stack: ExplainedStack) -> str:
        """The same of a stack, whose maps were exported slice by slice.

        Raises:
            ExplainError: there are no maps, or something cannot be written.
        """
        if self.page is not None:
            self.page.take_stack(stack)
        return self.write()

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
