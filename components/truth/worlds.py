"""Worlds with a shortcut, as pictures in which the answer is known."""

from __future__ import annotations

from functools import lru_cache

import cv2
import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.maps.frames import encode_address
from components.truth.specimen import Specimen
from components.truth.views import WORLD, remember
from explain.pictures.picture import Picture
from explain.worlds.marks import MARKS, find_place, plant
from explain.worlds.worlds import World, list_pictures, list_worlds, plant_in

_SMALL = 96


def pick_world() -> World | None:
    """Offer the worlds; None where none ships."""
    worlds = {world.name: world for world in list_worlds()}
    if not worlds:
        return None
    chosen = st.session_state.get(WORLD)
    if chosen not in worlds:
        chosen = next(iter(worlds))
    st.markdown("Shortcuts")
    items = [
        Card(name, world.mark.capitalize(), [], [Frame(_draw_small(name), f"{world.label} with {_name_mark(world)}")])
        for name, world in worlds.items()
    ]
    cards(items, "worlds", "Shortcuts", 56, "wall", chosen, remember(WORLD))
    return worlds[chosen]


def _name_mark(world: World) -> str:
    title = MARKS[world.mark].title
    return f"{title[:1].lower()}{title[1:]}"


@lru_cache(maxsize=32)
def _draw_small(name: str) -> str:
    world = next(world for world in list_worlds() if world.name == name)
    picture, _ = order_pictures(world)[0]
    small = cv2.resize(picture.pixels, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA)
    return encode_address(plant(small, world.planted, 1))


def order_pictures(world: World) -> list[tuple[Picture, str]]:
    """The pictures of a world with their classes: first those whose answer the mark would change."""
    return sorted(list_pictures(world.kind), key=lambda pair: pair[1] == world.label)


@lru_cache(maxsize=64)
def plant_specimen(world_name: str, number: int, planted: bool) -> Specimen:
    """A picture of a world, with its mark or without.

    Args:
        world_name: of the world.
        number: of the picture, from 1; after the last comes the first, with the mark at another place.
        planted: whether the mark is in it.
    """
    world = next(world for world in list_worlds() if world.name == world_name)
    pictures = order_pictures(world)
    picture, label = pictures[(number - 1) % len(pictures)]
    region = find_place(world.planted, picture.size, number)
    shown = plant_in(picture, world.planted, number) if planted else picture
    return Specimen(shown, label, f"the {world.mark}", region)
