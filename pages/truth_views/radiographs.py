"""Truth, Radiographs: a network that leans on the border of a radiograph, which can be hidden or exchanged."""

from __future__ import annotations

import streamlit as st

from components.session.engine import await_engine
from components.session.work import Place
from components.truth.radiographs import describe_leanings, describe_making, pick_border, pick_radiograph, write_areas
from components.truth.specimen import Specimen
from components.truth.views import pick_planted, pick_specimen
from components.words import format_share
from explain.worlds.radiographs import EXPLAINED, MODEL, Leanings, list_radiographs, read_leanings
from pages.truth_views.trial import Asked, load_networks, show_trial


def show_view(body: Place) -> None:
    """A radiograph before the network, and what it leans on."""
    leanings = read_leanings()
    if leanings is None or not list_radiographs():
        with body.container():
            st.info("The radiographs of this lesson are not part of this installation.", icon=":material/table:")
        return
    engine = await_engine(body)
    if engine is None:
        return

    def pick() -> Specimen:
        own = pick_planted("With its own border", "Without it: what stands beside this is there instead. Key x.")
        border = pick_border()
        return pick_radiograph(pick_specimen("Another radiograph", len(list_radiographs())), own, border)

    def show_table() -> None:
        _show_leanings(leanings)

    note = f"{format_share(leanings.right.value)} as labelled"
    asked = [Asked("chest-xray", "Learnt the label pneumonia", MODEL, note)]
    show_trial(engine, load_networks(engine, asked, body), pick, body, EXPLAINED, show_table)


def _show_leanings(leanings: Leanings) -> None:
    st.header("Of many radiographs", anchor=False)
    st.markdown(write_areas(leanings))
    for sentence in describe_leanings(leanings):
        st.markdown(sentence)
    st.caption(describe_making(leanings))
