"""Compare: pictures in rows, methods in columns."""

from __future__ import annotations

import streamlit as st

from components.choices.caution import find_cautions
from components.choices.combination import pick_combination
from components.choices.comparison import pick_agreement, pick_comparison, pick_difference
from components.choices.methods import find_obstacles, pick_methods, read_settings
from components.choices.model import find_prompted_for, list_knowing
from components.choices.series import get_scans
from components.collections.explain_all import offer_explain_all, open_when_done, say_under_way
from components.maps.downloads import Shown, offer_downloads
from components.maps.missing import say_left_out
from components.maps.question import Question, name_columns
from components.maps.verdicts import drop_verdicts, follow_verdicts, pick_check
from components.maps.waiting import show_pictures
from components.page.link import get_view, keep_link
from components.page.subject import pick_subject, say_no_picture, show_heading
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door, link_to_page
from explain.bundled.models import find_prompted_twin
from pages.compare_views.grid import compare


@show_faults
def show_page() -> None:
    """Pick on the left, compare on the right."""
    open_when_done()
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
        say_under_way()
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
            compare(engine, question, (difference, agree, check), shown, obstacles)
            follow_verdicts() if check.shows_marks else drop_verdicts()
            shown.offered = shown.explanation is not None
            if shown.offered:
                offer_downloads(shown)
            elif comparison.by == "models":
                say_left_out(comparison.names, knowing)
            offer_explain_all(question, keep_link)
            if "cf-cam" in methods:
                link_to_page("clusters", "How CF-CAM groups the channels", ":material/bubble_chart:")


if __name__ == "__main__":
    go_through_front_door(__file__)
