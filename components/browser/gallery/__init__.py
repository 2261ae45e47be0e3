"""A gallery of thumbnails: press one to explain it alone, or its corner to add it to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import streamlit as st

Action = Literal["only", "toggle", "remove"]

_FOLDER = Path(__file__).parent

_mount = st.components.v2.component(
    "camscope_gallery",
    js=(_FOLDER / "gallery.js").read_text(encoding="utf-8"),
    css=(_FOLDER / "gallery.css").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class GalleryItem:
    """One thumbnail.

    Attributes:
        key: comes back when it is pressed.
        title: its name.
        thumbnail: a square picture as a data address.
        own: brought by the person, who may remove it again.
    """

    key: str
    title: str
    thumbnail: str
    own: bool = False


@dataclass(frozen=True)
class Pressed:
    """What was pressed: show `only` this, `toggle` it beside the others, or `remove` it."""

    action: Action
    key: str


def gallery(items: Sequence[GalleryItem], shown: Sequence[str], key: str, on_press: Callable[[Pressed], None]) -> None:
    """Show thumbnails, and say what was pressed before the page is drawn again.

    Args:
        items: what to show.
        shown: keys of the items that are being explained.
        key: the component's key on the page.
        on_press: called with what was pressed.
    """

    def read() -> None:
        pressed = st.session_state[key].get("pressed")
        if isinstance(pressed, dict) and pressed.get("action") in get_args(Action) and pressed.get("key") in known:
            on_press(Pressed(pressed["action"], pressed["key"]))

    known = {item.key for item in items}
    _mount(key=key, data={"items": [asdict(item) for item in items], "shown": list(shown)}, on_pressed_change=read)
