"""The tour: six steps on one picture, each of them a link, for people who see all this for the first time."""

from __future__ import annotations

import streamlit as st

from components.choices.pictures import read_example_digests
from components.page.link import read_words
from components.page.tour_steps import PICTURE, STEPS, TOUR, write_step
from components.session.front_door import open_page

_OPENING = "tour-opening"


def offer_tour() -> None:
    """A button that starts the tour; nothing while it is on."""
    if st.session_state.get(TOUR) is None:
        st.button(
            "Tour",
            key="tour-start",
            on_click=go_to_step,
            args=(1,),
            icon=":material/hiking:",
            help=f"{len(STEPS)} steps on a picture with two animals, from a first heatmap to a test of it.",
        )


def show_step() -> None:
    """The step in view, if the tour is on: what there is to see, and the ways on, back and out."""
    opening = st.session_state.pop(_OPENING, None)
    if opening is not None:
        open_page(opening)
    number = st.session_state.get(TOUR)
    if number is None:
        return
    step = STEPS[number - 1]
    with st.container(key="tour", horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(key="tour-text", width="stretch"):
            st.markdown(f"**{number} of {len(STEPS)} · {step.title}.** {step.text}")
        with st.container(horizontal=True, gap="small", width="content"):
            if number > 1:
                st.button("Back", key="tour-back", on_click=go_to_step, args=(number - 1,))
            if number < len(STEPS):
                st.button("Next", key="tour-next", on_click=go_to_step, args=(number + 1,), type="primary")
            st.button("End", key="tour-end", on_click=_end, type="tertiary", help="End the tour; what is shown stays.")


def go_to_step(number: int) -> None:
    """Choose what a step is about, as if its link had been opened, and turn to its page with the next run."""
    read_words(write_step(number, read_example_digests()[PICTURE]))
    st.session_state[_OPENING] = STEPS[number - 1].page


def _end() -> None:
    st.session_state[TOUR] = None
