"""The settings of a training: chosen by the size of the data set, and folded away for who wants others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from components.choices.settings import get_settings, show_setting, split_names
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
        _set(suited)
    now = get_settings(PromptRecipe, _KEY)
    st.caption(f"On {backbone.request.name}: {describe_recipe(now)}. {describe_judging(dataset, now)}")
    # Not said in its label: with another label it would be another expander, and closed.
    with st.expander("Settings", icon=":material/tune:"):
        for names in split_names(PromptRecipe):
            with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
                # What belongs together is told where the pictures are given, and tried on their names.
                for name in (name for name in names if name != "together"):
                    with st.container(width=245):
                        show_setting(PromptRecipe, name, _KEY, typed=True)
        if now != suited:
            st.button(
                "As was chosen for these pictures",
                key="recipe-again",
                on_click=_set,
                args=(suited,),
                icon=":material/undo:",
                help="Every setting back to what suits this data set.",
            )
    return get_settings(PromptRecipe, _KEY)


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


def _set(recipe: PromptRecipe) -> None:
    for name, value in recipe.model_dump().items():
        st.session_state[f"{_KEY}.{name}"] = value
