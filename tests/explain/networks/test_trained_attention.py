"""T-TAME's module, written out in NumPy on a 4×4 grid."""

import numpy as np
import pytest
import torch
from torch import nn

from explain.networks.trained_attention import TrainedAttention


def normalise(values: np.ndarray, norm: nn.BatchNorm2d, training: bool) -> np.ndarray:
    mean, variance = (
        (values.mean((0, 2, 3)), values.var((0, 2, 3)))
        if training
        else (norm.running_mean.numpy(), norm.running_var.numpy())
    )
    scale, shift = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    result = np.empty_like(values)
    for channel in range(values.shape[1]):
        result[:, channel] = (values[:, channel] - mean[channel]) / np.sqrt(variance[channel] + norm.eps)
        result[:, channel] = result[:, channel] * scale[channel] + shift[channel]
    return result


def enlarge_twice(values: np.ndarray) -> np.ndarray:
    """2×2 to 4×4, bilinear, where cells have their values in their middles."""
    rows = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    enlarged: np.ndarray = np.einsum("ir,bcrs,js->bcij", rows, values, rows)
    return enlarged


def attend(model: TrainedAttention, features: list[np.ndarray], training: bool) -> np.ndarray:
    joined = []
    for convolution, norm, given in zip(model.convolutions, model.norms, features, strict=True):
        weight = convolution.weight.detach().numpy()[:, :, 0, 0]
        mixed = np.einsum("oc,bchw->bohw", weight, given) + convolution.bias.detach().numpy()[:, None, None]
        branch = np.maximum(normalise(mixed, norm, training) + given, 0)
        joined.append(branch if branch.shape[2] == 4 else enlarge_twice(branch))
    weight = model.fusion.weight.detach().numpy()[:, :, 0, 0]
    maps: np.ndarray = np.einsum("oc,bchw->bohw", weight, np.concatenate(joined, 1))
    return maps + model.fusion.bias.detach().numpy()[:, None, None]


@pytest.mark.parametrize("classes", [2, 4, 7])  # fewer than a layer's channels, between, and more
def test_it_is_the_published_module(classes: int) -> None:
    torch.manual_seed(0)
    model = TrainedAttention([3, 5], classes, (4, 4)).double()
    for norm in model.norms:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.normal_(norm.running_mean)
    features = [torch.randn(3, 3, 4, 4).double(), torch.randn(3, 5, 2, 2).double()]
    arrays = [feature.numpy() for feature in features]
    for training in (False, True):
        model.train(training)
        expected = attend(model, arrays, training)
        with torch.no_grad():
            assert np.allclose(model(features).numpy(), expected, atol=1e-12)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == (3 * 3 + 3 * 3) + (5 * 5 + 3 * 5) + classes * (3 + 5 + 1)
