"""Opening scans beside the page: large zips and thousands of files take seconds, can be followed, and stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from components.choices.series import Scans, get_scans
from components.session.faults import show_faults
from components.session.work import PATIENCE, Work
from explain.errors import Cancelled, ExplainError
from explain.pictures.picture import Picture
from explain.progress import Watch

Read = tuple[Scans, list[Picture] | None]
"""Scans, and what else was in the files."""

_OPENING = "scans-opening"
_LOOK_AGAIN = 0.3


@dataclass(eq=False)
class Opening:
    """What is being opened.

    Attributes:
        work: gives the scans, and pictures that belong to no series; for these None where the files are no scans.
        files: those that were uploaded, with their names; none where another series of the same files is opened.
        fresh: whether nobody has waited for it yet.
    """

    work: Work[Read]
    files: Sequence[tuple[str, bytes]] = ()
    fresh: bool = True


def open_scans() -> None:
    """Begin to open what was uploaded, or another series that was chosen; what was under way is stopped."""
    scans = get_scans()
    if scans.waiting:
        files, scans.waiting, scans.asked = scans.waiting, [], None
        new = Scans(wanted=scans.wanted)
        _begin(lambda watch: (new, new.look_into([data for _, data in files], watch)), files)
    elif scans.asked is not None:
        number, scans.asked = scans.asked, None
        _begin(lambda watch: (_open_another(scans, number, watch), []))


def _open_another(scans: Scans, number: int, watch: Watch) -> Scans:
    other = replace(scans, problems=[])
    try:
        other.open(number, watch)
    except Cancelled:
        raise
    except ExplainError as error:
        return replace(scans, problems=[str(error)])
    return other


def _begin(read: Callable[[Watch], Read], files: Sequence[tuple[str, bytes]] = ()) -> None:
    stop_opening()

    def run(work: Work[Read]) -> Read:
        return read(Watch(lambda share, text: work.report(text, share), work.cancel))

    st.session_state[_OPENING] = Opening(Work(run), files)


def stop_opening() -> None:
    """Open nothing more."""
    opening = st.session_state.pop(_OPENING, None)
    if opening is not None:
        opening.work.cancel.set()


def take_opened() -> Opening | None:
    """What is open now: at once where it takes no time, and else in one of the next runs, once."""
    opening: Opening | None = st.session_state.get(_OPENING)
    if opening is None or not opening.work.wait(PATIENCE if opening.fresh else 0):
        if opening is not None:
            opening.fresh = False
        return None
    del st.session_state[_OPENING]
    return opening


def follow_opening() -> None:
    """How far it is, where something is being opened, with a button to stop it."""
    if _OPENING in st.session_state:
        _follow()


@st.fragment(run_every=_LOOK_AGAIN)
@show_faults
def _follow() -> None:
    opening: Opening | None = st.session_state.get(_OPENING)
    if opening is None or opening.work.wait(0):
        st.rerun()
    assert opening is not None
    share, said = opening.work.progress
    with st.container(key="scans-progress"):
        st.progress(share or 0.0, said or "Reading the scans …")
        st.button("Stop", key="scans-stop", on_click=opening.work.cancel.set)
