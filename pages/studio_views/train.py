"""Studio, Train: pictures in classes become class prompts."""

from __future__ import annotations

import streamlit as st

from components.choices.model import await_model, pick_model
from components.page.link import keep_link
from components.session.engine import await_engine
from components.session.faults import show_faults
from components.session.work import Place, Work
from components.studio.dataset import Given, pick_dataset
from components.studio.recipe import pick_recipe
from components.studio.training import (
    LOOK_AGAIN,
    offer_prompts,
    offer_to_leave,
    pick_keeping,
    say_deleted,
    say_what_is_kept,
    show_curves,
    show_progress,
    show_report,
    sweep_now_and_then,
)
from components.studio.views import RUN, find_backbone
from explain.datasets.dataset import DataSet
from explain.errors import ExplainError
from explain.models.loaded import LoadedModel
from explain.models.prompt_library import check_name, suggest_name
from explain.training.run import DAYS_KEPT, RunState, TrainingRun

_START = "studio-start-asked"


def show_view(body: Place) -> None:
    """Choose pictures, or follow the training that runs."""
    sweep_now_and_then()
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
                "There is no training at this address any more: it was deleted, or cleared away "
                f"{DAYS_KEPT} days after its end.",
                icon=":material/link_off:",
            )
            offer_to_leave()
        return
    with st.sidebar:
        choice = pick_model()
    engine = await_engine(body)
    model = None if engine is None else await_model(engine, choice, body)
    backbone = None if engine is None or model is None else find_backbone(engine, model, choice, body)
    if backbone is None:
        return
    with body.container():
        say_deleted()
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
    keep = pick_keeping(len(dataset.examples))
    recipe = pick_recipe(dataset, backbone, f"{given.key} {backbone.fingerprint}")
    recipe = recipe.model_copy(update={"together": given.together})
    if not st.session_state.pop(_START, False):
        return
    place = Place("starting")
    try:
        check_name(name)
        work = Work(lambda _: TrainingRun.start(dataset, backbone.request, recipe, name, weights, keep))
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
    if not state.is_running:
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
    if not state.is_running:
        st.rerun()
    show_progress(run, state)
    if state.epochs:
        show_curves(state)


def _show_end(run: TrainingRun, state: RunState) -> None:
    assert state.report is not None
    try:
        dataset = run.dataset()
    except ExplainError:
        dataset = None
    offer_prompts(run, state, dataset)
    say_what_is_kept(state, None if dataset is None else len(dataset.examples))
    show_report(state.report, run.find_labels(), dataset)
    st.header("How it learnt", anchor=False)
    show_curves(state)
