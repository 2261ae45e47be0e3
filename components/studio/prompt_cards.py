"""The prompts kept in the library, as cards that a person can use, take along or delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from components.choices.chosen_model import ModelChoice, get_choice, use_choice
from components.choices.model import describe_prompts
from components.session.front_door import link_to_page
from components.words import escape
from explain.errors import ExplainError
from explain.models.prompt_library import PromptCard, delete_prompts, encode_prompts, list_prompts, read_card
from explain.training.recipe import PromptRecipe

_PROBLEM = "prompts-problem"
_ENTER = {"deep": "at every block", "shallow": "at the first block", "last": "at the last block"}


def show_library() -> None:
    """A card for each set of prompts; where there is none, the way to the page that makes them."""
    problem = st.session_state.pop(_PROBLEM, None)
    if problem:
        st.error(problem, icon=":material/error:")
    trained = list_prompts()
    if not trained:
        st.markdown("None yet. Prompts teach a frozen vision transformer to tell your own classes apart.")
        link_to_page("studio", "Train prompts in the Studio", ":material/school:")
        return
    for card in trained:
        with st.expander(f"**{card.name}** · {escape(describe_prompts(card))}", width=1100, key=f"card-{card.name}"):
            _show_card(card)


def _show_card(card: PromptCard) -> None:
    st.markdown(
        f"They enter {_ENTER[card.variant]} of {escape(card.backbone.name)}. Trained on {card.created:%d %B %Y} with "
        f"{card.pictures:,} pictures, some of which were kept back to check. They find one of their classes in any "
        "picture, whatever it shows."
    )
    with st.container(horizontal=True, gap="small", key=f"card-tools-{card.name}"):
        in_use = get_choice().request == card.request
        st.button(
            "In use" if in_use else "Use these prompts",
            key=f"card-use-{card.name}",
            icon=":material/check:",
            disabled=in_use,
            on_click=use_choice,
            args=(ModelChoice(card.request),),
            help="From now on, on every page.",
        )
        offer_files(card.name, f"card-{card.name}")
        with st.popover("Delete", icon=":material/delete:", key=f"card-delete-{card.name}"):
            st.markdown(
                f"**{card.name}** will be gone for everyone who uses this CAMscope, and cannot be brought back."
            )
            st.button(
                f"Delete {card.name}",
                key=f"card-delete-sure-{card.name}",
                type="primary",
                on_click=_delete,
                args=(card.name,),
            )
    left, right = st.columns(2, gap="large")
    with left:
        st.dataframe(describe_classes(card), hide_index=True, height="auto" if len(card.classes) < 11 else 400)
    with right:
        st.dataframe(list_recipe(card.recipe), hide_index=True)


def offer_files(name: str, key: str) -> None:
    """Two buttons that take prompts along; `key` tells several such pairs apart."""
    st.download_button(
        "Prompts",
        lambda: encode_prompts(name),
        f"{name}.safetensors",
        "application/octet-stream",
        key=f"{key}-file",
        on_click="ignore",
        icon=":material/download:",
        help="The trained prompts as safetensors, with their card in the file's header.",
    )
    st.download_button(
        "Card",
        lambda: read_card(name).model_dump_json(indent=2).encode(),
        f"{name}.json",
        "application/json",
        key=f"{key}-json",
        on_click="ignore",
        icon=":material/receipt_long:",
        help="Classes, backbone and its fingerprint, recipe and accuracy, as JSON.",
    )


def describe_classes(card: PromptCard) -> list[dict[str, str | float]]:
    """A row for each class, the one that is recognised worst first."""
    rows = zip(card.classes, card.class_accuracy, strict=True)
    return [{"Class": label, "Right (%)": round(share, 1)} for label, share in sorted(rows, key=lambda row: row[1])]


def list_recipe(recipe: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row for each setting of the training, called as it was in the Studio."""
    declared = PromptRecipe.model_fields
    return [
        {"Setting": (declared[name].title if name in declared else None) or name, "Value": _write(value)}
        for name, value in recipe.items()
    ]


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _delete(name: str) -> None:
    try:
        delete_prompts(name)
    except ExplainError as error:
        st.session_state[_PROBLEM] = str(error)
