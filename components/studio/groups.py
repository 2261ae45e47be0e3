"""Which pictures belong together, such as those of one patient, tried on the names of a person's own pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from components.words import escape
from explain.datasets.groups import GROUP, PATTERNS, TABLE, count_groups, keep_together, read_pattern, read_table
from explain.errors import DataSetError

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet

TOGETHER, PATTERN, GROUP_FILE = "studio-together", "studio-pattern", "studio-groups"

_OWN = "own"
_CHOICES = {"": "Nothing: each picture on its own", **PATTERNS, _OWN: "A pattern of your own", TABLE: "A table (CSV)"}
_MOST_TRIED = 4


def pick_groups(dataset: DataSet) -> tuple[DataSet, str] | None:
    """Offer ways to tell what belongs together: the set with its groups, and how they were told; None while they
    cannot be.
    """
    st.session_state.setdefault(TOGETHER, "")
    with st.container(key="studio-groups-row", horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = st.selectbox(
            "Kept together, such as a patient's pictures",
            [*_CHOICES],
            key=TOGETHER,
            format_func=_CHOICES.__getitem__,
            persist_state="session",
            filter_mode=None,
            width=320,
            help="Two pictures of one patient are alike. Where one is learnt from and the other named, the result "
            "looks better than it is: kept together, they are on one side.",
        )
        pattern = chosen
        if chosen == _OWN:
            st.session_state.setdefault(PATTERN, f"*_{GROUP}_*")
            pattern = st.text_input(
                "Pattern of their names",
                key=PATTERN,
                persist_state="session",
                width=240,
                help=f"{GROUP} stands for the part that names the patient, as short as can be; * for the rest, as long "
                "as can be.",
            )
    if not chosen:
        return dataset, ""
    try:
        if chosen != TABLE:
            grouped = keep_together(dataset, read_pattern(pattern))
        else:
            file = st.file_uploader(
                "Table of picture names and patients",
                type=["csv", "tsv", "txt"],
                key=GROUP_FILE,
                help="A line for each picture: its file name, and what it belongs to. It is read and not kept.",
            )
            if file is None:
                st.info("Give the table, and it is tried on these pictures.", icon=":material/table:")
                return None
            grouped = keep_together(dataset, read_table(file.getvalue(), file.name))
    except DataSetError as error:
        st.error(str(error), icon=":material/error:")
        return None
    st.caption(describe_groups(grouped))
    return grouped, pattern


def describe_groups(dataset: DataSet) -> str:
    """What was found, on some of the set's own names."""
    seen = {example.group: example for example in reversed(dataset.examples)}
    tried = [f"{escape(example.name)} → {escape(group)}" for group, example in [*seen.items()][::-1][:_MOST_TRIED]]
    return f"{len(dataset.examples):,} pictures in {count_groups(dataset.examples):,} groups: {'; '.join(tried)}"
