"""A dropdown whose choice is kept by whoever shows it."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from components.choices.dropdown import dropdown

    def choose(fruit: str) -> None:
        st.session_state["fruit"] = fruit

    offered = st.session_state.get("offered", ["apple", "pear", "plum"])
    chosen = st.session_state.get("fruit", "pear")
    dropdown("Fruit", offered, chosen if chosen in offered else None, "fruit-widget", choose, placeholder="None yet")


def test_it_shows_what_is_chosen_and_hears_of_another_choice() -> None:
    app = AppTest.from_function(page).run()
    assert app.selectbox[0].value == "pear"
    assert "fruit" not in app.session_state
    app.selectbox[0].select("plum").run()
    assert app.session_state["fruit"] == "plum"
    assert app.selectbox[0].value == "plum"


def test_it_follows_what_is_chosen_elsewhere() -> None:
    app = AppTest.from_function(page).run()
    app.session_state["fruit"] = "apple"
    assert app.run().selectbox[0].value == "apple"


def test_a_choice_outlasts_options_that_lack_it() -> None:
    app = AppTest.from_function(page).run()
    app.selectbox[0].select("plum").run()
    app.session_state["offered"] = ["apple", "pear"]
    app.run()
    assert not app.exception
    assert app.selectbox[0].value is None
    assert app.session_state["fruit"] == "plum"
    app.session_state["offered"] = ["apple", "plum"]
    assert app.run().selectbox[0].value == "plum"
