"""The training on drawn volumes: its input, its batches, and one run of a few steps."""

import pytest
import torch

from explain.bundled.making import phantoms
from explain.bundled.phantoms.draw import draw_phantom
from explain.bundled.phantoms.kinds import KINDS


def test_the_input_is_what_the_model_is_given_later() -> None:
    values = torch.tensor([[[[-500, 0, 500, 3000, -1024]]]], dtype=torch.int16)[0]
    assert phantoms.prepare(values).flatten().tolist() == [-2.0, 0.0, 2.0, 2.0, -2.0]


def test_each_seed_is_drawn_once_and_of_its_kind() -> None:
    batches = [*phantoms.draw(5, 5, batch=2)]
    assert [len(classes) for _, classes in batches] == [2, 2, 1]
    assert torch.cat([classes for _, classes in batches]).tolist() == [5, 6, 7, 0, 1]
    last = phantoms.prepare(torch.from_numpy(draw_phantom(KINDS[1].name, 9).values)[None])
    assert torch.equal(batches[-1][0], last)


@pytest.mark.slow
def test_a_run_ends_in_weights_as_they_ship() -> None:
    network = phantoms.train(8)
    assert not network.training
    for tensor in network.state_dict().values():
        assert not tensor.is_floating_point() or torch.equal(tensor, tensor.half().float())
    assert 0 <= phantoms.test(network, 8) <= 100
