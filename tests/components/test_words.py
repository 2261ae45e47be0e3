"""Names, shares and durations as people read them."""

from __future__ import annotations

import pytest

from components.words import describe_duration, describe_seconds, escape, format_share, format_time


def test_a_name_is_no_markdown() -> None:
    assert escape("*a*_[x](y)") == "\\*a\\*\\_\\[x\\]\\(y\\)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "under 0.1 ms"), (0.0042, "4.2 ms"), (0.087, "87 ms"), (0.999, "999 ms"), (1, "1.0 s"), (83.26, "83.3 s")],
)
def test_a_measured_time_has_few_digits(seconds: float, words: str) -> None:
    assert format_time(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(4.4, "about 4 s"), (89, "about 89 s"), (130, "about 2 min")])
def test_an_estimate_is_round(seconds: float, words: str) -> None:
    assert describe_duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.1, "1 s"), (89, "89 s"), (91, "2 min"), (5350, "89 min"), (5400, "1 h 30 min")]
)
def test_a_duration_has_the_unit_a_person_would_use(seconds: float, words: str) -> None:
    assert describe_seconds(seconds) == words


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0, "0 %"), (0.004, "0.4 %"), (0.01, "1 %"), (0.5, "50 %"), (0.99, "99 %"), (0.994, "99.4 %"), (1, "100 %")],
)
def test_a_share_has_a_digit_more_near_its_ends(probability: float, words: str) -> None:
    assert format_share(probability) == words
