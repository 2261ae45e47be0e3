"""Studio: a training under way, whichever it is, and what came of it."""

from __future__ import annotations

import streamlit as st

from components.page.link import keep_link
from components.session.faults import show_faults
from components.session.work import Place
from components.studio.attention import offer_attention, show_attention_outcome
from components.studio.training import (
    LOOK_AGAIN,
    offer_prompts,
    offer_to_leave,
    say_what_is_kept,
    show_curves,
    show_progress,
    show_report,
    sweep_now_and_then,
)
from components.studio.views import RUN
from explain.errors import ExplainError
from explain.training.detached import DAYS_KEPT
from explain.training.outcome import AttentionOutcome
from explain.training.run import RunState, TrainingRun


def follow(body: Place) -> bool:
    """Show the training in view, where there is one; whether there is."""
    sweep_now_and_then()
    token = st.session_state.get(RUN)
    run = None if token is None else TrainingRun.find(token)
    keep_link()
    if run is not None:
        with body.container():
            _follow(run)
    elif token is not None:
        with body.container():
            st.warning(
                "There is no training at this address any more: it was deleted, or cleared away "
                f"{DAYS_KEPT} days after its end.",
                icon=":material/link_off:",
            )
            offer_to_leave()
    return token is not None


def _follow(run: TrainingRun) -> None:
    """A training until it is over, and then what came of it."""
    state = run.state()
    if not state.is_running:
        show_progress(run, state)
        if state.phase == "done" and state.report is not None:
            _show_end(run, state)
        elif state.epochs:
            show_curves(state)
        return
    st.fragment(_watch, run_every=LOOK_AGAIN)(run)


@show_faults
def _watch(run: TrainingRun) -> None:
    state = run.state()
    if not state.is_running:
        st.rerun()
    show_progress(run, state)
    if state.epochs:
        show_curves(state)


def _show_end(run: TrainingRun, state: RunState) -> None:
    assert state.report is not None
    try:
        dataset = run.dataset()
    except ExplainError:
        dataset = None
    kept = None if dataset is None else len(dataset.examples)
    if isinstance(state.report, AttentionOutcome):
        offer_attention(run, state)
        say_what_is_kept(state, kept)
        show_attention_outcome(state.report)
    else:
        offer_prompts(run, state, dataset)
        say_what_is_kept(state, kept)
        show_report(state.report, run.find_labels(), dataset)
    st.header("How it learnt", anchor=False)
    show_curves(state)
