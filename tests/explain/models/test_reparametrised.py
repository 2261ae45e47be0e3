"""Weights that were saved in parts give the scores of the network that was saved."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from explain.errors import ModelError
from explain.models.checkpoint import read_checkpoint
from tests.support.checkpoints import make_lively, open_file, open_same, save

ARCHITECTURE = "torchvision/squeezenet1_1"


def network() -> nn.Module:
    torch.manual_seed(0)
    return make_lively(torchvision.models.squeezenet1_1(num_classes=3))


def test_pruned_weights_are_multiplied_by_their_masks() -> None:
    source = network()
    for part in source.modules():
        if isinstance(part, nn.Conv2d):
            prune.l1_unstructured(part, "weight", 0.4)
    prune.random_unstructured(source.features[0], "bias", 0.5)
    model = open_same(source, source.state_dict(), ARCHITECTURE, input_size=64)
    assert model.notes[0] == "The checkpoint was pruned; 27 weights were multiplied by the mask beside it."


@pytest.mark.parametrize("axis", [0, 1, None])
def test_weight_normalisation_is_undone(axis: int | None) -> None:
    source = network()
    weight_norm(source.features[0], dim=axis)
    source.features[0].weight_g.data *= 2
    model = open_same(source.eval(), source.state_dict(), ARCHITECTURE, input_size=64)
    assert "1 weight was put together" in model.notes[0]


def test_parametrizations_are_undone() -> None:
    source = network()
    parametrizations.weight_norm(source.features[0])
    source.features[0].parametrizations.weight.original0.data *= 2
    parametrizations.spectral_norm(source.classifier[1])
    open_same(source.eval(), source.state_dict(), ARCHITECTURE, input_size=64)


def test_spectral_normalisation_is_undone() -> None:
    source = network()
    spectral_norm(source.features[0])
    open_same(source.eval(), source.state_dict(), ARCHITECTURE, input_size=64)


class Squared(nn.Module):
    """A parametrisation of an author's own."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.square()


def test_what_cannot_be_put_together_is_refused() -> None:
    source = network()
    parametrize.register_parametrization(source.features[0], "weight", Squared())
    with pytest.raises(ModelError, match=r"in parts .*remove_parametrizations"):
        open_file(source.state_dict(), ARCHITECTURE)
    for content, words in (
        ({"a.weight_orig": torch.ones(2, 3), "a.weight_mask": torch.ones(3, 2)}, "the mask of"),
        ({"base.q.lora_A.default.weight": torch.ones(2, 3)}, "LoRA adapters .*merge_and_unload"),
        ({"_fsdp_wrapped_module._flat_param": torch.ones(9)}, "by FSDP .*FULL_STATE_DICT"),
        ({"a.weight": torch.ones(0), "a.bias": torch.ones(0), "b": torch.ones(1)}, "DeepSpeed's ZeRO .*zero_to_fp32"),
        ({"a.weight_g": torch.ones(5), "a.weight_v": torch.ones(2, 3)}, "does not fit its weight"),
        ({"a.weight_orig": torch.ones(2, 3), "a.weight_u": torch.ones(3), "a.weight_v": torch.ones(3)}, "its vectors"),
    ):
        with pytest.raises(ModelError, match=words):
            read_checkpoint(save(content), "mine.pth")


def test_quantised_weights_are_refused_with_the_reason() -> None:
    for content in (
        {"fc.scale": torch.tensor(1.0), "fc.zero_point": torch.tensor(0), "fc._packed_params.dtype": torch.qint8},
        {"conv.weight": torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8)},
    ):
        with pytest.raises(ModelError, match=r"quantised weights, whole numbers.*before it was quantised"):
            read_checkpoint(save(content), "int8.pth")
