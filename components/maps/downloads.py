"""What a person can take along: the figure, the raw maps, and the manifest that replays them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from components.browser.canvas import Drawn, read_drawn
from components.choices.pictures import get_tray
from components.choices.series import get_scans
from components.maps.rows import GRID, Loan
from components.session.faults import show_faults
from explain.engine.explanation import Explanation, PictureExplanation
from explain.maps.render import RenderSettings
from explain.maps.sheet import Kind
from explain.methods import get_method
from explain.report.comparison import PICTURE, encode_figure
from explain.report.export import encode_manifest, encode_maps

if TYPE_CHECKING:
    from explain.engine.judging import Verdicts
    from explain.report.one_page.writing import ReportKind
    from explain.report.scans.writing import ScanKind
    from explain.volumes.volume import Volume

_KINDS: dict[Kind, str] = {"png": "image/png", "svg": "image/svg+xml"}
_REPORTS: dict[ReportKind, str] = {"pdf": "application/pdf", "html": "text/html"}
_UNDER_WAY = 0.15  # seconds for what the page was told just before a button to get to where it is heeded
_PATIENCE = 3.0  # seconds that a figure waits for it at most


@dataclass
class Shown:
    """What stands on the page now. The fragment with the sliders writes it, the buttons outside read it.

    Attributes:
        explanation: the maps; None before there are any, and where their columns are models.
        view: how they are shown.
        lent: by the pictures' digests, what other models answered in place of this one.
        find_verdicts: what has been said of the maps by now, by the pictures' digests.
        drawn: the box or lasso that was drawn last; None where there is none.
        offered: whether there were maps, and with them the buttons, when the page was last made; None before that.
    """

    explanation: Explanation | None = None
    view: RenderSettings = field(default_factory=RenderSettings)
    lent: Mapping[str, Loan] = field(default_factory=dict)
    find_verdicts: Callable[[], Mapping[str, Verdicts]] = dict
    drawn: Drawn | None = None
    offered: bool | None = None
    _done: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """What is shown is about to change."""
        self._done.clear()

    def finish(self, view: RenderSettings, explanation: Explanation | None, lent: Mapping[str, Loan]) -> None:
        """This is shown now."""
        self.view, self.explanation, self.lent = view, explanation, lent
        self.drawn = read_drawn(GRID)
        self._done.set()

    def await_news(self) -> None:
        """Let what the person changed just before pressing a button take effect. Not in the thread that makes it."""
        time.sleep(_UNDER_WAY)
        self._done.wait(_PATIENCE)

    @property
    def maps(self) -> Explanation:
        """The maps, once there are some, with what has been said of them."""
        assert self.explanation is not None
        found = self.find_verdicts()
        return replace(self.explanation, pictures=tuple(_add(entry, found) for entry in self.explanation.pictures))

    def list_columns(self) -> list[str]:
        """What the figure can show: the picture, and methods that have a map of at least one."""
        entries = [*self.maps.pictures, *(loan.entry for loan in self.lent.values())]
        return [PICTURE, *dict.fromkeys(heatmap.method for entry in entries for heatmap in entry.maps)]

    def draw_figure(self, columns: Sequence[str], kind: Kind) -> bytes:
        """The figure as it is shown now."""
        self.await_news()
        found = self.find_verdicts()
        lent = {digest: (loan.model, _add(loan.entry, found)) for digest, loan in self.lent.items()}
        return encode_figure(self.maps, self.view, columns, kind, lent)

    def write_report(self, kind: ReportKind) -> bytes:
        """The one-page report of what is shown now."""
        from explain.report.one_page.writing import encode_report

        self.await_news()
        drawn, maps = self.drawn, self.maps
        regions = {drawn.digest: {"the outline": drawn.corners}} if drawn else {}
        return encode_report(maps, kind, self.view, "shown", regions)  # they are called as they may be already

    def write_scans(self, kind: ScanKind, source: Source, for_archive: bool = False) -> bytes:
        """The maps of pictures of a source as a zip of files for hospitals."""
        from explain.report.scans.writing import export_scans, list_originals, pack

        self.await_news()
        maps = self.maps
        entries = tuple(entry for entry in maps.pictures if source.has(entry, kind))
        originals = dict(list_originals([] if source.volume is None else [source.volume]))
        for digest, data in source.files.items():
            originals[digest] = partial(_give, data)
        return pack(export_scans(replace(maps, pictures=entries), [kind], originals, for_archive, self.view))


@dataclass(frozen=True, eq=False)
class Source:
    """Where scans come from: the open series, and DICOM files of their own, by the SHA-256 of their bytes."""

    volume: Volume | None
    files: Mapping[str, bytes]

    def has(self, entry: PictureExplanation, kind: ScanKind) -> bool:
        """Whether maps of a picture can be written as that."""
        picture, volume = entry.picture, self.volume
        if picture.section is None:
            return kind == "dicom" and picture.source in self.files
        if volume is None or picture.section.volume != volume.digest:
            return False
        return volume.geometry is not None if kind == "nifti" else volume.read_original is not None

    def find_lack(self, entries: Sequence[PictureExplanation], for_archive: bool) -> str:
        """What the files lack that DICOM objects need, in a sentence, before any is asked for: the browser shows
        nothing of what goes wrong when a file is made. Empty where they have all.
        """
        from explain.report.scans.identity import find_lack

        for entry in entries:
            if not self.has(entry, "dicom"):
                continue
            data, is_slice = self.files.get(entry.picture.source or ""), entry.picture.section is not None
            if is_slice and self.volume is not None and self.volume.read_original is not None:
                data = self.volume.read_original(0)
            lack = "" if data is None else find_lack(data, for_archive, has_place=is_slice)
            if lack:
                return lack
        return ""


def _give(data: bytes, _index: int) -> bytes:
    return data


def _add(entry: PictureExplanation, found: Mapping[str, Verdicts]) -> PictureExplanation:
    """What was answered of a picture, with the verdicts on its maps."""
    keys = {heatmap.key for heatmap in entry.maps}
    said = found.get(entry.picture.digest, {})
    return replace(entry, verdicts={key: verdict for key, verdict in said.items() if key in keys})


@st.fragment
@show_faults
def offer_downloads(shown: Shown) -> None:
    """A button for each file, which is made of what is shown when it is pressed; a sentence where that is nothing."""
    if not shown.lent and not any(entry.maps for entry in shown.maps.pictures):
        st.caption("There is nothing to report or download: no map was made. Choose a method that works on this model.")
        return
    with st.container(key="downloads", horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("Figure", icon=":material/image:"):
            _offer_figure(shown)
        with st.popover("Report", icon=":material/description:"):
            _offer_report(shown)
        source = Source(get_scans().volume, get_tray().originals)
        kinds: list[ScanKind] = ["nifti", "dicom"]
        offered = [kind for kind in kinds if any(source.has(entry, kind) for entry in shown.maps.pictures)]
        if offered:
            with st.popover("NIfTI, DICOM", icon=":material/medical_information:"):
                _offer_scans(shown, source, offered)
        st.download_button(
            "Raw maps",
            lambda: encode_maps(shown.maps),
            "maps.npz",
            "application/zip",
            key="download-maps",
            on_click="ignore",
            icon=":material/grid_on:",
            help="The maps as numbers, at the layer's own resolution: NumPy's NPZ, float32, signed, not normalised.",
        )
        st.download_button(
            "Manifest",
            lambda: encode_manifest(shown.maps),
            "manifest.json",
            "application/json",
            key="download-manifest",
            on_click="ignore",
            icon=":material/receipt_long:",
            help="What was asked of which picture and which model, with digests and versions. "
            "`python -m explain replay manifest.json` makes the same maps again.",
        )


def _offer_figure(shown: Shown) -> None:
    """Its columns, its kind, and the button."""
    offered = shown.list_columns()
    columns = st.pills(
        "Columns",
        offered,
        selection_mode="multi",
        default=offered,
        format_func=lambda name: "Picture" if name == PICTURE else get_method(name).title,
        key=f"figure-columns {' '.join(offered)}",
    )
    kind: Kind = st.segmented_control(
        "File",
        list(_KINDS),
        default="png",
        required=True,
        format_func=str.upper,
        key="figure-kind",
        help="PNG for the screen. SVG for print: its letters stay text, and its pictures have up to three times as "
        "many pixels each way.",
    )
    st.caption(
        "Colours, style and threshold are those of the page, warnings and how it was made stand below. A box, zoom "
        "and the crosshair stay on the screen."
    )
    st.download_button(
        "Download the figure",
        lambda: shown.draw_figure([name for name in offered if name in columns], kind),
        f"figure.{kind}",
        _KINDS[kind],
        key="download-figure",
        on_click="ignore",
        disabled=not columns,
        type="primary",
    )


def _offer_report(shown: Shown) -> None:
    """Its kind, and the button."""
    kind: ReportKind = st.segmented_control(
        "Write it as",
        list(_REPORTS),
        default="pdf",
        required=True,
        format_func=str.upper,
        key="report-kind",
        help="PDF for paper. HTML to be read aloud and on a screen: one file without a script.",
    )
    st.caption(
        "A page a picture: the model's card and answer, the maps with what was measured of them, what no map says, and "
        "the line that makes them again. A box or lasso that you drew last is outlined, and its share of each map told."
    )
    st.download_button(
        "Download the report",
        lambda: shown.write_report(kind),
        f"report.{kind}",
        _REPORTS[kind],
        key="download-report",
        on_click="ignore",
        type="primary",
    )


def _offer_scans(shown: Shown, source: Source, offered: Sequence[ScanKind]) -> None:
    """Maps of scans as NIfTI, and as DICOM with or without identity, as far as they can be."""
    if "nifti" in offered:
        st.download_button(
            "Maps as NIfTI",
            lambda: shown.write_scans("nifti", source),
            "maps-nifti.zip",
            "application/zip",
            key="download-nifti",
            on_click="ignore",
            help="At the layer's own resolution, where they lie in the patient. They hold no text.",
        )
    if "dicom" not in offered:
        return
    for_archive = st.toggle(
        "Name the patient, for the archive",
        key="dicom-for-archive",
        help="Off: patient and study are left out, and all identifiers are new. On: they are those of the files, so "
        "that an archive puts the maps beside them.",
    )
    if lack := source.find_lack(shown.maps.pictures, for_archive):
        st.warning(lack)
        return
    st.download_button(
        "Maps as DICOM",
        lambda: shown.write_scans("dicom", source, for_archive),
        "maps-dicom.zip",
        "application/zip",
        key="download-dicom",
        on_click="ignore",
        help="Secondary Captures, which every archive shows; of slices also Parametric Maps, which hold the numbers.",
    )
    st.caption("Each says “Not for diagnostic use”. Text that is burned into the pictures stays in the captures.")
