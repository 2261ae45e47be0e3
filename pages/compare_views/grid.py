"""Compare: the sliders and the grid of maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from components.browser.canvas import canvas
from components.choices.methods import follow_settings, show_pane_settings
from components.maps.buttons import follow_hand
from components.maps.downloads import Shown
from components.maps.eps_strip import EpsStrip
from components.maps.missing import say_missing, say_missing_by_model
from components.maps.question import Question, explain_models, gather, judge, list_columns
from components.maps.rows import GRID, Answered, build_column_rows, build_rows, list_model_columns
from components.maps.sections import show_sections
from components.maps.stack import lay_answers, show_stack
from components.maps.verdicts import Check
from components.maps.waiting import say_stopped, watch_answers
from components.page.link import get_view, keep_link
from components.session.engine import say_passes
from components.session.faults import show_faults
from components.session.work import Place, Work, is_stopped

if TYPE_CHECKING:
    from explain.engine.engine import Engine


@st.fragment
@show_faults
def compare(
    engine: Engine,
    question: Question,
    between: tuple[tuple[str, str] | None, bool, Check],
    shown: Shown,
    obstacles: Mapping[str, str],
) -> None:
    """Sliders and grid. Moving a slider reruns only this: it holds nothing that a slider does not change."""
    shown.begin()
    difference, agree, check = between
    follow_hand(GRID, question.model)
    strip = EpsStrip()
    settings = show_pane_settings(question.methods, [*question.usable, *question.lent], {"cf-cam": strip.make_room})
    keep_link()
    key = question.make_key(settings)
    place = Place("grid")
    if is_stopped(key):
        with place.container():
            say_stopped()
        return
    answered = Answered(())
    if question.comparison.by == "models":
        found = place.watch(Work(lambda w: explain_models(engine, question, settings, w)), "Explaining …", stop_key=key)
        columns = [
            (picture, list_model_columns(by_model)) for picture, by_model in zip(question.pictures, found, strict=True)
        ]
    else:
        answered = watch_answers(engine, question, settings, place, key, get_view())
        columns = list_columns(question, answered.outcomes)
    with place.container():
        if question.comparison.by == "methods":
            rows = build_rows(answered, lay_answers(question, settings, answered), difference=difference)
        else:
            rows = build_column_rows(columns, question.asked, difference)
        below, asks = "agreement-matrix" if agree else "", key if check.shows_marks else ""
        answer = canvas(rows, get_view(), key=GRID, drawing=True, news=True, below=below, question=asks)
        show_stack(engine, question, settings, answered, answer.view)
        if question.comparison.by == "models":
            say_missing_by_model(columns, question.methods)
        else:
            say_missing(question, answered, obstacles)
        strip.fill(engine, question, settings)
        if agree:
            from components.maps.agreement import show_agreement  # by Plotly, which takes longest of all to import

            show_agreement(rows)
        show_sections(engine, question, settings, key, answered)
        shown.finish(answer.view, gather(question, answered, engine.description), answered.loans)
        if shown.explanation is not None and shown.offered is False:
            st.rerun()  # what had been stopped went on: the page lacks the buttons
        say_passes(engine)
    follow_settings(question.methods)
    shown.find_verdicts = check.begin(key, answered.entries, lambda w: judge(engine, question, answered, settings, w))
