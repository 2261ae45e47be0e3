"""The one-page report as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from explain.engine.explanation import Explanation, PictureExplanation
from explain.engine.whole_volumes import VolumeExplanation
from explain.errors import ExplainError, PictureError
from explain.maps.render import RenderSettings
from explain.pictures.naming import Names, hide_name
from explain.pictures.picture import Picture
from explain.report.comparison import find_ranges
from explain.report.one_page.content import Page, describe_page
from explain.report.one_page.panes import Regions
from explain.report.one_page.stack import ExplainedStack, describe_stack_page
from explain.report.one_page.volume import describe_volume_page
from explain.storage import expand_home, refusing_to_write

ReportKind = Literal["html", "pdf"]
"""What a report can be written as."""

MOST_PAGES = 20
"""Pictures of one report; the others are in the figures."""


class OnePageReport:
    """Pages of a report, gathered while the answers come; see `explain.report.export.Taker`.

    Args:
        view: how maps are drawn.
        find_regions: gives the drawn or given regions of a picture, by their names.

    Attributes:
        pages: so far.
        left_out: pictures for which there was no room.
        problems: sentences on pictures of which there was nothing to report.
    """

    def __init__(
        self,
        view: RenderSettings | None = None,
        find_regions: Callable[[Picture], Regions] | None = None,
    ) -> None:
        self._view = view or RenderSettings()
        self._find_regions = find_regions
        self.pages: list[Page] = []
        self.left_out = 0
        self.problems: list[str] = []

    def take(
        self,
        explanation: Explanation,
        entry: PictureExplanation,
        ends: Mapping[str, tuple[float, float]],
        number: int,
        file: Path | None = None,
    ) -> dict[str, bytes]:
        """Add a page; nothing goes into a folder."""
        if len(self.pages) >= MOST_PAGES:
            self.left_out += 1
            return {}
        regions = None if self._find_regions is None else self._find_regions(entry.picture)
        try:
            self.pages.append(describe_page(explanation, entry, ends, self._view, regions))
        except PictureError:
            raise
        except ExplainError as error:
            self.problems.append(str(error))
        return {}

    def take_stack(self, stack: ExplainedStack) -> None:
        """Add the page of a stack, which is followed by its strip and key slices.

        Raises:
            ExplainError: there is no map to report.
        """
        self.pages.append(describe_stack_page(stack, self._view, self._find_regions))

    def finish(self) -> dict[str, bytes]:
        """Nothing goes into a folder."""
        return {}

    def encode(self, kind: ReportKind) -> bytes:
        """The report as a file.

        Raises:
            ExplainError: there is no page.
        """
        if not self.pages:
            nothing = "There is nothing to report: no picture was explained. Explain one first."
            raise ExplainError(self.problems[0] if self.problems else nothing)
        if kind == "html":
            from explain.report.one_page.html import write_html

            return write_html(self.pages)
        from explain.report.one_page.pdf import write_pdf

        return write_pdf(self.pages)


def encode_report(
    explanation: Explanation | VolumeExplanation | ExplainedStack,
    kind: ReportKind,
    view: RenderSettings | None = None,
    names: Names = "auto",
    regions: Mapping[str, Regions] | None = None,
) -> bytes:
    """A report of all pictures of an answer, of a volume, or of a stack; see `save_report`.

    Raises:
        ExplainError: there is nothing to report.
    """
    if isinstance(explanation, VolumeExplanation):
        volume_report = OnePageReport(view)
        volume_report.pages = [describe_volume_page(explanation, view or RenderSettings())]
        return volume_report.encode(kind)
    report = OnePageReport(view, lambda picture: (regions or {}).get(picture.digest, {}))
    if isinstance(explanation, ExplainedStack):
        report.take_stack(explanation)
        return report.encode(kind)
    ranges = find_ranges(explanation.pictures, view or RenderSettings())
    for number, (entry, ends) in enumerate(zip(explanation.pictures, ranges, strict=True), 1):
        named = replace(entry, picture=hide_name(entry.picture, number, names))
        report.take(explanation, named, ends, number)
    return report.encode(kind)


def save_report(
    explanation: Explanation | VolumeExplanation | ExplainedStack,
    file: str | Path,
    view: RenderSettings | None = None,
    names: Names = "auto",
    regions: Mapping[str, Regions] | None = None,
) -> Path:
    """Write the one-page report, a page a picture, into `report.pdf` or `report.html`.

    Args:
        explanation: what the engine answered for pictures, for a volume, or slice by slice for a stack.
        file: where to; its ending says as what.
        view: how maps are drawn.
        names: whose file names are hidden.
        regions: by a picture's digest, its drawn or given regions by their names; their shares are told.

    Returns:
        The file.

    Raises:
        ExplainError: there is nothing to report, the file has another ending, or it cannot be written.
    """
    path, kind = read_report_path(file)
    data = encode_report(explanation, kind, view, names, regions)
    with refusing_to_write(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return path


def read_report_path(file: str | Path) -> tuple[Path, ReportKind]:
    """Where a report goes, and as what, by the file's ending.

    Raises:
        ExplainError: it ends in neither.
    """
    path = expand_home(Path(file))
    for kind in get_args(ReportKind):
        if path.suffix.lower() == f".{kind}":
            return path, kind
    raise ExplainError(f"A report is a PDF or HTML file: “{path.name}” ends in neither. Name one as report.pdf.")
