"""The methods to compare, and the settings of those chosen."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from components.settings import get_settings, show_presets, show_setting, split_names
from explain.engine import DEFAULT_METHODS
from explain.methods import Settings, all_methods, get_method


def pick_methods() -> list[str]:
    """Offer every registered method; gives back the names of the chosen, in the registry's order."""
    registered = all_methods()
    if "methods" not in st.session_state:
        st.session_state["methods"] = [name for name in registered if name in DEFAULT_METHODS]
    chosen = st.pills(
        "Methods",
        [*registered],
        selection_mode="multi",
        format_func=lambda name: registered[name].title,
        key="methods",
        persist_state="session",
        help="Each chosen method is a column. They share one pass of the network.",
    )
    return [name for name in registered if name in chosen]


def show_settings(methods: Sequence[str], usable: Collection[str]) -> dict[str, Settings]:
    """The sliders of the chosen methods: the main ones always visible, the rest folded.

    Args:
        methods: names of the chosen methods.
        usable: those that work on the model. Sliders of others would move nothing, and are left out.

    Returns:
        The settings of all chosen methods by name.
    """
    chosen = [get_method(name) for name in methods]
    visible = [method for method in chosen if method.name in usable]
    main = [(method, name) for method in visible for name in split_names(method.settings)[0]]
    folded = [method for method in visible if split_names(method.settings)[1] or method.presets]
    if main or folded:
        with st.container(key="settings", horizontal=True, vertical_alignment="bottom", gap="medium"):
            for method, name in main:
                with st.container(width=245):
                    show_setting(method.settings, name, _key(method.name), f"{method.title} · ")
            if folded:
                with st.popover("More settings", icon=":material/tune:"):
                    for method in folded:
                        _show_folded(method.name)
    return {method.name: get_settings(method.settings, _key(method.name)) for method in chosen}


def _show_folded(name: str) -> None:
    method = get_method(name)
    st.markdown(f"**{method.title}**")
    if method.presets:
        show_presets(method.presets, method.settings, _key(name))
    for setting in split_names(method.settings)[1]:
        show_setting(method.settings, setting, _key(name))


def _key(method: str) -> str:
    return f"setting:{method}"
