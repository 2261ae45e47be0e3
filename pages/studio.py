"""Studio: train class prompts, look through them, collect what they look at, and put them to the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from components.canvas import CanvasEvent, canvas, read_event
from components.dataset import Given, escape, pick_dataset
from components.engine import await_engine
from components.eyes import build_eyes_rows, doubt_traits, offer_downloads, offer_parts, pick_other, pick_traits
from components.faults import show_faults
from components.front_door import go_through_front_door
from components.link import get_view, keep_link, show_link_notes
from components.model import load_model, offer_model_for, pick_model
from components.parts import find_parts, outline_parts
from components.pictures import list_pictures, pick_pictures
from components.recipe import pick_recipe
from components.rows import EXPLAIN_CLASS
from components.studio import RUN, find_backbone, find_prompted, pick_view
from components.subject import pick_one, say_no_picture, show_heading
from components.surgery import CANVAS, build_surgery_rows, describe_answer, operate, pick_operation
from components.target import choose_target, pick_target
from components.training import (
    LOOK_AGAIN,
    is_over,
    offer_prompts,
    offer_to_leave,
    show_curves,
    show_progress,
    show_report,
)
from components.trait_gallery import list_albums, pick_album, pick_crops, show_gallery
from components.work import Place, Work, go_on, is_stopped
from explain.dataset import DataSet
from explain.engine import Engine
from explain.errors import ExplainError, PictureError
from explain.gallery import Gallery, collect_gallery
from explain.models import LoadedModel
from explain.picture import Picture
from explain.prompt_library import check_name, suggest_name
from explain.surgery import Answer, answer_surgery
from explain.training_run import RunState, TrainingRun
from explain.traits import EyesView, look_with_eyes_of

_CHART = {"displayModeBar": False}
_START = "studio-start-asked"
_SURGERY_TRAITS = 3
_MOST_BARS = 12


@show_faults
def show_page() -> None:
    """One of four views."""
    show_heading("Prompt-CAM studio")
    show_link_notes()
    view = pick_view()
    body = Place("body")
    if view == "train":
        _train(body)
    elif view == "eyes":
        _look(body)
    elif view == "gallery":
        _collect(body)
    else:
        _operate(body)


# --- train ------------------------------------------------------------------------------------------------------------


def _train(body: Place) -> None:
    token = st.session_state.get(RUN)
    run = None if token is None else TrainingRun.find(token)
    keep_link()
    if run is not None:
        with body.container():
            _follow(run)
        return
    if token is not None:
        with body.container():
            st.warning(
                "There is no training at this address any more: trainings that nobody has looked at for weeks are "
                "cleared away.",
                icon=":material/link_off:",
            )
            offer_to_leave()
        return
    with st.sidebar:
        choice = pick_model()
    engine = await_engine(body)
    model = None if engine is None else load_model(engine, choice, body)
    backbone = None if engine is None or model is None else find_backbone(engine, model, choice, body)
    if backbone is None:
        return
    with body.container():
        picked = pick_dataset()
        if picked is not None:
            _offer_start(*picked, *backbone)


def _offer_start(given: Given, dataset: DataSet, backbone: LoadedModel, weights: bytes | None) -> None:
    """Name and settings, and the button that starts it."""
    name_key = f"studio-name-{given.key}"
    st.session_state.setdefault(name_key, suggest_name(given.title))
    with st.container(key="studio-start", horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.text_input(
            "Name of the prompts",
            key=name_key,
            max_chars=64,
            width=300,
            help="They are kept under this name: lower-case letters, digits and hyphens.",
        )
        st.button(
            "Start training",
            key="run-start",
            type="primary",
            icon=":material/play_arrow:",
            help="In a process of its own: it goes on when you leave this page.",
            on_click=lambda: st.session_state.update({_START: True}),
        )
    recipe = pick_recipe(dataset, backbone, f"{given.key} {backbone.fingerprint}")
    if not st.session_state.pop(_START, False):
        return
    place = Place("starting")
    try:
        check_name(name)
        work = Work(lambda _: TrainingRun.start(dataset, backbone.request, recipe, name, weights))
        run: TrainingRun = place.watch(work, "Starting …")
    except ExplainError as error:
        with place.container():
            st.error(str(error), icon=":material/error:")
        return
    st.session_state[RUN] = run.token
    keep_link()
    st.rerun()


def _follow(run: TrainingRun) -> None:
    """A training until it is over, and then what came of it."""
    state = run.state()
    if is_over(state):
        show_progress(run, state)
        if state.phase == "done" and state.report is not None:
            _show_end(run, state)
        elif state.epochs:
            show_curves(state)
        return
    st.fragment(_watch, run_every=LOOK_AGAIN)(run)


@show_faults
def _watch(run: TrainingRun) -> None:
    state = run.state()
    if is_over(state):
        st.rerun()
    show_progress(run, state)
    if state.epochs:
        show_curves(state)


def _show_end(run: TrainingRun, state: RunState) -> None:
    assert state.report is not None
    dataset = run.dataset()
    offer_prompts(state.name, dataset)
    show_report(state.report, dataset)
    st.subheader("How it learnt", anchor=False)
    show_curves(state)


# --- eyes -------------------------------------------------------------------------------------------------------------


def _pick_subject(
    body: Place, with_pictures: bool = True
) -> tuple[Engine, LoadedModel, list[Picture], int | None] | None:
    """Engine, a model with prompts, pictures and class, chosen in the sidebar; None where `body` says what is amiss."""
    with st.sidebar:
        pictures = pick_pictures() if with_pictures else []
        choice = pick_model()
    engine = await_engine(body)
    loaded = None if engine is None else load_model(engine, choice, body)
    model = None if engine is None or loaded is None else find_prompted(engine, loaded, body)
    if engine is None or model is None:
        return None
    with st.sidebar:
        offer_model_for(pictures, model.labels)
        target = pick_target(model.labels, model.request.name)
    keep_link()
    if with_pictures and not pictures:
        with body.container():
            say_no_picture()
        return None
    return engine, model, pictures, target


def _look(body: Place) -> None:
    subject = _pick_subject(body)
    if subject is not None:
        with body.container():
            _show_eyes(*subject)


@st.fragment
@show_faults
def _show_eyes(engine: Engine, model: LoadedModel, pictures: Sequence[Picture], target: int | None) -> None:
    _follow_canvas(read_event("eyes-canvas"), model)
    with st.container(key="eyes-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        picture = pick_one(pictures)
        first = target
        if first is None:
            first = look_with_eyes_of(engine, picture, model, traits=1).classes[0].target
        other = pick_other(model.labels, first)
        traits = pick_traits()
        outlines = offer_parts(outline_parts(find_parts(picture)))
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
        offer_downloads(picture, view, answer.view)


def _show_eyes_charts(view: EyesView, model: LoadedModel) -> None:
    from components.charts import draw_blurring, draw_scores

    left, right = st.columns(2, gap="medium")
    with left:
        asked = [seen.target for seen in view.classes]
        figure = draw_scores(view.probabilities, model.labels, asked, _MOST_BARS)
        st.plotly_chart(figure, key="eyes-scores", config=_CHART)
    with right:
        st.plotly_chart(draw_blurring(view.classes), key="eyes-blurring", config=_CHART)
        st.caption(
            "Solid: as the ranking goes, again and again the head that is missed least. Dotted: the most important "
            "first; the sooner it falls, the more the class owes to its first traits."
        )


def _follow_canvas(event: CanvasEvent | None, model: LoadedModel) -> None:
    """A class was pressed below the picture: the whole page looks through its eyes."""
    if event is None:
        return
    action, _, value = event.action.partition(":")
    if action == EXPLAIN_CLASS and value.isdigit():
        choose_target(int(value), model.labels)
        st.rerun()


# --- gallery ----------------------------------------------------------------------------------------------------------


def _collect(body: Place) -> None:
    subject = _pick_subject(body, with_pictures=False)
    if subject is not None:
        engine, model, _, target = subject
        with body.container():
            _show_collection(engine, model, target)


@st.fragment
@show_faults
def _show_collection(engine: Engine, model: LoadedModel, target: int | None) -> None:
    if target is None:
        # A field guide is a class's: there is no picture whose likeliest it could be.
        target = 0
        st.caption(f"Choose a class on the left; “{escape(model.labels[0])}” is the first.")
    label = model.labels[target]
    albums = list_albums(label, _find_training_set())
    if not albums:
        st.info(
            f"There are no pictures of “{label}” at hand. Open the training's own address, or upload pictures of this "
            "class in the Eyes view.",
            icon=":material/photo_library:",
        )
        return
    with st.container(key="gallery-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        album = pick_album(albums)
        traits = pick_traits()
        crops = pick_crops()
    keep_link()
    key = f"gallery {model.fingerprint} {target} {album.key} {album.count} {traits} {crops}"
    kept: tuple[str, Gallery] | None = st.session_state.get("gallery-kept")
    place = Place("gallery")
    if is_stopped(key):
        with place.container():
            st.info("Stopped. Nothing was changed.", icon=":material/front_hand:")
            st.button("Look again", key="gallery-again", on_click=go_on)
        return
    if kept is None or kept[0] != key:
        work = Work(
            lambda work: collect_gallery(
                engine,
                album.read(),
                model,
                target,
                traits,
                crops,
                lambda share, text: work.report(text, share),
                work.cancel,
                album.count,
            )
        )
        kept = (key, place.watch(work, "Looking through the pictures …", stop_key=key))
        st.session_state["gallery-kept"] = kept
    with place.container():
        show_gallery(kept[1])


def _find_training_set() -> DataSet | None:
    """The pictures of the training in view, where there is one and they are still there."""
    token = st.session_state.get(RUN)
    run = None if token is None else TrainingRun.find(token)
    try:
        return None if run is None else run.dataset()
    except ExplainError:
        return None


# --- surgery ----------------------------------------------------------------------------------------------------------


def _operate(body: Place) -> None:
    subject = _pick_subject(body)
    if subject is not None:
        with body.container():
            _show_surgery(*subject)


@st.fragment
@show_faults
def _show_surgery(engine: Engine, model: LoadedModel, pictures: Sequence[Picture], target: int | None) -> None:
    _follow_canvas(read_event(CANVAS), model)
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
        part = None if operation is None else operation.name
        outlines = outline_parts({part: masks[part]}) if part in masks else []
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
    from components.charts import draw_change

    asked = [seen.target for seen in answer.before.classes]
    before, after = answer.before.probabilities, answer.after.probabilities
    figure = draw_change(before, after, model.labels, asked, _MOST_BARS // 2)
    st.plotly_chart(figure, key="surgery-change", config=_CHART, width=720)


if __name__ == "__main__":
    go_through_front_door(__file__)
