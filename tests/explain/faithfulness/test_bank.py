"""A bank of masked passes: what it hides, pixel by pixel, and that no pass is run twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from explain.faithfulness.bank import SAME, Bank, fill_bank, hide, keeps_ranks
from explain.faithfulness.probe import CELLS, draw_masks
from explain.networks.layer_search import find_layers
from explain.passes.count import Passes
from explain.passes.runner import Runner

ALL = np.ones((CELLS, CELLS), dtype=bool)


class Sums(nn.Module):
    """Answers with the sum of the left half and that of the right half."""

    def __init__(self) -> None:
        super().__init__()
        self.copy = nn.Conv2d(3, 3, 1, groups=3, bias=False)
        nn.init.ones_(self.copy.weight)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        seen = self.copy(pictures)
        half = seen.shape[3] // 2
        return torch.stack([seen[..., :half].sum((1, 2, 3)), seen[..., half:].sum((1, 2, 3))], 1)


@pytest.fixture
def runner() -> Runner:
    module = Sums().eval().requires_grad_(False)
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Runner(module, picture, find_layers(module, 3, (32, 32))[0], 0, "logit")


def test_what_is_hidden_has_soft_edges() -> None:
    cells = torch.zeros(1, 2, 2, dtype=torch.bool)
    cells[0, 0, 0] = True
    hidden = hide(torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8), cells)[0, 0]
    for row in range(8):
        for column in range(8):
            # Cells have their middles at 2 and 6; between them what is hidden fades in a straight line.
            down, across = (min(max((at + 0.5 - 2) / 4, 0), 1) for at in (row, column))
            assert hidden[row, column] == pytest.approx(1 - (1 - down) * (1 - across))


def test_a_bank_holds_what_the_network_says_to_each_masked_picture(runner: Runner) -> None:
    bank = fill_bank(runner, 4, 6, "grey", ALL)
    assert (bank.masks == draw_masks(4, 6)).all()
    for mask, answers in zip(bank.masks, bank.answers, strict=True):
        pixels = hide(runner.picture, torch.zeros_like(runner.picture), torch.from_numpy(mask)[None])
        assert np.allclose(answers, Sums()(pixels)[0].detach(), rtol=1e-5)
    assert np.allclose(bank.whole, Sums()(runner.picture)[0].detach(), rtol=1e-5)
    assert np.allclose(bank.hidden, 0, atol=1e-4)
    assert np.allclose(bank.find_falls(1), bank.whole[1] - bank.answers[:, 1])


def test_a_bank_is_added_to_without_a_pass_run_twice(runner: Runner) -> None:
    small = fill_bank(runner, 4, 6, "blur", ALL)
    assert runner.spent == Passes(8)
    large = fill_bank(runner, 4, 20, "blur", ALL, small)
    assert runner.spent == Passes(22)
    assert (large.answers[:6] == small.answers).all() and len(large.answers) == 20
    assert np.allclose(large.answers, fill_bank(runner, 4, 20, "blur", ALL).answers, rtol=1e-5)
    first: Bank = large.first(6)
    assert (first.answers == small.answers).all() and (first.masks == small.masks).all()


def test_half_precision_is_taken_where_it_tells_the_same(runner: Runner) -> None:
    bank = fill_bank(runner, 4, 8, "grey", ALL)
    before = runner.spent
    assert keeps_ranks(runner, bank, 8)
    assert runner.spent.forward - before.forward == 8
    half = fill_bank(runner, 4, 8, "grey", ALL, bank.first(4), "half")
    assert (half.answers[:4] == bank.answers[:4]).all() and not (half.answers[4:] == bank.answers[4:]).all()
    target = int(bank.whole.argmax())
    assert np.corrcoef(half.answers[:, target], bank.answers[:, target])[0, 1] > SAME


@pytest.mark.parametrize("scores", [[1.0, 3.0, 2.0, 4.0], [5.0, 5.0, 5.0, 5.0]])
def test_half_precision_is_not_taken_where_it_tells_something_else(runner: Runner, scores: list[float]) -> None:
    """Of what moves no score nothing is known."""
    bank = fill_bank(runner, 4, 4, "grey", ALL)
    assert not keeps_ranks(runner, replace(bank, answers=np.array([scores, scores]).T), 4)
