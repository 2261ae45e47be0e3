"""Surgery on the page: which regions, what is done to each, and what the model says before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import streamlit as st

from components.browser.canvas import Choice, Outline, Pane, Row, read_drawn
from components.choices.view import pick_one
from components.maps.rows import EXPLAIN_CLASS
from components.studio.eyes import build_trait_pane, describe_class
from components.words import format_answer
from explain.engine.explanation import Prediction, format_value
from explain.errors import PictureError
from explain.maps.heatmap import Heatmap, find_peak
from explain.methods import get_method
from explain.percent import write_percent
from explain.pictures.painting import Paint, paint_over, swap_region
from explain.pictures.picture import Picture
from explain.pictures.region import Region
from explain.traits.surgery import Reading
from explain.traits.traits import Trait

How = Literal["surroundings", "blur", "inpaint", "noise", "swap"]

HOW = "surgery-how"
PART = "surgery-part"
OTHER = "surgery-other"
HOWS: dict[How, str] = {
    "surroundings": "Mean colour",
    "blur": "Blur",
    "inpaint": "Fill in",
    "noise": "Noise",
    "swap": "Swap",
}
CANVAS = "surgery-canvas"

_EDITS = "surgery-edits"
_DRAWN = "As drawn"
_MOST_ANSWERS = 5
_SENTENCES = ("Draw on it: Box and Lasso are above.", "As it is now. Draw on it to change more.")


@dataclass(frozen=True, eq=False)
class Operation:
    """What is done: how, where, and for a swap with which picture's part."""

    how: How
    region: Region
    name: str
    other: Picture | None = None

    def apply(self, picture: Picture) -> Picture:
        """The picture after it.

        Raises:
            PictureError: the region holds no pixel, or nothing is left around it.
        """
        if self.how == "swap":
            assert self.other is not None
            return swap_region(picture, self.region, self.other, feather=2.0)
        assert self.how in get_args(Paint)
        return paint_over(picture, self.region, self.how)


@dataclass(frozen=True, eq=False)
class Edits:
    """What has been done to a picture, one on top of the other. It lives in the session's state.

    Attributes:
        digest: of the picture as it was.
        done: the operations, the first one first.
        regions: what each of them was told by: a region drawn, or a part's name.
        seen: regions of either kind that were told last: what has been undone is not done again.
        digests: of what came of it: the next region may be drawn on that.
    """

    digest: str
    done: tuple[Operation, ...] = ()
    regions: tuple[Any, ...] = ()
    seen: Mapping[str, Any] = field(default_factory=dict)
    digests: frozenset[str] = frozenset()

    def without_last(self) -> Edits:
        """The same but for the last operation."""
        return replace(self, done=self.done[:-1], regions=self.regions[:-1])

    def follow(self, kind: str, region: Any, operation: Operation | None) -> Edits:
        """The edits after a region of a kind was told: one more where it is news, none where it is known.

        A region drawn that is cleared takes its operation with it. What is done to the last region follows the choice
        of how as long as that region is the one told.
        """
        seen = dict(self.seen)
        before, seen[kind] = seen.get(kind), region
        followed = replace(self, seen=seen)
        if region is None:
            was_last = kind == "drawn" and before is not None and self.regions[-1:] == (before,)
            return followed.without_last() if was_last else followed
        assert operation is not None
        if region != before:
            return replace(followed, done=(*self.done, operation), regions=(*self.regions, region))
        if self.regions[-1:] == (region,):
            return replace(followed, done=(*self.done[:-1], operation))
        return followed


