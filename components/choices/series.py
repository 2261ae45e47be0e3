"""A series of scans that a session has open: which one, and which slice of it is the picture to explain."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from components.choices.dropdown import dropdown
from components.session.idle import find_holdings
from explain.errors import Cancelled, ExplainError, PictureError
from explain.pictures.picture import Picture
from explain.progress import Watch

if TYPE_CHECKING:
    from explain.volumes.planes import Plane
    from explain.volumes.reading import Series
    from explain.volumes.volume import Volume

ZIP = b"PK\x03\x04"
"""How a zip begins."""

_SLICE = "slice-widget"
_LISTED = 0.4  # of the time that opening a series takes, the share for finding out what there is
_FOLLOW = "follow-window-widget"
_PLANES = {"stack": "As scanned", "axial": "Axial", "coronal": "Coronal", "sagittal": "Sagittal"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What a link shows of a series.

    Attributes:
        volume: digest of the series.
        plane: how it is cut; empty for the first plane.
        index: which slice, from 0; None for the first that is shown.
        window: through which window it is shown, as `write_window` has it; None for the first.
        given: through which models see it; None where they see the one that is shown.
        inverted: whether it is shown black for white.
    """

    volume: str
    plane: str = ""
    index: int | None = None
    window: str | None = None
    given: str | None = None
    inverted: bool = False


def write_window(volume: Volume, name: str) -> str:
    """A window without words of the file's, in which anything may stand: `own:1` for the first of its own."""
    own = volume.windows.get(name)
    return f"own:{own + 1}" if isinstance(own, int) else name


def read_window(volume: Volume, text: str) -> str | None:
    """The way back, to a name or to centre and width; None where there is no such window."""
    names = {write_window(volume, name): name for name in volume.windows}
    name = names.get(text, text)
    try:
        volume.choose_window(name, 0)
    except PictureError:
        return None
    return name or None


