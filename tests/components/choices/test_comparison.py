"""Which layers stand side by side before anyone chooses, and whether maps are checked."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from components.choices.comparison import spread_layers
from explain.networks.layer import Layer
from tests.support.late import note, say_late


def layers(*sides: int) -> list[Layer]:
    return [Layer(f"l{i}", (side, side), 8, "NCHW", 0) for i, side in enumerate(sides)]


@pytest.mark.parametrize(
    ("sides", "always", "names"),
    [
        ((32, 16), "l1", ["l0", "l1"]),
        ((32, 32, 16, 8, 8), "l4", ["l0", "l1", "l2", "l4"]),
        ((112, 112, 56, 56, 28, 28, 14, 14, 7, 7), "l9", ["l1", "l5", "l7", "l9"]),
        ((112, 112, 56, 56, 28, 28, 14, 14, 7, 7), "l6", ["l1", "l5", "l6", "l9"]),
        ((14, 14, 14, 14, 14, 14), "l4", ["l0", "l2", "l4", "l5"]),
    ],
)
def test_as_many_grids_as_there_are_and_the_chosen_layer(sides: tuple[int, ...], always: str, names: list[str]) -> None:
    assert spread_layers(layers(*sides), always) == names


def page() -> None:
    import streamlit as st

    from components.choices.comparison import pick_verdicts

    st.session_state["on"] = pick_verdicts(
        st.session_state.get("bundled", True), st.session_state.get("possible", True)
    )


@pytest.mark.parametrize(("by_itself", "possible"), [(False, True), (True, False)])
def test_what_the_browser_says_of_the_last_models_switch_is_no_choice(by_itself: bool, possible: bool) -> None:
    app = AppTest.from_function(page).run()
    said = note(app.toggle[0])
    assert app.session_state["on"] and said.bool_value
    app.session_state["bundled"], app.session_state["possible"] = by_itself, possible
    app.run()
    for _ in range(2):
        say_late(app, said)
        assert not app.session_state["on"] and "verdicts" not in app.session_state
    if possible:
        app.toggle[0].set_value(True).run()
        assert app.session_state["on"] and app.session_state["verdicts"]
    said = note(app.toggle[0])
    app.session_state["bundled"], app.session_state["possible"] = True, True
    app.run()
    say_late(app, said)
    assert app.session_state["on"]
