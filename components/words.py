"""Names, shares and durations as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from explain.engine.explanation import Prediction, format_value
from explain.percent import write_share

if TYPE_CHECKING:
    from explain.faithfulness.measures import Better

ARROWS: Mapping[Better, str] = {"higher": " ↑", "lower": " ↓", "neither": ""}
"""Which way is better, behind a measure's title."""


def describe_duration(seconds: float) -> str:
    """An estimate as people say it: `about 4 s`, `about 2 min`."""
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min"


def format_time(seconds: float) -> str:
    """A measured time in few digits: `4.2 ms`, `87 ms`, `1.3 s`."""
    if seconds < 1e-4:
        return "under 0.1 ms"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def format_share(probability: float) -> str:
    """A probability, 0…1, in per cent, with a digit more near its ends."""
    return write_share(probability)


def format_answer(prediction: Prediction) -> str:
    """How likely an answer is, in per cent; for a value, the number itself."""
    share = prediction.probability
    return format_value(prediction.score) if share is None else format_share(share)


def escape(text: str) -> str:
    """A name as plain words of Markdown."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-!|<>$:~^" else letter for letter in text)


def describe_seconds(seconds: float) -> str:
    """A duration in the unit a person would use."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
