"""The hiding correlation beside its definition, and what its comparison maps are worth."""

from dataclasses import replace

import numpy as np
import pytest

from explain.faithfulness.bank import Bank
from explain.faithfulness.hiding import correlate, find_chance, judge_by_hiding, move
from explain.faithfulness.probe import CELLS, draw_masks

DICE = np.random.default_rng(7)


def make_bank(weights: np.ndarray, masks: int = 64, seed: int = 0, noise: float = 0.0) -> Bank:
    """The bank of a network whose score is the sum of its weights over the cells that are shown."""
    hidden = draw_masks(seed, masks)
    scores = weights.sum() - (hidden * weights).sum((1, 2)) + noise * DICE.standard_normal(masks)
    whole, nothing = np.array([weights.sum(), 0.0]), np.zeros(2)
    return Bank("grey", hidden, np.stack([scores, -scores], 1), whole, nothing)


def make_smooth(seed: int) -> np.ndarray:
    import cv2

    noise = np.random.default_rng(seed).random((3, 3))
    return np.maximum(cv2.resize(noise, (CELLS, CELLS), interpolation=cv2.INTER_CUBIC), 0)


def test_it_is_the_correlation_of_hidden_share_and_fall() -> None:
    bank = make_bank(DICE.random((CELLS, CELLS)), noise=0.5)
    maps = DICE.random((3, CELLS, CELLS))
    for one, value in zip(maps, correlate(maps, [bank], 0), strict=True):
        shares = [sum(one[mask]) / sum(one.ravel()) for mask in bank.masks]
        falls = [bank.whole[0] - answers[0] for answers in bank.answers]
        assert value == pytest.approx(np.corrcoef(shares, falls)[0, 1])


def test_under_several_fills_falls_count_in_units_of_their_spread_under_each() -> None:
    banks = [make_bank(DICE.random((CELLS, CELLS)) * size, seed=seed, noise=0.5) for seed, size in ((0, 1.0), (1, 9.0))]
    maps = DICE.random((3, CELLS, CELLS))
    for one, value in zip(maps, correlate(maps, banks, 0), strict=True):
        shares = [one[mask].sum() for bank in banks for mask in bank.masks]
        falls = []
        for bank in banks:
            fall = bank.whole[0] - bank.answers[:, 0]
            falls += [*((fall - fall.mean()) / fall.std())]
        assert value == pytest.approx(np.corrcoef(shares, falls)[0, 1])
    assert judge_by_hiding(maps[0], maps[1:], banks, 0).masks == 128


def test_what_all_scores_lose_together_does_not_count_where_classes_exclude_each_other() -> None:
    bank = make_bank(make_smooth(1))
    together = DICE.standard_normal(len(bank.masks))[:, None]
    shifted = replace(bank, answers=bank.answers + together)
    maps = DICE.random((2, CELLS, CELLS))
    assert correlate(maps, [shifted], 0, apart=True) == pytest.approx(correlate(maps, [bank], 0, apart=True))
    assert correlate(maps, [shifted], 0) != pytest.approx(correlate(maps, [bank], 0))


def test_a_map_of_nothing_and_a_score_that_stays_have_no_correlation() -> None:
    bank = make_bank(DICE.random((CELLS, CELLS)))
    assert np.isnan(correlate(np.zeros((1, CELLS, CELLS)), [bank], 0)[0])
    assert np.isnan(correlate(np.ones((1, CELLS, CELLS)), [bank], 0)[0])  # each mask hides just as much of it
    still = Bank("grey", bank.masks, np.ones((64, 2)), np.ones(2), np.ones(2))
    assert np.isnan(correlate(bank.masks[:1].astype(float), [still], 0)[0])


def test_the_moved_copies_are_all_others_of_the_map() -> None:
    cells = DICE.random((CELLS, CELLS))
    moved = move(cells)
    assert moved.shape == (511, CELLS, CELLS) and len(move(cells, (224, 160))) == 255
    assert len(np.unique(np.concatenate([cells[None], moved]).reshape(512, -1), axis=0)) == 512
    assert np.allclose(np.sort(moved.reshape(511, -1)), np.sort(cells.ravel()))


