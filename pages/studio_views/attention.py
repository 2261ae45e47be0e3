"""Studio, Attention: pictures that a model names by itself become maps of all its classes at once (T-TAME)."""

from __future__ import annotations

import streamlit as st

from components.choices.model import await_model, pick_model
from components.page.link import keep_link
from components.session.engine import await_engine
from components.session.work import Place, Work
from components.studio.attention import pick_attention_recipe, show_attention_library
from components.studio.dataset import Given, pick_dataset
from components.studio.training import say_deleted
from components.studio.views import RUN
from explain.datasets.dataset import DataSet
from explain.errors import ExplainError
from explain.models.attention_library import LIBRARY
from explain.models.loaded import LoadedModel
from explain.training.run import TrainingRun
from pages.studio_views.following import follow

_START = "attention-start-asked"


def show_view(body: Place) -> None:
    """Choose pictures for the model in use, or follow the training that runs."""
    if follow(body):
        return
    with st.sidebar:
        choice = pick_model()
    engine = await_engine(body)
    model = None if engine is None else await_model(engine, choice, body)
    if model is None:
        return
    with body.container():
        say_deleted()
        picked = pick_dataset(by_class=False)
        if picked is not None:
            _offer_start(*picked, model, choice.weights)
        show_attention_library(model.fingerprint)


def _offer_start(given: Given, dataset: DataSet, model: LoadedModel, weights: bytes | None) -> None:
    """Name and settings, and the button that starts it."""
    name_key = f"attention-name-{given.key}-{model.fingerprint[:8]}"
    st.session_state.setdefault(name_key, LIBRARY.suggest_name(f"{model.request.name} {given.title}"))
    with st.container(key="attention-start", horizontal=True, vertical_alignment="bottom", gap="medium"):
        name = st.text_input(
            "Name of the attention",
            key=name_key,
            max_chars=64,
            width=300,
            help="It is kept under this name: lower-case letters, digits and hyphens.",
        )
        st.button(
            "Start training",
            key="run-start",
            type="primary",
            icon=":material/play_arrow:",
            help="In a process of its own: it goes on when you leave this page.",
            on_click=lambda: st.session_state.update({_START: True}),
        )
    place = Place("starting")
    try:
        recipe = pick_attention_recipe(model, dataset)
        if not st.session_state.pop(_START, False):
            return
        LIBRARY.check_name(name)
        work = Work(lambda _: TrainingRun.start(dataset, model.request, recipe, name, weights, keep=False))
        run: TrainingRun = place.watch(work, "Starting …")
    except ExplainError as error:
        with place.container():
            st.error(str(error), icon=":material/error:")
        return
    st.session_state[RUN] = run.token
    keep_link()
    st.rerun()
