"""Studio, Attention: pictures that a model names by itself become maps of all its classes at once (T-TAME)."""

from __future__ import annotations

import streamlit as st

from components.choices.model import await_model, pick_model
from components.session.engine import await_engine, needs_own_engine
from components.session.gate import is_refused
from components.session.work import Place
from components.studio.attention import pick_attention_recipe, show_attention_library
from components.studio.dataset import Given, pick_dataset
from components.studio.training import say_deleted
from explain.datasets.dataset import DataSet
from explain.errors import ExplainError
from explain.models.attention_library import LIBRARY
from explain.models.loaded import LoadedModel
from explain.training.run import TrainingRun
from pages.studio_views.following import follow
from pages.studio_views.starting import name_training, start_when_asked


def show_view(body: Place) -> None:
    """Choose pictures for the model in use, or follow the training that runs."""
    if is_refused("train") or needs_own_engine():
        return
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
    suggested = LIBRARY.suggest_name(f"{model.request.name} {given.title}")
    name = name_training(
        f"attention-name-{given.key}-{model.fingerprint[:8]}", "Name of the attention", suggested, "It is kept"
    )
    try:
        recipe = pick_attention_recipe(model, dataset)
    except ExplainError as error:
        st.error(str(error), icon=":material/error:")
        return

    def start() -> TrainingRun:
        LIBRARY.check_name(name)
        return TrainingRun.start(dataset, model.request, recipe, name, weights, keep=False)

    start_when_asked(start)