def test_the_chance_is_never_nothing() -> None:
    assert find_chance(1.0, np.zeros(39)) == 1 / 40
    assert find_chance(0.0, np.zeros(39)) == 1.0
    assert find_chance(1.0, np.empty(0)) == 1.0


def test_the_true_map_passes_and_its_opposite_fails() -> None:
    weights = make_smooth(1) ** 4
    others = np.stack([make_smooth(seed) for seed in range(100, 139)])
    true = judge_by_hiding(weights, others, [make_bank(weights, noise=0.05)], 0)
    assert true.value > 0.9 and true.chance_moved <= 0.025 and true.chance_others <= 0.025
    false = judge_by_hiding(weights.max() - weights, others, [make_bank(weights, noise=0.05)], 0)
    assert false.value < -0.9 and false.chance_worse <= 0.025


def test_maps_of_no_meaning_pass_as_often_as_chance_says() -> None:
    chances = []
    for seed in range(60):
        bank = make_bank(make_smooth(seed), seed=seed, noise=0.3)
        anywhere = move(make_smooth(1000 + seed))[np.random.default_rng(seed).integers(511)]
        chances.append(judge_by_hiding(anywhere, np.empty((0, CELLS, CELLS)), [bank], 0).chance_moved)
    # Kolmogorov and Smirnov's distance from evenly spread, at one in a hundred for 60 values.
    spread = np.sort(chances)
    assert np.abs(spread - (np.arange(60) + 0.5) / 60).max() < 1.63 / np.sqrt(60)


def make_block_bank(weights: np.ndarray, masks: int = 64, noise: float = 0.05) -> Bank:
    """`make_bank` for a network of volumes."""
    hidden = draw_masks(0, masks, np.ones(weights.shape, dtype=bool))
    scores = weights.sum() - (hidden * weights).sum((1, 2, 3))
    scores += noise * scores.std() * np.random.default_rng(0).standard_normal(masks)
    return Bank("grey", hidden, np.stack([scores, -scores], 1), np.array([weights.sum(), 0.0]), np.zeros(2))


def test_of_a_volume_the_true_map_passes_and_its_opposite_fails() -> None:
    weights = np.zeros((CELLS,) * 3)
    weights[2:4, 5:7, 1:3] = 1
    bank, others = make_block_bank(weights), move(np.roll(weights, 3, 1))[:39]
    true = judge_by_hiding(weights, others, [bank], 0)
    assert true.value > 0.9 and true.chance_moved <= 0.025 and true.chance_others <= 0.025
    assert judge_by_hiding(1 - weights, others, [bank], 0).chance_worse <= 0.025


@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 0, 1), (1, 2, 0)])
def test_what_is_said_of_a_volume_does_not_hang_on_the_order_of_its_axes(axes: tuple[int, ...]) -> None:
    weights = np.random.default_rng(3).random((CELLS,) * 3) ** 6
    bank, map_ = make_block_bank(weights, noise=0.5), weights + np.random.default_rng(4).random((CELLS,) * 3)
    turned = replace(bank, masks=bank.masks.transpose(0, *(1 + axis for axis in axes)))
    sides = (32, 64, 64)
    one = judge_by_hiding(map_, map_[None], [bank], 0, sides)
    other = judge_by_hiding(
        map_.transpose(axes), map_.transpose(axes)[None], [turned], 0, tuple(sides[axis] for axis in axes)
    )
    assert other.value == pytest.approx(one.value) and other.others == pytest.approx(one.others)
    assert np.allclose(np.sort(other.moved), np.sort(one.moved))


def test_a_volume_s_map_is_turned_only_where_its_shape_stays() -> None:
    cells = np.random.default_rng(5).random((CELLS,) * 3)
    for sides, images in (((64, 64, 64), 48), ((32, 64, 64), 16), ((16, 32, 64), 8)):
        moved = move(cells, sides)
        assert len(moved) == images * (CELLS // 2) ** 3 - 1
        assert len({one.tobytes() for one in moved} | {cells.tobytes()}) == len(moved) + 1
        assert np.allclose(np.sort(moved.reshape(len(moved), -1)), np.sort(cells.ravel()))
