"""Studio, Eyes: a picture through the eyes of classes."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.browser.canvas import canvas, read_event
from components.choices.caution import show_cautions
from components.choices.one_picture import pick_one
from components.maps.buttons import follow_button
from components.page.link import get_view, keep_link
from components.session.faults import show_faults
from components.session.work import Place, Work
from components.studio.eyes import (
    build_eyes_rows,
    doubt_traits,
    offer_eyes_downloads,
    offer_parts,
    pick_other,
    pick_traits,
)
from components.studio.parts import find_parts, outline_parts
from components.studio.views import CHART, MOST_BARS
from components.words import escape
from explain.engine.engine import Engine
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture
from explain.traits.traits import EyesView, look_with_eyes_of
from pages.studio_views.prompted import name_looker, pick_prompted_subject


def show_view(body: Place) -> None:
    """What the heads of some classes look at in a picture."""
    subject = pick_prompted_subject(body)
    if subject is not None:
        with body.container():
            name_looker(subject[1])
            _show_eyes(*subject)


@st.fragment
@show_faults
def _show_eyes(engine: Engine, model: LoadedModel, pictures: Sequence[Picture], target: int | None) -> None:
    follow_button(read_event("eyes-canvas"), model)
    with st.container(key="eyes-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(pictures)
        first = target
        if first is None:
            first = look_with_eyes_of(engine, picture, model, traits=1).classes[0].target
        other = pick_other(model.labels, first)
        traits = pick_traits()
        outlines = offer_parts(outline_parts(find_parts(picture)))
    show_cautions([picture], model)
    keep_link()
    place = Place("eyes")
    asked = [first] if other is None else [first, other]
    view: EyesView = place.watch(
        Work(lambda work: look_with_eyes_of(engine, picture, model, asked, traits, work.cancel)),
        "Looking through its eyes …",
    )
    with place.container():
        answer = canvas(build_eyes_rows(picture, view, model.labels, outlines), get_view(), key="eyes-canvas")
        for doubt in filter(None, map(doubt_traits, view.classes)):
            st.caption(f":orange[:material/warning:] {escape(doubt)}")
        _show_eyes_charts(view, model)
        offer_eyes_downloads(picture, view, answer.view)


def _show_eyes_charts(view: EyesView, model: LoadedModel) -> None:
    from components.studio.charts import draw_blurring, draw_scores

    left, right = st.columns(2, gap="medium")
    with left:
        asked = [seen.target for seen in view.classes]
        figure = draw_scores(view.probabilities, model.labels, asked, MOST_BARS)
        st.plotly_chart(figure, key="eyes-scores", config=CHART)
    with right:
        st.plotly_chart(draw_blurring(view.classes), key="eyes-blurring", config=CHART)
        st.caption(
            "Solid: as the ranking goes, again and again the head that is missed least. Dotted: the most important "
            "first; the sooner it falls, the more the class owes to its first traits."
        )
