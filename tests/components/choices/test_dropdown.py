"""A dropdown whose choice is kept by whoever shows it."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.support.late import note, say_late


def page() -> None:
    import streamlit as st

    from components.choices.dropdown import dropdown

    def choose(fruit: str) -> None:
        st.session_state["fruit"] = fruit

    offered = st.session_state.get("offered", ["apple", "pear", "plum"])
    chosen = st.session_state.get("fruit", "pear")
    if not st.session_state.get("gone"):
        dropdown(
            "Fruit", offered, chosen if chosen in offered else None, "fruit-widget", choose, placeholder="None yet"
        )


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


def test_what_the_browser_says_of_a_list_that_has_left_the_page_is_no_choice() -> None:
    """It did not know yet, and sent along what stood in it."""
    app = AppTest.from_function(page).run()
    listed = app.selectbox[0]
    said = note(listed)
    app.session_state["gone"], app.session_state["fruit"] = True, "apple"
    assert not app.run().selectbox
    say_late(app, said)
    assert app.session_state["fruit"] == "apple"
    say_late(app, note(listed.select("plum")))
    assert app.session_state["fruit"] == "plum", "it was pressed as it left"
    say_late(app, note(listed.select("pear")))
    assert app.session_state["fruit"] == "pear", "and pressed again"
