"""The class picker of a network of tens of thousands: searched on the server, with a short list in the browser."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components.choices.target import MOST_LISTED, find_exactly, name_classes, search_classes

COUNT = 21_843


def show() -> None:
    import streamlit as st

    from components.choices.comparison import BY, pick_comparison
    from components.choices.target import pick_target

    labels = tuple(f"class {index}" for index in range(st.session_state.get("count", 21_843)))
    st.session_state["answer"] = pick_target(labels, "mine")
    if st.session_state.get("compare"):
        st.session_state[BY] = "classes"
        st.session_state["compared"] = pick_comparison([], "auto", labels, "mine", []).names


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(show, default_timeout=60).run()


def read_options(app: AppTest) -> list[str]:
    return app.selectbox(key="target-widget").options


def count_sent(app: AppTest) -> int:
    """Characters of all options that the browser is sent."""
    widgets: list[Any] = [*app.selectbox, *app.multiselect]
    return sum(len(option) for widget in widgets for option in widget.options)


def test_few_names_are_sent(app: AppTest) -> None:
    assert not app.exception
    assert len(read_options(app)) <= 52 and count_sent(app) < 2_000
    assert app.session_state["answer"] is None


def test_what_is_written_finds_classes_and_one_can_be_chosen(app: AppTest) -> None:
    app.text_input(key="target-search").set_value("2084").run()
    assert read_options(app)[:2] == ["Likeliest of each picture", "class 2084"]
    app.text_input(key="target-search").set_value("CLASS 2084").run()
    options = read_options(app)
    assert "class 20843" in options and all("2084" in option for option in options[2:])
    app.selectbox(key="target-widget").set_value(20843).run()
    assert app.session_state["answer"] == 20843
    # It stays chosen, and in the list, whatever is searched for next.
    app.text_input(key="target-search").set_value("class 7").run()
    app.text_input(key="target-search").set_value("nothing like it").run()
    assert app.caption[0].value == "None of the 21,843 classes is called that."
    assert not app.exception


def test_a_whole_name_or_an_index_chooses_at_once(app: AppTest) -> None:
    app.text_input(key="target-search").set_value("class 20843").run()
    assert app.session_state["answer"] == 20843
    app.text_input(key="target-search").set_value("17").run()
    assert app.session_state["answer"] == 17
    app.text_input(key="target-search").set_value("99999").run()
    assert app.session_state["answer"] == 17


def test_few_classes_have_no_search_field() -> None:
    app = AppTest.from_function(show, default_timeout=60)
    app.session_state["count"] = MOST_LISTED
    app.run()
    assert not app.text_input and len(read_options(app)) == MOST_LISTED + 1


def test_comparing_classes_is_searched_too(app: AppTest) -> None:
    app.session_state["compare"] = True
    app.session_state["compare-with"] = ["20843", "5"]
    app.run()
    assert not app.exception
    assert app.session_state["compared"] == ("5", "20843")
    app.text_input(key="compare-with-search").set_value("class 777").run()
    assert app.session_state["compared"] == ("5", "20843") and count_sent(app) < 3_000
    assert "class 7770" in app.multiselect[0].options


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [0, 1, 2, 3, 4, 5]),
        ("crane", [1, 3, 4]),
        ("CRANE", [1, 3, 4]),
        ("bird crane", [4]),
        ("dog", [5, 2]),
        ("0", [0]),
        ("3", [3]),
        ("17", []),
        ("7", [0]),  # a name goes before an index
        ("zebra", []),
    ],
)
def test_the_likeliest_meant_come_first(text: str, found: list[int]) -> None:
    labels = ["7", "crane", "hot dog", "crane", "crane, a bird", "dog"]
    assert search_classes(labels, text, 6) == found
    assert search_classes(labels, text, 1) == found[:1]


def test_an_exact_name_is_one_class_or_none() -> None:
    labels = ["10", "crane", "crane", "Dog"]
    assert [find_exactly(labels, text) for text in ("10", "crane", " dog ", "2", "4", "-1", "", "9" * 30)] == [
        0, None, 3, 2, None, None, None, None,
    ]  # fmt: skip


def test_names_of_a_few_are_told_apart_from_all() -> None:
    assert name_classes(["crane", "dog", "crane"], [2, 1]) == ["crane · class 2", "dog"]
