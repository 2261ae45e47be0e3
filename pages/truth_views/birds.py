"""Truth, Birds: a drawn bird and its sibling, which differ in the one part that must decide."""

from __future__ import annotations

import streamlit as st

from components.session.engine import await_engine
from components.session.work import Place
from components.truth.birds import draw_siblings, pick_pair
from components.truth.specimen import Specimen
from components.truth.views import pick_planted, pick_specimen
from pages.truth_views.trial import Asked, load_networks, show_trial

_NETWORKS = (
    Asked("birds-cnn", "A convolutional network", "birds-cnn"),
    Asked("birds-vit", "A vision transformer", "birds-vit"),
)


def show_view(body: Place) -> None:
    """A bird before two networks that know it."""
    with st.sidebar:
        pair = pick_pair()
    engine = await_engine(body)
    if engine is None:
        return

    def pick() -> Specimen:
        marked = pick_planted(
            f"Drawn as a {pair.marked}",
            f"The same drawing as a {pair.plain} differs in {pair.part} alone. Key x.",
        )
        return draw_siblings(pair, pick_specimen("Another bird"), marked)

    show_trial(engine, load_networks(engine, _NETWORKS, body), pick, body)
