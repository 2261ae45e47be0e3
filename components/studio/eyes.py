"""What a class's prompt looks at in a picture: its traits side by side, alone and beside another class's."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.browser.canvas import Choice, Outline, Pane, Row
from components.choices.dropdown import dropdown
from components.choices.target import PREDICTED, name_classes
from components.maps.rows import EXPLAIN_CLASS, describe_picture
from components.studio.views import FIRST_TRAITS, MOST_TRAITS, OTHER_CLASS, OUTLINED, TRAITS
from components.words import format_share
from explain.maps.render import RenderSettings
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.traits.traits import ClassView, EyesView, Trait, compare_classes, encode_figure, encode_maps

MATTERS = 0.01
"""Of a probability: what a head's loss must at least change for the head to be called a trait."""

_LIKELIEST = 5
_LIKELY, _KEPT = 0.5, 0.9  # from when on a class counts as decided, and as decided without its heads


def offer_eyes_downloads(picture: Picture, view: EyesView, render: RenderSettings) -> None:
    """Two buttons. Each file is made when its button is pressed."""
    with st.container(key="eyes-downloads", horizontal=True, gap="small"):
        st.download_button(
            "Figure",
            lambda: encode_figure(picture, view, render),
            "eyes.png",
            "image/png",
            key="eyes-figure",
            on_click="ignore",
            icon=":material/image:",
            help="The traits as one PNG, with what is lost without each.",
        )
        st.download_button(
            "Raw maps",
            lambda: encode_maps(view),
            "eyes.npz",
            "application/zip",
            key="eyes-maps",
            on_click="ignore",
            icon=":material/grid_on:",
            help="The attention of every head as numbers: NumPy's NPZ, by class index, (heads, rows, columns) float32.",
        )


def pick_other(labels: Sequence[str], first: int) -> int | None:
    """Offer a second class for the same picture; gives back its index.

    Args:
        labels: names of the model's classes.
        first: the class that is looked at already.
    """
    chosen: tuple[int, str] | None = st.session_state.get(OTHER_CLASS)
    if chosen is not None and not (chosen[0] < len(labels) and labels[chosen[0]] == chosen[1]):
        known = chosen[1] in labels
        chosen = st.session_state[OTHER_CLASS] = (list(labels).index(chosen[1]), chosen[1]) if known else None
    options = [PREDICTED, *(index for index in range(len(labels)) if index != first)]
    at = PREDICTED if chosen is None or chosen[0] == first else chosen[0]
    named = name_classes(labels)

    def choose(index: int) -> None:
        st.session_state[OTHER_CLASS] = None if index == PREDICTED else (index, labels[index])

    dropdown(
        "Compare with",
        options,
        at,
        "studio-other-widget",
        choose,
        format_func=lambda index: "No second class" if index == PREDICTED else named[index],
        help="A second class's eyes on the same picture, and what one of them looks for that the other does not.",
        width=245,
    )
    return None if at == PREDICTED else at


def pick_traits() -> int:
    """Offer how many traits are shown; a network with fewer heads shows all it has."""
    st.session_state.setdefault(TRAITS, FIRST_TRAITS)
    return st.slider(
        "Traits",
        1,
        MOST_TRAITS,
        key=TRAITS,
        persist_state="session",
        width=200,
        help="What one attention head of the last block looks at; a trait, where the class loses something without it. "
        "They are ranked by blurring one head after the other: first the one whose loss hurts the class most.",
    )


def offer_parts(outlines: Sequence[Outline]) -> Sequence[Outline]:
    """Offer to outline the parts of the picture, where they are known."""
    if not outlines:
        return ()
    st.session_state.setdefault(OUTLINED, False)
    shown = st.toggle(
        "Outline the parts",
        key=OUTLINED,
        persist_state="session",
        help="This picture was drawn by a program, which knows where each part of the bird is.",
    )
    return outlines if shown else ()


def build_eyes_rows(
    picture: Picture, view: EyesView, labels: Sequence[str], outlines: Sequence[Outline] = ()
) -> list[Row]:
    """A row for each class looked at, and for two classes one with what each looks at more than the other.

    Args:
        picture: what is looked at.
        view: by one or two classes.
        labels: names of the model's classes.
        outlines: parts of the picture to show.
    """
    rows = []
    for place, seen in enumerate(view.classes):
        others = [other for other in view.classes if other is not seen]
        notes = compare_traits(seen, others[0]) if others else {}
        about = describe_class(seen)
        rows.append(
            Row(
                key=f"{picture.digest} {place}",
                label=f"Through the eyes of “{seen.label}”",
                pixels=picture.pixels,
                digest=picture.digest,
                panes=[
                    build_picture_pane(picture, view, labels) if place == 0 else _build_plain_pane(picture),
                    *(
                        build_trait_pane(trait, seen, view.box, picture.name, notes.get(trait.head, ""))
                        for trait in seen.traits
                    ),
                ],
                detail=f"{about} {describe_picture(picture)}" if place == 0 else about,
                outlines=outlines,
            )
        )
    if len(view.classes) == 2:
        rows.append(_build_difference_row(picture, view, outlines))
    return rows


