"""What is answered of other slices comes with the row of the one in view, on one scale, and only if it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.browser.canvas import Row
from components.browser.canvas.stack import Stack
from components.maps import stack as stack_room
from components.maps.rows import Answered
from components.maps.scrolled import add_answers, find_ends, lay_out
from components.maps.stack import StackRun
from explain.engine.slices import SliceAnswer
from tests.components.maps.test_stack import answer, make_ask


class Entry:
    """An answer to the picture of a row."""

    def __init__(self, ask: Any) -> None:
        self.picture = type("Slice", (), {"digest": "a", "section": ask.section})
        self.targets = (ask.target,)


def test_rows_get_what_is_answered_of_the_same_question(monkeypatch: pytest.MonkeyPatch) -> None:
    state: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", state)
    ask = make_ask()
    row = Row("a", "CT", np.zeros((4, 4, 3), np.uint8), "a", [], stack=Stack(ask.volume, "stack", 2))
    answered = Answered((), {"a": type("Loan", (), {"entry": Entry(ask)})})  # type: ignore[dict-item]

    def add() -> Stack:
        (found,) = add_answers([row], ask.question, ask.settings, answered)
        assert found.stack is not None
        return found.stack

    assert add().maps is None
    run = StackRun("d", ask.base, ask.key, "as chosen", answers={3: answer(3, np.array([[-1.0, 4.0]]))})
    state[stack_room._RUN] = run
    found = add()
    assert found.maps is not None and found.ends == {"grad-cam": (-1.0, 4.0)}
    panes = found.maps(3)
    assert panes is not None and found.maps(4) is None
    np.testing.assert_array_equal(panes["grad-cam"].values, [[-1.0, 4.0]])
    run.key = "of earlier settings"
    assert add().maps is None


def test_a_slice_with_a_problem_has_no_maps_and_ends_are_of_all() -> None:
    assert lay_out(None) is None and lay_out(SliceAnswer(1, 0, "cat", problem="No.")) is None
    answers = {1: answer(1, np.array([[0.0, 2.0]])), 2: answer(2, np.array([[-3.0, 1.0]]))}
    assert find_ends(answers) == {"grad-cam": (-3.0, 2.0)} and find_ends({}) == {}
