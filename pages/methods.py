"""Methods: what each one shows, where it comes from, and what can be set. Made from the registry."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from components.choices.methods import GROUP_SENTENCES
from components.choices.settings import describe_settings
from components.session.faults import show_faults
from components.session.front_door import go_through_front_door
from explain.methods import Method, all_methods, describe_needs
from explain.methods.base import Group
from explain.methods.table import link_papers


@show_faults
def show_page() -> None:
    """A section for each registered method."""
    st.title("Methods", anchor=False)
    st.markdown(
        "Each method answers a different question about the same look of the network. Where they disagree, none of "
        "them is the truth: a map shows what raised a score, not what is in the picture, and not why."
    )
    for group in get_args(Group):
        methods = [method for method in all_methods().values() if method.group == group]
        if methods:
            st.header(f"{group.capitalize()} methods", anchor=False)
            st.markdown(GROUP_SENTENCES[group])
        for method in methods:
            with st.container(border=True, width=1100):
                _show(method)


def _show(method: Method) -> None:
    st.subheader(method.title, anchor=method.name)
    st.markdown(method.sentence)
    limits = [f"Needs {describe_needs(method)}."]
    if method.class_agnostic:
        limits.append("Does not depend on the class: it looks the same whichever class is explained.")
    st.caption(f"{' '.join(limits)}  \n{link_papers(method.paper)}")
    rows = describe_settings(method.settings)
    if rows:
        st.table(rows, border="horizontal")
    if method.presets:
        st.caption(f"Presets: {', '.join(method.presets)}.")


if __name__ == "__main__":
    go_through_front_door(__file__)
