"""What happens without channels, on the page: what they are set to, which picture is the other one, and from where
paths are followed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st

from components.browser.cards import Card
from components.choices.dropdown import dropdown
from components.choices.view import pick_one
from components.maps.frames import SMALL, draw_frame, prepare_ground
from components.studio.effects import DRAWN
from explain.faithfulness.channels import Way
from explain.faithfulness.references import describe_unlikeness
from explain.percent import write_change
from explain.pictures.geometry import Box
from explain.pictures.painting import paint_over
from explain.pictures.picture import Picture
from explain.pictures.region import join_regions

if TYPE_CHECKING:
    from explain.faithfulness.channels import Channels, Shift
    from explain.models.loaded import LoadedModel
    from explain.networks.layer import Layer

ChannelReading = Literal["removal", "alone"]

WAY, CHANNEL_READING, TWIN, PATHS_FROM = "channels-way", "channels-reading", "channels-twin", "channels-paths-from"
"""Keys of the session's state: what channels are set to, what is shown of it, the other picture, the earlier layer."""

WAYS: dict[Way, str] = {"mean": "Their mean", "zero": "Zero", "twin": "The other picture"}
CHANNEL_READINGS: dict[ChannelReading, str] = {"removal": "Removed", "alone": "Kept alone"}
MOST_BARS = 14
"""Channels that bars are drawn of."""

MOST_CARDS = 7
"""Channels of which it is shown where they respond."""

PAINTED = "painted"
"""In place of a digest: the other picture is this one with the regions drawn painted over."""

_NOBODY = ""
_FEWEST_BESIDE = 3  # pictures shown whose mean is taken, and not the examples'


@dataclass(frozen=True)
class ChannelsShown:
    """The numbers that are shown.

    Attributes:
        way: what channels are set to.
        reading: whether one is, or all but one.
        by_probability: the probability of the class, and not its score.
    """

    way: Way
    reading: ChannelReading
    by_probability: bool

    def find_values(self, channels: Channels) -> np.ndarray:
        """What each channel does to that number, `(C,)`; a probability in per cent."""
        values: np.ndarray = getattr(self.find_shift(channels), self.reading)
        return 100 * values if self.by_probability else values

    def find_strongest(self, channels: Channels, count: int) -> np.ndarray:
        """The channels that do most to it, the first first."""
        order: np.ndarray = np.argsort(-np.abs(self.find_values(channels)), kind="stable")
        return order[:count]

    def find_shift(self, channels: Channels) -> Shift:
        """What the channels do to that number."""
        of = channels.replaced[self.way]
        return of.probability if self.by_probability and of.probability is not None else of.score


def pick_way(has_mean: bool, has_twin: bool) -> Way:
    """Offer what channels are set to.

    Args:
        has_mean: there are other pictures over which a mean can be taken, see `list_beside`.
        has_twin: there is another picture.
    """
    there = {"mean": has_mean, "zero": True, "twin": has_twin}
    return pick_one(
        "Set channels to",
        WAY,
        {way: title for way, title in WAYS.items() if there[way]},
        "Their mean over pictures and places is what they usually are. Zero is out of the ordinary for a channel that "
        "never is zero. With another picture it is seen which channels carry what differs.",
    )


def pick_channel_reading() -> ChannelReading:
    """Offer what is shown of each channel."""
    return pick_one(
        "What is shown",
        CHANNEL_READING,
        CHANNEL_READINGS,
        "Removed: how far the number falls with this channel so set. Kept alone: how far it rises where of channels so "
        "set this one alone is as it was.",
    )


