"""Truth: small worlds in which the answer is known, and what maps and verdicts say there."""

from __future__ import annotations

import streamlit as st

from components.page.link import show_link_notes
from components.page.subject import show_heading
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from components.session.work import Place
from components.truth.trust import turn_round
from components.truth.views import TRUTH_VIEW, pick_view, turn_specimen
from pages.truth_views import birds, counted, generated, radiographs, shortcuts, trust


@show_faults
def show_page() -> None:
    """One of the views."""
    show_heading("Truth", named=False, turn_picture=_turn)
    show_link_notes()
    view = pick_view()
    body = Place("body")
    views = {
        "shortcuts": shortcuts,
        "birds": birds,
        "generated": generated,
        "radiographs": radiographs,
        "trust": trust,
        "counted": counted,
    }
    views[view].show_view(body)


def _turn(number: int | None, step: int) -> None:
    """Before an audience, keys turn the pages of the view that is open."""
    turn = turn_round if st.session_state.get(TRUTH_VIEW) == "trust" else turn_specimen
    turn(number, step)


if __name__ == "__main__":
    go_through_front_door(__file__)
