"""Whether one place decides: against a slow oracle, and on networks of which it is known."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from explain.faithfulness.probe import CELLS
from explain.faithfulness.transplant import (
    ENOUGH,
    FIRST_OTHERS,
    HOTTEST,
    STANDS_OUT,
    WORTH_MORE,
    Cells,
    FixedPlace,
    Transplant,
    find_hottest,
    find_leads,
    list_places,
    try_places,
)
from explain.networks.layer_search import find_layers
from explain.passes.runner import Runner

SIDE = 32


class Sees(nn.Module):
    """Says 1 by the mean of some cells' light above a half, and 0 else; counts what it is shown."""

    def __init__(self, cells: np.ndarray) -> None:
        super().__init__()
        pixels = np.kron(cells, np.ones((SIDE // CELLS, SIDE // CELLS)))
        self.look = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.dirac_(self.look.weight)
        self.register_buffer("weight", torch.from_numpy(pixels / pixels.sum() / 3).float())
        self.shown = 0

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.shown += len(pictures)
        light = (self.look(pictures) * self.weight).sum((1, 2, 3))
        return torch.stack([0 * light, light - 0.5], 1)


def corner() -> np.ndarray:
    cells = np.zeros((CELLS, CELLS), dtype=bool)
    cells[:2, :2] = True
    return cells


def run(network: nn.Module, picture: torch.Tensor) -> Runner:
    return Runner(network, picture, find_layers(network, 3, (SIDE, SIDE))[0], 1, "logit")


def slow(network: nn.Module, picture: torch.Tensor, others: torch.Tensor, count: int) -> list[Transplant]:
    """What places do to the first so many others: picture by picture, pixel by pixel."""

    def lead(shown: torch.Tensor) -> float:
        scores = network(shown[None])[0].double()
        return float((scores[1] - scores[0]).detach())

    def paste(source: torch.Tensor, into: torch.Tensor, cells: Cells) -> float:
        pasted = into.clone()
        for row in range(SIDE):
            for column in range(SIDE):
                if cells[row * CELLS // SIDE * CELLS + column * CELLS // SIDE]:
                    pasted[:, row, column] = source[:, row, column]
        return lead(pasted)

    lag = -np.mean([lead(other) for other in others[:count]])
    after = {cells: [paste(picture[0], other, cells) for other in others[:count]] for cells, _ in list_places()}
    found = []
    for cells, name in list_places():
        apart = [
            np.mean(leads) for at, leads in after.items() if not any(a and b for a, b in zip(at, cells, strict=True))
        ]
        stands_out = (np.mean(after[cells]) - np.mean(apart)) / max(np.std(apart), 0.05 * lag)
        turned = sum(one > 0 for one in after[cells])
        needed = None
        if count == len(others) and turned >= ENOUGH * count and stands_out >= STANDS_OUT:
            needed = paste(torch.zeros_like(picture[0]), picture[0], cells) <= 0
        found.append(Transplant(name, cells, turned, count, float(stands_out), needed))
    if count < len(others):
        hopeful = [one.cells for one in found if one.enough >= ENOUGH / 2 and one.stands_out >= WORTH_MORE]
        shares = [np.mean([paste(picture[0], other, cells) > 0 for other in others]) for cells in hopeful]
        if any(share >= ENOUGH for share in shares):
            return slow(network, picture, others, len(others))
    return found


def try_on(network: nn.Module, picture: torch.Tensor, others: torch.Tensor) -> tuple[Transplant, ...]:
    lags = find_leads(network(others).detach(), 1, "classes")
    return try_places(run(network, picture), others, lags, 1)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_pasting_pixel_by_pixel_gives(seed: int) -> None:
    torch.manual_seed(seed)
    cells = np.zeros((CELLS, CELLS))
    cells[seed : seed + 2, 4:6] = 1
    network = Sees(cells)
    picture, others = torch.rand(1, 3, SIDE, SIDE) + 0.3 * seed, torch.rand(8, 3, SIDE, SIDE) * 0.9
    found, expected = try_on(network, picture, others), slow(network, picture, others, FIRST_OTHERS)
    for one, other in zip(found, expected, strict=True):
        assert one == replace(other, stands_out=one.stands_out)
        assert one.stands_out == pytest.approx(other.stands_out, abs=1e-4)
    assert any(one.decides for one in found) == (seed > 0) == (found[0].tried == 8)


def test_the_place_that_decides_is_found_and_no_other() -> None:
    network, dark = Sees(corner()), torch.full((16, 3, SIDE, SIDE), 0.2)
    picture = torch.full((1, 3, SIDE, SIDE), 0.2)
    picture[:, :, :8, :8] = 0.7
    found = try_on(network, picture, dark)
    assert [one.place for one in found if one.decides] == ["upper left corner"]
    (one,) = (one for one in found if one.decides)
    assert (one.turned, one.tried, one.needed) == (16, 16, True)


def test_a_picture_that_decides_everywhere_has_no_one_place() -> None:
    """Any piece turns the others, so that no place is anything of its own."""
    network, others = Sees(np.ones((CELLS, CELLS), dtype=bool)), torch.full((16, 3, SIDE, SIDE), 0.49)
    found = try_on(network, torch.ones(1, 3, SIDE, SIDE), others)
    assert all(one.enough == 1 and one.stands_out < WORTH_MORE and not one.decides for one in found)


def test_places_that_turn_nothing_cost_little() -> None:
    network, dark = Sees(corner()), torch.full((16, 3, SIDE, SIDE), 0.2)
    runner = run(network, torch.full((1, 3, SIDE, SIDE), 0.2))
    try_places(runner, dark, np.full(16, -0.3), 1)
    assert runner.spent.forward - len(list_places()) * FIRST_OTHERS in range(3)  # and batch norms, looked for


def test_a_place_that_turns_the_first_and_few_others_costs_little_more() -> None:
    """What the lower right cells of a picture show counts against the class, so that most are far from it."""
    network, picture = Sees(corner()), torch.full((1, 3, SIDE, SIDE), 0.2)
    with torch.no_grad():
        network.weight[-4:, -4:] -= 0.05
    picture[:, :, :8, :8] = 0.7
    picture[:, :, -4:, -4:] = 0.0
    others = torch.full((16, 3, SIDE, SIDE), 0.2)
    others[:, :, -4:, -4:] = 0.0
    others[FIRST_OTHERS:, :, -4:, -4:] = 9.0
    runner = run(network, picture)
    found = try_places(runner, others, find_leads(network(others).detach(), 1, "classes"), 1)
    assert {one.tried for one in found} == {FIRST_OTHERS} and not any(one.decides for one in found)
    hopeful = [one for one in found if one.enough == 1 and one.stands_out >= WORTH_MORE]
    assert [one.place for one in hopeful] == ["upper left corner"]
    assert runner.spent.forward - len(found) * FIRST_OTHERS - 13 in range(3)


def test_hottest_cells_are_those_above_zero() -> None:
    cells = np.zeros((CELLS, CELLS))
    cells[3, 2:7] = (1, 5, 4, 3, 2)
    assert find_hottest(cells) == {*range(26, 31)} and find_hottest(np.zeros((CELLS, CELLS))) == frozenset()
    same = find_hottest(np.ones((CELLS, CELLS)))
    assert len(same) == HOTTEST and same == find_hottest(np.ones((CELLS, CELLS)))


def test_whatever_is_two_cells_wide_lies_in_a_place_of_the_bank() -> None:
    masks = [np.reshape(cells, (CELLS, CELLS)) for cells, _ in list_places()]
    for row in range(CELLS - 1):
        for column in range(CELLS - 1):
            assert any(mask[row : row + 2, column : column + 2].all() for mask in masks)
    assert {int(mask.sum()) for mask in masks} == {CELLS, 9}
    assert {name for _, name in list_places()} == {*get_args(FixedPlace), None}


def test_a_lead_depends_on_what_the_numbers_mean() -> None:
    scores = torch.tensor([[0.2, 0.1], [-1.0, -0.5], [-1.0, 0.5]])
    assert find_leads(scores, 1, "classes") == pytest.approx([-0.1, 0.5, 1.5])
    assert find_leads(scores, 1, "findings") == pytest.approx([0.1, -0.5, 0.5])
    assert np.isinf(find_leads(scores[:, :1], 0, "classes")).all()  # one answer alone is always given
