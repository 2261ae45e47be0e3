"""Truth, Real or generated: a network that reads the finest pixels, which no map can show, and the test that does."""

from __future__ import annotations

import streamlit as st

from components.session.engine import await_engine
from components.session.work import Place
from components.truth.generated import describe_alike, describe_making, pick_generated, write_tested
from components.truth.specimen import Specimen
from components.truth.views import pick_planted, pick_specimen
from components.words import format_share
from explain.worlds.generated import EXPLAINED, MODEL, Generated, list_small, read_generated
from pages.truth_views.trial import Asked, load_networks, show_trial


def show_view(body: Place) -> None:
    """A picture before the network, and how often it is right once the finest pixels are gone."""
    table = read_generated()
    if table is None:
        with body.container():
            st.info("The network of this lesson is not part of this installation.", icon=":material/table:")
        return
    engine = await_engine(body)
    if engine is None:
        return

    def pick() -> Specimen:
        fine = pick_planted(
            "With its finest pixels", "Without them: the picture is halved and enlarged again. Key x puts them back."
        )
        return pick_generated(pick_specimen("Another picture", len(list_small())), fine)

    def show_table() -> None:
        st.header("Of many pictures", anchor=False)
        st.markdown(write_tested(table))
        st.caption(describe_alike(table))
        st.caption(describe_making(table))

    show_trial(engine, load_networks(engine, list_asked(table), body), pick, body, EXPLAINED, show_table)


def list_asked(table: Generated) -> list[Asked]:
    """The network, with what is known of it."""
    whole, halved = table.tested[:2]
    note = f"{format_share(whole.right)} right on its test pictures, {format_share(halved.right)} once they were halved"
    return [Asked("real-or-generated", "Learnt what is generated", MODEL, note)]
