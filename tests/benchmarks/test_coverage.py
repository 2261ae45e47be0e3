"""The coverage benchmark: that it can tell a right layer from a wrong one."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from benchmarks.coverage import cover, find_fault, find_smallest, judge_geometry, load, make_picture, wake
from explain.networks.layer import Layer


@dataclass(frozen=True)
class Mirrored(Layer):
    """Lays its map on the picture the wrong way round."""

    def to_map(self, output: object) -> Tensor:
        return super().to_map(output).flip(-1)


def test_a_small_transformer_is_explained() -> None:
    row = cover("vision_transformer", "test_vit")
    assert (row.state, row.reason, row.layer, row.geometry) == ("explained", "", "blocks.5.norm1", "right")


def test_what_cannot_be_explained_says_why() -> None:
    row = cover("resnet", "no_such_model")
    assert row.state == "failed" and "no_such_model" in row.reason


def test_a_wrong_place_and_a_blank_map_are_noticed() -> None:
    loaded = load("test_resnet")
    picture = make_picture(loaded.preprocessing.input_size, 0)
    assert set(judge_geometry(loaded, picture).values()) == {"right"} and find_fault(loaded, picture) == ""
    mirrored = tuple(
        Mirrored(layer.name, layer.grid, layer.channels, layer.layout, layer.prefix_tokens) for layer in loaded.layers
    )
    assert set(judge_geometry(replace(loaded, layers=mirrored), picture).values()) == {"wrong"}
    nn.init.zeros_(loaded.module.get_classifier().weight)
    assert "constant" in find_fault(loaded, picture)


def test_weights_that_say_nothing_are_woken() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2)).eval()
    nn.init.zeros_(module[1].weight)
    nn.init.zeros_(module[3].weight)
    before = module[0].weight.clone()
    wake(module, torch.rand(2, 3, 3, 3) * 50)
    assert (module[1].weight == 1).all() and module[3].weight.abs().min() > 0 and module[1].running_var.max() > 2
    assert torch.equal(module[0].weight, before) and not module[1].training


@pytest.mark.parametrize(("module", "smallest"), [("convit", "convit_tiny")])
def test_the_smallest_member(module: str, smallest: str) -> None:
    name, parameters = find_smallest(module)
    assert name == smallest and 5e6 < parameters < 6e6
