"""What a page explains that looks at one picture: chosen in the sidebar as on every other page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from components.choices.layer import AUTO, pick_layer
from components.choices.model import await_model, pick_model, pick_outputs
from components.choices.pictures import pick_pictures
from components.choices.references import get_references
from components.choices.target import pick_score, pick_target
from components.page.link import follow_link, keep_link, show_link_notes
from components.page.presenter import PRESENTING, TurnPicture, offer_presenter
from components.page.scenes import offer_scenes, turn_page, turn_scene
from components.page.tour import offer_tour, show_step
from components.session.engine import await_engine
from components.session.work import Place
from explain.datasets.loose import LoosePicture
from explain.maps.figure import DISCLAIMER
from explain.models.loaded import LoadedModel
from explain.passes.look import Score
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.engine.engine import Engine


@dataclass(frozen=True, eq=False)
class Subject:
    """What is asked of the engine.

    Attributes:
        engine: who is asked.
        model: the model.
        pictures: those chosen, one or more.
        layer: name of a layer; `auto` where the model has none.
        target: index of a class, or None for each picture's likeliest.
        score: what of the class is differentiated.
        references: pictures that those are compared with, where the model needs any.
    """

    engine: Engine
    model: LoadedModel
    pictures: Sequence[Picture]
    layer: str
    target: int | None
    score: Score
    references: tuple[LoosePicture, ...] = ()


def show_heading(title: str, named: bool = True, turn_picture: TurnPicture | None = None) -> None:
    """Follow the page's address, and show its title and what must stand on every page with maps.

    Args:
        title: of the page.
        named: whether the model chosen on the left is the one that answers here: before an audience it is named.
        turn_picture: on a page with pictures of its own.
    """
    turn_page()
    follow_link()
    with st.container(key="heading", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(title, anchor=False, width="content")
        with st.container(key="heading-end", horizontal=True, vertical_alignment="center", width="content"):
            st.badge(DISCLAIMER, icon=":material/warning:", color="orange")
            offer_tour()
            offer_scenes()
            offer_presenter(turn_scene, named, turn_picture)
    show_step()


def show_plain_heading(title: str) -> None:
    """The title of a page that shows no maps and keeps no address: it can be a slide, between scenes too."""
    turn_page()
    with st.container(key="heading", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(title, anchor=False, width="content")
        with st.container(key="heading-end", horizontal=True, vertical_alignment="center", width="content"):
            offer_presenter(turn_scene, named=False)


def pick_subject(
    meanwhile: Callable[[Sequence[Picture]], None] | None = None, body: Place | None = None
) -> tuple[Place, Subject | None]:
    """Offer pictures, model, class and layer in the sidebar; they are the same on every page.

    Args:
        meanwhile: draws what there is to see of the pictures until the engine has started.
        body: where the page's content goes, on a page that has said already what there is to say of its link.

    Returns:
        Where the page's content goes, and what it is about; None where there is no model, which that place then says.
    """
    with st.sidebar:
        pictures = pick_pictures()
        choice = pick_model()
    if body is None:
        show_link_notes()
        body = Place("body")
    engine = await_engine(body, None if meanwhile is None else lambda: meanwhile(pictures))
    model = None if engine is None else await_model(engine, choice, body)
    if engine is None or model is None:
        return body, None
    with st.sidebar:
        for note in model.notes:
            st.caption(note)
        pick_outputs(choice, model)
        target = pick_target(model.labels, model.request.name)
        score = pick_score(model.outputs)
        layer = pick_layer(model.layers, model.default_layer, model.request.name)
    if layer == AUTO and model.default_layer is not None:
        layer = model.default_layer.name
    return body, Subject(engine, model, pictures, layer, target, score, get_references(model))


def show_subject(heading: str, show: Callable[[Subject], None]) -> None:
    """A page about one subject: its heading, the choices in the sidebar, and what `show` makes of them."""
    show_heading(heading)
    body, subject = pick_subject()
    if subject is None:
        return
    keep_link()
    with body.container():
        if not subject.pictures:
            say_no_picture()
        elif subject.model.default_layer is None:
            st.info(
                f"“{subject.model.request.name}” has no layer whose output lies on the picture, so there is nothing to "
                "show. Choose a convolutional network or a vision transformer on the left.",
                icon=":material/layers:",
            )
        else:
            show(subject)


def say_no_picture() -> None:
    """What stands on a page while no picture is chosen."""
    if st.session_state.get(PRESENTING):
        st.info("No picture is chosen. Press 1 to 9 for one, or Escape for the controls.", icon=":material/image:")
    else:
        st.info("No picture is chosen. Press an example on the left, or upload your own.", icon=":material/image:")
