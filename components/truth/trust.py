"""Which of two networks would you trust? Rounds of a question whose answer is known, and the count of answers.

After the trust study of Grad-CAM's paper (Selvaraju et al. 2017, arXiv 1610.02391, sections 5.2 and 5.3), in which
people saw maps of two networks that gave the same answers. There one network was the better one; here one cheats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Literal, get_args

import numpy as np
import streamlit as st

from components.browser.cards import Card, Frame
from components.maps.frames import SMALL, draw_frame, encode_address, prepare_ground
from components.truth.worlds import order_pictures
from components.words import format_answer, format_share
from explain.engine.explanation import PictureExplanation, Prediction
from explain.pictures.picture import Picture
from explain.worlds.worlds import Network, World, list_pictures, list_worlds, plant_in

Side = Literal["A", "B"]
SIDES: tuple[Side, ...] = get_args(Side)

ROUND = "trust-round"
"""Key of the session's state: number of the round, from 1."""

MOST_ROUNDS = 999

_CHOICES = "trust-choices"
_SHOWN = 4  # pictures of a round
_QUALITY = 92


@dataclass(frozen=True, eq=False)
class Round:
    """One question.

    Attributes:
        number: from 1. The same number is the same question for everyone.
        world: whose two networks are asked about.
        cheat: which of the two relies on the mark.
        collected: pictures as the networks learnt from: those of the mark's class have it, the others have not.
        pairs: of pictures of other classes, each without and with the mark.
    """

    number: int
    world: World
    cheat: Side
    collected: tuple[tuple[Picture, str], ...]
    pairs: tuple[tuple[Picture, Picture], ...]

    @property
    def models(self) -> dict[Side, str]:
        """Names of the models on both sides."""
        return {side: network.model for side, network in self.networks.items()}

    @property
    def networks(self) -> dict[Side, Network]:
        """The networks on both sides, with what was measured of them."""
        honest: Side = "B" if self.cheat == "A" else "A"
        return {self.cheat: self.world.relying, honest: self.world.honest}

    @property
    def least_right(self) -> int:
        """Per cent of test pictures, as they were collected, that both networks name rightly at least."""
        return floor(100 * min(self.world.relying.trial.collected, self.world.honest.trial.collected))


def deal(number: int) -> Round | None:
    """The question of a round; None where no world ships. All worlds have had a turn before one has another."""
    # Where no picture has the mark as it was collected, there is nothing to see.
    worlds = [world for world in list_worlds() if any(label == world.label for _, label in list_pictures(world.kind))]
    if not worlds:
        return None
    turn, place = divmod(number - 1, len(worlds))
    world = worlds[np.random.default_rng((turn, 1)).permutation(len(worlds))[place]]
    dice = np.random.default_rng((number, 2))
    cheat = SIDES[dice.integers(2)]
    ordered = order_pictures(world)
    others = [pair for pair in ordered if pair[1] != world.label]
    own = [pair for pair in ordered if pair[1] == world.label]
    dice.shuffle(others)
    dice.shuffle(own)
    own = own[: _SHOWN - 1]
    places = number * 2 * _SHOWN  # of marks that lie at another place in each picture
    collected = [(plant_in(one, world.planted, places + at), label) for at, (one, label) in enumerate(own)]
    collected += others[: _SHOWN - len(collected)]
    # Where there are too few others, they come again with the mark at another place.
    again = [others[at % len(others)][0] for at in range(_SHOWN if world.planted.placed else min(_SHOWN, len(others)))]
    pairs = [(one, plant_in(one, world.planted, places + _SHOWN + at)) for at, one in enumerate(again)]
    return Round(number, world, cheat, tuple(collected), tuple(pairs))


def get_round() -> int:
    """Number of the round in view."""
    return int(st.session_state.get(ROUND, 1))


def turn_round(number: int | None, step: int) -> None:
    """Go to a round; without a number to a later one, or an earlier one. After the last comes the first."""
    st.session_state[ROUND] = number or (get_round() - 1 + step) % MOST_ROUNDS + 1


def get_choices() -> dict[int, Side]:
    """Whom the person trusted, by the round. It lives in the session's state, and in no link."""
    choices: dict[int, Side] = st.session_state.setdefault(_CHOICES, {})
    return choices


def choose(number: int, side: Side) -> None:
    """Keep whom the person trusts. The first choice of a round counts."""
    get_choices().setdefault(number, side)


def describe_count(choices: Mapping[int, Side]) -> str:
    """How often the cheat was found, in a sentence."""
    rounds = [dealt for number in sorted(choices) if (dealt := deal(number)) is not None]
    found = sum(choices[dealt.number] != dealt.cheat for dealt in rounds)
    if not rounds:
        return ""
    several = f"{len(rounds)} rounds" if len(rounds) > 1 else "1 round"
    return f"You found the cheat in {found} of {several}. Who guesses finds it in half of them."


def build_question_card(dealt: Round) -> Card:
    """The pictures of a round, as they are."""
    frames = [_draw_plain(picture, f"A picture of {label}", label) for picture, label in dealt.collected]
    return Card("pictures", "The pictures, and what they show", [], frames)


def build_network_card(side: Side, entries: Sequence[PictureExplanation], title: str) -> Card:
    """A network's maps of the pictures, each with its answer."""
    frames = []
    for entry in entries:
        answer = entry.predictions[0]
        said = f"{answer.label} {format_answer(answer)}"
        ground = prepare_ground(entry.picture, SMALL)
        if entry.maps:
            heatmap = entry.maps[0]
            alt = f"Network {side} says {said}. Its map"
            frames.append(draw_frame(ground, heatmap.values, heatmap.box, alt, said, quality=_QUALITY))
        else:
            frames.append(_draw_plain(entry.picture, f"Network {side} has no map", said))
    return Card(side, title, [], frames)


def build_proof_card(side: Side, dealt: Round, answers: Sequence[tuple[Prediction, Prediction]]) -> Card:
    """Pictures with the mark, and what a network says without it and with it; and how often it turned on its test."""
    frames = []
    for (_, planted), (before, after) in zip(dealt.pairs, answers, strict=True):
        said = before.label if before.index == after.index else f"{before.label} → {after.label}"
        alt = f"Network {side} says {before.label} without the {dealt.world.mark}, and {after.label} with it"
        frames.append(_draw_plain(planted, alt, said))
    trial = dealt.networks[side].trial
    line = (
        f"In its test {format_share(trial.flips)} of others became {dealt.world.label}. It is right on "
        f"{format_share(trial.collected)} as collected, on {format_share(trial.clean)} without any mark."
    )
    return Card(
        f"proof-{side}",
        f"Network {side}: {count_changed(answers)} of {len(answers)} answers change",
        [line],
        frames,
    )


def count_changed(answers: Sequence[tuple[Prediction, Prediction]]) -> int:
    """How many answers the mark changed."""
    return sum(before.index != after.index for before, after in answers)


def _draw_plain(picture: Picture, alt: str, label: str) -> Frame:
    return Frame(encode_address(prepare_ground(picture, SMALL).pixels, _QUALITY), alt, label)
