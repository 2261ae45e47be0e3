"""Trait surgery on the page: which region, what is done to it, and what the classes say before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import streamlit as st

from components.browser.canvas import Outline, Row, read_drawn
from components.studio.eyes import build_picture_pane, build_trait_pane, describe_class
from components.words import format_share
from explain.maps.heatmap import find_peak
from explain.pictures.painting import Paint, paint_over, swap_region
from explain.pictures.picture import Picture
from explain.pictures.region import Region
from explain.traits.surgery import Answer
from explain.traits.traits import EyesView, Trait

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

_AFTER = "surgery-after"
_DRAWN = "As drawn"
_SENTENCES = {"Before": "Draw on it: Box and Lasso are above.", "After": "As it is now."}


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


def pick_operation(
    picture: Picture, masks: Mapping[str, np.ndarray], others: Mapping[str, Picture]
) -> Operation | None:
    """Offer what to do and where; None until there is a region.

    Args:
        picture: what is changed.
        masks: the parts of the picture, where they are known, `(H, W)` bool.
        others: pictures to swap with, by what a person calls them.
    """
    offered = [how for how in HOWS if how != "swap" or others]
    if st.session_state.get(HOW) not in offered:
        st.session_state[HOW] = "surroundings"
    with st.container(key="surgery-tools", horizontal=True, vertical_alignment="bottom", gap="medium"):
        how = st.segmented_control(
            "Change the region by",
            offered,
            key=HOW,
            format_func=HOWS.__getitem__,
            persist_state="session",
            required=True,
            width="content",
            help="Mean colour: painted over with the mean of what lies around it. Fill in: what lies around it is "
            "drawn on inwards. Swap: the same place of another picture.",
        )
        assert how is not None  # one is required, and one was set
        other = None
        if how == "swap":
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
            other = others[name]
        part = _pick_part(masks)
    if part is not None:
        return Operation(how, masks[part], part, other)
    drawn = read_drawn(CANVAS)
    # What is drawn on the picture after is a place of the picture before, too.
    if drawn is None or drawn.digest not in (picture.digest, st.session_state.get(_AFTER)):
        return None
    return Operation(how, drawn.corners, "the region drawn", other)


def operate(operation: Operation, picture: Picture) -> Picture:
    """Do it, and remember what came of it: the next region may be drawn on that.

    Raises:
        PictureError: see `Operation.apply`.
    """
    after = operation.apply(picture)
    st.session_state[_AFTER] = after.digest
    return after


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


def build_surgery_rows(
    before: Picture,
    after: Picture | None,
    views: Sequence[EyesView],
    labels: Sequence[str],
    outlines: Sequence[Outline] = (),
) -> list[Row]:
    """A row before and, where there is one, a row after, each with the picture and the same heads of the class.

    Args:
        before: the picture.
        after: the picture once it is changed.
        views: through the eyes of the class, of each of them.
        labels: names of the model's classes.
        outlines: what is changed.
    """
    heads = [trait.head for trait in views[0].classes[0].traits]
    rows = []
    for title, picture, view in zip(("Before", "After"), (before, after), views, strict=False):
        if picture is None:
            continue
        seen = view.classes[0]
        # Ranked anew the heads would change places, and nothing could be seen side by side.
        traits = [
            Trait(head, rank, seen.attention[head], find_peak(seen.attention[head], view.box), seen.ranking.alone[head])
            for rank, head in enumerate(heads, start=1)
        ]
        told = describe_class(seen) if title == "Before" else f"{format_share(seen.probability)}. {picture.notes[-1]}"
        rows.append(
            Row(
                key=title,
                label=f"{title} · “{seen.label}”",
                pixels=picture.pixels,
                digest=picture.digest,
                panes=[
                    build_picture_pane(picture, view, labels, _SENTENCES[title]),
                    *(build_trait_pane(trait, seen, view.box, picture.name) for trait in traits),
                ],
                detail=told,
                outlines=outlines,
            )
        )
    return rows


def describe_answer(answer: Answer, labels: Sequence[str]) -> str:
    """What became of the class and of the decision, in a sentence or two."""
    before, after = answer.before.classes[0], answer.after.classes[0]
    one, two = (view.predictions[0] for view in (answer.before, answer.after))
    change = after.probability - before.probability
    how = "falls" if change < -0.005 else "rises" if change > 0.005 else "stays"
    text = f"“{before.label}” {how}: {before.probability:.1%} → {after.probability:.1%}."
    if answer.flipped:
        return f"{text} The decision flips from “{labels[one.index]}” to “{labels[two.index]}”."
    return f"{text} The decision stays “{labels[one.index]}”."
