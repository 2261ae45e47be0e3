"""The table of a stack."""

from __future__ import annotations

import csv
import io

import numpy as np

from explain.engine.slices import SliceAnswer
from explain.report.stack_table import encode_stack
from tests.explain.engine.test_slices import answer


def test_a_line_a_slice() -> None:
    answers = [answer(2, np.ones((2, 2))), answer(0, np.full((2, 2), 0.5)), answer(3, -np.ones((2, 2)))]
    answers.append(SliceAnswer(4, 0, "cat", problem="It failed."))
    rows = [*csv.DictReader(io.StringIO(encode_stack(answers, 7, [1]).decode()))]
    assert [row["slice"] for row in rows] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [row["grad-cam strength"] for row in rows] == ["0.5", "", "1", "0", "", "", ""]
    assert [row["grad-cam flag"] for row in rows] == ["", "", "", "blank", "", "", ""]
    assert [row["note"] for row in rows] == ["", "not in the series", "", "", "It failed.", "", ""]
    assert [row["probability"] for row in rows] == ["0.5", "", "0.5", "0.5", "", "", ""]


def test_nothing_answered() -> None:
    assert encode_stack([], 1).decode() == "slice,class,probability,score,likeliest,note\n1,,,,,\n"
