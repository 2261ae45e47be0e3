"""A prior study beside the series that is open: chosen among those at hand, and scrolled with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import streamlit as st

from components.choices.dropdown import dropdown
from components.choices.series import Scans, get_scans, name_series
from components.session.idle import find_holdings
from components.session.work import Place, Work, is_stopped
from explain.errors import Cancelled, ExplainError, PictureError
from explain.pictures.picture import Picture
from explain.progress import Watch

if TYPE_CHECKING:
    from explain.volumes.linking import Link
    from explain.volumes.planes import Plane
    from explain.volumes.volume import Volume

NONE, FORMER = -2, -1
"""In place of a series' number: nothing stands beside it, or the series of an earlier upload does."""

_PRIOR = "prior"
_TOGETHER = "prior-together-widget"


@dataclass(eq=False)
class Prior:
    """What stands beside the open series.

    Attributes:
        beside: digest of that one; what was chosen for another counts no more.
        chosen: number of the series, or `FORMER`, or `NONE`.
        volume: the prior study.
        together: whether it is scrolled with the other.
        index: the slice that was scrolled to beside one of the other; None for the one that goes along.
        seen_beside: which one that was.
        window: through which window it is seen; None for that of the other, or its first.
        shown: digest of its slice among the session's pictures; empty where none is.
        problem: why it cannot be opened, in a sentence.
    """

    beside: str = ""
    chosen: int = NONE
    volume: Volume | None = None
    together: bool = True
    index: int | None = None
    seen_beside: int = 0
    window: str | None = None
    shown: str = ""
    problem: str = ""

    def choose(self, number: int) -> None:
        """Have another series stand there, or none; it is opened later."""
        self.chosen, self.volume, self.index, self.window, self.problem = number, None, None, None, ""

    def count_bytes(self) -> int:
        """Memory that it takes beside the series themselves."""
        return 0 if self.volume is None or self.chosen == FORMER else self.volume.stored.nbytes

    def let_go(self, minutes: int) -> None:
        """Forget it, as its series is: nobody has touched it for so many minutes."""
        self.choose(NONE)

    def find_plane(self, scans: Scans) -> Plane:
        """In which plane it is looked at: that of the other, where it has it."""
        assert self.volume is not None
        return scans.plane if not self.volume.planes[scans.plane] else self.volume.made_as

    def find_link(self, scans: Scans) -> Link:
        """How the two scroll together."""
        from explain.volumes.linking import link

        assert scans.volume is not None and self.volume is not None
        return link(scans.volume, scans.plane, self.volume, self.find_plane(scans))

    def find_index(self, scans: Scans) -> int:
        """Which slice is shown: the one that was scrolled to, or else the one that goes along with the other's."""
        at = scans.find_index()
        if self.index is not None and (not self.together or self.seen_beside == at):
            return self.index
        return self.find_link(scans).there[at]

    def find_window(self, scans: Scans) -> str:
        """Through which window it is seen: of one kind of machine as the other, unless one was chosen."""
        assert self.volume is not None and scans.volume is not None
        if self.window is not None:
            return self.window
        first = next(iter(self.volume.windows), "")
        if scans.window is None or scans.volume.modality != self.volume.modality:
            return first
        try:
            self.volume.choose_window(scans.window, 0)
        except PictureError:
            return first
        return scans.window

    def draw(self, scans: Scans) -> Picture:
        """The slice that is shown.

        Raises:
            PictureError: it is missing in the series.
        """
        assert self.volume is not None
        return self.volume.slice(self.find_index(scans), self.find_plane(scans), self.find_window(scans) or None)


class Pictures(Protocol):
    """The pictures of a session; see `components.choices.pictures.Tray`."""

    own: dict[str, Picture]

    def put(self, picture: Picture, instead_of: str = "", show: bool = True) -> None:
        """Keep a picture, in place of another where that is here."""

    def remove(self, key: str) -> None:
        """Forget one."""


def get_prior() -> Prior:
    """What stands beside the open series of this session."""
    prior: Prior = st.session_state.setdefault(_PRIOR, Prior())
    find_holdings().touch(prior)
    return prior


def put_prior(pictures: Pictures) -> None:
    """Keep the slice of the prior study among the session's pictures, below that of the open series."""
    scans, prior = get_scans(), get_prior()
    is_gone = bool(prior.shown) and prior.shown not in pictures.own
    if is_gone or scans.volume is None or prior.beside != scans.volume.digest or prior.volume is None:
        if prior.shown:
            pictures.remove(prior.shown)
            prior.shown = ""
        if is_gone:
            prior.chosen, prior.volume = NONE, None
        return
    try:
        picture = prior.draw(scans)
    except PictureError as error:
        prior.problem = str(error)
        return
    if picture.digest != scans.shown:
        if prior.chosen == FORMER and not prior.shown and scans.left in pictures.own:
            pictures.remove(scans.left)  # its slice stood there by itself
        pictures.put(picture, prior.shown)
        prior.shown = picture.digest


def pick_prior() -> None:
    """Offer the other series at hand to stand beside the open one; nothing where there is none."""
    scans, prior = get_scans(), get_prior()
    if scans.volume is None:
        return
    if prior.beside != scans.volume.digest:
        prior.beside = scans.volume.digest
        prior.choose(NONE)
    others = [number for number in range(len(scans.series)) if number != scans.chosen]
    former = scans.former if scans.former is not None and scans.former.digest != scans.volume.digest else None
    if not others and former is None:
        return
    names = {NONE: "None"} | {number: f"{number + 1} · {name_series(scans.series[number])}" for number in others}
    if former is not None:
        names[FORMER] = f"{former.name}, uploaded before"
    dropdown(
        "Prior study beside it",
        [*names],
        prior.chosen if prior.chosen in names else NONE,
        "prior-widget",
        _choose,
        format_func=names.__getitem__,
        filter_mode=None,
        help="Another series below this one, scrolled with it: by millimetres where both are measured from one place "
        "of the patient, else by share of the series.",
    )
    if prior.problem:
        st.warning(prior.problem)
    if prior.volume is not None:
        st.session_state[_TOGETHER] = prior.together
        st.toggle("Scroll together", key=_TOGETHER, on_change=_choose_together)


def open_prior() -> None:
    """Open the prior study that was chosen, with progress where it takes long."""
    scans, prior = get_scans(), get_prior()
    if scans.volume is None or prior.volume is not None or prior.beside != scans.volume.digest:
        return
    if prior.chosen == FORMER and scans.former is not None:
        prior.volume = replace(scans.former, name=f"Prior {scans.former.name}")
    elif 0 <= prior.chosen < len(scans.series):
        series, key = scans.series[prior.chosen], f"prior {prior.beside} {prior.chosen}"
        place = Place("prior-opening")
        try:
            if is_stopped(key):
                raise Cancelled("Opening the prior study was stopped.")
            work = Work(lambda w: series.open(Watch(lambda share, text: w.report(text, share), w.cancel)))
            volume = place.watch(work, "Opening the prior study …", stop_key=key)
            prior.volume = replace(volume, name=f"Prior {volume.name}")
        except ExplainError as error:
            prior.chosen, prior.problem = NONE, str(error)


def _choose(number: int) -> None:
    get_prior().choose(number)
    st.session_state.pop("stopped", None)


def _choose_together() -> None:
    prior = get_prior()
    prior.together = bool(st.session_state[_TOGETHER])
