"""The strategies of a class as cards, and one of them put to the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.collections.choosing import Opened, keep_lasso
from components.collections.views import STRATEGY, TARGET, VIEW
from components.collections.wall import build_card, prepare_grounds
from components.maps.frames import TINY, Ground, draw_frame
from components.session.engine import await_engine
from components.session.work import Place, Work, is_stopped
from components.words import escape
from explain.collections.filtering import Filter, count_words, find_rows
from explain.collections.proving import TRIED, Proof, prove
from explain.collections.strategies import NEAREST, Strategy, find_strategies
from explain.percent import write_percent
from explain.pictures.geometry import Box

_GREY, _FRAMES, _WIDTH = 128, 4, 84
_MOST_GROUPS_SAID = 3
TESTING = "collection-testing"
"""Of the session's state: which strategy is put to the test, by a digest of its pictures."""


def pick_class(run: Opened) -> str:
    """Offer the explained classes, the one with most pictures first."""
    counts = count_words(run.table, "target")
    if st.session_state.get(TARGET) not in counts:
        st.session_state[TARGET] = next(iter(counts), "")
    return str(
        st.selectbox(
            "Maps of the class",
            list(counts),
            key=TARGET,
            format_func=lambda text: f"{text} ({counts[text]:,})",
            persist_state="session",
            width=240,
        )
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def _find(digest: str, method: str, wanted: Filter, _run: Opened) -> Work[tuple[Strategy, ...]]:
    """One search for everyone who asks for it."""
    rows = find_rows(_run.table, wanted)
    return Work(
        lambda work: find_strategies(
            _run.table, rows, method, tell=lambda share: work.report("Grouping alike maps", share)
        )
    )


def show_strategies(run: Opened, method: str, target: str, wanted: Filter) -> None:
    """A card for each strategy of a class among the pictures that are meant, and what can be done with one."""
    place = Place("strategies")
    wanted = replace(wanted, words=(*wanted.words, ("target", target)))
    found = place.watch(_find(run.table.digest, method, wanted, run), "Grouping alike maps")
    with place.container():
        if not found:
            st.info(
                f"There are too few maps of “{escape(target)}” with anything on them to be grouped. Choose less on the "
                "left, or another class.",
                icon=":material/workspaces:",
            )
            return
        chosen = _pick(found)
        _show_chosen(run, found, chosen, method)
        cards(
            [build_strategy_card(run, number, one, method) for number, one in enumerate(found)],
            "strategy-cards",
            f"Strategies of {target}",
            _WIDTH,
            "wall",
            chosen=str(chosen),
            on_press=_choose,
        )
        st.caption(
            "Groups of alike maps, the ones flagged ⚑ first: small, pure, focused and steady, as a shortcut in a few "
            "pictures is. A group is a hint and no proof; how much of it comes again in other draws of the pictures "
            "stands on its card. Press one, and put it to the test."
        )


def _pick(found: Sequence[Strategy]) -> int:
    number = int(st.session_state.get(STRATEGY, 1))
    return number - 1 if 1 <= number <= len(found) else 0


def _choose(key: str) -> None:
    st.session_state[STRATEGY] = int(key) + 1
    st.session_state.pop(TESTING, None)


def build_strategy_card(run: Opened, number: int, one: Strategy, method: str) -> Card:
    """The card of a strategy: its mean map, and the pictures nearest to that."""
    grey = Ground(np.full((TINY, TINY, 3), _GREY, np.uint8), 1.0, "no picture")
    title = f"{'⚑ ' if one.flagged else ''}Strategy {number + 1}"
    frames = [draw_frame(grey, one.mean, Box.whole((TINY, TINY)), f"Mean map of {title}", "mean map", quality=85)]
    nearest = one.rows[: _FRAMES - 1].tolist()
    told, kept = run.table.read_rows(nearest), run.table.read_maps(nearest, method)
    grounds = prepare_grounds(run, nearest, told)
    for row, row_told in zip(nearest, told, strict=True):
        frames += [
            Frame(frame.image, frame.alt) for frame in build_card(row, row_told, grounds[row], kept.get(row)).frames
        ]
    return Card(str(number), title, describe_strategy(one), frames)


def describe_strategy(one: Strategy) -> list[str]:
    """What stands on a card: size, accuracy, groups, stability."""
    count = len(one.rows)
    lines = [f"{count:,} picture{'s' if count > 1 else ''} · {write_percent(one.share, 1)} of the maps"]
    if one.accuracy is not None:
        lines.append(f"{write_percent(one.accuracy)} named rightly")
    said = sorted(one.groups.items(), key=lambda pair: -pair[1])[:_MOST_GROUPS_SAID]
    if said:
        lines.append("Of " + ", ".join(f"{name} {write_percent(share)}" for name, share in said))
    return [*lines, f"{write_percent(one.stability)} comes again · alike {one.alike:.2f}"]


def _show_chosen(run: Opened, found: Sequence[Strategy], chosen: int, method: str) -> None:
    one = found[chosen]
    key = f"{run.table.digest}-{method}-{chosen}-{len(one.rows)}-{int(one.rows.sum())}"
    with st.container(key="strategy-tools", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**Strategy {chosen + 1}**", width="content")
        st.button(
            "Test it",
            key="strategy-test",
            icon=":material/science:",
            type="primary",
            on_click=_test,
            args=(key,),
            help=f"Hide its place in {TRIED} of its pictures, and as much elsewhere, and see what the model says.",
        )
        st.button(
            "Show its pictures",
            key="strategy-pictures",
            icon=":material/grid_view:",
            on_click=_show_pictures,
            args=(run, tuple(sorted(one.rows.tolist()))),
        )
    if st.session_state.get(TESTING) != key or is_stopped(key):
        return
    place = Place("strategy-proof")
    engine = await_engine(place)
    if engine is None:
        return
    others = [row for other in found if other is not one for row in other.rows[:NEAREST].tolist()]
    work = Work[Proof](
        lambda work: prove(
            engine,
            run.table,
            run.reader,
            one.mean,
            one.rows.tolist(),
            others,
            lambda share: work.report("Hiding the place, and as much elsewhere", share),
            work.cancel,
        )
    )
    proof = place.watch(work, "Hiding the place, and as much elsewhere", stop_key=key)
    with place.container():
        icon = ":material/check_circle:" if proof.shown else ":material/help:"
        (st.warning if proof.shown else st.info)(escape(proof.sentence), icon=icon)


def _test(key: str) -> None:
    st.session_state[TESTING] = key
    st.session_state.pop("stopped", None)


def _show_pictures(run: Opened, rows: tuple[int, ...]) -> None:
    keep_lasso(run.table, rows)
    st.session_state[VIEW] = "pictures"
