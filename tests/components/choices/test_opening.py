"""Opening scans beside the page: followed, stopped, and taken once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from components.choices import opening
from components.choices.opening import open_scans, stop_opening, take_opened
from components.choices.pictures import _show_slice, get_tray
from components.choices.series import Wanted, get_scans
from explain.volumes import reading
from tests.components.choices.test_series import brain, head
from tests.explain.volumes.test_reading import pack


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", kept)
    monkeypatch.setattr(opening, "PATIENCE", 60)
    return kept


class Gate:
    """Holds up the reading of headers until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        look_at = reading._Listing._look_at

        def wait(listing: Any, number: int) -> None:
            if number == 3:
                self.reached.set()
                assert self.opened.wait(60)
            look_at(listing, number)

        monkeypatch.setattr(reading._Listing, "_look_at", wait)


def upload(*files: bytes) -> None:
    get_scans().waiting = [(f"file {at}", data) for at, data in enumerate(files)]


def test_what_takes_no_time_is_there_at_once() -> None:
    upload(*head(), *brain())
    _show_slice(get_tray())
    scans, tray = get_scans(), get_tray()
    assert scans.volume is not None and scans.volume.name == "CT, 7 slices" and tray.shown == [scans.shown]
    assert take_opened() is None

    # Another series of the same files takes its place, and a file that is none changes nothing.
    scans.asked = 1
    _show_slice(tray)
    assert get_scans().volume.name == "MR, 5 slices" and len(tray.own) == 1 and tray.shown == [get_scans().shown]  # type: ignore[union-attr]
    upload(b"")
    _show_slice(tray)
    assert get_scans().volume.name == "MR, 5 slices" and len(tray.own) == 1  # type: ignore[union-attr]


def test_the_page_goes_on_while_files_are_read(monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]) -> None:
    monkeypatch.setattr(opening, "PATIENCE", 0)
    gate, tray = Gate(monkeypatch), get_tray()
    upload(pack(head()))
    _show_slice(tray)
    assert get_scans().volume is None and tray.own == {}
    under_way = state[opening._OPENING]
    assert gate.reached.wait(60) and under_way.work.progress == (pytest.approx(0.4 * 3 / 6), "Looking at file 4 of 6")
    _show_slice(tray)  # another run of the page: nothing begins anew
    assert state[opening._OPENING] is under_way
    gate.opened.set()
    assert under_way.work.wait(60)
    _show_slice(tray)
    assert get_scans().volume is not None and len(tray.own) == 1 and opening._OPENING not in state


def test_it_is_stopped(monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]) -> None:
    tray = get_tray()
    upload(*brain())
    _show_slice(tray)
    before = get_scans()
    monkeypatch.setattr(opening, "PATIENCE", 0)
    gate = Gate(monkeypatch)
    upload(*head())
    open_scans()
    assert gate.reached.wait(60)
    under_way = state[opening._OPENING]
    under_way.work.cancel.set()
    gate.opened.set()
    assert under_way.work.wait(60)
    _show_slice(tray)
    assert get_scans() is before and before.problems == ["Opening was stopped. Nothing was changed."]
    assert before.volume is not None and before.volume.name == "MR, 5 slices" and len(tray.own) == 1


def test_other_files_stop_those_before(monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]) -> None:
    monkeypatch.setattr(opening, "PATIENCE", 0)
    gate = Gate(monkeypatch)
    upload(*head())
    open_scans()
    first = state[opening._OPENING]
    upload(*brain())
    open_scans()
    assert first.work.cancel.is_set() and not state[opening._OPENING].work.cancel.is_set()
    gate.opened.set()
    assert state[opening._OPENING].work.wait(60)
    stop_opening()
    assert take_opened() is None


def test_the_slice_that_a_link_shows_is_found_in_the_files() -> None:
    files = [*head(), *brain()]
    upload(*files)
    _show_slice(get_tray())
    volume = get_scans().series[1].open()
    upload(pack(files[::-1], "other-{}".format))
    get_scans().wanted = Wanted(volume.digest, "coronal", 4, "no such window")
    _show_slice(get_tray())
    scans = get_scans()
    assert scans.draw().name == "MR, 5 slices, coronal 5" and scans.window is None, "there is no such window"
    assert scans.wanted is None and not scans.problems
    upload(*head())
    scans.wanted = Wanted("e" * 64, "stack", 4, "Brain")
    _show_slice(get_tray())
    assert "not the scans that the link shows" in get_scans().problems[0] and get_scans().wanted is not None
    assert get_scans().draw().name == "CT, 7 slices, no. 3"
