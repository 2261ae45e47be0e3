"""A generalised mean in the place of the average, proved by the scores of the network that was saved."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from explain.errors import ModelError
from tests.support.checkpoints import make_lively, open_file, open_same


class GeM(nn.Module):
    """As its authors publish it."""

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.ones(1) * p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        powered = x.clamp(min=1e-6).pow(self.p)
        return nn.functional.avg_pool2d(powered, x.shape[-2:]).pow(1.0 / self.p).flatten(1)


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = timm.create_model("resnet10t", num_classes=0, global_pool="")
        self.pooling = GeM(2.5)
        self.fc = nn.Linear(512, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pooling(self.body(x)))


def test_a_generalised_mean_is_built_with_its_exponent() -> None:
    torch.manual_seed(0)
    inside = torchvision.models.resnet18(num_classes=3)
    inside.avgpool = GeM()
    for source, architecture in ((Wrapped(), "timm/resnet10t"), (inside, "torchvision/resnet18")):
        make_lively(source)
        model = open_same(source, source.state_dict(), architecture, input_size=64)
        assert any("generalised mean (GeM)" in note for note in model.notes)
        assert not any("left out" in note for note in model.notes)
        assert model.default_layer is not None


def test_a_network_without_a_pooling_to_replace_is_refused() -> None:
    state = {**torchvision.models.mobilenet_v2(num_classes=3).state_dict(), "gem.p": torch.ones(1)}
    with pytest.raises(ModelError, match=r"generalised mean \(GeM, gem\.p\)"):
        open_file(state, "torchvision/mobilenet_v2")


def test_layers_that_were_left_out_are_no_small_matter() -> None:
    state = {f"net.{key}": tensor for key, tensor in timm.create_model("resnet10t", num_classes=3).state_dict().items()}
    for beside, doubtful in (("attention.weight", True), ("criterion.weight", False)):
        notes = open_file({**state, beside: torch.ones(1, 512, 1, 1)}, "timm/resnet10t").notes
        said = next(note for note in notes if "was left out" in note)
        assert beside in said and ("give the network itself" in said) == doubtful
