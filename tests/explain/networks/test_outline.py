"""Networks that are built for their shapes alone have the shapes of those that are built whole."""

import pytest
import torch
from torch import nn

from explain.networks.outline import shapes_alone
from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

import timm  # noqa: E402


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_shapes_are_those_of_the_network_that_is_built_whole(name: str) -> None:
    whole = timm.create_model(name).state_dict()
    with shapes_alone():
        outline = timm.create_model(name).state_dict()
    assert all(tensor.is_meta for tensor in outline.values())
    assert [(key, tensor.shape, tensor.dtype) for key, tensor in outline.items()] == [
        (key, tensor.shape, tensor.dtype) for key, tensor in whole.items()
    ]


def test_nothing_is_filled_that_has_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked what the network is without its values")

    monkeypatch.setattr(nn.init, "_calculate_fan_in_and_fan_out", refuse)
    monkeypatch.setattr(nn.init, "_calculate_correct_fan", refuse)
    with shapes_alone():
        assert nn.Linear(3, 4, bias=False).weight.shape == (4, 3)
        assert nn.init.trunc_normal_(torch.empty(5, 5)).shape == (5, 5)
    with pytest.raises(AssertionError, match="without its values"):
        nn.Linear(3, 4, bias=False)


def test_what_has_values_is_filled_as_ever() -> None:
    with shapes_alone():
        pace = torch.zeros(3, device="cpu").fill_(2.0).add_(1.0)
        first = nn.init.constant_(torch.empty(2, device="cpu"), 7.0)
    assert pace.tolist() == [3, 3, 3] and first.tolist() == [7, 7]


def test_it_ends_with_the_block() -> None:
    with pytest.raises(ValueError, match="no such network"), shapes_alone():
        raise ValueError("no such network")
    assert not nn.Linear(2, 2).weight.is_meta
