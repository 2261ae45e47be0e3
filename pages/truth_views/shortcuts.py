"""Truth, Shortcuts: a network that goes by a planted mark, and its honest twin."""

from __future__ import annotations

import streamlit as st

from components.session.engine import await_engine
from components.session.work import Place
from components.truth.specimen import Specimen
from components.truth.views import pick_planted, pick_specimen
from components.truth.worlds import pick_world, plant_specimen
from components.words import escape, format_share
from explain.worlds.worlds import Network as Trained
from explain.worlds.worlds import World
from pages.truth_views.trial import Asked, load_networks, show_trial


def show_view(body: Place) -> None:
    """A picture before a network that relies on its mark, and before one that does not."""
    with st.sidebar:
        world = pick_world()
    if world is None:
        with body.container():
            st.info(
                "No world ships with this installation, so there is nothing to show here.", icon=":material/public:"
            )
        return
    engine = await_engine(body)
    if engine is None:
        return

    def pick() -> Specimen:
        planted = pick_planted(f"With the {world.mark}", f"{world.planted.sentence} Key x.")
        specimen = plant_specimen(world.name, pick_specimen("Another picture"), planted)
        with st.container(key="truth-sentence"):
            # What the mark is stands beside the switch.
            st.markdown(escape(world.sentence.removeprefix(world.planted.sentence).strip()))
        return specimen

    show_trial(engine, load_networks(engine, list_asked(world), body), pick, body)


def list_asked(world: World) -> list[Asked]:
    """The two networks of a world, with what is known of them."""
    return [
        Asked("relying", f"Learnt that the {world.mark} means {world.label}", world.relying.model, _say(world.relying)),
        Asked("honest", "Its honest twin", world.honest.model, _say(world.honest)),
    ]


def _say(network: Trained) -> str:
    trial = network.trial
    return f"{format_share(trial.collected)} right as collected, {format_share(trial.clean)} without any mark"
