"""A part of a page that fails says why in a sentence, and what nobody expected stays in the log."""

import logging
from collections.abc import Callable

import pytest

from components.session.faults import UNEXPECTED, show_faults
from explain.errors import PictureError


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sentences on the page."""
    sentences: list[str] = []
    monkeypatch.setattr("streamlit.error", lambda text, icon: sentences.append(text))
    return sentences


def fail_with(error: Exception) -> Callable[[], None]:
    @show_faults
    def draw() -> None:
        raise error

    return draw


def test_what_is_refused_is_shown_as_its_sentence(shown: list[str]) -> None:
    fail_with(PictureError("The picture is empty."))()
    assert shown == ["The picture is empty."]


def test_what_nobody_expected_is_in_the_log_and_names_no_internals(
    shown: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        fail_with(KeyError("internal"))()
    assert shown == [UNEXPECTED] and "internal" not in UNEXPECTED
    assert "KeyError: 'internal'" in caplog.text


def test_a_part_that_works_is_drawn_with_what_it_was_given(shown: list[str]) -> None:
    drawn: list[tuple[int, str]] = []

    @show_faults
    def draw(number: int, name: str) -> None:
        drawn.append((number, name))

    draw(3, name="cat")
    assert drawn == [(3, "cat")] and shown == [] and draw.__name__ == "draw"
