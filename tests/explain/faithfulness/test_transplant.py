"""Whether one place decides: against a slow oracle, and on networks of which it is known."""

import numpy as np
import pytest
import torch
from torch import nn

from explain.faithfulness.probe import CELLS
from explain.faithfulness.transplant import (
    CONTROLS,
    ENOUGH,
    FIRST_OTHERS,
    HOTTEST,
    Cells,
    Transplant,
    find_hottest,
    find_named,
    list_elsewhere,
    list_fixed,
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


def slow(network: nn.Module, picture: torch.Tensor, others: torch.Tensor, place: Cells, seed: int) -> Transplant:
    """Picture by picture and pixel by pixel."""

    def paste(source: torch.Tensor, into: torch.Tensor, cells: Cells) -> bool:
        pasted = into.clone()
        for row in range(SIDE):
            for column in range(SIDE):
                if cells[row * CELLS // SIDE * CELLS + column * CELLS // SIDE]:
                    pasted[:, row, column] = source[:, row, column]
        return int(network(pasted[None]).argmax()) == 1

    turned = [paste(picture[0], other, place) for other in others]
    if not any(turned[:FIRST_OTHERS]):
        return Transplant(None, place, 0, FIRST_OTHERS)
    if np.mean(turned) < ENOUGH:
        return Transplant(None, place, sum(turned), len(others))
    elsewhere = [paste(picture[0], other, cells) for cells in list_elsewhere(place, seed) for other in others]
    kept = paste(torch.zeros_like(picture[0]), picture[0], place)
    return Transplant(None, place, sum(turned), len(others), float(np.mean(elsewhere)), not kept)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_pasting_pixel_by_pixel_gives(seed: int) -> None:
    torch.manual_seed(seed)
    network = Sees(np.random.default_rng(seed).random((CELLS, CELLS)) < 0.1)
    picture, others = torch.rand(1, 3, SIDE, SIDE) + 0.3, torch.rand(10, 3, SIDE, SIDE) * 0.9
    cells = np.random.default_rng(seed).random((CELLS, CELLS))
    places = {*find_hottest(cells), *list_fixed().values(), tuple(network.weight[::4, ::4].flatten().gt(0).tolist())}
    found = try_places(run(network, picture), others, 1, dict.fromkeys(places), seed)
    assert found == [slow(network, picture, others, place, seed) for place in places]
    assert any(one.decides for one in found)


def test_the_place_that_decides_is_found_and_no_other() -> None:
    network, dark = Sees(corner()), torch.full((16, 3, SIDE, SIDE), 0.2)
    picture = torch.full((1, 3, SIDE, SIDE), 0.2)
    picture[:, :, :8, :8] = 0.7
    fixed = {cells: name for name, cells in list_fixed().items()}
    found = try_places(run(network, picture), dark, 1, fixed, 0)
    assert [one.place for one in found if one.decides] == ["upper left corner"]
    (one,) = (one for one in found if one.decides)
    assert (one.turned, one.tried, one.elsewhere, one.needed) == (16, 16, 0.0, True)


def test_a_picture_that_decides_everywhere_has_no_one_place() -> None:
    """Any piece turns the others, so that the place that was asked of is nothing of its own."""
    network, others = Sees(np.ones((CELLS, CELLS), dtype=bool)), torch.full((16, 3, SIDE, SIDE), 0.49)
    found = try_places(run(network, torch.ones(1, 3, SIDE, SIDE)), others, 1, dict.fromkeys(list_fixed().values()), 0)
    assert all(one.enough == 1 and one.elsewhere == 1 and not one.decides for one in found)


def test_places_that_turn_nothing_cost_little() -> None:
    network, dark = Sees(corner()), torch.full((16, 3, SIDE, SIDE), 0.2)
    runner = run(network, torch.full((1, 3, SIDE, SIDE), 0.2))
    network.shown = 0
    try_places(runner, dark, 1, dict.fromkeys(list_fixed().values()), 0)
    assert network.shown == runner.spent.forward == len(list_fixed()) * FIRST_OTHERS


def test_hottest_cells_are_those_above_zero() -> None:
    cells = np.zeros((CELLS, CELLS))
    cells[3, 2:7] = (1, 5, 4, 3, 2)
    four, eight = (np.flatnonzero(place).tolist() for place in find_hottest(cells))
    assert four == [27, 28, 29, 30] and eight == [26, 27, 28, 29, 30]
    assert find_hottest(np.zeros((CELLS, CELLS))) == ()
    same = find_hottest(np.ones((CELLS, CELLS)))
    assert [sum(place) for place in same] == [*HOTTEST] and same == find_hottest(np.ones((CELLS, CELLS)))


@pytest.mark.parametrize("place", list_fixed().values(), ids=list_fixed())
def test_elsewhere_is_the_same_shape_beside_it(place: Cells) -> None:
    others = list_elsewhere(place, 1)
    assert len({*others}) == CONTROLS and place not in others
    assert all(sum(other) == sum(place) for other in others)
    assert not any(a and b for other in others for a, b in zip(other, place, strict=True))


def test_what_is_named_depends_on_what_the_numbers_mean() -> None:
    scores = torch.tensor([[0.2, 0.1], [-1.0, -0.5], [-1.0, 0.5]])
    assert find_named(scores, 1, "classes").tolist() == [False, True, True]
    assert find_named(scores, 1, "findings").tolist() == [True, False, True]