@dataclass(eq=False)
class Scans:
    """What a session has of scans. It lives in the session's state and outlasts a change of page.

    Attributes:
        waiting: files that were uploaded and not looked into yet, with their names.
        asked: another of the series, which is to be opened.
        wanted: the slice that a link shows, of a series that is not open yet.
        series: what was found in the last files, the largest first.
        chosen: which of these is open.
        volume: that one.
        plane: how it is cut.
        indices: by plane, which slice is shown, from 0.
        window: through which window it is shown; None for the first.
        given: through which window models see it, whichever is shown; None where they see the one that is shown.
        inverted: whether it is shown black for white. That is for the eye only.
        shown: digest of the slice that is among the session's pictures; empty where none is.
        former: the series of an earlier upload that was open before, to stand beside this one; None for none.
        left: digest of the slice of that one which was shown last.
        problems: sentences on what could not be read.
    """

    waiting: list[tuple[str, bytes]] = field(default_factory=list)
    asked: int | None = None
    wanted: Wanted | None = None
    series: tuple[Series, ...] = ()
    chosen: int = 0
    volume: Volume | None = None
    plane: Plane = "stack"
    indices: dict[str, int] = field(default_factory=dict)
    window: str | None = None
    given: str | None = None
    inverted: bool = False
    shown: str = ""
    former: Volume | None = None
    left: str = ""
    problems: list[str] = field(default_factory=list)

    def look_into(self, files: Sequence[bytes], watch: Watch | None = None) -> list[Picture] | None:
        """Find the series in files and open the one that a link shows, or the largest.

        Args:
            files: as they were uploaded.
            watch: told how far it is; may stop it.

        Returns:
            The pictures in them that belong to none; None where there is no series, nor anything to unpack.

        Raises:
            Cancelled: it was stopped.
        """
        from explain.volumes.nifti import is_nifti
        from explain.volumes.reading import read_volumes  # loads pydicom, which the page is painted without

        watch = watch or Watch()
        self.problems = []
        alone: list[Picture] = []
        try:
            found = read_volumes(files, watch.part(0.0, _LISTED))
            if not found.series and not any(data.startswith(ZIP) for data in files):
                if not files or not all(is_nifti(data) for data in files):
                    return None
                self.problems += found.problems  # no picture either, whatever else they are taken for
                return []
            self.problems += found.problems
            for picture in found.pictures:
                alone.append(picture.open())
            if found.series:
                self.series = found.series
                self._open_wanted(watch.part(_LISTED, 1.0))
        except Cancelled:
            raise
        except ExplainError as error:
            self.problems.append(str(error))
        except Exception:
            _log.exception("A series could not be read")
            self.problems.append("The series could not be read. Export it again, or give fewer files.")
        return alone

    def _open_wanted(self, watch: Watch) -> None:
        found = self.find_wanted()
        if found is not None:
            self.open(found, watch)
            return
        self.open(0, watch)
        if self.wanted is not None:
            self.problems.append("These are not the scans that the link shows: their content differs.")

    def find_wanted(self) -> int | None:
        """Which of the series at hand a link shows; None where it shows none of them."""
        digest = None if self.wanted is None else self.wanted.volume
        return next((number for number, series in enumerate(self.series) if digest in series.digests), None)

    def open(self, number: int, watch: Watch | None = None) -> None:
        """Open one of the series, at the slice that a link shows or else at its middle one.

        Args:
            number: which.
            watch: told how far it is; may stop it.

        Raises:
            PictureError: it cannot be read.
            Cancelled: it was stopped.
        """
        series, wanted = self.series[number], self.wanted
        is_wanted = wanted is not None and wanted.volume in series.digests
        self.volume = None
        volume = series.digests.index(wanted.volume) if wanted is not None and is_wanted else 0
        self.volume = series.open(watch, volume)
        self.chosen, self.plane, self.window = number, self.volume.made_as, None
        self.given, self.inverted = None, False
        self.indices = {}
        if is_wanted:
            self.follow_wanted()

    def follow_wanted(self) -> None:
        """Show what a link shows of the series that is open; what it has not stays as it is."""
        volume, wanted = self.volume, self.wanted
        assert volume is not None and wanted is not None
        plane = wanted.plane or volume.made_as
        known = next((one for one, fault in volume.planes.items() if one == plane and not fault), None)
        if known is not None:
            self.plane = known
            if wanted.index is not None and wanted.index in volume.list_there(known):
                self.indices[known] = wanted.index
        self.window = None if wanted.window is None else read_window(volume, wanted.window)
        self.given = None if wanted.given is None else read_window(volume, wanted.given)
        self.inverted = wanted.inverted
        self.wanted = None

    def describe(self) -> Wanted | None:
        """What is shown of the series that is open, or awaited, for a link; None where there is none."""
        volume = self.volume
        if self.wanted is not None or volume is None:
            return self.wanted
        plane = "" if self.plane == volume.made_as else self.plane
        window = None if self.window is None else write_window(volume, self.window)
        given = None if self.given is None else write_window(volume, self.given)
        return Wanted(volume.digest, plane, self.find_index(), window, given, self.inverted)

    def find_index(self) -> int:
        """Which slice of the plane is shown: the middle one at first, or else the nearest that is not missing."""
        assert self.volume is not None
        count, there = self.volume.count(self.plane), self.volume.list_there(self.plane)
        return self.indices.get(self.plane, min(there, key=lambda at: abs(at - count // 2)))

    def draw(self) -> Picture:
        """The slice that is shown, as models are given it.

        Raises:
            PictureError: it is missing in the series.
        """
        assert self.volume is not None
        return self.volume.slice(self.find_index(), self.plane, self.window if self.given is None else self.given)

    def count_bytes(self) -> int:
        """Memory that the open series take."""
        return sum(volume.stored.nbytes for volume in (self.volume, self.former) if volume is not None)

    def let_go(self, minutes: int) -> None:
        """Forget the series, because nobody has touched it for so many minutes and others need room. It is awaited."""
        wanted = self.describe()
        if self.volume is None:
            return
        self.close()
        self.waiting, self.wanted = [], wanted
        self.problems = [
            f"The series was taken out of the memory after {minutes} minutes without a press, because others use this "
            "server too. Upload it again to go on where you were."
        ]

    def close(self) -> None:
        """Forget the series."""
        self.series, self.volume, self.shown, self.problems = (), None, "", []
        self.former, self.left = None, ""


def get_scans() -> Scans:
    """This session's scans."""
    if "scans" not in st.session_state:
        st.session_state["scans"] = Scans()
    scans: Scans = st.session_state["scans"]
    find_holdings().touch(scans)
    return scans


def set_scans(scans: Scans) -> None:
    """Make others this session's scans."""
    st.session_state["scans"] = scans


def are_series(files: Sequence[bytes]) -> bool:
    """Whether files should be looked through for series: zips, NIfTI files, and DICOM files of several slices."""
    from explain.pictures.dicom import is_dicom
    from explain.volumes.nifti import is_nifti

    dicom = [data for data in files if is_dicom(data)]
    several = len(dicom) > 1 or any(_has_frames(data) for data in dicom)
    return several or any(data.startswith(ZIP) or is_nifti(data) for data in files)


def _has_frames(data: bytes) -> bool:
    from explain.volumes.header import NoScan, read_header

    try:
        return int(read_header(data).get("NumberOfFrames") or 1) > 1
    except (NoScan, PictureError, TypeError, ValueError):
        return False


def pick_slice() -> None:
    """Offer the series, its planes, slices and windows. What is chosen is in `get_scans` when the page is made anew."""
    scans = get_scans()
    for problem in scans.problems:
        st.warning(problem)
    if scans.volume is None:
        return
    if len(scans.series) > 1:
        dropdown(
            "Series",
            range(len(scans.series)),
            scans.chosen,
            "series-widget",
            _choose_series,
            format_func=lambda number: f"{number + 1} · {name_series(scans.series[number])}",
            filter_mode=None,
        )
    else:
        st.markdown(name_series(scans.series[0]))
    planes = [plane for plane, fault in scans.volume.planes.items() if not fault]
    if scans.volume.made_as != "stack":
        planes.remove("stack")  # stored in any order, it was scanned in none of them
    if len(planes) > 1:
        dropdown(
            "Plane",
            planes,
            scans.plane,
            "plane-widget",
            _choose_plane,
            format_func=_PLANES.__getitem__,
            filter_mode=None,
        )
    _pick_index(scans)
    windows = list(scans.volume.windows)
    chosen = scans.window or next(iter(windows), "")
    if windows and (len(windows) > 1 or chosen != windows[0]):
        # One that was dragged on the picture is none of those.
        offered = windows if chosen in windows else [*windows, chosen]
        dropdown("Window", offered, chosen, "window-widget", _choose_window, filter_mode=None)
        st.session_state[_FOLLOW] = scans.given is None
        st.toggle(
            "Models see this window",
            key=_FOLLOW,
            on_change=_choose_given,
            help="On: a window that is chosen or dragged is what models are given, and maps are made anew. Off: models "
            "keep the window of now, and others are for the eye only.",
        )
    edges = scans.volume.name_edges(scans.plane)
    if edges is not None:
        st.caption(f"Left edge {edges.left}, right {edges.right}, top {edges.top}, bottom {edges.bottom}.")


def _pick_index(scans: Scans) -> None:
    assert scans.volume is not None
    count = scans.volume.count(scans.plane)
    if count < 2:
        return
    st.session_state[_SLICE] = scans.find_index() + 1
    st.slider(
        "Slice",
        1,
        count,
        key=_SLICE,
        on_change=_choose_index,
        help="With the slider chosen, ← and → go from slice to slice, Home and End to the first and the last.",
    )


def name_series(one: Series) -> str:
    """What a series is called where one is chosen: kind, part of the body and size."""
    kind = "Volume" if one.modality == "OT" else one.modality
    return " · ".join(filter(None, (kind, one.body_part, " × ".join(map(str, one.shape)))))


def _choose_series(number: int) -> None:
    get_scans().asked = number


def _choose_plane(plane: Any) -> None:
    get_scans().plane = plane


def _choose_window(window: str) -> None:
    get_scans().window = window


def _choose_given() -> None:
    scans = get_scans()
    assert scans.volume is not None
    scans.given = None if st.session_state[_FOLLOW] else scans.window or next(iter(scans.volume.windows))


def _choose_index() -> None:
    scans = get_scans()
    scans.indices[scans.plane] = int(st.session_state[_SLICE]) - 1
