"""The strip of a stack on paper: how likely the class is and how strong each map is, slice by slice, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

INK, MUTED, RULE = "#171a1f", "#585f6a", "#d5d9df"
_BAR, _KEY_BAR, _ABSENT, _SHOWS_NOTHING = "#4a6fa5", "#171a1f", "#e8eaee", "#924000"

_LETTERS = 7.0
_NAMES = 96.0  # the room of a lane's name, to the left of its bars
_LANE, _APART, _AXIS = 26.0, 9.0, 11.0
_WIDEST_BAR, _FULL = 10.0, 0.8
_NEXT_NUMBER, _USUAL = 16.0, 32.0  # how far numbers below the bars stay from each other, and usually are
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Rect:
    """A filled rectangle in points, from the upper left corner of the drawing."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True)
class Text:
    """A line of letters whose base lies at `y`, and whose start, middle or end at `x`."""

    x: float
    y: float
    words: str
    size: float = _LETTERS
    anchor: Anchor = "start"
    bold: bool = False
    colour: str = INK


@dataclass(frozen=True)
class Drawing:
    """What a strip is made of, in points; what comes later lies above."""

    width: float
    height: float
    rects: tuple[Rect, ...]
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Lane:
    """A row of bars.

    Attributes:
        title: what is measured.
        heights: by slice from 0, how high its bar is, 0…1.
        ends: what the foot and the top of the lane are.
        nothing: slices on which there is nothing, or nearly nothing, to be seen.
    """

    title: str
    heights: Mapping[int, float]
    ends: tuple[str, str] = ("", "")
    nothing: frozenset[int] = field(default_factory=frozenset)


def draw_strip(lanes: Sequence[Lane], count: int, missing: Sequence[int], keys: Sequence[int], width: float) -> Drawing:
    """Lay the lanes below each other, over one axis of slices.

    Args:
        lanes: at least one.
        count: how many slices there are.
        missing: those that are not in the series, from 0: nothing but grey stands there.
        keys: those that are shown beside the strip, from 0: their bars are dark, their numbers stand below.
        width: of the drawing, in points.
    """
    step = (width - _NAMES) / count
    bar = min(step * (_FULL if step > 2 else 1.0), _WIDEST_BAR)
    rects: list[Rect] = []
    texts: list[Text] = []

    def find_middle(at: int) -> float:
        return _NAMES + (at + 0.5) * step

    for number, lane in enumerate(lanes):
        top = number * (_LANE + _APART)
        foot = top + _LANE
        for at in missing:
            rects.append(Rect(_NAMES + at * step, top, step, _LANE, _ABSENT))
        for at, height in lane.heights.items():
            high = height * _LANE
            rects.append(Rect(find_middle(at) - bar / 2, foot - high, bar, high, _KEY_BAR if at in keys else _BAR))
        for at in sorted(lane.nothing):
            rects.append(Rect(find_middle(at) - bar / 2, foot - 1.5, bar, 1.5, _SHOWS_NOTHING))
        rects.append(Rect(_NAMES, foot, width - _NAMES, 0.6, RULE))
        texts.append(Text(0, top + _LANE / 2 + _LETTERS / 3, lane.title, bold=True))
        low, high_end = lane.ends
        texts.append(Text(_NAMES - 3, foot, low, _LETTERS - 1, "end", colour=MUTED))
        texts.append(Text(_NAMES - 3, top + _LETTERS - 1, high_end, _LETTERS - 1, "end", colour=MUTED))
    below = len(lanes) * (_LANE + _APART) - _APART + _LETTERS + 3
    texts.append(Text(0, below, "Slice", colour=MUTED))
    for at, is_key in _list_numbers(count, keys, step):
        texts.append(
            Text(find_middle(at), below, f"{at + 1}", anchor="middle", bold=is_key, colour=INK if is_key else MUTED)
        )
    return Drawing(width, below + _AXIS - _LETTERS, tuple(rects), tuple(text for text in texts if text.words))


def _list_numbers(count: int, keys: Sequence[int], step: float) -> list[tuple[int, bool]]:
    """The slices whose numbers stand below the bars, and which of these are shown beside them; none over another."""
    found: list[tuple[int, bool]] = []
    every = next((one for one in _STEPS if one * step >= _USUAL), _STEPS[-1])
    wanted = [(at, True) for at in keys] + [(at, False) for at in (0, count - 1, *range(every - 1, count, every))]
    for at, is_key in wanted:
        if all(abs(at - other) * step >= _NEXT_NUMBER for other, _ in found):
            found.append((at, is_key))
    return sorted(found)