def describe_class(seen: ClassView) -> str:
    """Its probability, what is left of it without the traits shown, and its heads from most to least important."""
    heads = ", ".join(str(head + 1) for head in seen.ranking.order)
    several = f"these {len(seen.traits)} heads" if len(seen.traits) > 1 else "this head"
    return (
        f"{format_share(seen.probability)}, without {several} {format_share(seen.without_traits)}. "
        f"Heads by importance: {heads}."
    )


def doubt_traits(seen: ClassView) -> str | None:
    """What must be said where the heads hardly matter: then their maps say little about the decision."""
    left = seen.ranking.most_first[-1]
    if seen.probability < _LIKELY or left < _KEPT * seen.probability:
        return None
    return (
        f"With every head of the last block blurred, “{seen.label}” still keeps {format_share(left)}: where these "
        "heads look decides little, so their maps explain little of the decision."
    )


def compare_traits(seen: ClassView, other: ClassView) -> dict[int, str]:
    """For each trait's head, which trait of the other class looks at the same places, or that none does."""
    return {
        pair.trait.head: f"“{other.label}” looks here too (its trait {pair.closest.rank})"
        if pair.found
        else f"No counterpart in “{other.label}”"
        for pair in compare_classes(seen, other).counterparts
    }


def build_trait_pane(trait: Trait, seen: ClassView, box: Box, name: str, note: str = "") -> Pane:
    """One head's attention, with what its loss alone does to the class. It is a trait only where that is something."""
    before, after = format_share(seen.probability), format_share(trait.blurred_probability)
    matters = abs(seen.probability - trait.blurred_probability) >= MATTERS
    return Pane(
        key=f"trait-{trait.rank}",
        title=f"Trait {trait.rank} · head {trait.head + 1}" if matters else f"Head {trait.head + 1}",
        sentence=f"Blurred alone: {before} → {after}{'' if matters else ': by itself it hardly matters'}",
        faint=not matters,
        time=note,
        values=trait.values,
        box=box,
        alt=f"What head {trait.head + 1} of “{seen.label}” looks at on {name}",
    )


def build_picture_pane(
    picture: Picture, view: EyesView, labels: Sequence[str], sentence: str = "Press a class to look through its eyes."
) -> Pane:
    """The picture, and its likeliest classes to press; among them the one looked through."""
    first = view.classes[0].target
    shown = [prediction.index for prediction in view.predictions[:_LIKELIEST]]
    if first not in shown:
        shown = [*shown[: _LIKELIEST - 1], first]
    return Pane(
        key="picture",
        title="Picture",
        sentence=sentence,
        alt=picture.name,
        choices=tuple(
            Choice(labels[i], float(view.probabilities[i]), i == first, f"{EXPLAIN_CLASS}:{i}") for i in shown
        ),
    )


def _build_plain_pane(picture: Picture) -> Pane:
    return Pane("picture", "Picture", "As it is.", alt=picture.name)


def _build_difference_row(picture: Picture, view: EyesView, outlines: Sequence[Outline]) -> Row:
    first, second = view.classes
    panes = [_build_plain_pane(picture)]
    panes += [
        Pane(
            f"all-{place}",
            seen.label,
            f"Mean of its {len(seen.traits)} traits.",
            values=seen.mean,
            box=view.box,
            alt=f"What “{seen.label}” looks at on {picture.name}",
        )
        for place, seen in enumerate(view.classes)
    ]
    panes += [
        Pane(
            f"only-{place}",
            f"{one.label} − {other.label}",
            f"Where “{one.label}” looks more than “{other.label}”.",
            values=compare_classes(one, other).difference,
            box=view.box,
            alt=f"Where “{one.label}” looks more than “{other.label}” on {picture.name}",
        )
        for place, (one, other) in enumerate(((first, second), (second, first)))
    ]
    return Row(
        key=f"{picture.digest} difference",
        label=f"“{first.label}” beside “{second.label}”",
        pixels=picture.pixels,
        digest=picture.digest,
        panes=panes,
        detail="A class that is not in the picture looks for its traits all the same, and its map shows where.",
        outlines=outlines,
    )
