"""The class to explain: each picture's likeliest, or one of the model's classes for all pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st

from components.choices.dropdown import dropdown
from components.session.carried import PROBABILITY
from explain.networks.meaning import Outputs
from explain.passes.look import Score

PREDICTED = -1

TARGET = "target"
"""Key of the session's state: index and name of the class to explain, or None for each picture's likeliest."""

_NOTE = "target-note"


def pick_target(labels: Sequence[str], model: str) -> int | None:
    """Offer all classes; gives back the index of the chosen one, None for each picture's likeliest.

    What was chosen by its name for another model is kept where this one knows that name, and given up with a word where
    it does not.

    Args:
        labels: names of the model's classes.
        model: the model's name, for that word.
    """
    chosen: tuple[int, str] | None = st.session_state.get(TARGET)
    if chosen is not None:
        index, label = chosen
        if not (index < len(labels) and labels[index] == label):
            if label in labels:
                chosen = (list(labels).index(label), label)
            else:
                chosen = None
                st.session_state[_NOTE] = f"{model} knows no class “{label}”: its likeliest class is explained instead."
            st.session_state[TARGET] = chosen
    named = name_classes(labels)
    dropdown(
        "Class",
        [PREDICTED, *range(len(labels))],
        PREDICTED if chosen is None else chosen[0],
        "target-widget",
        lambda index: choose_target(index, labels),
        format_func=lambda index: "Likeliest of each picture" if index == PREDICTED else named[index],
        help="The class whose score is explained. Type to search. A class can also be chosen below each picture.",
    )
    if _NOTE in st.session_state:
        st.caption(st.session_state[_NOTE])
    return None if chosen is None else chosen[0]


def name_classes(labels: Sequence[str]) -> list[str]:
    """Names that tell all classes apart: ImageNet has two cranes, and Streamlit finds a choice again by its text."""
    count = Counter(labels)
    return [f"{label} · class {index}" if count[label] > 1 else label for index, label in enumerate(labels)]


_SCORES: dict[Outputs, str] = {
    "classes": "Otherwise its score, before the softmax: what speaks for the class itself. The probability also rises "
    "with whatever speaks against the other classes.",
    "findings": "Otherwise its score, before the sigmoid. Each finding has a probability of its own.",
    "logit": "Otherwise its score, before the sigmoid: the number for the one answer, minus the number for the other.",
    "value": "A value has no probability, and this is not declared to be a logit. Its score is explained.",
}


def pick_score(outputs: Outputs = "classes") -> Score:
    """Offer to explain the probability of the class instead of its score; not where a model's numbers have none.

    Args:
        outputs: what the model's numbers mean.
    """
    probability = st.checkbox(
        "Explain its probability",
        key=PROBABILITY,
        persist_state="session",
        help=_SCORES[outputs],
    )
    if probability and outputs == "value":
        st.caption(f":orange[:material/warning:] {_SCORES[outputs]}")
        return "logit"
    return "probability" if probability else "logit"


def choose_target(index: int, labels: Sequence[str]) -> None:
    """Make this class the one to explain from the next run on; `PREDICTED` stands for each picture's likeliest."""
    st.session_state.pop(_NOTE, None)
    st.session_state[TARGET] = (index, labels[index]) if 0 <= index < len(labels) else None
