"""Drawn birds as pictures in which the answer is known: siblings differ in the one part that must decide."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.maps.frames import encode_address
from components.truth.specimen import Specimen
from components.truth.views import PAIR, remember
from explain.bundled.birds.draw import Bird, draw_bird
from explain.bundled.birds.species import Siblings, find_siblings
from explain.pictures.picture import build_picture

FIRST_PAIR = "crested finch"
_SIZE = 480
_SMALL = 96
_FIRST_SEED = 3_000_000  # of no picture that was learnt from, tested or counted with


def list_pairs() -> dict[str, Siblings]:
    """The pairs of siblings, by the species that has the trait."""
    return {pair.marked: pair for pair in find_siblings()}


def pick_pair() -> Siblings:
    """Offer the pairs of siblings."""
    pairs = list_pairs()
    chosen = st.session_state.get(PAIR, FIRST_PAIR)
    st.markdown("Siblings")
    items = [
        Card(name, pair.part.capitalize(), [], [Frame(_draw_small(pair), f"A {name}, drawn")])
        for name, pair in pairs.items()
    ]
    cards(items, "pairs", "Siblings, by the part in which they differ", 56, "wall", chosen, remember(PAIR))
    return pairs[chosen]


@lru_cache(maxsize=12)
def _draw_small(pair: Siblings) -> str:
    return encode_address(draw_bird(pair.marked, _FIRST_SEED + 1, _SMALL).pixels)


@lru_cache(maxsize=64)
def _draw(species: str, number: int) -> Bird:
    return draw_bird(species, _FIRST_SEED + number, _SIZE)


def draw_siblings(pair: Siblings, number: int, marked: bool) -> Specimen:
    """A bird of a pair of siblings; its region is that of the part in which they differ, as either of them has it.

    Args:
        pair: the siblings.
        number: of the drawing, from 1. Scene, pose, place, size and light are the same for both siblings.
        marked: draw the one that has the trait.
    """
    birds = [_draw(species, number) for species in (pair.plain, pair.marked)]
    bird = birds[marked]
    digest = hashlib.sha256(f"bird\n{bird.species}\n{bird.seed}\n".encode() + bird.pixels.tobytes()).hexdigest()
    picture = build_picture(f"{bird.species}, bird {number}", bird.pixels, digest, ())
    region = birds[0].masks[pair.part] | birds[1].masks[pair.part]
    return Specimen(picture, bird.species, f"the {pair.part}", region)
