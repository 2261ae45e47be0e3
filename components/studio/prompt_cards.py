"""The prompts kept in the library, as cards that a person can use, take along or delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components.access.person import do_people_log_in
from components.choices.chosen_model import ModelChoice, get_choice, use_choice
from components.choices.model import describe_prompts
from components.session.front_door import link_to_page
from components.session.gate import is_refused
from components.session.uploaded import take_over
from components.words import escape
from explain.errors import ExplainError
from explain.models.judged import say_limits
from explain.models.prompt_library import (
    PromptCard,
    delete_prompts,
    encode_card,
    encode_prompts,
    list_prompts,
    take_prompts,
)
from explain.rights import for_actor
from explain.training.recipe import PromptRecipe
from explain.training.run import TrainingRun, find_runs_of

_PROBLEM, _TAKEN, _UPLOADS = "prompts-problem", "prompts-taken", "prompts-uploads"
_ENTER = {"deep": "at every block", "shallow": "at the first block", "last": "at the last block"}


def show_library() -> None:
    """A card for each set of prompts; where there is none, the way to the page that makes them."""
    if is_refused("prompts"):
        return
    problem, taken = (st.session_state.pop(name, None) for name in (_PROBLEM, _TAKEN))
    if problem:
        st.error(escape(problem), icon=":material/error:")
    if taken:
        st.success(f"“{taken}” is among your prompts now.", icon=":material/check:")
    _offer_to_take()
    trained = list_prompts()
    if not trained:
        st.markdown("None yet. Prompts teach a frozen vision transformer to tell your own classes apart.")
        link_to_page("studio", "Train prompts in the Studio", ":material/school:")
        return
    for card in trained:
        with st.expander(f"**{card.name}** · {escape(describe_prompts(card))}", width=1100, key=f"card-{card.name}"):
            _show_card(card)


def _offer_to_take() -> None:
    """Take in prompts that somebody took along elsewhere."""
    number = st.session_state.setdefault(_UPLOADS, 0)
    with st.popover("From a file", icon=":material/upload_file:", key="prompts-take"):
        st.file_uploader(
            "Prompts that were taken along elsewhere",
            key=f"prompts-file-{number}",
            type=["safetensors"],
            on_change=_take,
            args=(f"prompts-file-{number}",),
            help="The file that the button “Prompts” of a card gives, here or on another CAMscope.",
        )


def _take(key: str) -> None:
    given = st.session_state.get(key)
    if given is None:
        return
    st.session_state[_UPLOADS] += 1  # the field is empty again
    for _, data in take_over([given]):
        try:
            st.session_state[_TAKEN] = take_prompts(data).name
        except ExplainError as error:
            st.session_state[_PROBLEM] = str(error)


def _show_card(card: PromptCard) -> None:
    st.markdown(
        f"They enter {_ENTER[card.variant]} of {escape(card.backbone.name)}. Trained on {card.created:%d %B %Y} with "
        f"{card.pictures:,} pictures. They find one of their classes in any picture, whatever it shows. "
        f"{' '.join(card.list_notes())}"
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
            others = "" if do_people_log_in() else " for everyone who uses this CAMscope"
            st.markdown(f"**{card.name}** will be gone{others}, and cannot be brought back.")
            runs = find_runs_of(card)
            with_runs = bool(runs) and st.checkbox(
                "Its training and the pictures it learnt from as well",
                value=True,
                key=f"card-delete-runs-{card.name}",
                help="They are still on this machine. Without this they stay until their days are past.",
            )
            st.button(
                f"Delete {card.name}",
                key=f"card-delete-sure-{card.name}",
                type="primary",
                on_click=_delete,
                args=(card.name, runs if with_runs else []),
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
        for_actor(lambda: encode_prompts(name)),
        f"{name}.safetensors",
        "application/octet-stream",
        key=f"{key}-file",
        on_click="ignore",
        icon=":material/download:",
        help="The trained prompts as safetensors, with their card in the file's header.",
    )
    st.download_button(
        "Card",
        for_actor(lambda: encode_card(name)),
        f"{name}.json",
        "application/json",
        key=f"{key}-json",
        on_click="ignore",
        icon=":material/receipt_long:",
        help="Classes, backbone and its fingerprint, recipe, and how often they are right, as JSON.",
    )


def describe_classes(card: PromptCard) -> list[dict[str, str | float]]:
    """A row for each class, the one that is recognised worst first."""
    order = sorted(range(len(card.classes)), key=lambda index: card.class_accuracy[index])
    if card.judged is None:
        return [{"Class": card.classes[i], "Right (%)": round(card.class_accuracy[i], 1)} for i in order]
    counts = list(zip(card.classes, card.judged.right, card.judged.pictures, strict=True))
    return [
        {"Class": label, "Right": f"{right:,} of {total:,}", "95 % interval": say_limits(right, total)}
        for label, right, total in (counts[index] for index in order)
    ]


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


def _delete(name: str, runs: Sequence[TrainingRun]) -> None:
    try:
        delete_prompts(name)
        for run in runs:
            run.delete()
    except ExplainError as error:
        st.session_state[_PROBLEM] = str(error)
