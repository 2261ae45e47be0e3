"""Widgets for settings, made from their declaration: there is no second list of settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import streamlit as st

from components.browser.live_slider import read_slider
from explain.settings import Settings, list_values

S = TypeVar("S", bound=Settings)

OWN = "own settings"

_MOST_STEPS = 400
"""Of a slider: about as many as it has pixels."""


def get_settings(declared: type[S], key: str) -> S:
    """The settings as the widgets of `key` stand now, whether they are on the page or not; sliders, while dragged."""
    values = {}
    for name, default in declared().model_dump().items():
        at = f"{key}.{name}"
        # Most methods' sliders were never shown, and asking whether they are being dragged takes time.
        if at in st.session_state:
            settled = st.session_state[at]
            default = read_slider(at, settled, list_offered(declared, name, settled))
        values[name] = default
    return declared.model_validate(values)


def split_names(declared: type[Settings]) -> tuple[list[str], list[str]]:
    """Names of the settings that are always visible, and of the advanced ones."""
    described = _describe(declared)
    first = [name for name, field in described.items() if not field.get("advanced")]
    return first, [name for name in described if name not in first]


def show_setting(
    declared: type[Settings],
    name: str,
    key: str,
    prefix: str = "",
    typed: bool = False,
    withheld: tuple[str, str] | None = None,
) -> None:
    """One widget, as its field is declared: slider, checkbox or list.

    Args:
        declared: the settings.
        name: of the one.
        key: what the keys of all of them begin with.
        prefix: goes before its label.
        typed: numbers that no slider can hit may be typed, where nothing follows while it is dragged.
        withheld: of a list an option that is of no use here, and why, in a sentence. It is offered all the same where
            it is chosen already.
    """
    field = _describe(declared)[name]
    at = f"{key}.{name}"
    unit = field.get("unit")
    common: dict[str, Any] = {
        "label": f"{prefix}{field['title']}" + (f" ({unit})" if unit else ""),
        "help": field.get("description"),
        "key": at,
        "persist_state": "session",
    }
    if at not in st.session_state:
        st.session_state[at] = field["default"]
    if "enum" in field:
        options = list(field["enum"])
        if withheld is not None and st.session_state[at] != withheld[0]:
            options.remove(withheld[0])
            common["help"] = f"{common['help']} {withheld[1]}"
        st.selectbox(options=options, format_func=_capitalise, **common)
    elif field["type"] == "boolean":
        st.checkbox(**common)
    elif field["type"] == "string":
        st.text_input(**common)
    elif typed and _is_too_fine(field):
        number = int if field["type"] == "integer" else float
        st.number_input(
            min_value=number(field["minimum"]),
            max_value=number(field["maximum"]),
            step=number(field.get("step") or field["default"] / 10),
            format="%d" if number is int else "%g",
            **common,
        )
    elif field.get("least") is not None:
        options = list_offered(declared, name, st.session_state[at])
        st.select_slider(options=options, format_func=write_value, **common)
        _show_marks(options, list_values(field, marked=True))
    else:
        number = int if field["type"] == "integer" else float
        step = number(field.get("step") or (field["maximum"] - field["minimum"]) / 100)
        st.slider(
            min_value=number(field["minimum"]),
            max_value=number(field["maximum"]),
            step=step,
            format=_choose_format(step),
            **common,
        )


def list_offered(declared: type[Settings], name: str, value: float) -> list[float]:
    """The values of a setting's logarithmic slider, with `value`, which may come from a link, among them; none where
    its slider is another.
    """
    field = _describe(declared)[name]
    return [] if field.get("least") is None else sorted({*list_values(field), float(value)})


def write_value(value: float) -> str:
    """A number as short as it can be told from every other."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _show_marks(options: Sequence[float], marked: Sequence[float]) -> None:
    """Below a slider over a list, some of its values at their places: on a scale that is not even, ends say little."""
    last = max(len(options) - 1, 1)
    places = "".join(
        f'<span style="--at: {options.index(value) / last:.4f}">{write_value(value)}</span>' for value in marked
    )
    st.html(f'<div class="slider-marks" aria-hidden="true">{places}</div>')


def show_presets(presets: Mapping[str, Settings], declared: type[Settings], key: str) -> None:
    """A list of named settings; choosing one moves all sliders."""
    named = {"default": declared(), **presets}
    now = get_settings(declared, key)
    current = next((name for name, settings in named.items() if settings == now), OWN)
    at = f"{key}:preset"
    st.session_state[at] = current

    def apply() -> None:
        chosen = named.get(st.session_state[at])
        if chosen is not None:
            for name, value in chosen.model_dump().items():
                st.session_state[f"{key}.{name}"] = value

    options = [*named] if current in named else [*named, OWN]
    st.selectbox("Preset", options, key=at, on_change=apply, format_func=_capitalise, filter_mode=None)


def describe_settings(declared: type[Settings]) -> list[dict[str, str]]:
    """A row for each setting: its name, what it does, its bounds and its default."""
    rows = []
    for name, field in _describe(declared).items():
        if "enum" in field:
            values = ", ".join(field["enum"])
        elif field["type"] == "boolean":
            values = "yes or no"
        elif field["type"] == "string":
            values = "any text"
        else:
            values = f"{field['minimum']:g} to {field['maximum']:g} {field.get('unit', '')}".strip()
        default = (
            {True: "yes", False: "no"}.get(field["default"], field["default"]) if "yes" in values else field["default"]
        )
        rows.append(
            {
                "Setting": field["title"],
                "What it does": field.get("description", ""),
                "Values": values,
                "Default": str(default),
                "On the command line": name,
            }
        )
    return rows


@cache  # Pydantic makes a schema anew at each call, several milliseconds: half of what a moved slider cost the server.
def _describe(declared: type[Settings]) -> Mapping[str, dict[str, Any]]:
    return declared.model_json_schema().get("properties", {})


def _is_too_fine(field: Mapping[str, Any]) -> bool:
    """Whether the values are too many, or of too many magnitudes, for a slider to hit one."""
    step = field.get("step")
    if field.get("least") is not None:
        return False
    return step is None or (field["maximum"] - field["minimum"]) / step > _MOST_STEPS


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def _choose_format(step: float) -> str:
    """As many decimals as the step has."""
    text = f"{step:f}".rstrip("0")
    return f"%.{len(text) - text.index('.') - 1}f" if isinstance(step, float) else "%d"
