"""Compare: pictures in rows, methods in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from components.browser.canvas import CanvasEvent, Pane, Row, canvas, read_event
from components.choices.combination import pick_combination
from components.choices.comparison import pick_comparison, pick_difference
from components.choices.methods import find_obstacles, follow_settings, pick_methods, read_settings, show_settings
from components.choices.model import use_bundled
from components.choices.target import choose_target
from components.maps.downloads import Shown, offer_downloads
from components.maps.question import Outcome, Question, explain, explain_models, list_columns, name_columns
from components.maps.rows import (
    EXPLAIN_CLASS,
    SWITCH_MODEL,
    build_column_rows,
    build_rows,
    describe_picture,
    list_model_columns,
)
from components.page.link import get_view, keep_link
from components.page.subject import pick_subject, say_no_picture, show_heading
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door, link_to_page
from components.session.work import Place, Work, go_on, is_stopped
from components.words import describe_duration
from explain.bundled.models import find_prompted_twin
from explain.engine.explanation import Explanation, PictureExplanation
from explain.methods import Settings, get_method
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.engine.engine import Engine


@show_faults
def show_page() -> None:
    """Pick on the left, compare on the right."""
    show_heading("Where the model looks")
    body, subject = pick_subject(_show_waiting)
    if subject is None:
        return
    engine, model, pictures, first = subject.engine, subject.model, subject.pictures, subject.layer
    with st.sidebar:
        combination = pick_combination(model.layers, first)
        obstacles = find_obstacles(model)
        methods = pick_methods(
            obstacles,
            lambda method: engine.estimate_seconds(model, method, first, read_settings(method.name)),
        )
    keep_link()
    with body.container():
        if not pictures:
            say_no_picture()
        elif not methods:
            st.info("No method is chosen. Choose one or several on the left.", icon=":material/layers:")
        else:
            with st.container(key="comparison", horizontal=True, vertical_alignment="bottom", gap="medium"):
                comparison = pick_comparison(model.layers, first, model.labels, model.request.name)
                usable = [name for name in methods if name not in obstacles]
                # Found out here, since it reads the bundled models' files: a moved slider need not.
                twin = None if model.prompted is not None else find_prompted_twin(model.labels)
                question = Question(
                    model,
                    pictures,
                    first,
                    subject.target,
                    methods,
                    subject.score,
                    combination,
                    comparison,
                    usable,
                    twin,
                )
                difference = pick_difference(name_columns(question))
                agree = st.toggle("How far do they agree?", key="agreement", persist_state="session")
            shown = Shown()
            _compare(engine, question, difference, agree, shown)
            shown.offered = shown.explanation is not None
            if shown.offered:
                offer_downloads(shown)
            if "cf-cam" in methods:
                link_to_page("clusters", "How CF-CAM groups the channels", ":material/bubble_chart:")


@st.fragment
@show_faults
def _compare(engine: Engine, question: Question, difference: tuple[str, str] | None, agree: bool, shown: Shown) -> None:
    """Sliders and grid. Moving a slider reruns only this, so it holds nothing that a slider does not change: each
    element costs the server a millisecond or two, and the browser several.
    """
    event = read_event("canvas")
    if event is not None:
        _follow(event, question.model)  # and from the top: what would be drawn here is not wanted any more
    settings = show_settings(question.methods, question.usable)
    keep_link()
    key = question.make_key(settings)
    place = Place("grid")
    if is_stopped(key):
        with place.container():
            st.info("Stopped. Nothing was changed.", icon=":material/front_hand:")
            st.button("Explain again", key="go-on", on_click=go_on)
        return
    by_models = question.comparison.by == "models"
    outcomes: list[Outcome] = []
    if by_models:
        work = Work(lambda work: explain_models(engine, question, settings, work))
        found = place.watch(work, "Explaining …", stop_key=key)
        columns = [
            (picture, list_model_columns(by_model)) for picture, by_model in zip(question.pictures, found, strict=True)
        ]
    else:
        outcomes = _watch_outcomes(engine, question, settings, place, key)
        columns = list_columns(question, outcomes)
    with place.container():
        if question.comparison.by == "methods":
            rows = build_rows(outcomes, question.methods, question.twin, difference=difference)
        else:
            rows = build_column_rows(columns, question.methods, difference)
        answer = canvas(rows, get_view(), key="canvas")
        if agree:
            # Plotly takes longer to import than anything else on this page.
            from components.maps.agreement import show_agreement

            show_agreement(rows)
        shown.view = answer.view
        explained = tuple(outcome for outcome in outcomes if isinstance(outcome, PictureExplanation))
        if explained:
            combination = question.combination
            shown.explanation = Explanation(
                question.model,
                explained,
                question.score,
                combination.fusion,
                combination.augmentation,
                engine.description,
            )
            if shown.offered is False:
                st.rerun()  # what had been stopped went on: the page lacks the buttons
        passes = engine.passes
        st.caption(
            f"Passes of the network since the start: {passes.forward} forward, {passes.backward} backward. "
            f"The maps of a picture share them; sliders need none. Runs on {engine.description}."
        )
    follow_settings(question.methods)


def _watch_outcomes(
    engine: Engine, question: Question, settings: Mapping[str, Settings], place: Place, key: str
) -> list[Outcome]:
    """What the engine answers. The maps of quick methods stand on the page while slow ones are being made."""
    slow = [name for name in question.methods if "runner" in get_method(name).needs]
    quick = [name for name in question.methods if name not in slow]
    first: list[Outcome] = []
    if slow and quick:
        part = replace(question, methods=quick)
        first = place.watch(Work(lambda work: explain(engine, part, settings, work)), "Explaining …", stop_key=key)

    coming = {}
    for name in slow:
        seconds = engine.estimate_seconds(question.model, get_method(name), question.layer, settings[name])
        coming[name] = "Coming …" if seconds is None else f"Coming … {describe_duration(seconds)} a picture"

    def show_quick() -> None:
        if first:
            canvas(build_rows(first, question.methods, question.twin, coming), get_view(), key="meanwhile")

    return place.watch(
        Work(lambda work: explain(engine, question, settings, work)),
        "Explaining …",
        stop_key=key,
        meanwhile=show_quick,
    )


def _follow(event: CanvasEvent, model: LoadedModel) -> None:
    """Do what a button in the grid says, which concerns the whole page."""
    action, _, value = event.action.partition(":")
    if action == SWITCH_MODEL:
        use_bundled(value)
    elif action == EXPLAIN_CLASS and value.isdigit():
        choose_target(int(value), model.labels)
    st.rerun()


def _show_waiting(pictures: Sequence[Picture]) -> None:
    """The pictures as they are, until there are maps."""
    if not pictures:
        return
    panes = [Pane("picture", "Picture")]
    panes += [
        Pane(name, get_method(name).title, get_method(name).sentence, message="Coming …")
        for name in st.session_state.get("methods", ())
    ]
    rows = [Row(p.digest, p.name, p.pixels, p.digest, panes, describe_picture(p)) for p in pictures]
    canvas(rows, get_view(), key="waiting")


if __name__ == "__main__":
    go_through_front_door(__file__)
