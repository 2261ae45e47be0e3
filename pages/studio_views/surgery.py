"""Studio, Surgery: paint a region over, and ask again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from components.browser.canvas import canvas, read_event
from components.choices.caution import show_cautions
from components.choices.one_picture import pick_one
from components.choices.pictures import list_pictures
from components.maps.buttons import follow_button
from components.page.link import get_view, keep_link
from components.session.faults import show_faults
from components.session.work import Place, Work
from components.studio.parts import find_parts, outline_parts
from components.studio.surgery import CANVAS, build_surgery_rows, describe_answer, operate, pick_operation
from components.studio.views import CHART, MOST_BARS
from components.words import escape
from explain.engine.engine import Engine
from explain.errors import PictureError
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture
from explain.traits.surgery import Answer, answer_surgery
from explain.traits.traits import EyesView, look_with_eyes_of
from pages.studio_views.prompted import name_looker, pick_prompted_subject

_SURGERY_TRAITS = 3


def show_view(body: Place) -> None:
    """Paint a region over, and see what the classes say then."""
    subject = pick_prompted_subject(body)
    if subject is not None:
        with body.container():
            name_looker(subject[1])
            show_cautions(subject[2], subject[1])
            _show_surgery(*subject)


@st.fragment
@show_faults
def _show_surgery(engine: Engine, model: LoadedModel, pictures: Sequence[Picture], target: int | None) -> None:
    follow_button(read_event(CANVAS), model)
    with st.container(key="surgery-picture", horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(pictures)
    masks: Mapping[str, np.ndarray] = find_parts(picture)
    others = {title: other for title, other in list_pictures().items() if other.digest != picture.digest}
    operation = pick_operation(picture, masks, others)
    keep_link()
    after, problem = None, None
    if operation is not None:
        try:
            after = operate(operation, picture)
        except PictureError as error:
            problem = str(error)
    place = Place("surgery")
    views = place.watch(
        Work(lambda work: _answer(engine, picture, after, model, target, work)), "Asking before and after …"
    )
    with place.container():
        if problem is not None:
            st.error(problem, icon=":material/error:")
        answer = views if isinstance(views, Answer) else None
        if answer is None:
            st.info(
                "Press **Box** or **Lasso** above the picture, or the key b or l, and draw around a place on it"
                + (", or choose one of its parts as the region." if masks else "."),
                icon=":material/gesture:",
            )
        else:
            st.markdown(escape(describe_answer(answer, model.labels)))
        shown = [views] if isinstance(views, EyesView) else [views.before, views.after]
        part = None if operation is None else masks.get(operation.name)
        outlines = [] if operation is None or part is None else outline_parts({operation.name: part})
        rows = build_surgery_rows(picture, after, shown, model.labels, outlines)
        canvas(rows, get_view(), key=CANVAS, drawing=True)
        if answer is not None:
            _show_change(answer, model)


def _answer(
    engine: Engine,
    before: Picture,
    after: Picture | None,
    model: LoadedModel,
    target: int | None,
    work: Work[Answer | EyesView],
) -> Answer | EyesView:
    asked = ["auto" if target is None else target]
    if after is None:
        return look_with_eyes_of(engine, before, model, asked, _SURGERY_TRAITS, work.cancel)
    return answer_surgery(engine, before, after, model, asked, _SURGERY_TRAITS, work.cancel)


def _show_change(answer: Answer, model: LoadedModel) -> None:
    from components.studio.charts import draw_change

    asked = [seen.target for seen in answer.before.classes]
    before, after = answer.before.probabilities, answer.after.probabilities
    figure = draw_change(before, after, model.labels, asked, MOST_BARS // 2)
    st.plotly_chart(figure, key="surgery-change", config=CHART, width=720)
