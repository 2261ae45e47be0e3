"""Infidelity and the hiding correlation beside their definitions, and what is known of a map besides."""

from dataclasses import replace

import numpy as np
import pytest

from explain.faithfulness.bank import Bank
from explain.faithfulness.measures import MEASURES
from explain.faithfulness.probe import draw_masks
from tests.support.removal import build_examined


def make_bank(seed: int) -> Bank:
    dice = np.random.default_rng(seed)
    return Bank("grey", draw_masks(seed, 40), dice.standard_normal((40, 3)), np.ones(3), np.zeros(3))


@pytest.mark.parametrize("seed", range(3))
def test_infidelity_is_the_error_of_the_best_scale(seed: int) -> None:
    bank = make_bank(seed)
    examined = replace(build_examined(seed), bank=bank, target=1)
    sums = [float(examined.cells[mask].sum()) for mask in bank.masks]
    falls = [1.0 - float(answers[1]) for answers in bank.answers]

    def find_error(scale: float) -> float:
        return sum((scale * s - f) ** 2 for s, f in zip(sums, falls, strict=True)) / 40

    best = min(find_error(scale) for scale in np.linspace(-1, 1, 2001))
    expected = best / (sum(fall**2 for fall in falls) / 40)
    assert MEASURES["infidelity"].function(examined) == pytest.approx(expected, abs=1e-4)


def test_a_map_that_foretells_every_fall_has_none() -> None:
    examined = build_examined(0)
    bank = make_bank(0)
    answers = 1 - 0.2 * (bank.masks * examined.cells).sum((1, 2))
    exact = replace(examined, bank=replace(bank, answers=answers[:, None]), target=0)
    assert MEASURES["infidelity"].function(exact) == pytest.approx(0, abs=1e-12)
    assert MEASURES["hiding"].function(exact) == pytest.approx(1)


def test_the_hiding_correlation_is_pearsons() -> None:
    bank = make_bank(5)
    examined = replace(build_examined(5), bank=bank, target=2)
    shares = [examined.cells[mask].sum() / examined.cells.sum() for mask in bank.masks]
    falls = [1 - answers[2] for answers in bank.answers]
    assert MEASURES["hiding"].function(examined) == pytest.approx(np.corrcoef(shares, falls)[0, 1])


def test_what_was_not_measured_is_no_number() -> None:
    examined = build_examined(0)
    for name in ("hiding", "infidelity", "other classes", "copies", "one place", "unlike"):
        assert np.isnan(MEASURES[name].function(examined))
    known = replace(examined, rivals=(0.9, -0.2), steadiness=0.8, turned=0.75, unlikeness=3.0)
    assert MEASURES["other classes"].function(known) == -0.2 and MEASURES["copies"].function(known) == 0.8
    assert MEASURES["one place"].function(known) == 0.75 and MEASURES["unlike"].function(known) == 3
