"""The gallery of methods: each with its map of the current picture, its formula, its paper and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import streamlit as st

from components.choices.comparison import BY
from components.choices.methods import GROUP_SENTENCES, METHODS, WORTH_SAYING
from components.choices.model import use_bundled
from components.choices.settings import describe_settings
from components.maps.formula import write_formula
from components.maps.frames import Ground, draw_frame
from components.session.faults import show_faults
from components.session.front_door import open_page
from components.session.work import Place, Work, is_stopped
from components.words import describe_duration
from explain.bundled.models import FIRST_VIT
from explain.maps.heatmap import Heatmap
from explain.methods import Method, all_methods, describe_needs
from explain.methods.base import Group
from explain.methods.table import link_papers

CARD = 322
"""Pixels of a card's width: three beside each other on a screen of 1400."""

_IMAGE, _HIGHEST = 288, 216  # pixels of a map's sides on its card
_QUICK = 2  # passes of its own that a method may take and still be drawn unasked
_PRESSED = "methods-pressed"


@dataclass(frozen=True, eq=False)
class Wall:
    """What the cards show.

    Attributes:
        question: identity of what is explained: what was pressed for another is not drawn for this one.
        ground: the picture made small; None where nothing can be explained, and there are only words.
        maps: by method name, those that are drawn.
        reasons: by method name, why there is no map.
        draw: explains by one method more, which takes its time.
        estimate: seconds that a method will take; None where that is not known.
    """

    question: tuple[str, ...] = ()
    ground: Ground | None = None
    maps: Mapping[str, Heatmap] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    draw: Callable[[str, Work[Heatmap | str]], Heatmap | str] | None = None
    estimate: Callable[[Method], float | None] = lambda _method: None


def search_methods(text: str) -> list[Method]:
    """The methods in whose name, sentence, paper or family every word of a text occurs; all for none."""
    words = text.casefold().split()

    def describe(method: Method) -> str:
        return f"{method.name} {method.title} {method.sentence} {method.paper} {method.group}".casefold()

    return [method for method in all_methods().values() if all(word in describe(method) for word in words)]


def is_quick(method: Method, passes: int) -> bool:
    """Whether a method that takes so many passes of its own is drawn unasked."""
    return method.count_passes is None or passes <= _QUICK


def show_contents(methods: Sequence[Method]) -> None:
    """The methods by family, each a link to its card."""
    lines = []
    for group, members in group_methods(methods).items():
        links = " · ".join(f"[{method.title}](#{method.name})" for method in members)
        lines.append(f"**{group.capitalize()}**: {links}")
    st.markdown("  \n".join(lines))


def group_methods(methods: Sequence[Method]) -> dict[Group, list[Method]]:
    """The methods by family, without the families that have none."""
    grouped = {group: [method for method in methods if method.group == group] for group in get_args(Group)}
    return {group: members for group, members in grouped.items() if members}


def show_wall(methods: Sequence[Method], wall: Wall) -> None:
    """A card for each method, by family."""
    for group, members in group_methods(methods).items():
        st.header(f"{group.capitalize()} methods", anchor=False)
        st.markdown(GROUP_SENTENCES[group])
        with st.container(horizontal=True, gap="small"):
            for method in members:
                with st.container(border=True, width=CARD, height="stretch", key=f"method-card-{method.name}"):
                    _show_card(method, wall)


@st.fragment
@show_faults
def _show_card(method: Method, wall: Wall) -> None:
    """One method. A part of its own: a slow map, or what is folded away, makes no other anew."""
    st.subheader(method.title, anchor=method.name)
    if wall.ground is not None:
        _show_map(method, wall, wall.ground)
    st.markdown(method.sentence)
    if method.formula is not None:
        st.latex(method.formula.write(method.settings())[0])
    st.caption(f"Costs {describe_needs(method)}.  \n{link_papers(method.paper)}")
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _offer_trial(method, wall)
        more = st.popover("More", key=f"method-more-{method.name}", on_change="rerun", type="tertiary")
    if more.open:
        with more:
            _show_more(method)


def _show_map(method: Method, wall: Wall, ground: Ground) -> None:
    heatmap, reason = wall.maps.get(method.name), wall.reasons.get(method.name)
    key = "/".join([method.name, *wall.question])
    if heatmap is None and reason is None:
        pressed = st.session_state.get(_PRESSED, ())
        if key not in pressed or is_stopped(key):
            seconds = wall.estimate(method)
            about = "" if seconds is None or seconds < WORTH_SAYING else f" · {describe_duration(seconds)}"
            st.button(
                f"Draw its map{about}",
                key=f"method-draw-{method.name}",
                on_click=_press,
                args=(key,),
                icon=":material/play_arrow:",
            )
            return
        place, draw = Place(f"method-{method.name}"), wall.draw
        assert draw is not None  # there is a picture
        found = place.watch(Work(lambda work: draw(method.name, work)), f"{method.title} …", stop_key=key)
        with place.container():
            _paint(method, ground, *((None, found) if isinstance(found, str) else (found, None)))
        return
    _paint(method, ground, heatmap, reason)


def _paint(method: Method, ground: Ground, heatmap: Heatmap | None, reason: str | None) -> None:
    if heatmap is None:
        st.caption(f":material/block: {reason}")
        return
    alt = f"{method.title} for “{heatmap.label}”"
    frame = draw_frame(ground, heatmap.values, heatmap.box, alt, quality=88)
    height, width = ground.pixels.shape[:2]
    st.image(frame.image, width=min(_IMAGE, round(_HIGHEST * width / height)), alt=frame.alt)
    if heatmap.blank:
        st.caption(f":orange[:material/warning:] {heatmap.warnings[0]}")


def _press(key: str) -> None:
    st.session_state[_PRESSED] = {*st.session_state.get(_PRESSED, ()), key}
    st.session_state.pop("stopped", None)


def _offer_trial(method: Method, wall: Wall) -> None:
    """Go to Compare with this method beside Grad-CAM, with a model that can do it."""
    switch = bool(method.needs & {"prompts", "attention"}) and method.name in wall.reasons
    label = f"Try it with {FIRST_VIT}" if switch else "Try it"
    icon, key = ":material/compare:", f"method-try-{method.name}"
    if st.button(label, key=key, icon=icon, on_click=_try, args=(method.name, switch)):
        open_page("start")


def _try(name: str, switch: bool) -> None:
    if switch:
        use_bundled(FIRST_VIT)
    st.session_state[METHODS] = list(dict.fromkeys(["grad-cam", name]))
    st.session_state[BY] = "methods"


def _show_more(method: Method) -> None:
    """What is folded away: the formula's letters, what the map does not depend on, and what can be set."""
    write_formula(method, method.settings())
    if method.class_agnostic:
        st.caption("Does not depend on the class: it looks the same whichever class is explained.")
    rows = describe_settings(method.settings)
    if rows:
        st.table(rows, border="horizontal")
    if method.presets:
        st.caption(f"Presets: {', '.join(method.presets)}.")
