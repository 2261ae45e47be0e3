"""The methods to compare, and the settings of those chosen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import get_args

import streamlit as st

from components.browser.live_slider import follow_sliders
from components.choices.mask import MASKED, SHARE
from components.choices.settings import get_settings, show_presets, show_setting, split_names
from components.session.carried import SETTING
from components.session.engine import find_half_speed
from components.words import describe_duration
from explain.engine.question import DEFAULT_METHODS, find_obstacle
from explain.methods import Method, Settings, all_methods, get_method
from explain.methods.base import Group
from explain.models.loaded import LoadedModel

GROUP_SENTENCES: dict[Group, str] = {
    "gradient": "What raises the score of the class. All but the last share one pass.",
    "gradient-free": "What the layer responds to, or what the answer loses when something is hidden.",
    "transformer": "What the tokens of a vision transformer attend to.",
    "fine detail": "Down to single pixels.",
}

WORTH_SAYING = 1.0
"""Seconds from which on a method's time is named beforehand."""

METHODS = "methods"
"""Key of the session's state: names of the methods chosen to compare."""

EstimateSeconds = Callable[[Method], float | None]
"""How long a method will take for one picture, in seconds; None where that is not worth saying or not known."""


def pick_methods(obstacles: Mapping[str, str], estimate: EstimateSeconds) -> list[str]:
    """Offer every registered method, by group; gives back the names of the chosen, in the registry's order.

    Args:
        obstacles: by method name, why it cannot work on this model.
        estimate: see `EstimateSeconds`.
    """
    registered = all_methods()
    chosen = st.session_state.setdefault(METHODS, [name for name in registered if name in DEFAULT_METHODS])
    shown = list(dict.fromkeys([*DEFAULT_METHODS, *chosen]))
    st.session_state["methods-front"] = chosen

    def read(key: str, offered: Collection[str]) -> None:
        others = [name for name in st.session_state[METHODS] if name not in offered]
        picked = {*others, *st.session_state[key]}
        st.session_state[METHODS] = [name for name in registered if name in picked]

    st.pills(
        "Methods",
        [name for name in registered if name in shown],
        selection_mode="multi",
        format_func=lambda name: registered[name].title,
        key="methods-front",
        on_change=read,
        args=("methods-front", shown),
        help="Each chosen method is a column. Most share one pass of the network.",
    )
    with st.popover(f"All {len(registered)} methods", icon=":material/apps:", width="stretch"):
        for group in get_args(Group):
            offered = [name for name, method in registered.items() if method.group == group]
            if offered:
                _show_group(group, offered, chosen, obstacles, estimate, read)
    for name in chosen:
        seconds = estimate(registered[name]) if name not in obstacles else None
        if seconds is not None and seconds >= WORTH_SAYING:
            st.caption(f"{registered[name].title}: {describe_duration(seconds)} each.")
    return list(chosen)


def find_obstacles(model: LoadedModel) -> dict[str, str]:
    """By method name, why it cannot work on this model."""
    found = {name: find_obstacle(method, model) for name, method in all_methods().items()}
    return {name: obstacle for name, obstacle in found.items() if obstacle is not None}


def _show_group(
    group: Group,
    offered: Sequence[str],
    chosen: Sequence[str],
    obstacles: Mapping[str, str],
    estimate: EstimateSeconds,
    read: Callable[[str, Collection[str]], None],
) -> None:
    key = f"methods-{group}"
    st.session_state[key] = [name for name in offered if name in chosen]

    def describe(name: str) -> str:
        method = get_method(name)
        if name in obstacles:
            return f":gray[{method.title}]"
        seconds = estimate(method)
        return (
            method.title
            if seconds is None or seconds < WORTH_SAYING
            else f"{method.title} :small[:gray[{describe_duration(seconds)}]]"
        )

    st.pills(
        f"{group.capitalize()}: {GROUP_SENTENCES[group]}",
        offered,
        selection_mode="multi",
        format_func=describe,
        key=key,
        on_change=read,
        args=(key, offered),
    )
    for reason, named in group_obstacles(offered, obstacles).items():
        st.caption(f"{', '.join(named)}: {'each ' if len(named) > 1 else ''}{reason}")


def group_obstacles(methods: Sequence[str], obstacles: Mapping[str, str]) -> dict[str, list[str]]:
    """By the reason why they cannot work on a model, the titles of methods; those that can are left out."""
    titles: dict[str, list[str]] = {}
    for name in methods:
        if name in obstacles:
            title = get_method(name).title
            titles.setdefault(obstacles[name].removeprefix(title).strip(), []).append(title)
    return titles


