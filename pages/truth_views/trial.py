"""Truth: one picture before several networks, with their maps and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from components.browser.canvas import canvas, read_event
from components.choices.methods import (
    find_obstacles,
    follow_settings,
    pick_methods,
    read_settings,
    show_pane_settings,
)
from components.choices.target import pick_target
from components.maps.buttons import follow_button
from components.maps.missing import describe_missing
from components.maps.rows import GRID
from components.maps.verdicts import ask_for_verdicts, follow_verdicts
from components.page.link import get_view, keep_link
from components.session.faults import show_faults
from components.session.work import Place, Work
from components.truth.asking import Trial
from components.truth.rows import Network, build_truth_rows
from components.truth.specimen import Specimen
from explain.engine.engine import Engine
from explain.methods import get_method
from explain.models.loaded import LoadedModel

_FALLBACK = "grad-cam"  # where no method that is chosen works on any of the networks


@dataclass(frozen=True)
class Asked:
    """A network before it is loaded: its model's name, and the rest as `Network` has it."""

    key: str
    title: str
    model: str
    note: str = ""


PickSpecimen = Callable[[], Specimen]
"""Offers what can be changed of a picture, and gives back the one to show."""


def load_networks(engine: Engine, asked: Sequence[Asked], place: Place) -> list[Network]:
    """The networks of a view, loaded."""

    def load(work: Work[list[LoadedModel]]) -> list[LoadedModel]:
        return [engine.load(one.model) for one in asked]

    models = place.watch(Work(load), "Loading the networks …")
    return [Network(one.key, one.title, model, one.note) for one, model in zip(asked, models, strict=True)]


def show_trial(
    engine: Engine,
    networks: Sequence[Network],
    pick: PickSpecimen,
    body: Place,
    explained: int | None = None,
    show_below: Callable[[], None] | None = None,
) -> None:
    """The choices that all views with maps share, and the maps.

    Args:
        engine: who is asked.
        networks: with the same classes.
        pick: see `PickSpecimen`.
        body: where the maps go.
        explained: index of the class whose maps are shown, where a person is not to choose one.
        show_below: draws what stands below the maps.
    """
    first = networks[0].model
    others = [find_obstacles(network.model) for network in networks[1:]]
    obstacles = {
        name: reason for name, reason in find_obstacles(first).items() if all(name in other for other in others)
    }
    with st.sidebar:
        target = pick_target(first.labels, first.request.name) if explained is None else explained
        chosen = pick_methods(
            obstacles, lambda method: engine.estimate_seconds(first, method, "auto", read_settings(method.name))
        )
    keep_link()
    methods = [name for name in chosen if name not in obstacles] or [_FALLBACK]
    with body.container():
        _show(engine, networks, pick, methods, target)
        for sentence in describe_missing("these networks", [n for n in chosen if n in obstacles], obstacles):
            st.caption(sentence)
        follow_verdicts()
        if show_below is not None:
            show_below()


@st.fragment
@show_faults
def _show(
    engine: Engine, networks: Sequence[Network], pick: PickSpecimen, methods: Sequence[str], target: int | None
) -> None:
    """The switch and the maps: what is switched reruns only this."""
    follow_button(read_event(GRID), networks[0].model)
    with st.container(key="truth-tools", horizontal=True, vertical_alignment="center", gap="medium"):
        specimen = pick()
    settings = show_pane_settings(methods, methods)
    keep_link()
    trial = Trial(engine, networks, specimen, methods, settings, target)
    place = Place("grid")
    answers, others = place.watch(Work(trial.ask_both), "Asking the networks …")
    with place.container():
        canvas(build_truth_rows(specimen, answers, methods, others), get_view(), key=GRID, question=trial.key)
    follow_settings([name for name in methods if "runner" not in get_method(name).needs])
    ask_for_verdicts(trial.key, lambda work: trial.judge(answers, work))
