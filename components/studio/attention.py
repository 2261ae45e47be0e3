"""Trained attention (T-TAME): its settings, what came of a training, and what is kept on this computer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from components.choices.chosen_model import ModelChoice, use_choice
from components.choices.methods import METHODS, name_settings
from components.choices.settings import get_settings
from components.studio.recipe import set_recipe, show_recipe
from components.studio.training import offer_to_delete, offer_to_leave
from components.words import describe_seconds, escape
from explain.errors import ExplainError
from explain.models.attention_library import LIBRARY, AttentionCard, list_attention
from explain.models.attention_report import HONEST, AttentionReport, MapFigures
from explain.percent import write_percent
from explain.rights import for_actor
from explain.training.attention_recipe import AttentionRecipe, choose_attention_recipe
from explain.training.outcome import AttentionOutcome

if TYPE_CHECKING:
    from explain.datasets.dataset import DataSet
    from explain.models.loaded import LoadedModel
    from explain.training.run import RunState, TrainingRun

_KEY, _CHOSEN_FOR = "attention-recipe", "attention-recipe-chosen-for"
_COMPARE, _PROBLEM = "attention-compare", "attention-problem"


def pick_attention_recipe(loaded: LoadedModel, dataset: DataSet) -> AttentionRecipe:
    """Settings that suit a model, each of which can be changed, and what becomes of the pictures.

    Raises:
        ModelError: no attention can be trained for it.
    """
    suited = choose_attention_recipe(loaded)
    if st.session_state.get(_CHOSEN_FOR) != loaded.fingerprint:
        st.session_state[_CHOSEN_FOR] = loaded.fingerprint
        set_recipe(suited, _KEY)
    now = get_settings(AttentionRecipe, _KEY)
    judging = min(now.judged, len(dataset.list_split("val")))
    st.caption(
        f"For {loaded.request.name}: {now.epochs} epochs; what a map hides is {now.hidden}. Nothing of the model is "
        f"changed. {judging} of the pictures kept back say how its maps compare with other methods'. The pictures are "
        "put into CAMscope's data folder on this machine, without their names, while it trains, and deleted as soon as "
        "it is over."
    )
    show_recipe(now, suited, _KEY)
    return get_settings(AttentionRecipe, _KEY)


def offer_attention(run: TrainingRun, state: RunState) -> None:
    """What can be done with trained attention: see its maps, take it along, leave or delete the training."""
    card = find_card(state.name, state.digest)
    if card is None:
        st.warning(f"The trained attention “{state.name}” was deleted since.", icon=":material/link_off:")
    with st.container(key="run-attention", horizontal=True, gap="small"):
        if card is not None:
            offer_use(card, "run")
            offer_file(card, "run")
        offer_to_leave()
        stays = "" if card is None else f"The attention “{escape(card.name)}” stays: delete it in the Studio's list."
        offer_to_delete(run, stays)
    go_to_compare()


def find_card(name: str, digest: str) -> AttentionCard | None:
    """The card of attention trained here; None where it is gone, or is another one by now."""
    return next((card for card in LIBRARY.list_cards() if (card.name, card.digest) == (name, digest)), None)


def offer_use(card: AttentionCard, key: str) -> None:
    """A button that shows its maps beside Grad-CAM's; `key` tells several apart."""

    def use() -> None:
        if card.backbone.source not in ("file", "module"):  # whose bytes are not here; the model in use stays
            use_choice(ModelChoice(card.backbone))
        st.session_state[METHODS] = ["grad-cam", "t-tame"]
        st.session_state[f"{name_settings('t-tame')}.module"] = card.name
        st.session_state[_COMPARE] = True

    st.button(
        "Show its maps",
        key=f"{key}-use",
        on_click=use,
        type="primary",
        icon=":material/visibility:",
        help="In Compare, beside Grad-CAM.",
    )


def offer_file(card: AttentionCard, key: str) -> None:
    """A button that takes it along."""
    st.download_button(
        "Attention",
        for_actor(lambda: LIBRARY.encode(card.name)),
        f"{card.name}.safetensors",
        "application/octet-stream",
        key=f"{key}-file",
        on_click="ignore",
        icon=":material/download:",
        help="As safetensors, with its card and its report in the file's header.",
    )


def go_to_compare() -> None:
    """Go where the maps are, once that was asked for."""
    if st.session_state.pop(_COMPARE, False):
        st.switch_page(st.Page(lambda: None, title="Compare", default=True))


def show_attention_outcome(outcome: AttentionOutcome) -> None:
    """What came of a training: what its maps are worth, and how it went."""
    show_worth(outcome.worth)
    with st.container(key="run-figures", horizontal=True, gap="large"):
        st.metric("Epoch kept", f"{outcome.best_epoch} of {len(outcome.epochs)}", width="content")
        st.metric("Pictures learnt from", f"{outcome.pictures:,}", width="content")
        st.metric("Time", describe_seconds(outcome.seconds), width="content")


def show_worth(report: AttentionReport) -> None:
    """What trained maps are worth, beside those of other methods on the same pictures."""
    st.markdown(f"**{escape(report.describe())}**")
    for warning in report.list_warnings():
        st.warning(warning, icon=":material/warning:")
    st.dataframe(build_rows([report.own, *report.others]), hide_index=True, width=760)
    st.caption(
        "Drop: how much of the probability is lost where the picture is shown as bright as the map is; an open map is "
        "good at that whatever it marks. Insertion is better high, deletion low. Other class: how alike its maps of "
        f"the likeliest and the least likely class are. {HONEST}"
    )


def build_rows(figures: Sequence[MapFigures]) -> list[dict[str, str]]:
    """A row for each method."""
    return [
        {
            "Maps": row.title,
            "Drop": write_percent(row.average_drop / 100, 1),
            "Rises": write_percent(row.increase / 100),
            "Insertion": f"{row.insertion:.3f}",
            "Deletion": f"{row.deletion:.3f}",
            "Other class": "not measured" if row.likeness is None else f"{row.likeness:.2f}",
        }
        for row in figures
    ]


def show_attention_library(fingerprint: str) -> None:
    """What is kept for a model, the one that T-TAME takes unless told otherwise first."""
    problem = st.session_state.pop(_PROBLEM, None)
    if problem:
        st.error(problem, icon=":material/error:")
    cards = list_attention(fingerprint)
    own = {(card.name, card.digest) for card in LIBRARY.list_cards()}
    if cards:
        st.header("Trained for this model", anchor=False)
    for card in cards:
        is_own = (card.name, card.digest) in own
        whose = f"trained on {card.created:%d %B %Y}" if is_own else "ships with CAMscope"
        with st.expander(f"**{card.name}** · {card.pictures:,} pictures, {whose}", width=1100, key=f"att-{card.name}"):
            show_worth(card.report)
            with st.container(horizontal=True, gap="small", key=f"att-tools-{card.name}"):
                offer_use(card, f"att-{card.name}")
                if is_own:
                    offer_file(card, f"att-{card.name}")
                    _offer_to_forget(card.name)
    go_to_compare()


def _offer_to_forget(name: str) -> None:
    def forget() -> None:
        try:
            LIBRARY.delete(name)
        except ExplainError as error:
            st.session_state[_PROBLEM] = str(error)

    with st.popover("Delete", icon=":material/delete:", key=f"att-delete-{name}"):
        st.markdown(f"**{name}** will be gone for everyone who uses this CAMscope, and cannot be brought back.")
        st.button(f"Delete {name}", key=f"att-delete-sure-{name}", type="primary", on_click=forget)