def show_settings(methods: Sequence[str], usable: Collection[str]) -> dict[str, Settings]:
    """The sliders of the chosen methods: the main ones always visible, the rest folded.

    Args:
        methods: names of the chosen methods.
        usable: those that work on the model. Sliders of others would move nothing, and are left out.

    Returns:
        The settings of all chosen methods by name.
    """
    chosen = [get_method(name) for name in methods]
    visible = [method for method in chosen if method.name in usable]
    main = [(method, name) for method in visible for name in split_names(method.settings)[0]]
    folded = [method for method in visible if split_names(method.settings)[1] or method.presets]
    if main or folded:
        several = len({method.name for method, _ in main}) > 1
        with st.container(key="settings", horizontal=True, vertical_alignment="top", gap="medium"):
            for method, name in main:
                with st.container(width=245):
                    prefix = f"{method.title} · " if several else ""
                    show_setting(method.settings, name, name_settings(method.name), prefix)
            if folded:
                # What is folded away is made once it is opened: each moved slider would make it again.
                more = st.popover("More settings", icon=":material/tune:", key="more-settings", on_change="rerun")
                if more.open:
                    with more:
                        for method in folded:
                            _show_folded(method.name)
    return {method.name: get_settings(method.settings, name_settings(method.name)) for method in chosen}


def show_pane_settings(
    methods: Sequence[str], usable: Collection[str], below: Mapping[str, Callable[[], object]] | None = None
) -> dict[str, Settings]:
    """The sliders of the chosen methods for a grid: each method's in a container of its own, which the grid opens under
    the title of its pane. Takes and gives back what `show_settings` does.

    Args:
        methods: see `show_settings`.
        usable: see `show_settings`.
        below: by method, what draws something of its own below the sliders that are always visible.
    """
    chosen = [get_method(name) for name in methods]
    with st.container(key="pane-settings"):
        for method in (method for method in chosen if method.name in usable and has_settings(method)):
            main, folded = split_names(method.settings)
            with st.container(key=name_pane_settings(method.name), horizontal=True, gap="small"):
                for name in main:
                    with st.container(width=245):
                        show_setting(method.settings, name, name_settings(method.name), f"{method.title} · ")
                if below and method.name in below:
                    below[method.name]()
                if folded or method.presets:
                    # What is folded away is made once it is opened: each moved slider would make it again.
                    key = f"more-{method.name}"
                    more = st.expander("More settings", key=key, type="compact", on_change="rerun")
                    if more.open:
                        with more:
                            _show_folded(method.name, titled=False)
    return {method.name: get_settings(method.settings, name_settings(method.name)) for method in chosen}


def has_settings(method: Method) -> bool:
    """Whether there is anything to set."""
    return bool(method.settings.model_fields)


def name_pane_settings(method: str) -> str:
    """Key of the container that holds a method's settings for a grid."""
    return f"settings-{method}"


def follow_settings(methods: Sequence[str]) -> None:
    """Let the sliders of methods without passes of their own, and of masks, speak while dragged. Call it last."""
    quick = [method for method in map(get_method, methods) if "runner" not in method.needs]
    follow_sliders(
        [f"{name_settings(method.name)}.{name}" for method in quick for name in split_names(method.settings)[0]]
        + ([SHARE] if st.session_state.get(MASKED) else [])
    )


def _show_folded(name: str, titled: bool = True) -> None:
    method = get_method(name)
    if titled:
        st.markdown(f"**{method.title}**")
    if method.presets:
        show_presets(method.presets, method.settings, name_settings(name))
    for setting in split_names(method.settings)[1]:
        show_setting(method.settings, setting, name_settings(name), withheld=_find_withheld(setting))


def _find_withheld(setting: str) -> tuple[str, str] | None:
    """Of a setting's options the one that this machine has no use for, and why."""
    if setting != "precision":
        return None
    speed = find_half_speed()
    if speed >= 1:
        return None
    return "half", f"It is not offered here: this machine takes {1 / speed:.1f} times as long in it."


def read_settings(name: str) -> Settings:
    """The settings of a method as its sliders stand, whether they are on the page or not."""
    return get_settings(get_method(name).settings, name_settings(name))


def name_settings(method: str) -> str:
    """What the keys of a method's settings begin with."""
    return f"{SETTING}{method}"
