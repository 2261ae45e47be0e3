"""The settings of a training: chosen by the size of the data set, and folded away for who wants others."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import streamlit as st

from components.choices.settings import get_settings, show_setting, split_names
from explain.settings import Settings
from explain.training.folds import count_folds
from explain.training.recipe import PromptRecipe, choose_recipe

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet
    from explain.models.loaded import LoadedModel

_KEY = "recipe"
_CHOSEN_FOR = "recipe-chosen-for"
_SAID = {
    "last": "prompts at the last block",
    "shallow": "prompts at the first block",
    "deep": "prompts at every block",
}


def pick_recipe(dataset: DataSet, backbone: LoadedModel, chosen_for: str) -> PromptRecipe:
    """Settings that suit the data set, each of which can be changed.

    Args:
        dataset: the pictures.
        backbone: the ViT.
        chosen_for: changes with both; what was set for others is then chosen anew.
    """
    suited = choose_recipe(dataset, backbone)
    if st.session_state.get(_CHOSEN_FOR) != chosen_for:
        st.session_state[_CHOSEN_FOR] = chosen_for
        set_recipe(suited, _KEY)
    now = get_settings(PromptRecipe, _KEY)
    st.caption(f"On {backbone.request.name}: {describe_recipe(now)}. {describe_judging(dataset, now)}")
    # What belongs together is told where the pictures are given, and tried on their names.
    show_recipe(now, suited, _KEY, besides={"together"})
    return get_settings(PromptRecipe, _KEY)


def show_recipe(now: Settings, suited: Settings, key: str, besides: Collection[str] = ()) -> None:
    """All settings of a training, folded away, and the way back to those that suit it.

    Args:
        now: as they are.
        suited: as they were chosen.
        key: of the session's state.
        besides: names of settings that are not shown.
    """
    # Not said in its label: with another label it would be another expander, and closed.
    with st.expander("Settings", icon=":material/tune:"):
        for names in split_names(type(now)):
            with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
                for name in (name for name in names if name not in besides):
                    with st.container(width=245):
                        show_setting(type(now), name, key, typed=True)
        if now != suited:
            st.button(
                "As was chosen for these pictures",
                key=f"{key}-again",
                on_click=set_recipe,
                args=(suited, key),
                icon=":material/undo:",
                help="Every setting back to what suits this data set.",
            )


def describe_recipe(recipe: PromptRecipe) -> str:
    """What matters most of it, in a line."""
    early = f", ending early after {recipe.patience} without a better one" if recipe.patience else ""
    return f"up to {recipe.epochs} epochs{early}, {_SAID[recipe.variant]}"


def describe_judging(dataset: DataSet, recipe: PromptRecipe) -> str:
    """How it will be found out how good the prompts are."""
    folds = count_folds(dataset, recipe)
    if folds:
        return f"It is judged in {folds} folds: each picture is named once by prompts that have not learnt from it."
    which = "The set's own validation pictures" if dataset.divided else "The pictures kept back"
    return f"{which} are named once, at the end, to judge it."


def set_recipe(recipe: Settings, key: str) -> None:
    """Have every setting's control say what a recipe says."""
    for name, value in recipe.model_dump().items():
        st.session_state[f"{key}.{name}"] = value
