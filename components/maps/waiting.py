"""What stands on Compare until there are maps: the pictures, the maps of quick methods, or that it was stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from components.browser.canvas import Pane, Row, canvas
from components.choices.methods import METHODS
from components.choices.slice_in_view import find_stacks
from components.maps.question import Question, answer
from components.maps.rows import Answered, build_rows, describe_picture
from components.session.work import Place, Work, go_on
from components.words import describe_duration
from explain.engine.question import DEFAULT_METHODS
from explain.maps.render import RenderSettings
from explain.methods import Settings, get_method
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.engine.engine import Engine


def show_pictures(pictures: Sequence[Picture], view: RenderSettings) -> None:
    """The pictures as they are, each with a pane for every method chosen.

    Args:
        pictures: a row each; nothing is shown without any.
        view: how maps will be shown.
    """
    if not pictures:
        return
    panes = [Pane("picture", "Picture")]
    panes += [
        Pane(name, get_method(name).title, get_method(name).sentence, message="Coming …")
        for name in st.session_state.get(METHODS, DEFAULT_METHODS)
    ]
    stacks = find_stacks(pictures, "waiting")
    rows = [
        Row(p.digest, p.name, p.pixels, p.digest, panes, notes=(describe_picture(p),), stack=stacks.get(p.digest))
        for p in pictures
    ]
    canvas(rows, view, key="waiting", news=True)


def watch_answers(
    engine: Engine,
    question: Question,
    settings: Mapping[str, Settings],
    place: Place,
    stop_key: str,
    view: RenderSettings,
) -> Answered:
    """What the engine answers. The maps of quick methods stand on the page while slow ones are being made.

    Args:
        engine: who is asked.
        question: what it is asked.
        settings: by method.
        place: where progress and the first maps go.
        stop_key: see `Place.watch`.
        view: how maps are shown.
    """
    slow = [name for name in question.methods if "runner" in get_method(name).needs]
    quick = [name for name in question.methods if name not in slow]
    first: Answered | None = None
    if slow and quick:
        part = replace(question, methods=quick)
        work = Work(lambda work: answer(engine, part, settings, work), "grid")
        first = place.watch(work, "Explaining …", stop_key=stop_key)

    coming = {}
    for name in slow:
        seconds = engine.estimate_seconds(question.model, get_method(name), question.layer, settings[name])
        coming[name] = "Coming …" if seconds is None else f"Coming … {describe_duration(seconds)} a picture"

    def show_quick() -> None:
        if first is not None:
            canvas(build_rows(first, question.asked, coming), view, key="meanwhile", news=True)

    return place.watch(
        Work(lambda work: answer(engine, question, settings, work), "grid"),
        "Explaining …",
        stop_key=stop_key,
        meanwhile=show_quick,
    )


def say_stopped() -> None:
    """That the person stopped the work, and the way to start it again."""
    st.info("Stopped. Nothing was changed.", icon=":material/front_hand:")
    st.button("Explain again", key="go-on", on_click=go_on)
