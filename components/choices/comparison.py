"""What stands side by side: methods, or layers, classes or models, and which two of them are subtracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import streamlit as st

from components.choices.target import name_classes, offer_classes
from components.choices.view import pick_one
from components.words import describe_duration
from explain.bundled.models import bundled_models
from explain.networks.layer import Layer

CompareBy = Literal["methods", "layers", "classes", "models"]

BY = "compare-by"
WITH = "compare-with"
DIFFERENCE = "compare-difference"
AGREEMENT = "agreement"
VERDICTS = "verdicts"
"""Whether maps are checked, as the person chose; None, where there is no choice yet."""

_SWITCH = "verdicts-switch"
_HELP = (
    "May I believe this map? Parts are hidden, and the map is compared with those of other classes, of other "
    "pictures or volumes, and of copies nobody can tell from this one. Comes after the maps, and holds nothing up."
)
_FIRST_LAYERS = 4
_WIDTH = 264  # of a list beside what it is compared by
_PLACEHOLDERS: dict[CompareBy, str] = {
    "methods": "",
    "layers": f"{_FIRST_LAYERS} layers from the input to the answer",
    "classes": "Each picture's three likeliest classes",
    "models": "Every bundled model that knows the picture",
}


@dataclass(frozen=True)
class Comparison:
    """What the columns are.

    Attributes:
        by: what they differ in.
        names: names of layers or models, or indices of classes as text; for classes, none stands for each picture's
            three likeliest.
    """

    by: CompareBy = "methods"
    names: tuple[str, ...] = ()


def pick_comparison(
    layers: Sequence[Layer], first: str, labels: Sequence[str], model: str, knowing: Sequence[str]
) -> Comparison:
    """Offer what to compare by, and then which layers, classes or models, beside each other in the caller's row.

    Args:
        layers: the model's layers.
        first: name of the layer chosen on the left, which is always among those compared.
        labels: names of the model's classes.
        model: the model's name.
        knowing: names of the bundled models that know the pictures, compared where none is chosen.
    """
    ways: dict[CompareBy, str] = {by: by.capitalize() for by in get_args(CompareBy)}
    by = pick_one("Compare by", BY, ways, on_change=lambda: st.session_state.pop(WITH, None), label_hidden=True)
    if by == "methods":
        return Comparison()
    options: dict[str, str]
    if by == "layers":
        options = {layer.name: f"{layer.name} · {layer.describe_grid()}" for layer in layers}
    elif by == "classes":
        wanted = [name for name in st.session_state.get(WITH, []) if name.isdecimal() and int(name) < len(labels)]
        with st.container(width=_WIDTH):
            offered = sorted(offer_classes(labels, f"{WITH}-search", [*map(int, wanted)]))
        options = {str(index): name for index, name in zip(offered, name_classes(labels, offered), strict=True)}
    else:
        options = {name: name for name in dict.fromkeys([model, *(bundled.name for bundled in bundled_models())])}
    st.session_state[WITH] = [name for name in st.session_state.get(WITH, []) if name in options]
    with st.container(width=_WIDTH):
        chosen = st.multiselect(
            by.capitalize(),
            [*options],
            format_func=options.__getitem__,
            key=WITH,
            placeholder=_PLACEHOLDERS[by],
            persist_state="session",
            label_visibility="collapsed",
        )
    if by == "layers" and not chosen:
        chosen = spread_layers(layers, first)
    if by == "models" and not chosen:
        chosen = [name for name in options if name == model or name in knowing]
    order = {name: place for place, name in enumerate(options)}
    return Comparison(by, tuple(sorted(chosen, key=order.__getitem__)))


def pick_difference(columns: Mapping[str, str]) -> tuple[str, str] | None:
    """Offer to subtract one column from another; gives back both, or None.

    Args:
        columns: by key, what a person calls the column.
    """
    if len(columns) < 2:
        return None
    for side in ("a", "b"):
        if st.session_state.get(f"{DIFFERENCE}-{side}") not in columns:
            st.session_state.pop(f"{DIFFERENCE}-{side}", None)
    # The lists are made once they are opened: each moved slider would make them again.
    popover = st.popover("Difference", icon=":material/compare:", key=DIFFERENCE, on_change="rerun")
    if popover.open:
        common: dict[str, Any] = {
            "options": [*columns],
            "format_func": columns.__getitem__,
            "index": None,
            "placeholder": "None",
            "persist_state": "session",
        }
        with popover:
            st.selectbox("Where this one is stronger …", key=f"{DIFFERENCE}-a", **common)
            st.selectbox("… than this one", key=f"{DIFFERENCE}-b", **common)
            st.caption(
                "Each map counts in units of its own largest value. *Signed*, under *More* above the maps, shows both "
                "ways."
            )
    first, second = (st.session_state.get(f"{DIFFERENCE}-{side}") for side in ("a", "b"))
    return (first, second) if first and second and first != second else None


def pick_agreement() -> bool:
    """Offer to say how far the maps of a row agree."""
    return st.toggle(
        "Agreement",
        key=AGREEMENT,
        persist_state="session",
        help="How far do the maps of a picture agree? Measured, with a matrix below the maps.",
    )


def pick_verdicts(by_itself: bool, possible: bool, seconds: float | None = None) -> bool:
    """Offer to measure whether each map may be believed; gives back whether that is wanted.

    What the person chose holds for all models; until then each does as it does by itself.

    Args:
        by_itself: these maps are checked without being asked for.
        possible: maps such as these can be checked.
        seconds: how long that takes, where it is not done by itself and is known.
    """
    chosen = st.session_state.get(VERDICTS)
    on = possible and (by_itself if chosen is None else chosen)
    # A switch for each way in which it is set by itself: a browser that has not heard of the new one yet says the old
    # one's word once more, and that is no choice.
    key = "-".join((_SWITCH, *([] if by_itself else ["asked"]), *([] if possible else ["not"])))
    st.session_state[key] = on
    label, what = "Verdicts", _HELP
    if not possible:
        what = "Only maps as they are can be checked, side by side by method: neither fused nor averaged."
    elif not (by_itself or on):
        label = "Check these maps" if seconds is None else f"Check these maps ({describe_duration(seconds)})"
    st.toggle(label, key=key, on_change=_choose_verdicts, args=(key, on, by_itself), disabled=not possible, help=what)
    return on


def _choose_verdicts(key: str, shown: bool, by_itself: bool) -> None:
    """Remember what the person wants, where it is not what happens by itself."""
    wanted = st.session_state[key]
    if wanted == shown:
        return  # Streamlit had forgotten what stood there
    st.session_state[VERDICTS] = None if wanted == by_itself else wanted


def spread_layers(layers: Sequence[Layer], always: str) -> list[str]:
    """Names of a few layers from the input to the answer, of as many different grids as there are, among them the one
    that must be. Of a grid the last layer stands for all, as it knows most; what room is left is spread evenly.
    """
    names = [layer.name for layer in layers]
    of_grid = {layer.grid: layer.name for layer in layers}
    of_grid |= {layer.grid: layer.name for layer in layers if layer.name == always}
    chosen = [name for name in names if name in of_grid.values()]
    if len(chosen) > _FIRST_LAYERS:
        others = [name for name in chosen if name != always]
        chosen = [*_take_evenly(others, _FIRST_LAYERS - 1), always]
    else:
        rest = [name for name in names if name not in chosen]
        chosen += _take_evenly(rest, min(_FIRST_LAYERS - len(chosen), len(rest)))
    return [name for name in names if name in chosen]


def _take_evenly(names: Sequence[str], count: int) -> list[str]:
    """That many names, from the first to the last; the first where it is one."""
    if count < 2:
        return list(names[:count])
    return [names[round(place * (len(names) - 1) / (count - 1))] for place in range(count)]
