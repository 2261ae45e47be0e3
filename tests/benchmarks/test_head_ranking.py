"""The benchmark of head rankings: that it can tell a wrong ranking, and what it prints."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from typing import Any

import pytest
import torch

from benchmarks import head_ranking
from benchmarks.head_ranking import Speed, as_markdown, check_small, rank
from tests.support.network import make_input
from tests.support.prompted import VARIANTS, build_small, rank_whole, score_whole


def test_both_ways_agree_on_small_networks() -> None:
    check_small()


def test_a_wrong_ranking_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def rank_wrongly(*given: Any) -> tuple[list[int], list[float], list[float]]:
        order, steps, alone = rank(*given)
        return [order[1], order[0], *order[2:]], steps, alone

    monkeypatch.setattr(head_ranking, "rank", rank_wrongly)
    with pytest.raises(AssertionError, match="the rankings differ"):
        check_small()


def test_a_wrong_probability_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def rank_wrongly(*given: Any) -> tuple[list[int], list[float], list[float]]:
        order, steps, alone = rank(*given)
        return order, [1.01 * step for step in steps], alone

    monkeypatch.setattr(head_ranking, "rank", rank_wrongly)
    with pytest.raises(AssertionError, match="the probabilities differ"):
        check_small()


@pytest.mark.parametrize("variant", VARIANTS)
def test_blurring_nothing_is_the_network_itself_and_leaves_it_as_it_was(variant: Any) -> None:
    model, picture = build_small(variant), make_input(0, 32)
    plain = model(picture)[0]
    assert torch.allclose(score_whole(model, picture, 3, []), plain, atol=1e-4)
    blurred = score_whole(model, picture, 3, [0, 1, 2, 3, 4, 5])
    assert abs(float(blurred[3] - plain[3])) > 1e-2
    others = [c for c in range(20) if c != 3]
    assert torch.allclose(blurred[others], plain[others], atol=1e-4)  # only the row of that class is blurred
    assert torch.equal(model(picture)[0], plain)


def test_each_step_blurs_one_head_more() -> None:
    model, picture = build_small("deep", 1), make_input(1, 32)
    order, steps = rank_whole(model, picture, 4)
    assert sorted(order) == list(range(6))
    for count in (1, 3, 6):
        expected = float(score_whole(model, picture, 4, order[::-1][:count]).softmax(0)[4])
        assert steps[count - 1] == pytest.approx(expected, rel=1e-4)


def test_the_table_says_what_was_scaled() -> None:
    speed = Speed(12, 200, ranking=500.0, trials=50.0, one_pass=400.0, whole=31_200.0, measured=5)
    text = as_markdown(speed, {"deep": {10: 700.0, 1000: 850.0}})
    assert speed.speedup == pytest.approx(62.4)
    assert "for each of 78 trials (5 measured) | 31,200 |" in text
    assert "| deep | 700 | 850 |" in text
    assert "measured" not in as_markdown(Speed(12, 200, 500.0, 50.0, 400.0, 31_200.0, 78), {})
