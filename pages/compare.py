"""Compare: pictures in rows, methods in columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from components.browser.canvas import canvas
from components.choices.caution import find_cautions
from components.choices.combination import pick_combination
from components.choices.comparison import pick_agreement, pick_comparison, pick_difference
from components.choices.methods import find_obstacles, follow_settings, pick_methods, read_settings, show_pane_settings
from components.choices.model import find_prompted_for, list_knowing
from components.choices.series import get_scans
from components.maps.buttons import follow_hand
from components.maps.downloads import Shown, offer_downloads
from components.maps.eps_strip import EpsStrip
from components.maps.missing import say_left_out, say_missing, say_missing_by_model
from components.maps.question import Question, explain_models, gather, judge, list_columns, name_columns
from components.maps.rows import GRID, Answered, build_column_rows, build_rows, list_model_columns
from components.maps.sections import show_sections
from components.maps.stack import lay_answers, show_stack
from components.maps.verdicts import Check, drop_verdicts, follow_verdicts, pick_check
from components.maps.waiting import say_stopped, show_pictures, watch_answers
from components.page.link import get_view, keep_link
from components.page.subject import pick_subject, say_no_picture, show_heading
from components.session.engine import say_passes
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door, link_to_page
from components.session.work import Place, Work, is_stopped
from explain.bundled.models import find_prompted_twin

if TYPE_CHECKING:
    from explain.engine.engine import Engine


@show_faults
def show_page() -> None:
    """Pick on the left, compare on the right."""
    show_heading("Where the model looks")
    body, subject = pick_subject(lambda pictures: show_pictures(pictures, get_view()))
    if subject is None:
        return
    engine, model, pictures, first = subject.engine, subject.model, subject.pictures, subject.layer
    with st.sidebar:
        combination = pick_combination(model.layers, first)
        obstacles = find_obstacles(model)
        methods = pick_methods(obstacles, lambda m: engine.estimate_seconds(model, m, first, read_settings(m.name)))
    keep_link()
    with body.container():
        if not pictures:
            say_no_picture()
        elif not methods:
            st.info("No method is chosen. Choose one or several on the left.", icon=":material/layers:")
        else:
            with st.container(key="comparison", horizontal=True, vertical_alignment="center", gap="small"):
                # Found out here, since it reads the bundled models' files: a moved slider need not.
                knowing = list_knowing(pictures)
                comparison = pick_comparison(model.layers, first, model.labels, model.request.name, knowing)
                question = Question(
                    model,
                    pictures,
                    first,
                    subject.target,
                    methods,
                    subject.score,
                    combination,
                    comparison,
                    [name for name in methods if name not in obstacles],
                    (find_prompted_twin(model.labels) or find_prompted_for(pictures)) if not model.prompted else None,
                    find_cautions(pictures, model),
                    subject.references,
                    get_scans().volume if model.reads_volumes else None,
                )
                difference = pick_difference(name_columns(question))
                agree = pick_agreement()
                check = pick_check(engine, model, len(pictures), question.can_be_judged)
            shown = Shown()
            _compare(engine, question, (difference, agree, check), shown, obstacles)
            follow_verdicts() if check.shows_marks else drop_verdicts()
            shown.offered = shown.explanation is not None
            if shown.offered:
                offer_downloads(shown)
            elif comparison.by == "models":
                say_left_out(comparison.names, knowing)
            if "cf-cam" in methods:
                link_to_page("clusters", "How CF-CAM groups the channels", ":material/bubble_chart:")


@st.fragment
@show_faults
def _compare(
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


if __name__ == "__main__":
    go_through_front_door(__file__)
