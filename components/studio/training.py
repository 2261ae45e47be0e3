"""A training in progress, as a person follows and steers it, and its report at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.choices.model import ModelChoice, use_choice
from components.choices.pictures import get_tray
from components.studio.dataset import draw_thumbnail
from components.studio.prompt_cards import offer_files
from components.studio.views import CHART, RUN, open_view
from components.words import describe_seconds
from explain.datasets.dataset import DataSet
from explain.errors import ExplainError
from explain.models.prompt_library import read_card
from explain.training.outcome import Report
from explain.training.run import Phase, RunState, TrainingRun

Colour = Literal["blue", "orange", "green", "red", "grey"]

LOOK_AGAIN = 1.0
"""Seconds between two looks at a training that is under way."""

_PROBLEM = "training-problem"
_MOST_WRONG = 24
_MOST_BROUGHT = 4

_PHASES: dict[Phase, tuple[str, Colour, str]] = {
    "preparing": ("Preparing", "blue", ":material/hourglass_top:"),
    "training": ("Training", "blue", ":material/model_training:"),
    "paused": ("Paused", "orange", ":material/pause:"),
    "done": ("Done", "green", ":material/check:"),
    "failed": ("Failed", "red", ":material/error:"),
    "cancelled": ("Cancelled", "grey", ":material/cancel:"),
    "interrupted": ("Interrupted", "orange", ":material/power_off:"),
}


def show_progress(run: TrainingRun, state: RunState) -> None:
    """Phase, share, time left, and the buttons that steer it."""
    title, colour, icon = _PHASES[state.phase]
    with st.container(key="run-head", horizontal=True, vertical_alignment="center", gap="small"):
        st.header(state.name, anchor=False, width="content")
        st.badge(title, color=colour, icon=icon)
    if state.is_running:
        st.progress(min(max(state.share, 0.0), 1.0), describe_progress(state))
    _say(state)
    with st.container(key="run-tools", horizontal=True, gap="small"):
        if state.phase in ("preparing", "training"):
            _offer("Pause", run.pause, "run-pause", ":material/pause:", "Keep what is learnt and let the machine rest.")
        elif state.phase in ("paused", "interrupted"):
            said = "Go on from the last epoch that was kept."
            _offer("Resume", run.resume, "run-resume", ":material/play_arrow:", said, primary=True)
        if state.phase in ("preparing", "training", "paused", "interrupted"):
            _offer("Cancel", run.cancel, "run-cancel", ":material/close:", "Stop for good. No prompts are kept.")
        if not state.is_running and state.phase != "done":
            offer_to_leave()
    problem = st.session_state.pop(_PROBLEM, None)
    if problem is not None:
        st.error(problem, icon=":material/error:")
    if state.is_running:
        st.caption(
            "The training goes on without this page: close it, and its address brings you back here. "
            "Other people and pages are not held up."
        )


def _say(state: RunState) -> None:
    """What must be known of a training that has ended early."""
    if state.phase == "failed":
        st.error(state.message or "It could not go on. The reason is in its log.", icon=":material/error:")
    elif state.phase == "interrupted":
        kept = f"after epoch {state.epochs[-1].number}" if state.epochs else "before its first epoch was over"
        st.warning(
            f"Its process ended {kept}, perhaps because the machine was switched off. Resume takes it up again.",
            icon=":material/power_off:",
        )
    elif state.phase == "cancelled":
        st.info("Cancelled. No prompts were kept.", icon=":material/front_hand:")


def describe_progress(state: RunState) -> str:
    """Where it stands, in one line."""
    parts = [state.message] if state.message and not state.epochs else []
    if state.epochs:
        parts.append(f"epoch {state.epochs[-1].number} of {state.epochs_planned}")
    if state.phase != "paused" and state.seconds_left is not None:
        parts.append(f"at most {describe_seconds(state.seconds_left)} left")
    text = " · ".join(parts) or "Starting …"
    return text[:1].upper() + text[1:]


def _offer(label: str, act: Callable[[], None], key: str, icon: str, said: str, primary: bool = False) -> None:
    st.button(
        label,
        key=key,
        icon=icon,
        help=said,
        type="primary" if primary else "secondary",
        on_click=_steer,
        args=(act,),
    )


def _steer(act: Callable[[], None]) -> None:
    """Do what a button says. What it refuses is shown by the page, not lost in a callback."""
    try:
        act()
    except ExplainError as error:
        st.session_state[_PROBLEM] = str(error)


def offer_to_leave() -> None:
    """The way back to the choice of pictures."""
    st.button(
        "Train something else",
        key="run-leave",
        on_click=lambda: st.session_state.pop(RUN, None),
        icon=":material/arrow_back:",
        help="Back to the choice of pictures. This training keeps its address.",
    )


def show_curves(state: RunState) -> None:
    """Loss and accuracy over the epochs."""
    from components.studio.charts import draw_accuracy, draw_loss

    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(draw_loss(state.epochs), key="run-loss", config=CHART)
    with right:
        st.plotly_chart(draw_accuracy(state.epochs), key="run-accuracy", config=CHART)


def offer_prompts(name: str, dataset: DataSet) -> None:
    """What can be done with trained prompts: look through them, compare, take them along."""

    def use() -> None:
        use_choice(ModelChoice(read_card(name).request))
        bring_pictures(dataset)

    def look() -> None:
        use()
        open_view("eyes")

    with st.container(key="run-prompts", horizontal=True, gap="small"):
        st.button(
            "Look through its eyes",
            key="run-eyes",
            on_click=look,
            type="primary",
            icon=":material/visibility:",
            help="The traits of each class, on a picture that was kept back.",
        )
        if st.button(
            "Use it in Compare",
            key="run-compare",
            on_click=use,
            icon=":material/compare:",
            help="These prompts are a model like any other.",
        ):
            st.switch_page(st.Page(lambda: None, title="Compare", default=True))
        offer_files(name, "run")
        offer_to_leave()
    st.caption(f"Kept as “{name}”: choose it under Prompts wherever there is a model to choose.")


def bring_pictures(dataset: DataSet) -> None:
    """Put a picture of each of the first classes at hand, of those kept back, and show the first."""
    tray = get_tray()
    firsts = {example.label: example for example in reversed(dataset.list_split("val"))}
    chosen = [firsts[label] for label in sorted(firsts)[:_MOST_BROUGHT]]
    tray.take([(example.name, example.data) for example in chosen])
    if chosen and chosen[0].digest in tray.own:
        tray.show_only(chosen[0].digest)


def show_report(report: Report, dataset: DataSet) -> None:
    """How good it is, and where it fails."""
    from components.studio.charts import draw_class_accuracy, draw_confusion

    checked = int(np.asarray(report.confusion).sum())
    with st.container(key="run-figures", horizontal=True, gap="large"):
        st.metric(
            "Named rightly",
            f"{report.accuracy:.1f} %",
            help=f"Of the {checked} pictures that were kept back and not learnt from.",
            width="content",
        )
        st.metric("Best epoch", f"{report.best_epoch} of {len(report.epochs)}", width="content")
        st.metric("Time", describe_seconds(report.seconds), width="content")
        if report.epochs:
            speed = max(epoch.pictures_per_second for epoch in report.epochs)
            st.metric("Pictures a second", f"{speed:,.0f}", width="content")
    st.caption(" ".join(describe_report(report, dataset)))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.plotly_chart(draw_confusion(np.asarray(report.confusion), dataset.labels), key="confusion", config=CHART)
    with right:
        figure = draw_class_accuracy(report.class_accuracy, dataset.labels)
        st.plotly_chart(figure, key="class-accuracy", config=CHART)
    st.header("What it gets wrong", anchor=False)
    if not report.wrong:
        st.caption("None of the pictures kept back.")
        return
    items = build_wrong_cards(report, dataset)
    shown = f", the {len(items)} it is surest of" if len(items) < len(report.wrong) else ""
    st.caption(f"{len(report.wrong)} of the {checked} pictures kept back{shown}.")
    cards(items, "wrong", "Pictures it gets wrong", width=112, layout="wall")


def describe_report(report: Report, dataset: DataSet) -> list[str]:
    """What else should be known of how it was trained, in sentences."""
    checked = int(np.asarray(report.confusion).sum())
    sentences = []
    if report.stopped_early:
        sentences.append("It stopped early, as the pictures kept back were named no better any more.")
    if report.features_cached:
        sentences.append("What the frozen blocks make of each picture was computed once.")
    if checked < 10 * len(dataset.labels):
        each = checked / max(len(dataset.labels), 1)
        sentences.append(
            f"Only {each:.0f} pictures of each class were kept back, so the accuracy is rough: "
            "one picture more or less changes it."
        )
    return sentences


def build_wrong_cards(report: Report, dataset: DataSet) -> list[Card]:
    """A card for each picture taken for something else, those it is surest of first."""
    examples = {example.digest: example for example in dataset.examples}
    items = []
    for number, entry in enumerate(report.wrong[:_MOST_WRONG]):
        true, taken = dataset.labels[entry.label], dataset.labels[entry.predicted]
        lines = [f"taken for {taken}, {entry.probability:.0%}", entry.name]
        example = examples.get(entry.digest)
        frames = [] if example is None else [Frame(draw_thumbnail(example), f"{entry.name}: {true}")]
        items.append(Card(f"{number}", true, lines, frames))
    return items