def pick_edits(picture: Picture, masks: Mapping[str, np.ndarray], others: Mapping[str, Picture]) -> Edits:
    """Offer what to do and where, and the way back; gives back all that is to be done.

    Args:
        picture: what is changed.
        masks: the parts of the picture, where they are known, `(H, W)` bool.
        others: pictures to swap with, by what a person calls them.
    """
    edits = _read_edits(picture)
    with st.container(key="surgery-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        how, other = _pick_how(others)
        part = _pick_part(masks)
        edits = edits.follow("part", part, None if part is None else Operation(how, masks[part], part, other))
        drawn = read_drawn(CANVAS)
        if drawn is not None and drawn.digest in {picture.digest, *edits.digests}:
            edits = edits.follow("drawn", drawn.corners, Operation(how, drawn.corners, "the region drawn", other))
        elif drawn is None and CANVAS in st.session_state:
            edits = edits.follow("drawn", None, None)
        st.session_state[_EDITS] = edits
        nothing = not edits.done
        st.button("Undo", key="surgery-undo", on_click=_undo, icon=":material/undo:", disabled=nothing)
        st.button("Start again", key="surgery-reset", on_click=_start_again, disabled=nothing)
    return edits


def operate(edits: Edits, picture: Picture) -> Picture | None:
    """Do it all; None where there is nothing to do. An edit that cannot be done is given up.

    Raises:
        PictureError: the region holds no pixel, or nothing is left around it.
    """
    after = picture
    for number, operation in enumerate(edits.done):
        try:
            after = operation.apply(after)
        except PictureError:
            st.session_state[_EDITS] = replace(edits, done=edits.done[:number], regions=edits.regions[:number])
            raise
    if not edits.done:
        return None
    st.session_state[_EDITS] = replace(edits, digests=edits.digests | {after.digest})
    return after


def _read_edits(picture: Picture) -> Edits:
    edits: Edits | None = st.session_state.get(_EDITS)
    if edits is not None and edits.digest == picture.digest:
        return edits if CANVAS in st.session_state else replace(edits, seen={**edits.seen, "drawn": None})
    st.session_state.pop(PART, None)
    return Edits(picture.digest, seen={"drawn": getattr(read_drawn(CANVAS), "corners", None)})


def _undo() -> None:
    edits: Edits = st.session_state[_EDITS]
    st.session_state[_EDITS] = edits.without_last()


def _start_again() -> None:
    edits: Edits = st.session_state[_EDITS]
    st.session_state[_EDITS] = replace(edits, done=(), regions=())


def _pick_how(others: Mapping[str, Picture]) -> tuple[How, Picture | None]:
    how = pick_one(
        "Change the region by",
        HOW,
        {how: title for how, title in HOWS.items() if how != "swap" or others},
        "Mean colour: painted over with the mean of what lies around it. Fill in: what lies around it is "
        "drawn on inwards. Swap: the same place of another picture. Another region is another edit on top.",
    )
    if how != "swap":
        return how, None
    if st.session_state.get(OTHER) not in others:
        st.session_state[OTHER] = next(iter(others))
    name = st.selectbox(
        "With the same place of",
        [*others],
        key=OTHER,
        persist_state="session",
        width=260,
        help="The two pictures are laid over each other.",
    )
    return how, others[name]


def _pick_part(masks: Mapping[str, np.ndarray]) -> str | None:
    """Offer the parts of the picture that can be seen; None for what is drawn by hand."""
    seen = [name for name, mask in masks.items() if mask.any()]
    if not seen:
        return None
    if st.session_state.get(PART) not in [_DRAWN, *seen]:
        st.session_state[PART] = _DRAWN
    part = st.selectbox(
        "Region",
        [_DRAWN, *seen],
        key=PART,
        persist_state="session",
        format_func=lambda name: name if name == _DRAWN else name.capitalize(),
        filter_mode=None,
        width=180,
        help="A box or lasso that you draw, or one of the parts that this picture is known to have.",
    )
    return None if part == _DRAWN else part


def build_surgery_rows(readings: Sequence[Reading], model: str, outlines: Sequence[Outline] = ()) -> list[Row]:
    """A row before and, where there is one, a row after: the picture, the same heads of the class where the model has
    class prompts, and the maps.

    Args:
        readings: what the model makes of the picture before, and after.
        model: its name.
        outlines: what is changed.
    """
    rows = []
    for title, sentence, reading in zip(("Before", "After"), _SENTENCES, readings, strict=False):
        picture = reading.picture
        told = f"{model}: {reading.answer.describe(1)}."
        if title == "After":
            told = f"{told} {' '.join(note for note in picture.notes if note.startswith('Altered'))}"
        elif reading.eyes is not None:
            told = f"{model}. {describe_class(reading.eyes.classes[0])}"
        rows.append(
            Row(
                key=title,
                label=f"{title} · “{reading.answer.label}”",
                pixels=picture.pixels,
                digest=picture.digest,
                panes=[
                    _build_answers_pane(reading, sentence),
                    *_build_head_panes(readings[0], reading),
                    *(_build_map_pane(heatmap, reading.answer) for heatmap in reading.maps),
                ],
                detail=told,
                outlines=outlines,
            )
        )
    return rows


def _build_answers_pane(reading: Reading, sentence: str) -> Pane:
    shown = [*reading.predictions[:_MOST_ANSWERS]]
    if reading.answer not in shown:
        shown = [*shown[: _MOST_ANSWERS - 1], reading.answer]
    return Pane(
        key="picture",
        title="Picture",
        sentence=sentence,
        alt=reading.picture.name,
        choices=tuple(
            Choice(
                prediction.label,
                prediction.probability or 0.0,
                prediction.index == reading.target,
                f"{EXPLAIN_CLASS}:{prediction.index}",
                format_answer(prediction) if prediction.probability is None else "",
            )
            for prediction in shown
        ),
    )


def _build_head_panes(before: Reading, reading: Reading) -> list[Pane]:
    """The heads that mattered before. Ranked anew they would change places, and nothing could be seen side by side."""
    if before.eyes is None or reading.eyes is None:
        return []
    was, seen, box = before.eyes.classes[0], reading.eyes.classes[0], reading.eyes.box
    panes = []
    for trait in was.traits:
        head, values = trait.head, seen.attention[trait.head]
        now = Trait(head, trait.rank, values, find_peak(values, box), seen.ranking.alone[head])
        title = build_trait_pane(trait, was, box, before.picture.name).title
        panes.append(replace(build_trait_pane(now, seen, box, reading.picture.name), title=title))
    return panes


def _build_map_pane(heatmap: Heatmap, answer: Prediction) -> Pane:
    method = get_method(heatmap.method)
    return Pane(
        key=heatmap.method,
        title=method.title,
        sentence=method.sentence,
        warnings=heatmap.warnings,
        values=heatmap.values,
        box=heatmap.box,
        alt=f"{method.title} for “{answer.label}”",
    )


def describe_change(before: Reading, after: Reading) -> str:
    """What became of the class and of the decision, in a sentence or two."""
    one, two = before.answer, after.answer
    if one.probability is None or two.probability is None:
        rises = (two.score or 0.0) - (one.score or 0.0)
        how = "falls" if rises < 0 else "rises" if rises > 0 else "stays"
        return f"“{one.label}” {how}: {format_value(one.score)} → {format_value(two.score)}."
    change = two.probability - one.probability
    how = "falls" if change < -0.005 else "rises" if change > 0.005 else "stays"
    text = f"“{one.label}” {how}: {write_percent(one.probability, 1)} → {write_percent(two.probability, 1)}."
    first, last = before.predictions[0], after.predictions[0]
    if first.index != last.index:
        return f"{text} The decision flips from “{first.label}” to “{last.label}”."
    return f"{text} The decision stays “{first.label}”."
