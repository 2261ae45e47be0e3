"""Cards: small pictures with words, in a strip or a wall, which can be pressed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

_FOLDER = Path(__file__).parent

_mount = st.components.v2.component(
    "camscope_cards",
    js=(_FOLDER / "cards.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "cards.css").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Cells:
    """The cells of a map, of which one can be chosen.

    Attributes:
        rows: how many.
        columns: how many.
        box: where they lie on the picture, left, top, width and height, each as a share of the picture's.
        chosen: row and column of the one that is ringed.
    """

    rows: int
    columns: int
    box: tuple[float, float, float, float]
    chosen: tuple[int, int]


@dataclass(frozen=True)
class Frame:
    """One picture of a card.

    Attributes:
        image: it, as a data address.
        alt: what it shows, in words.
        label: a word or two below it.
        mark: a place to mark with a ring, from 0 to 1 from its left and top.
        cells: offered to choose from.
    """

    image: str
    alt: str
    label: str = ""
    mark: tuple[float, float] | None = None
    cells: Cells | None = None


@dataclass(frozen=True)
class Card:
    """Pictures side by side under one title.

    Attributes:
        key: unique among the cards; comes back when it is pressed.
        title: its name.
        lines: what else is said, a line each.
        frames: its pictures.
        colour: of the dot before the title.
    """

    key: str
    title: str
    lines: Sequence[str] = ()
    frames: Sequence[Frame] = ()
    colour: str | None = None


def cards(
    items: Sequence[Card],
    key: str,
    name: str,
    width: int = 136,
    layout: Literal["strip", "wall"] = "strip",
    chosen: str | None = None,
    on_press: Callable[[str], None] | None = None,
    on_cell: Callable[[int, int], None] | None = None,
) -> None:
    """Show cards, and say which was pressed before the page is drawn again.

    Args:
        items: what to show.
        key: the component's key on the page.
        name: of all of them, for those who do not see them.
        width: of each picture, in pixels of a screen of 96 dpi; less where there is no room.
        layout: one line that scrolls sideways, or as many lines as it takes.
        chosen: key of the card that is in use.
        on_press: called with the key of the card that was pressed. Without it, cards cannot be pressed.
        on_cell: called with the row and the column of a cell that was chosen. Cards with cells cannot be pressed.
    """

    def read() -> None:
        pressed = st.session_state[key].get("pressed")
        if on_press is not None and pressed in known:
            on_press(pressed)

    def read_cell() -> None:
        chosen = st.session_state[key].get("cell")
        if on_cell is not None and isinstance(chosen, list) and chosen in offered:
            on_cell(*chosen)

    known = {item.key for item in items}
    grids = {(frame.cells.rows, frame.cells.columns) for item in items for frame in item.frames if frame.cells}
    offered = [[row, column] for rows, columns in grids for row in range(rows) for column in range(columns)]
    data = {
        "items": [asdict(item) for item in items],
        "name": name,
        "width": width,
        "layout": layout,
        "chosen": chosen,
        "pressable": on_press is not None,
    }
    _mount(key=key, data=data, on_pressed_change=read, on_cell_change=read_cell)
