"""Studio, Surgery: paint regions over, and ask the model again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from components.browser.canvas import canvas, read_event
from components.choices.caution import show_cautions
from components.choices.methods import find_obstacles, pick_methods, read_settings
from components.choices.one_picture import pick_one
from components.choices.pictures import list_pictures
from components.maps.buttons import follow_button
from components.maps.missing import describe_missing
from components.page.link import get_view, keep_link
from components.page.subject import Subject, pick_subject, say_no_picture
from components.session.faults import show_faults
from components.session.work import Place, Work
from components.studio.parts import find_parts, outline_parts
from components.studio.surgery import CANVAS, build_surgery_rows, describe_change, operate, pick_edits
from components.studio.views import CHART, MOST_BARS
from components.words import escape
from explain.errors import PictureError
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture
from explain.progress import Watch
from explain.traits.surgery import Asked, Reading, read_picture

_FALLBACK = "grad-cam"  # where no method that is chosen works on the model


def show_view(body: Place) -> None:
    """Paint regions over, and see what the model says then."""
    _, subject = pick_subject(body=body)
    if subject is None:
        return
    model, layer = subject.model, subject.layer
    obstacles = find_obstacles(model)
    with st.sidebar:
        chosen = pick_methods(
            obstacles, lambda method: subject.engine.estimate_seconds(model, method, layer, read_settings(method.name))
        )
    keep_link()
    # What the prompt of a class looks at is there head by head.
    methods = [name for name in chosen if name not in obstacles and name != "prompt-cam"]
    with body.container():
        if subject.pictures:
            cannot = describe_missing(model.request.name, [name for name in chosen if name in obstacles], obstacles)
            _show_surgery(subject, methods or [_FALLBACK], cannot)
        else:
            say_no_picture()


@st.fragment
@show_faults
def _show_surgery(subject: Subject, methods: Sequence[str], cannot: Sequence[str]) -> None:
    follow_button(read_event(CANVAS), subject.model)
    picture = pick_one(subject.pictures)
    show_cautions([picture], subject.model)
    masks: Mapping[str, np.ndarray] = find_parts(picture)
    others = {title: other for title, other in list_pictures().items() if other.digest != picture.digest}
    edits = pick_edits(picture, masks, others)
    keep_link()
    after, problem = None, None
    try:
        after = operate(edits, picture)
    except PictureError as error:
        problem = str(error)
    settings = {name: read_settings(name) for name in methods}
    asked = Asked(methods, subject.layer, subject.target, settings, subject.score)
    place = Place("surgery")
    readings = place.watch(
        Work(lambda work: _read(subject, [picture] if after is None else [picture, after], asked, work)),
        "Asking before and after …",
    )
    with place.container():
        if problem is not None:
            st.error(problem, icon=":material/error:")
        if after is None:
            st.container(key="surgery-hint").info(
                "With **Box** or **Lasso** pressed above the picture (keys b and l), draw around a place on it"
                + (", or choose one of its parts as the region." if masks else "."),
                icon=":material/gesture:",
            )
        else:
            st.markdown(escape(describe_change(*readings)))
        parts = {operation.name: masks[operation.name] for operation in edits.done if operation.name in masks}
        rows = build_surgery_rows(readings, subject.model.request.name, outline_parts(parts))
        canvas(rows, get_view(), key=CANVAS, drawing=True)
        for reason in (*cannot, *dict.fromkeys(readings[0].unavailable.values())):
            st.caption(reason)
        if after is not None and readings[0].answer.probability is not None:
            _show_change(readings, subject.model)


def _read(subject: Subject, pictures: Sequence[Picture], asked: Asked, work: Work[list[Reading]]) -> list[Reading]:
    """What the model makes of the picture before, and of the same class after."""
    whole = Watch(lambda share, text: work.report(text, share), work.cancel)
    readings: list[Reading] = []
    for number, picture in enumerate(pictures):
        part = whole.part(number / len(pictures), (number + 1) / len(pictures))
        same = asked if not readings else asked.of(readings[0].target)
        readings.append(read_picture(subject.engine, picture, subject.model, same, part.report, work.cancel))
    return readings


def _show_change(readings: Sequence[Reading], model: LoadedModel) -> None:
    from components.studio.charts import draw_change

    before, after = (
        [prediction.probability or 0.0 for prediction in sorted(reading.predictions, key=lambda one: one.index)]
        for reading in readings
    )
    figure = draw_change(before, after, model.labels, [readings[0].target], MOST_BARS // 2)
    st.plotly_chart(figure, key="surgery-change", config=CHART, width=720)
