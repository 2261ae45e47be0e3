"""What the names tell of a network: its pooling, and the parts of it that an author keeps apart."""

import pytest
import timm
import torch
from torch import nn

from explain.models.fitting import fit_to_network
from tests.support.checkpoints import make_lively, open_same


@pytest.mark.parametrize("pooling", ["avg", "token"])
def test_pooling_is_told_from_the_last_normalisation(pooling: str) -> None:
    torch.manual_seed(0)
    source = make_lively(timm.create_model("test_vit", num_classes=3, global_pool=pooling))
    model = open_same(source, {"model": source.state_dict()}, "timm/test_vit")
    assert any("average pooling" in note for note in model.notes) == (pooling == "avg")
    assert model.request.global_pool is None


def test_models_of_two_poolings_have_two_fingerprints() -> None:
    torch.manual_seed(0)
    source = make_lively(timm.create_model("test_resnet", num_classes=3))
    plain = open_same(source, source.state_dict(), "timm/test_resnet")
    strongest = timm.create_model("test_resnet", num_classes=3, global_pool="max").eval()
    strongest.load_state_dict(source.state_dict())
    other = open_same(strongest, source.state_dict(), "timm/test_resnet", global_pool="max")
    assert plain.fingerprint != other.fingerprint


def test_a_vision_transformer_without_its_last_normalisation_in_two_places() -> None:
    torch.manual_seed(0)
    source = make_lively(timm.create_model("beit_base_patch16_224", num_classes=3, global_pool="token", depth=1))
    fitted = fit_to_network(source.state_dict(), timm.create_model("beit_base_patch16_224", depth=1))
    assert "norm.weight" in fitted.tensors


def test_a_part_that_was_kept_apart_is_fetched() -> None:
    outline = nn.Sequential()
    outline.add_module("body", nn.Linear(3, 4))
    outline.add_module("fc", nn.Linear(4, 5))
    tensors = {"net.body.weight": torch.ones(4, 3), "net.body.bias": torch.ones(4)}
    apart = {"top.fc.weight": torch.ones(2, 4), "top.fc.bias": torch.ones(2), "n_averaged": torch.tensor(3)}
    fitted = fit_to_network({**tensors, **apart}, outline)
    assert set(fitted.tensors) == {"body.weight", "body.bias", "fc.weight", "fc.bias"}
    assert fitted.prefix == "net." and not fitted.beside


class Normalised(nn.Module):
    """Takes a mean off and divides by a deviation before the network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.25]).view(1, 3, 1, 1))
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network((x - self.mean) / self.std)


@pytest.mark.parametrize("in_sequence", [True, False])
def test_a_normalisation_in_front_of_the_network_is_the_preprocessing(in_sequence: bool) -> None:
    torch.manual_seed(0)
    network = make_lively(timm.create_model("test_resnet", num_classes=3))
    source = Normalised(network)
    state = source.state_dict()
    if in_sequence:
        state = {key.replace("network.", "1."): tensor for key, tensor in state.items()}
        state = {f"0.{key}" if key in ("mean", "std") else key: tensor for key, tensor in state.items()}
    model = open_same(network, state, "timm/test_resnet")
    assert model.preprocessing.mean == pytest.approx((0.4, 0.5, 0.6))
    assert model.preprocessing.std == pytest.approx((0.2, 0.3, 0.25))
    assert any("normalises its input itself" in note for note in model.notes)
    given = open_same(network, state, "timm/test_resnet", mean=(0.5,), std=(0.5,))
    assert given.preprocessing.mean == (0.5, 0.5, 0.5)
