"""The class to explain: each picture's likeliest, or one of the model's classes for all pictures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import streamlit as st

from components.choices.dropdown import dropdown
from components.session.carried import PROBABILITY
from explain.networks.meaning import Outputs
from explain.passes.look import Score

PREDICTED = -1

TARGET = "target"
"""Key of the session's state: index and name of the class to explain, or None for each picture's likeliest."""

MOST_LISTED = 2000
"""Classes of which a list in the browser holds all."""

_MOST_FOUND = 50
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
                said = f"{model} knows no class “{label}”: its likeliest class is explained instead."
                st.session_state[_NOTE] = (model, said)
            st.session_state[TARGET] = chosen
    offered = offer_classes(labels, "target-search", () if chosen is None else chosen[:1], choose=choose_target)
    named = dict(zip(offered, name_classes(labels, offered), strict=True))
    dropdown(
        "Class",
        [PREDICTED, *offered],
        PREDICTED if chosen is None else chosen[0],
        "target-widget",
        lambda index: choose_target(index, labels),
        format_func=lambda index: "Likeliest of each picture" if index == PREDICTED else named[index],
        help="The class whose score is explained. Type to search. A class can also be chosen below each picture.",
    )
    about, said = st.session_state.get(_NOTE, ("", ""))
    if about == model:  # of another one it is no news any more
        st.caption(said)
    return None if chosen is None else chosen[0]


def offer_classes(
    labels: Sequence[str],
    key: str,
    chosen: Sequence[int],
    choose: Callable[[int, Sequence[str]], None] | None = None,
) -> list[int]:
    """Indices of the classes that a list offers: all, or of very many those that a search field finds.

    A browser that is sent 20,000 names with each run is slow to open the list, to search it, and to go on.

    Args:
        labels: names of the model's classes.
        key: the search field's.
        chosen: indices that are offered at all events.
        choose: told of a class whose very name, or index, is written into the field.
    """
    if len(labels) <= MOST_LISTED:
        return list(range(len(labels)))

    def read() -> None:
        index = find_exactly(labels, st.session_state.get(key, ""))
        if index is not None and choose is not None:
            choose(index, labels)

    text = st.text_input(
        "Search the classes",
        key=key,
        placeholder="Part of a name, or an index",
        on_change=read,
        help=f"The model knows {len(labels):,} classes. The list below has those found, {_MOST_FOUND} at most.",
    )
    found = search_classes(labels, text or "")
    if not found:
        st.caption(f"None of the {len(labels):,} classes is called that.")
    return list(dict.fromkeys([*chosen, *found]))


def search_classes(labels: Sequence[str], text: str, most: int = _MOST_FOUND) -> list[int]:
    """Indices of the classes whose names hold every word of a text, likeliest meant first; the first ones for none."""
    words = text.casefold().split()
    whole = " ".join(words)
    folded = ((index, label.casefold()) for index, label in enumerate(labels))
    found = [(index, label) for index, label in folded if all(word in label for word in words)]
    if words:
        found.sort(key=lambda pair: (pair[1] != whole, not pair[1].startswith(whole), len(pair[1]), pair[0]))
    indices = [index for index, _ in found[:most]]
    exact = find_exactly(labels, text)
    return list(dict.fromkeys([*([] if exact is None else [exact]), *indices]))[:most]


def find_exactly(labels: Sequence[str], text: str) -> int | None:
    """The one class of that name, or of that index where none is called so; None where there is none, or several."""
    wanted = text.strip().casefold()
    named = [index for index, label in enumerate(labels) if label.casefold() == wanted]
    if named:
        return named[0] if len(named) == 1 else None
    return int(wanted) if re.fullmatch(r"[0-9]{1,9}", wanted) and int(wanted) < len(labels) else None


def name_classes(labels: Sequence[str], indices: Sequence[int] | None = None) -> list[str]:
    """Names that tell all classes apart: ImageNet has two cranes, and Streamlit finds a choice again by its text.

    Args:
        labels: of all classes.
        indices: which are named; left out, all.
    """
    count = Counter(labels)
    return [
        f"{labels[index]} · class {index}" if count[labels[index]] > 1 else labels[index]
        for index in (range(len(labels)) if indices is None else indices)
    ]


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
