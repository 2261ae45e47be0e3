"""A training in progress, as a person follows and steers it, and its report at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.choices.chosen_model import ModelChoice, use_choice
from components.choices.pictures import get_tray
from components.session.work import Place, Work
from components.studio.dataset import draw_thumbnail
from components.studio.prompt_cards import offer_files
from components.studio.views import CHART, RUN, open_view
from components.words import describe_seconds, escape
from explain.datasets.dataset import DataSet
from explain.errors import ExplainError
from explain.models.judged import say_share
from explain.models.prompt_library import read_card
from explain.percent import write_percent
from explain.training.detached import DAYS_KEPT
from explain.training.outcome import Report
from explain.training.run import Phase, RunState, TrainingRun, Trains, sweep_runs

Colour = Literal["blue", "orange", "green", "red", "grey"]

_KEEP = "studio-keep"

LOOK_AGAIN = 1.0
"""Seconds between two looks at a training that is under way."""

_PROBLEM, _AGAIN, _COMPARE, _DELETED = "training-problem", "training-again", "training-compare", "training-deleted"
_MOST_WRONG = 24
_MOST_BROUGHT = 4

_NOTHING: dict[Trains, str] = {"prompts": "No prompts are", "attention": "Nothing is"}
_NOTHING_WAS: dict[Trains, str] = {"prompts": "No prompts were", "attention": "Nothing was"}

_PHASES: dict[Phase, tuple[str, Colour, str]] = {
    "preparing": ("Preparing", "blue", ":material/hourglass_top:"),
    "training": ("Training", "blue", ":material/model_training:"),
    "paused": ("Paused", "orange", ":material/pause:"),
    "done": ("Done", "green", ":material/check:"),
    "failed": ("Failed", "red", ":material/error:"),
    "cancelled": ("Cancelled", "grey", ":material/cancel:"),
    "interrupted": ("Interrupted", "orange", ":material/power_off:"),
}


def pick_keeping(pictures: int) -> bool:
    """Offer to keep the pictures when the training is over, and say what is kept, where and for how long."""
    st.session_state.setdefault(_KEEP, True)
    keep = st.checkbox(
        f"Keep the pictures for {DAYS_KEPT} days",
        key=_KEEP,
        persist_state="session",
        help="Without them the gallery has no pictures of this training, and what it gets wrong cannot be shown.",
    )
    where = f"These {pictures:,} pictures are put into CAMscope's data folder on this machine, without their names"
    if keep:
        st.caption(
            f"{where}, and kept for {DAYS_KEPT} days after the training, so that the gallery can show them. Delete on "
            "the training's page deletes them at once."
        )
    else:
        st.caption(f"{where}, while it trains, and deleted as soon as it is over: the gallery will have none of them.")
    return keep


def show_progress(run: TrainingRun, state: RunState) -> None:
    """Phase, share, time left, and the buttons that steer it."""
    title, colour, icon = _PHASES[state.phase]
    with st.container(key="run-head", horizontal=True, vertical_alignment="center", gap="small"):
        st.header(state.name, anchor=False, width="content")
        st.badge(title, color=colour, icon=icon)
    if state.is_running:
        if state.phase == "preparing" and not state.share:  # nobody knows how long it takes to load a network
            st.caption(describe_progress(state))
        else:
            st.progress(min(max(state.share, 0.0), 1.0), describe_progress(state))
    _say(state)
    with st.container(key="run-tools", horizontal=True, gap="small"):
        if state.phase in ("preparing", "training"):
            _offer("Pause", run.pause, "run-pause", ":material/pause:", "Keep what is learnt and let the machine rest.")
        elif state.phase in ("paused", "interrupted"):
            said = "Go on from the last epoch that was kept."
            _offer("Resume", run.resume, "run-resume", ":material/play_arrow:", said, primary=True)
        if state.phase in ("preparing", "training", "paused", "interrupted"):
            _offer(
                "Cancel", run.cancel, "run-cancel", ":material/close:", f"Stop for good. {_NOTHING[state.trains]} kept."
            )
        if not state.is_running and state.phase != "done":
            offer_to_leave()
            offer_to_delete(run)
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
            f"Its process ended {kept}, perhaps because the machine was switched off. Resume takes it up again. "
            "Its pictures are on the disk until then; Cancel deletes them.",
            icon=":material/power_off:",
        )
    elif state.phase == "cancelled":
        st.info(f"Cancelled. {_NOTHING_WAS[state.trains]} kept.", icon=":material/front_hand:")


def describe_progress(state: RunState) -> str:
    """Where it stands, in one line."""
    parts = [state.message] if state.message else []
    if state.epochs and not state.message:
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


def offer_prompts(run: TrainingRun, state: RunState, dataset: DataSet | None) -> None:
    """What can be done with trained prompts: look through them, compare, take them along. Where they are gone, that is
    said, and the training is offered again.
    """
    gone = _find_what_is_gone(state)
    if gone is not None:
        st.warning(gone, icon=":material/link_off:")
        with st.container(key="run-prompts", horizontal=True, gap="small"):
            if run.can_start_again:
                st.button(
                    "Train again",
                    key="run-again",
                    on_click=lambda: st.session_state.update({_AGAIN: True}),
                    type="primary",
                    icon=":material/replay:",
                    help="With the same pictures and settings, which are still here.",
                )
            offer_to_leave()
            offer_to_delete(run)
        if st.session_state.pop(_AGAIN, False):
            again: TrainingRun = Place("starting").watch(Work(lambda _: run.start_again()), "Starting …")
            st.session_state[RUN] = again.token
            st.rerun()
        return

    def use() -> bool:
        if _find_what_is_gone(state) is not None:  # since the button was drawn; the page says so now
            return False
        try:
            choice = ModelChoice(read_card(state.name).request)
            pictures = [] if dataset is None else choose_pictures(dataset)
        except ExplainError as error:
            st.session_state[_PROBLEM] = str(error)
            return False
        use_choice(choice)
        bring_pictures(pictures)
        return True

    def look() -> None:
        if use():
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
        st.button(
            "Use it in Compare",
            key="run-compare",
            on_click=lambda: st.session_state.update({_COMPARE: use()}),
            icon=":material/compare:",
            help="These prompts are a model like any other.",
        )
        offer_files(state.name, "run")
        offer_to_leave()
        offer_to_delete(run, f"The prompts “{escape(state.name)}” stay: delete them on the Models page.")
    if st.session_state.pop(_COMPARE, False):
        st.switch_page(st.Page(lambda: None, title="Compare", default=True))
    st.caption(f"Kept as “{state.name}”: choose it under Prompts wherever there is a model to choose.")


def _find_what_is_gone(state: RunState) -> str | None:
    """Why the prompts of a training cannot be used any more, in sentences; None where they can."""
    try:
        card = read_card(state.name)
    except ExplainError as error:
        return str(error)
    if state.digest and card.digest != state.digest:
        return f"The prompts of this training were deleted. What is called “{state.name}” now are others."
    return None


def offer_to_delete(run: TrainingRun, stays: str | None = None) -> None:
    """Delete a training that is over, with its pictures, once that is confirmed; a sentence says what stays."""
    with st.popover("Delete", icon=":material/delete:", key="run-delete"):
        st.markdown(
            "This training, its pictures and its address will be gone from this machine, and cannot be brought back."
            + ("" if stays is None else f" {stays}")
        )

        def delete() -> None:
            try:
                run.delete()
            except ExplainError as error:
                st.session_state[_PROBLEM] = str(error)
                return
            st.session_state.pop(RUN, None)
            st.session_state[_DELETED] = True

        st.button("Delete this training and its pictures", key="run-delete-sure", type="primary", on_click=delete)


def say_deleted() -> None:
    """A word, once, that a training is gone."""
    if st.session_state.pop(_DELETED, False):
        st.success("The training and its pictures are deleted.", icon=":material/check:")


def say_what_is_kept(state: RunState, pictures: int | None) -> None:
    """Which pictures of a training are on the disk, and until when."""
    if pictures is None:
        st.caption("Its pictures were not kept.")
    elif state.keeps:
        st.caption(
            f"Its {pictures:,} pictures are kept in CAMscope's data folder on this machine, without their names, for "
            f"{DAYS_KEPT} days after its end. To delete them sooner, press Delete."
        )


@st.cache_resource(ttl=3600, show_spinner=False)
def sweep_now_and_then() -> None:
    """Clear away trainings whose days are past; once an hour at most."""
    sweep_runs()


def choose_pictures(dataset: DataSet) -> list[tuple[str, bytes]]:
    """A picture of each of the first classes, of those kept back: name and bytes.

    Raises:
        ExplainError: they cannot be read any more.
    """
    firsts = {example.label: example for example in reversed(dataset.list_split("val"))}
    return [(firsts[label].name, firsts[label].data) for label in sorted(firsts)[:_MOST_BROUGHT]]


def bring_pictures(pictures: list[tuple[str, bytes]]) -> None:
    """Put pictures at hand, and show the first."""
    tray = get_tray()
    tray.take(pictures)
    digest = hashlib.sha256(pictures[0][1]).hexdigest() if pictures else None
    if digest in tray.own:
        tray.show_only(digest)


def show_report(report: Report, labels: Sequence[str], dataset: DataSet | None) -> None:
    """How good it is, as far as that is known, and where it fails; `dataset` None where its pictures are not kept."""
    from components.studio.charts import draw_class_accuracy, draw_confusion

    judged = report.judged
    right, checked = sum(judged.right), sum(judged.pictures)
    said = judged.describe()
    st.markdown(f"**{said[:1].upper()}{said[1:]}.** {' '.join(judged.list_notes())}")
    with st.container(key="run-figures", horizontal=True, gap="large"):
        if judged.is_enough:
            st.metric("Right", say_share(right, checked), help=" ".join(judged.list_notes()), width="content")
        st.metric("Epoch kept", f"{report.best_epoch} of {len(report.epochs)}", width="content")
        st.metric("Time", describe_seconds(report.seconds), width="content")
        if report.epochs:
            speed = max(epoch.pictures_per_second for epoch in report.epochs)
            st.metric("Pictures a second", f"{speed:,.0f}", width="content")
    st.caption(" ".join(describe_report(report)))
    left, right_side = st.columns([3, 2], gap="medium")
    with left:
        st.plotly_chart(draw_confusion(np.asarray(report.confusion), labels), key="confusion", config=CHART)
    with right_side:
        st.plotly_chart(draw_class_accuracy(judged, labels), key="class-accuracy", config=CHART)
    st.header("What it gets wrong", anchor=False)
    if right == checked:
        st.caption(f"None of the {checked:,} pictures that judged it.")
    elif dataset is None:
        st.caption(f"{checked - right:,} of the {checked:,} pictures that judged it. They were not kept to be shown.")
    else:
        items = build_wrong_cards(report, dataset)
        shown = f", the {len(items)} it is surest of" if len(items) < len(report.wrong) else ""
        st.caption(f"{len(report.wrong):,} of the {checked:,} pictures that judged it{shown}.")
        cards(items, "wrong", "Pictures it gets wrong", width=112, layout="wall")


def describe_report(report: Report) -> list[str]:
    """How the prompts that are kept came about, in sentences."""
    sentences = [f"The prompts kept learnt from {report.pictures:,} pictures."]
    count = report.choosing or sum(report.judged.pictures)
    last = report.epochs[-1].val_accuracy if report.epochs else None
    if last is None:
        sentences.append("No pictures could be spared to choose an epoch, so the last one's prompts are kept.")
    else:
        best = max(epoch.val_accuracy or 0.0 for epoch in report.epochs)
        sentences.append(
            f"Their epoch was picked on {count:,} others: {round(best * count / 100):,} of them were right then, "
            f"{round(last * count / 100):,} at the end of the curve."
        )
    if report.stopped_early:
        sentences.append("It stopped early, as no later epoch was better on those.")
    if report.features_cached:
        sentences.append("What the frozen blocks make of each picture was computed once.")
    return sentences


def build_wrong_cards(report: Report, dataset: DataSet) -> list[Card]:
    """A card for each picture taken for something else, those it is surest of first."""
    examples = {example.digest: example for example in dataset.examples}
    items = []
    for number, entry in enumerate(report.wrong[:_MOST_WRONG]):
        true, taken = dataset.labels[entry.label], dataset.labels[entry.predicted]
        lines = [f"taken for {taken}, {write_percent(entry.probability)}", entry.name]
        example = examples.get(entry.digest)
        frames = [] if example is None else [Frame(draw_thumbnail(example), f"{entry.name}: {true}")]
        items.append(Card(f"{number}", true, lines, frames))
    return items
