"""A line under the grid: which methods a model cannot do, and which maps are lent by another one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from components.choices.chosen_model import use_bundled
from components.choices.methods import group_obstacles
from components.maps.question import Question
from components.maps.rows import Answered, Column
from components.words import escape
from explain.bundled.models import bundled_models
from explain.methods import get_method
from explain.pictures.picture import Picture


def say_missing(question: Question, answered: Answered, obstacles: Mapping[str, str]) -> None:
    """Which of the methods chosen the model cannot do, and which maps are another model's; with the way to that one.

    Args:
        question: what was asked.
        answered: what came of it.
        obstacles: by method name, why it cannot work on the model.
    """
    loans = [answered.loans.get(outcome.picture.digest) for outcome in answered.outcomes]
    lent = [] if None in loans else question.lent
    sentences = describe_missing(question.model.request.name, [n for n in question.cannot if n not in lent], obstacles)
    lenders = sorted({loan.model for loan in loans if loan is not None})
    if lenders:
        titles = _list(get_method(name).title for name in question.lent)
        verb = "is" if len(question.lent) == 1 else "are"
        whose = f"{titles} {verb} from {_list(lenders)}"
        if None in loans:
            whose = f"Where {_list(lenders)} knows the class, {titles} {verb} from it"
        sentences.append(f"{whose}: in the figure, but not in the other files, and not compared with the other maps.")
    _say(sentences, question.twin or next(iter(lenders), None))


def say_missing_by_model(columns: Sequence[tuple[Picture, Sequence[Column]]], methods: Sequence[str]) -> None:
    """Which of the methods each of several models cannot do."""
    cannot = {column.title: [name for name in methods if column.lacks(name)] for _, row in columns for column in row}
    _say(
        [
            f"Not for {escape(model)}: {_list(get_method(n).title for n in names)}."
            for model, names in cannot.items()
            if names
        ]
    )


def say_left_out(compared: Sequence[str], knowing: Sequence[str]) -> None:
    """Why there is nothing to take along of a comparison of models, and which bundled models are not in it.

    Args:
        compared: names of the models.
        knowing: names of the bundled models that know the pictures.
    """
    strangers = [model.name for model in bundled_models() if model.name not in {*compared, *knowing}]
    sentences = ["Figure, raw maps and manifest are of one model: compare by methods, layers or classes to take them."]
    if strangers:
        sentences.append(f"Left out, as they do not know what is shown: {_list(strangers)}.")
    _say(sentences)


def describe_missing(model: str, methods: Sequence[str], obstacles: Mapping[str, str]) -> list[str]:
    """A sentence on the methods that a model cannot do; those of one reason are named together.

    Args:
        model: its name.
        methods: names of the methods.
        obstacles: by name, why it cannot.
    """
    reasons = [
        f"{_list(titles)}{'' if len(titles) == 1 else ': each'} {reason.rstrip('.')}"
        for reason, titles in group_obstacles(methods, obstacles).items()
    ]
    return [f"Not for {escape(model)}: {'; '.join(reasons)}."] if reasons else []


def _say(sentences: Sequence[str], switch: str | None = None) -> None:
    if not sentences:
        return
    if switch is None:
        st.caption(" ".join(sentences))
        return
    with st.container(key="missing", horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(" ".join(sentences), width="content")
        if st.button(f"Switch to {switch}", key="missing-switch"):
            use_bundled(switch)
            st.rerun()


def _list(names: Iterable[str]) -> str:
    """Names in a row, the last after an “and”."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
