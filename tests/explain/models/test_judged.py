"""What is said of a number of right answers: never more than the number knows."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from explain.models.judged import Judged, find_interval, say_interval, say_share


def tail(right: int, total: int, share: float) -> float:
    """How often so many or more of `total` are right where each is with probability `share`; term by term."""
    return sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(right, total + 1))


@pytest.mark.parametrize(("right", "total"), [(4, 4), (0, 4), (13, 20), (1, 7), (148, 160), (59, 60), (300, 900)])
def test_outside_the_limits_such_a_draw_is_rarer_than_one_in_forty(right: int, total: int) -> None:
    low, high = find_interval(right, total)
    assert low <= right / total <= high
    assert low == 0 if right == 0 else tail(right, total, low) == pytest.approx(0.025)
    assert high == 1 if right == total else 1 - tail(right + 1, total, high) == pytest.approx(0.025)


def test_published_limits_are_met() -> None:
    """Clopper and Pearson's own examples stand in every table of theirs."""
    assert find_interval(4, 4)[0] == pytest.approx(0.025 ** (1 / 4))
    assert find_interval(5, 10) == pytest.approx((0.1871, 0.8129), abs=5e-5)
    assert find_interval(0, 0) == (0, 1)
    low, high = find_interval(9_214, 10_000)
    assert 0.9159 < low < 0.9214 < high < 0.9267


def test_few_pictures_are_counted_and_no_percentage_is_announced() -> None:
    few = Judged(right=(2, 2), pictures=(2, 2), manner="folds", folds=2)
    assert few.describe() == "4 of 4 right (95 % interval 40–100 %); too few to say"
    many = Judged(right=(30, 40), pictures=(30, 40), manner="own")
    assert many.describe() == "100.0 % right: 70 of 70 pictures (95 % interval 95–100 %)"
    uneven = Judged(right=(29, 300), pictures=(29, 300), manner="own")
    assert "too few to say" in uneven.describe(), "one class has fewer than thirty"
    assert say_share(9_999, 10_000) == "99.990 %"
    assert say_interval(9_214, 10_000) == "95 % interval 91.6–92.7 %"


def test_what_may_be_guessing_is_said() -> None:
    def notes(right: tuple[int, int], pictures: tuple[int, int], groups: int | None = None) -> str:
        return " ".join(Judged(right=right, pictures=pictures, manner="folds", folds=5, groups=groups).list_notes())

    assert "right for 10 of 20" in notes((7, 6), (10, 10)) and "guessing" in notes((7, 6), (10, 10))
    assert "guessing" not in notes((10, 9), (10, 10))
    assert "right for 90 of 100" in notes((90, 0), (90, 10)), "the commonest class is no achievement"
    assert "5 folds" in notes((9, 9), (10, 10))
    assert "narrower than it should be" in notes((9, 9), (10, 10), 4)
    assert "narrower" not in notes((9, 9), (10, 10), 20)
    old = Judged(right=(2, 2), pictures=(2, 2), manner="chosen")
    assert "picked on these very pictures" in old.list_notes()[0]


@pytest.mark.parametrize("wrong", [{"right": (3,)}, {"right": (3, 1)}, {"right": (-1, 1)}, {"right": ()}])
def test_counts_that_cannot_be_are_refused(wrong: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValidationError):
        Judged.model_validate({"right": (2, 2), "pictures": (2, 2), "manner": "own", **wrong})
