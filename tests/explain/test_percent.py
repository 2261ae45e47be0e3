"""Per cent is written in one way: a number, a space, the sign."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from explain.percent import write_change, write_decimals, write_percent, write_share

ROOT = Path(__file__).resolve().parents[2]


def test_a_share_is_written_with_a_space_and_as_many_digits_as_asked_for() -> None:
    assert write_percent(0.984) == "98 %"
    assert write_percent(0.9846, 1) == "98.5 %"


@pytest.mark.parametrize(
    ("share", "digits", "words"),
    [
        (0.0, 1, "0 %"),
        (-0.0, 1, "0 %"),
        (0.0004, 1, "under 0.1 %"),
        (0.0006, 1, "0.1 %"),
        (0.004, 0, "under 1 %"),
        (0.00002, 2, "under 0.01 %"),
        (0.9994, 1, "99.9 %"),
        (0.9996, 1, "over 99.9 %"),
        (0.996, 0, "over 99 %"),
        (np.float32(0.99999994), 1, "over 99.9 %"),
        (1.0, 1, "100 %"),
        (np.float32(1), 0, "100 %"),
        (1.4, 1, "140.0 %"),
        (-0.0004, 1, "0 %"),
        (1 + 1e-9, 1, "100 %"),
        (-0.25, 0, "−25 %"),
    ],
)
def test_nothing_and_all_are_said_of_nothing_and_all_alone(share: float, digits: int, words: str) -> None:
    assert write_percent(share, digits) == words
    if digits == 1 and not 0.01 <= share <= 0.99:
        assert write_share(share) == words


def test_a_minus_is_a_minus_and_no_zero_has_one() -> None:
    assert [write_decimals(value, 2) for value in (-1.25, -0.004, 0.004, np.float32(-2))] == [
        "−1.25",
        "0.00",
        "0.00",
        "−2.00",
    ]
    assert [write_change(value, 2) for value in (-1.25, -0.004, 1.25)] == ["−1.25", "+0.00", "+1.25"]


def test_nothing_else_writes_a_share_to_be_read_by_people() -> None:
    """Python's own format leaves no space: “98%” would stand beside “98 %”."""
    places = [path for part in ("explain", "components", "pages") for path in (ROOT / part).rglob("*.py")]
    assert [path.name for path in places if re.search(r":[0-9]?\.[0-9]%[}\"]", path.read_text("utf-8"))] == []
