"""Studio: the model with prompts, the pictures and the class that its views share."""

from __future__ import annotations

import streamlit as st

from components.choices.chosen_model import get_choice
from components.choices.model import await_model, pick_model
from components.choices.pictures import pick_pictures
from components.choices.target import pick_target
from components.page.link import keep_link
from components.page.subject import say_no_picture
from components.session.engine import await_engine
from components.session.work import Place
from components.studio.views import describe_looker, find_prompted
from components.words import escape
from explain.engine.engine import Engine
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture


def pick_prompted_subject(
    body: Place, with_pictures: bool = True
) -> tuple[Engine, LoadedModel, list[Picture], int | None] | None:
    """Engine, a model with prompts, pictures and class, chosen in the sidebar; None where `body` says what is amiss."""
    with st.sidebar:
        pictures = pick_pictures() if with_pictures else []
        choice = pick_model()
    engine = await_engine(body)
    loaded = None if engine is None else await_model(engine, choice, body)
    model = None if engine is None or loaded is None else find_prompted(engine, loaded, body)
    if engine is None or model is None:
        return None
    with st.sidebar:
        target = pick_target(model.labels, model.request.name)
    keep_link()
    if with_pictures and not pictures:
        with body.container():
            say_no_picture()
        return None
    return engine, model, pictures, target


def name_looker(model: LoadedModel) -> None:
    """Say above a view which model answers, which may be another one than that chosen."""
    st.caption(escape(describe_looker(model.request.name, get_choice().request.name)))
