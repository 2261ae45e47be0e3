"""Studio, Train: pictures in classes become class prompts."""

from __future__ import annotations

import streamlit as st

from components.choices.model import await_model, pick_model
from components.session.engine import await_engine, needs_own_engine
from components.session.gate import is_refused
from components.session.work import Place
from components.studio.dataset import Given, pick_dataset
from components.studio.recipe import pick_recipe
from components.studio.training import pick_keeping, say_deleted
from components.studio.views import find_backbone
from explain.datasets.dataset import DataSet
from explain.models.loaded import LoadedModel
from explain.models.prompt_library import check_name, suggest_name
from explain.training.run import TrainingRun
from pages.studio_views.following import follow
from pages.studio_views.starting import name_training, start_when_asked


def show_view(body: Place) -> None:
    """Choose pictures, or follow the training that runs."""
    if is_refused("train") or needs_own_engine():
        return
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
    name = name_training(f"studio-name-{given.key}", "Name of the prompts", suggest_name(given.title), "They are kept")
    keep = pick_keeping(len(dataset.examples))
    recipe = pick_recipe(dataset, backbone, f"{given.key} {backbone.fingerprint}")
    recipe = recipe.model_copy(update={"together": given.together})

    def start() -> TrainingRun:
        check_name(name)
        return TrainingRun.start(dataset, backbone.request, recipe, name, weights, keep)

    start_when_asked(start)
