"""What an expert would expect of regions, on the page: a table to fill in, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, unquote

import streamlit as st

from components.choices.view import pick_one
from components.words import escape
from explain.faithfulness.expectation import Sign, describe_layers, list_traits, write_expectations

if TYPE_CHECKING:
    from explain.faithfulness.expectation import LayerLook, PartsAgreement

Word = Literal["for", "none", "against"]
Of = Literal["parts", "drawn"]

EXPECTED = "expected-of-parts"
"""Key of the session's state: by class and region, what is expected; a class that is not there is as at the start."""

EXPECTED_OF = "expected-regions"
"""Key of the session's state: of which regions."""

EXPECTED_OFS: dict[Of, str] = {"parts": "Its parts", "drawn": "As drawn"}

_WORDS: dict[Word, str] = {"for": "For", "none": "–", "against": "Against"}
_SIGNS: dict[Word, Sign] = {"for": 1, "none": 0, "against": -1}
_MARKS: dict[str, Sign] = {"+": 1, "0": 0, "-": -1}

Rows = dict[str, dict[str, Sign]]


def pick_regions(has_parts: bool) -> Of:
    """Offer of which regions something is expected; as drawn where the picture's parts are not known."""
    if not has_parts:
        return "drawn"
    return pick_one("Regions", EXPECTED_OF, EXPECTED_OFS)


def find_row(label: str, names: Sequence[str]) -> dict[str, Sign]:
    """What is expected of regions for a class: as it was filled in, else what the traits of a drawn bird say."""
    rows: Rows = st.session_state.get(EXPECTED) or {}
    row: Mapping[str, Sign] = rows.get(label, list_traits().get(label, {}))
    return {name: row.get(name, 0) for name in names}


def fill_in(label: str, names: Sequence[str]) -> dict[str, Sign]:
    """The table's row of a class, to be filled in; gives it back as it stands."""
    row = find_row(label, names)
    st.markdown(f"**What should speak for “{escape(label)}”?**")
    words: dict[Sign, Word] = {sign: word for word, sign in _SIGNS.items()}
    for name in names:
        key = f"expected {label} {name}"
        st.session_state[key] = words[row[name]]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(escape(name), width=130)
            pick_one(name, key, _WORDS, on_change=partial(_take, label, names, name, key), label_hidden=True)
    return row


def _take(label: str, names: Sequence[str], name: str, key: str) -> None:
    """Take up what was pressed."""
    rows: Rows = dict(st.session_state.get(EXPECTED) or {})
    rows[label] = {**find_row(label, names), name: _SIGNS[st.session_state[key]]}
    st.session_state[EXPECTED] = rows


def offer_table(label: str, row: Mapping[str, Sign]) -> None:
    """The row as a file that the command line takes."""
    st.download_button(
        "Table (CSV)",
        write_expectations({label: row}),
        "expected.csv",
        key="expected-csv",
        on_click="ignore",
        icon=":material/download:",
        help="For `python -m explain effects … --expect expected.csv`.",
    )


def show_parts(agreement: PartsAgreement) -> None:
    """What each region of which something is expected does, and how many do otherwise."""
    st.markdown(f"**{escape(agreement.sentence)}**")
    st.table(
        [
            {
                "Region": escape(part.name),
                "Expected": "for" if part.expected > 0 else "against",
                "Score falls by": f"{part.removal:.2f}",
                "Found": part.verdict,
            }
            for part in agreement.parts
        ],
        border="horizontal",
    )
    st.caption(
        "A region has an effect where, however it is painted over, none of 19 other places of its shape does as much. "
        "Nothing is trained here: making a model agree with an expert makes its maps look right, not its reasons."
    )


def show_layers(looks: Sequence[LayerLook]) -> None:
    """How far each layer is active where the expert would look."""
    st.markdown(f"**{escape(describe_layers(looks))}**")
    st.table(
        [
            {
                "Layer": escape(look.layer),
                "Cosine": f"{look.cosine:.2f}",
                "At other places": f"{look.places.min():.2f} to {look.places.max():.2f}" if len(look.places) else "–",
                "Even map": f"{look.even:.2f}",
                "Looks there": "yes" if look.stands_out else "no",
            }
            for look in looks
        ],
        border="horizontal",
    )
    st.caption(
        "The cosine between where a layer is active (the mean of its channels' magnitudes) and all that should speak "
        "for the class; beside the same mask at other places, and a layer as active everywhere. Being active is "
        "not deciding: what decides is said by taking regions away."
    )


def write_rows(rows: Rows) -> list[str]:
    """The table as words of a link: `+crest@crested finch`."""
    marks = {sign: mark for mark, sign in _MARKS.items()}
    return [
        f"{marks[sign]}{quote(name, safe=' ')}@{quote(label, safe=' ')}"
        for label, row in rows.items()
        for name, sign in row.items()
    ]


def read_rows(words: Sequence[str]) -> Rows:
    """The way back.

    Raises:
        ValueError: a word is no such thing.
    """
    rows: Rows = {}
    for word in words:
        name, at, label = word[1:].partition("@")
        if not (at and name and label) or word[:1] not in _MARKS:
            raise ValueError("an expectation is +, - or 0, a region, @ and a class")
        rows.setdefault(unquote(label), {})[unquote(name)] = _MARKS[word[0]]
    return rows