def pick_twin(picture: Picture, pictures: Sequence[Picture]) -> Picture | None:
    """Offer the other picture: one of those shown, or this one with the regions drawn on it painted over.

    Raises:
        PictureError: the regions drawn cannot be painted over.
    """
    others = {other.digest: other for other in pictures if other.digest != picture.digest}
    regions = st.session_state.get(DRAWN, [])
    offered = {_NOBODY: "None", **{digest: other.name for digest, other in others.items()}}
    if regions:
        offered[PAINTED] = "This one, drawn regions painted over"
    chosen = st.session_state.get(TWIN) or _NOBODY
    chosen = chosen if chosen in offered else _NOBODY
    dropdown(
        "Other picture",
        [*offered],
        chosen,
        "channels-twin-widget",
        _choose_twin,
        format_func=offered.__getitem__,
        filter_mode=None,
        help="Another of the pictures chosen on the left; or this one, with what was drawn under Regions painted over.",
        width=240,
    )
    if chosen == PAINTED:
        return paint_over(picture, join_regions(regions, picture.size))
    return others.get(chosen)


def _choose_twin(digest: str) -> None:
    st.session_state[TWIN] = digest or None


def pick_earlier(layers: Sequence[Layer], layer: str) -> str | None:
    """Offer an earlier layer, from which paths lead to the one that is looked at; None for no paths."""
    names = [one.name for one in layers]
    earlier = names[: names.index(layer)]
    chosen = st.session_state.get(PATHS_FROM)
    chosen = chosen if chosen in earlier else None
    dropdown(
        "Paths from",
        [_NOBODY, *earlier],
        chosen or _NOBODY,
        "channels-paths-widget",
        _choose_earlier,
        format_func=lambda name: name or "No layer",
        help="What the strongest channels of an earlier layer do through the strongest of this one. It takes the "
        "longer the earlier the layer is.",
        width=200,
        disabled=not earlier,
    )
    return chosen


def _choose_earlier(name: str) -> None:
    st.session_state[PATHS_FROM] = name or None


def list_beside(picture: Picture, pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """The pictures shown whose mean is taken; none where they are few and examples are like this one."""
    others = tuple(other for other in pictures if other.digest != picture.digest)
    return others if len(others) >= _FEWEST_BESIDE or describe_unlikeness(picture) else ()


def has_mean(picture: Picture, beside: Sequence[Picture]) -> bool:
    """Whether there is a mean to set channels to: over pictures beside this one, or over examples, where it is like
    those. The mean of a scan alone would be over its own places, and do nothing where what follows averages them.
    """
    return bool(beside) or not describe_unlikeness(picture)


def make_channels_key(model: LoadedModel, target: int | None, picture: Picture, named: Mapping[str, str]) -> str:
    """Equal for the same question, and for no other."""
    asked = f"{model.fingerprint} {target} {picture.digest} {sorted(named.items())}"
    return f"channels {hashlib.sha256(asked.encode()).hexdigest()}"


def build_channel_cards(channels: Channels, shown: ChannelsShown, picture: Picture, box: Box) -> list[Card]:
    """The picture, and where the channels that do most respond on it.

    Args:
        channels: what was measured.
        shown: the numbers that are shown.
        picture: of which it was measured.
        box: the rectangle of it that the model sees.
    """
    ground = prepare_ground(picture, SMALL)
    nothing = np.zeros((1, 1), dtype=np.float32)
    items = [Card("picture", picture.name, ("as it is",), [draw_frame(ground, nothing, box, picture.name)])]
    values = shown.find_values(channels)
    unit = " %" if shown.by_probability else ""
    for channel in shown.find_strongest(channels, MOST_CARDS):
        alt = f"Channel {channel} of {channels.layer}"
        frame = draw_frame(ground, channels.maps[channel], box, alt, signed=True)
        items.append(Card(str(channel), f"Channel {channel}", (f"{write_change(values[channel], 3)}{unit}",), [frame]))
    return items


def describe_bars(channels: Channels, shown: ChannelsShown) -> str:
    """What bars and marks are, in a sentence or two."""
    count = len(channels.weights)
    text = f"The {min(count, MOST_BARS)} of {count} channels that do most. Bars to the right speak for the class."
    if shown.reading == "removal" and not shown.by_probability:
        text += " Diamonds: by Grad-CAM's weight."
    return text
