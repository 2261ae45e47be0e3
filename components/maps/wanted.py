"""What a class or a channel wants to see: real places, then drawings, as cards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
import streamlit as st

from components.browser.cards import Card, Frame, cards
from components.choices.pictures import list_pictures
from components.choices.view import pick_one
from components.maps.frames import encode_address
from components.session.work import Place, Work, go_on, is_stopped
from components.words import escape
from explain.bundled.caution import caution_of
from explain.engine.wanted import CAUTION, Drawing, Exemplar, Exemplars
from explain.errors import Cancelled
from explain.models.loaded import LoadedModel
from explain.networks.layer import Layer
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.engine.engine import Engine

Wanting = Literal["nothing", "class", "channel"]

WANTS = "layers-wants"
"""Key of the session's state: whose wishes are shown."""

WANTS_CHANNEL = "layers-wants-channel"
"""Key of the session's state: index of the channel whose they are."""

WANTINGS: dict[Wanting, str] = {"nothing": "Not now", "class": "The class", "channel": "A channel"}

_SIDE = 128  # of a frame, in pixels of the page
_MOST = 8  # real places


@dataclass(frozen=True)
class Wish:
    """What is asked.

    Attributes:
        layer: name of the layer.
        target: index of the class; None for a channel.
        channel: index of the channel; None for a class.
    """

    layer: str
    target: int | None
    channel: int | None

    def as_arguments(self) -> dict[str, Any]:
        """As the engine takes it."""
        return {"target": self.target, "layer": self.layer, "channel": self.channel}


