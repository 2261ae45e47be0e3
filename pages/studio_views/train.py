"""Studio, Train: pictures in classes become class prompts."""

from __future__ import annotations

import streamlit as st

from components.choices.model import await_model, pick_model
from components.page.link import keep_link
from components.session.engine import await_engine
from components.session.work import Place, Work
from components.studio.dataset import Given, pick_dataset
from components.studio.recipe import pick_recipe
from components.studio.training import pick_keeping, say_deleted
from components.studio.views import RUN, find_backbone
from explain.datasets.dataset import DataSet
from explain.errors import ExplainError
from explain.models.loaded import LoadedModel
from explain.models.prompt_library import check_name, suggest_name
from explain.training.run import TrainingRun
from pages.studio_views.following import follow

_START = "studio-start-asked"


def show_view(body: Place) -> None:
    """Choose pictures, or follow the training that runs."""
    if follow(body):
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
