"""A prior study beside the open series: which slice goes along with which, through which window, and when it goes."""

from __future__ import annotations

from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components.choices import prior as prior_module
from components.choices.pictures import Tray
from components.choices.prior import FORMER, NONE, Prior, get_prior, open_prior, put_prior
from components.choices.series import Scans
from components.choices.slice_in_view import find_stacks, follow_place
from components.session.idle import Holdings
from explain.engine.quotas import Quotas
from tests.components.choices.test_series import brain, head


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Scans:
    """A CT of seven slices, whose fourth is missing, with an MR of five beside it."""
    scans, former = Scans(), Scans()
    scans.look_into(head())
    former.look_into(brain())
    scans.former = former.volume
    assert scans.volume is not None
    prior = Prior(beside=scans.volume.digest, chosen=FORMER)
    monkeypatch.setattr(st, "session_state", {"scans": scans, "prior": prior})
    open_prior()
    return scans


def put(scans: Scans) -> tuple[Tray, Prior]:
    """Both slices among the session's pictures."""
    tray = Tray()
    picture = scans.draw()
    tray.put(picture)
    scans.shown = picture.digest
    put_prior(tray)
    return tray, get_prior()


def report(*places: dict[str, Any]) -> bool:
    common = {"plane": "stack", "window": "Range of the series", "inverted": False}
    st.session_state["canvas"] = {"places": [{**common, **place} for place in places]}
    return follow_place("canvas")


def test_its_slice_goes_along_and_is_called_prior(scans: Scans) -> None:
    tray, prior = put(scans)
    assert [picture.name for picture in tray.own.values()] == ["CT, 7 slices, no. 3", "Prior MR, 5 slices, no. 3"]
    stacks = find_stacks([*tray.own.values()], "canvas")
    assert prior.volume is not None and scans.volume is not None
    ours, theirs = stacks[scans.shown], stacks[prior.shown]
    assert ours.link == (prior.volume.digest, prior.find_link(scans).there)
    assert theirs.link == (scans.volume.digest, prior.find_link(scans).back) and "millimetres" in theirs.said
    scans.indices["stack"] = 6
    put_prior(tray)
    assert [picture.name for picture in tray.own.values()][-1] == "Prior MR, 5 slices, no. 5"


def test_a_slice_of_it_that_stood_there_gives_way(scans: Scans) -> None:
    assert scans.former is not None
    tray = Tray()
    old, new = scans.former.slice(4), scans.draw()
    tray.put(old)
    tray.put(new)
    scans.shown, scans.left = new.digest, old.digest
    put_prior(tray)
    assert [picture.name for picture in tray.own.values()] == ["CT, 7 slices, no. 3", "Prior MR, 5 slices, no. 3"]


def test_both_are_followed_at_once(scans: Scans) -> None:
    _, prior = put(scans)
    assert scans.volume is not None and prior.volume is not None
    assert report({"volume": scans.volume.digest, "index": 1}, {"volume": prior.volume.digest, "index": 4})
    assert (scans.find_index(), prior.find_index(scans)) == (1, 4)
    scans.indices["stack"] = 2
    assert prior.find_index(scans) == 2, "what was scrolled to beside another slice does not stand"
    prior.together = False
    assert prior.find_index(scans) == 4
    assert report({"volume": prior.volume.digest, "index": 0, "window": "10/20"})
    assert prior.find_window(scans) == "10/20" and prior.find_index(scans) == 0
    assert not report({"volume": prior.volume.digest, "index": 5})
    assert report({"volume": prior.volume.digest, "index": 3, "plane": "coronal"}) and scans.plane == "coronal"


def test_a_window_is_that_of_the_other_only_of_one_kind(scans: Scans) -> None:
    _, prior = put(scans)
    scans.window = "Lung"
    assert prior.find_window(scans) == "Range of the series"
    prior.volume = scans.volume
    assert prior.find_window(scans) == "Lung"


def test_it_goes_with_its_picture_and_with_another_series(scans: Scans) -> None:
    tray, prior = put(scans)
    tray.remove(prior.shown)
    put_prior(tray)
    assert (prior.chosen, prior.volume, prior.shown) == (NONE, None, "")
    prior.choose(FORMER)
    open_prior()
    put_prior(tray)
    assert len(tray.own) == 2
    prior.beside = "of another series"
    put_prior(tray)
    assert len(tray.own) == 1


@pytest.mark.usefixtures("scans")
def test_one_of_its_own_is_given_back_when_nobody_has_touched_it_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    holdings = Holdings(Quotas(idle_pictures_seconds=1200), 10**9, lambda: clock[0])
    monkeypatch.setattr(prior_module, "find_holdings", lambda: holdings)
    prior = get_prior()
    assert prior.volume is not None and prior.count_bytes() == 0, "it is that of the series before, which counts it"
    prior.chosen = 1
    assert prior.count_bytes() == prior.volume.stored.nbytes
    clock[0] = 1200.0
    assert holdings.let_go()
    assert (prior.chosen, prior.volume) == (NONE, None)


def _page() -> None:
    import streamlit as st

    from components.choices.prior import get_prior, open_prior, pick_prior
    from components.choices.series import get_scans
    from tests.components.choices.test_series import brain, head

    if "scans" not in st.session_state:
        get_scans().look_into([*head(), *brain()])
    open_prior()
    pick_prior()
    st.text(get_prior().volume.name if get_prior().volume is not None else "none")


def test_other_series_of_the_upload_are_offered() -> None:
    app = AppTest.from_function(_page).run()
    assert app.selectbox[0].options == ["None", "2 · MR · 5 × 20 × 30"] and app.text[0].value == "none"
    app.selectbox[0].set_value(1).run()
    assert app.text[0].value == "Prior MR, 5 slices" and app.toggle[0].value is True
    app.toggle[0].set_value(False).run()
    assert app.session_state["prior"].together is False
    app.selectbox[0].set_value(NONE).run()
    assert app.text[0].value == "none" and not app.toggle
