"""The one-page report as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from explain.engine.explanation import Explanation
from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.pictures.naming import Names, hide_name
from explain.report.comparison import find_ranges
from explain.report.one_page.content import Page, describe_page
from explain.report.one_page.panes import Regions
from explain.storage import expand_home, refusing_to_write

ReportKind = Literal["html", "pdf"]
"""What a report can be written as."""

MOST_PAGES = 20
"""Pictures of one report; the others are in the figures."""


class OnePageReport:
    """Pages of a report, gathered while the answers come.

    Args:
        view: how maps are drawn.
        names: whose file names are hidden.
        regions: by a picture's digest, its drawn or given regions by their names.

    Attributes:
        pages: so far.
        left_out: pictures for which there was no room.
    """

    def __init__(
        self,
        view: RenderSettings | None = None,
        names: Names = "auto",
        regions: Mapping[str, Regions] | None = None,
    ) -> None:
        self._view = view or RenderSettings()
        self._names = names
        self._regions = regions or {}
        self.pages: list[Page] = []
        self.left_out = 0

    def add(self, explanation: Explanation, number: int = 1) -> None:
        """Add a page for each picture of an answer.

        Args:
            explanation: what the engine answered.
            number: the first picture's place among those of the whole request, from 1.

        Raises:
            ExplainError: a picture has no map.
        """
        ranges = find_ranges(explanation.pictures, self._view)
        for place, (entry, ends) in enumerate(zip(explanation.pictures, ranges, strict=True), number):
            if len(self.pages) >= MOST_PAGES:
                self.left_out += 1
                continue
            named = replace(entry, picture=hide_name(entry.picture, place, self._names))
            regions = self._regions.get(entry.picture.digest)
            self.pages.append(describe_page(explanation, named, ends, self._view, regions))

    def encode(self, kind: ReportKind) -> bytes:
        """The report as a file.

        Raises:
            ExplainError: there is no page.
        """
        if not self.pages:
            raise ExplainError("There is nothing to report: no picture was explained. Explain one first.")
        if kind == "html":
            from explain.report.one_page.html import write_html

            return write_html(self.pages)
        from explain.report.one_page.pdf import write_pdf

        return write_pdf(self.pages)


def encode_report(
    explanation: Explanation,
    kind: ReportKind,
    view: RenderSettings | None = None,
    names: Names = "auto",
    regions: Mapping[str, Regions] | None = None,
) -> bytes:
    """A report of all pictures of an answer; see `OnePageReport`.

    Raises:
        ExplainError: there is nothing to report.
    """
    report = OnePageReport(view, names, regions)
    report.add(explanation)
    return report.encode(kind)


def save_report(
    explanation: Explanation,
    file: str | Path,
    view: RenderSettings | None = None,
    names: Names = "auto",
    regions: Mapping[str, Regions] | None = None,
) -> Path:
    """Write the one-page report, a page a picture, into `report.pdf` or `report.html`.

    Args:
        explanation: what the engine answered.
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
