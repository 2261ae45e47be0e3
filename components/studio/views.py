"""What the studio's views share: which one is open, and a ViT to work with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import streamlit as st

from components.choices.chosen_model import ModelChoice
from components.choices.model import await_model
from components.choices.view import pick_one_view
from components.session.work import Place
from explain.bundled.models import FIRST_VIT, find_prompted_twin
from explain.models.loaded import LoadedModel
from explain.models.prompt_library import read_card
from explain.models.request import ModelRequest

if TYPE_CHECKING:
    from explain.engine.engine import Engine

StudioView = Literal["train", "attention", "eyes", "gallery", "surgery"]

STUDIO_VIEW = "studio-view"
STUDIO_VIEWS: dict[StudioView, str] = {
    "train": "Train",
    "attention": "Attention",
    "eyes": "Eyes",
    "gallery": "Gallery",
    "surgery": "Surgery",
}
SENTENCES: dict[StudioView, str] = {
    "train": "Teach a frozen ViT to name your classes by one prompt each. What each prompt then looks at are the "
    "traits that tell its class from the others.",
    "attention": "Train a second, small network that draws a map for every class of a model at once (T-TAME). It "
    "learns from the model's own answers: pictures of the kind that the model knows are enough, without classes.",
    "eyes": "The traits a class's prompt looks at in a picture, from the most to the least important.",
    "gallery": "A class's field guide: for each of its traits, the pictures in which that head fires most.",
    "surgery": "Paint places of the picture over, one by one, and see what becomes of the scores and the maps.",
}

CHART = {"displayModeBar": False}
"""How plotly shows the studio's charts."""

MOST_BARS = 12
"""Of a chart of classes; more cannot be read."""

RUN = "training-run"
"""Key of the session's state: the token of the training in view."""

OTHER_CLASS = "studio-other"
"""Key of the session's state: index and name of the class to compare with, or None."""

TRAITS = "studio-traits"
"""Key of the session's state: how many traits are shown."""

FIRST_TRAITS, MOST_TRAITS = 4, 8

OUTLINED = "studio-outlined"
"""Key of the session's state: whether the parts of a picture are outlined, where they are known."""


def pick_view() -> StudioView:
    """Offer the views, and say what the one in view is for."""
    view = pick_one_view(STUDIO_VIEW, STUDIO_VIEWS)
    st.caption(SENTENCES[view])
    return view


def open_view(view: StudioView) -> None:
    """Go to another view from the next run on."""
    st.session_state[STUDIO_VIEW] = view


def find_backbone(
    engine: Engine, model: LoadedModel, choice: ModelChoice, body: Place
) -> tuple[LoadedModel, bytes | None] | None:
    """The ViT to put prompts on, with the bytes of its file if it is one: the model in use, or one in its place with a
    word where that takes no prompts; None after a failure that `body` says.
    """
    from explain.networks.prompted_vit import find_backbone_obstacle

    obstacle = find_backbone_obstacle(model.module)
    if obstacle is None:
        return model, choice.weights
    request = ModelRequest(source="bundled", name=FIRST_VIT)
    if model.request.source == "prompts":
        card = read_card(model.request.name)
        if card.backbone.source != "file":  # whose bytes this session does not have
            request = card.backbone
    st.sidebar.caption(f"{obstacle} Until then {request.name} learns here.")
    stand_in = await_model(engine, ModelChoice(request), body)
    return None if stand_in is None else (stand_in, None)


def find_prompted(engine: Engine, model: LoadedModel, body: Place) -> LoadedModel | None:
    """The model, or where it has no prompts a bundled one with, and a word; None after a failure that `body` says."""
    if model.prompted is not None:
        return model
    name = find_prompted_twin(model.labels) or FIRST_VIT
    st.sidebar.caption(
        f"{model.request.name} has no class prompts, so {name} stands in for it here. Train some for a ViT, or choose "
        "another model above."
    )
    return await_model(engine, ModelChoice(ModelRequest(source="bundled", name=name)), body)


def describe_looker(model: str, chosen: str) -> str:
    """Which model answers in a view, in a sentence, also where it is not the one chosen."""
    if model == chosen:
        return f"Model: {model}, by its class prompts."
    return f"Model: {model}, by its class prompts. The chosen one, {chosen}, has none."