def pick_wish(layer: Layer, target: int) -> Wish | None:
    """Offer the class and the channels; None where nothing is asked.

    Args:
        layer: the one in view.
        target: index of the class that is explained.
    """
    st.header("What it wants to see", anchor=False)
    with st.container(key="wanted-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        wanting = pick_one("Show what it wants", WANTS, WANTINGS, label_hidden=True)
        if wanting == "channel":
            if not 0 <= st.session_state.get(WANTS_CHANNEL, 0) < layer.channels:
                st.session_state[WANTS_CHANNEL] = 0
            st.number_input(
                f"Channel (0 to {layer.channels - 1})",
                0,
                layer.channels - 1,
                key=WANTS_CHANNEL,
                persist_state="session",
                width=180,
            )
    if wanting == "nothing":
        return None
    if wanting == "class":
        return Wish(layer.name, target, None)
    return Wish(layer.name, None, int(st.session_state.get(WANTS_CHANNEL, 0)))


def choose_channel(key: str) -> None:
    """Show what a channel wants from the next run on; its card has this key."""
    st.session_state[WANTS], st.session_state[WANTS_CHANNEL] = "channel", int(key)


def show_wanted(engine: Engine, model: LoadedModel, wish: Wish | None, keep: Callable[[], None]) -> None:
    """Real places, and drawings, which take long.

    Args:
        engine: who is asked.
        model: whose wishes they are.
        wish: what is asked; None for nothing.
        keep: called once that is known, to keep the link.
    """
    keep()
    if wish is None:
        st.caption(
            "The places of real pictures that the class, or one channel of this layer, answers to most; then pictures "
            "drawn so that it rises. Or press a channel above."
        )
        return
    pictures = list_known(model)
    place = Place("wanted-real")
    work = Work(
        lambda work: engine.find_exemplars(
            pictures,
            model,
            **wish.as_arguments(),
            most=_MOST,
            progress=lambda share, text: work.report(text, share),
            cancel=work.cancel,
        )
    )
    found = place.watch(work, "Looking through the pictures …")
    with place.container():
        _show_real(found, model)
    key = f"drawing {model.fingerprint} {wish}"
    drawn = Place("wanted-drawn")
    if is_stopped(key):
        try:
            drawings = _draw_all(engine, model, wish, found, _make_stopped())
        except Cancelled:
            drawings = []
    else:
        drawings = drawn.watch(
            Work(lambda work: _draw_all(engine, model, wish, found, work.cancel, work)), "Drawing …", stop_key=key
        )
    with drawn.container():
        _show_drawn(drawings, found)
        whole = len(drawings) == max(len(found.facets), 1) and all(drawing.is_whole for drawing in drawings)
        if is_stopped(key) and not whole:
            st.button("Go on drawing", key="wanted-go-on", on_click=go_on, icon=":material/play_arrow:")


def list_known(model: LoadedModel) -> list[Picture]:
    """The pictures at hand of the kinds that the model knows; all where it knows none of them."""
    asked, at_hand = model.request, [*list_pictures().values()]
    return [one for one in at_hand if not caution_of(asked.name, one, asked.source, model.labels)] or at_hand


def _make_stopped() -> threading.Event:
    """What lets nothing start: what is there is only looked at."""
    stopped = threading.Event()
    stopped.set()
    return stopped


def _draw_all(
    engine: Engine,
    model: LoadedModel,
    wish: Wish,
    found: Exemplars,
    cancel: threading.Event,
    work: Work[list[Drawing]] | None = None,
) -> list[Drawing]:
    """A drawing for each facet, or one from nothing where there is none; those there are, where it is stopped."""
    starts: list[np.ndarray | None] = [facet.mean for facet in found.facets] or [None]
    drawings: list[Drawing] = []
    for number, start in enumerate(starts):

        def tell(share: float, text: str, number: int = number) -> None:
            if work is not None:
                of = f", facet {number + 1} of {len(starts)}" if len(starts) > 1 else ""
                work.report(f"{text}{of}", (number + share) / len(starts))

        try:
            drawings.append(engine.draw(model, **wish.as_arguments(), start=start, progress=tell, cancel=cancel))
        except Cancelled:
            break
    return drawings


def _show_real(found: Exemplars, model: LoadedModel) -> None:
    """Each place beside the picture it is from."""
    st.markdown(f"**Real pictures first: where {escape(found.goal.name)} is highest**")
    items = [_build_real_card(one, number) for number, one in enumerate(found.best)]
    cards(items, "wanted-places", "Real places", width=_SIDE)
    of_class = found.goal.target is not None
    value = "what the cell adds to the score (HiRes-CAM)" if of_class else "the channel there"
    st.caption(
        f"Left the highest cell of a picture, grown by half a cell on each side: what it sees is larger, and how much "
        f"of that it uses nobody knows. Cell: {value}. {escape(found.sentence)}"
    )


def _build_real_card(one: Exemplar, number: int) -> Card:
    picture = one.picture
    height, width = picture.size
    place, marked = one.place, picture.pixels.copy()
    rows, columns = place.slices
    corners = (columns.start, rows.start), (columns.stop - 1, rows.stop - 1)
    for colour, thickness in ((0, 8), (255, 4)):
        cv2.rectangle(marked, *corners, (colour,) * 3, max(1, round(thickness * max(height, width) / 400)))
    name = escape(picture.name)
    likely = "" if one.answer.probability is not None else f" · {one.answer.likeliest}"
    frames = [
        Frame(_shrink(one.crop), f"A place of {name}", "place"),
        Frame(_shrink(marked), f"{name}, the place outlined", "picture"),
    ]
    lines = [f"Cell {one.value:.2f}", f"Whole picture {one.answer.describe()}{likely}"]
    return Card(str(number), picture.name, lines, frames)


def _show_drawn(drawings: Sequence[Drawing], found: Exemplars) -> None:
    """Each drawing, and where it did work; and what the model makes of it."""
    st.markdown(f"**Then drawings that raise it. {CAUTION}**")
    if not drawings:
        st.info("Stopped before the first steps. Nothing is drawn yet.", icon=":material/front_hand:")
        return
    best = found.best[0]
    items = [_build_drawn_card(drawing, number, found) for number, drawing in enumerate(drawings)]
    cards(items, "wanted-drawings", "Drawings", width=2 * _SIDE)
    sentences = [drawing.write_sentence(best) for drawing in drawings]
    st.markdown(escape(sentences[0]) if len(sentences) == 1 else "\n".join(f"- {escape(one)}" for one in sentences))
    st.caption(
        "Drawn by MACO: how much of each frequency there is stays as in natural photographs; what lies where climbs "
        "the score. Grey: where changing the drawing did little. At this size it is texture and pieces of things; a "
        "score as high as a real picture's shows how little the model needs."
    )


def _build_drawn_card(drawing: Drawing, number: int, found: Exemplars) -> Card:
    title = "Drawing"
    if len(found.facets) > 1:
        title = f"Facet {number + 1}, of {found.facets[number].count} pictures"
    said = "likeliest: " + drawing.answer.likeliest
    lines = [f"Drawing {drawing.answer.describe()} · best real {found.best[0].answer.describe()}", said]
    if not drawing.is_whole:
        lines.append(f"Stopped after {len(drawing.curve)} of {drawing.steps} steps")
    alt = f"Drawn so that {drawing.goal.name} rises"
    frames = [
        Frame(_enlarge(drawing.pixels), alt, "as drawn"),
        Frame(_enlarge(drawing.worked), f"{alt}, grey where it did little", "what did the work"),
    ]
    return Card(str(number), title, lines, frames)


def _shrink(pixels: np.ndarray) -> str:
    """At most twice as large as it is shown."""
    factor = 2 * _SIDE / max(pixels.shape[:2])
    if factor < 1:
        size = [max(1, round(side * factor)) for side in pixels.shape[1::-1]]
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return encode_address(np.ascontiguousarray(pixels))


def _enlarge(pixels: np.ndarray) -> str:
    """As a person looks at it, and as the model is shown it: between pixels colours change evenly."""
    factor = max(1, 4 * _SIDE // max(pixels.shape[:2]))
    size = [factor * side for side in pixels.shape[1::-1]]
    return encode_address(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR))
