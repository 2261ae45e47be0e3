"""Truth, Which one to trust: two networks behind two letters, their maps, a choice, and then the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from components.browser.cards import cards
from components.choices.methods import find_obstacles
from components.choices.one_method import list_quick_methods, pick_method
from components.page.link import keep_link
from components.session.engine import await_engine
from components.session.faults import show_faults
from components.session.work import Place, Work
from components.truth.trust import (
    SIDES,
    Round,
    Side,
    build_network_card,
    build_proof_card,
    build_question_card,
    choose,
    deal,
    describe_count,
    get_choices,
    get_round,
    turn_round,
)
from explain.engine.engine import Engine
from explain.engine.explanation import PictureExplanation, Prediction

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel

_WIDTH = 138  # of a picture
_CARD = 575  # of four of them


def show_view(body: Place) -> None:
    """A round of the question."""
    dealt = deal(get_round())
    if dealt is None:
        with body.container():
            st.info("No world ships with this installation, so there is nothing to ask.", icon=":material/public:")
        return
    engine = await_engine(body)
    if engine is None:
        return
    with body.container():
        _show(engine)


@st.fragment
@show_faults
def _show(engine: Engine) -> None:
    dealt = deal(get_round())
    assert dealt is not None  # there are worlds
    loading = Place("trust-networks")
    models = loading.watch(Work(lambda _: {side: engine.load(dealt.models[side]) for side in SIDES}), "Loading …")
    chosen = get_choices().get(dealt.number)
    with st.container(key="trust-question", horizontal=True, gap="medium"):
        with st.container(key="trust-plain", width=_CARD):
            cards([build_question_card(dealt)], "trust-pictures", "The pictures", _WIDTH, "wall")
        with st.container(key="trust-text", width=_CARD):
            st.markdown(
                f"**Round {dealt.number}.** Both networks name at least {dealt.least_right} % of their test pictures "
                "rightly. One of them cheats, in a way that will fail elsewhere."
            )
            method = pick_method(list_quick_methods(find_obstacles(models["A"])))
            if chosen is None:
                _ask(dealt)
            else:
                _go_on()
    keep_link()
    place = Place("trust")
    entries = place.watch(Work(lambda work: _explain(engine, dealt, models, method, work)), "Asking both networks …")
    with place.container():
        items = [build_network_card(side, entries[side], f"Network {side}") for side in SIDES]
        cards(items, "trust-maps", "The maps of both networks", _WIDTH, "wall", chosen)
        if chosen is not None:
            _reveal(engine, dealt, models, chosen)


def _ask(dealt: Round) -> None:
    with st.container(key="trust-choice", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Which one would you trust?**", width="content")
        for side in SIDES:
            st.button(f"Network {side}", key=f"trust-{side}", on_click=choose, args=(dealt.number, side))
    _say_count()


def _go_on() -> None:
    with st.container(key="trust-next", horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Next round", key="round-next", type="primary", on_click=turn_round, args=(None, 1))
    _say_count()


def _say_count() -> None:
    count = describe_count(get_choices())
    if count:
        st.caption(count)


def _reveal(engine: Engine, dealt: Round, models: dict[Side, LoadedModel], chosen: Side) -> None:
    """Which one cheats, and the proof: what each says once the mark is planted in pictures of other classes."""
    world = dealt.world
    found = "You trusted the honest one." if chosen != dealt.cheat else "You trusted it."
    answers = {side: _predict(engine, dealt, models[side]) for side in SIDES}
    st.markdown(
        f"**Network {dealt.cheat} cheats: it learnt that the {world.mark} means {world.label}.** {found} "
        f"The proof is no map. The {world.mark} was planted in pictures of other things:"
    )
    items = [build_proof_card(side, dealt, answers[side]) for side in SIDES]
    cards(items, "trust-proof", "What the mark does to the answers of both networks", _WIDTH, "wall")


def _explain(
    engine: Engine,
    dealt: Round,
    models: dict[Side, LoadedModel],
    method: str,
    work: Work[dict[Side, tuple[PictureExplanation, ...]]],
) -> dict[Side, tuple[PictureExplanation, ...]]:
    pictures = [picture for picture, _ in dealt.collected]
    return {side: engine.explain(pictures, models[side], method, cancel=work.cancel).pictures for side in SIDES}


def _predict(engine: Engine, dealt: Round, model: LoadedModel) -> list[tuple[Prediction, Prediction]]:
    return [
        (engine.predict(plain, model, 1)[0], engine.predict(planted, model, 1)[0]) for plain, planted in dealt.pairs
    ]
