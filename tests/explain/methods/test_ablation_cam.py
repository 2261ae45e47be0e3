"""Ablation-CAM against the whole network, run anew with one channel set to zero at a time."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from explain.methods import get_method
from explain.networks.layer_search import find_layers
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.capture import LayerCapture
from explain.passes.look import Ask, look_at
from explain.passes.runner import Runner

declare_missing_operators()

from timm.models.mlp_mixer import MlpMixer  # noqa: E402
from timm.models.swin_transformer import SwinTransformer  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402


def draw_slowly(case: Any, channels: list[int]) -> np.ndarray:
    activations = case.capture().activations.numpy().astype(float)
    whole = case.score(case.picture)
    drawn = np.zeros(activations.shape[1:])
    for k in channels:

        def ablate(_module: Any, _inputs: Any, output: torch.Tensor, k: int = k) -> torch.Tensor:
            output = output.clone()
            output[:, k] = 0
            return output

        handle = case.module.get_submodule(case.layer.name).register_forward_hook(ablate)
        without = case.score(case.picture)
        handle.remove()
        drawn += (whole - without) / abs(whole) * activations[k]
    return drawn


def test_follows_the_paper(case: Any, run: Any) -> None:
    found = run("ablation-cam", case).values.numpy()
    expected = draw_slowly(case, list(range(9)))
    assert np.abs(expected).max() > 0
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_follows_the_paper_in_the_middle(early_case: Any, run: Any) -> None:
    found = run("ablation-cam", early_case).values.numpy()
    expected = draw_slowly(early_case, list(range(6)))
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_some_channels_only(case: Any, run: Any) -> None:
    variances = [float(np.var(channel)) for channel in case.capture().activations.numpy().astype(float)]
    strongest = sorted(range(9), key=lambda k: -variances[k])[:3]
    found = run("ablation-cam", case, channels=3).values.numpy()
    assert np.allclose(found, draw_slowly(case, strongest), atol=1e-4 * np.abs(found).max() + 1e-7)


def test_a_negative_score_does_not_turn_the_map(case: Any, run: Any) -> None:
    before = run("ablation-cam", case).values
    score = case.score(case.picture)
    case.module.head.bias[case.target] -= 3 * abs(score)
    assert case.score(case.picture) < 0
    after = run("ablation-cam", case).values
    assert torch.nn.functional.cosine_similarity(before.flatten(), after.flatten(), dim=0) > 0.999


def test_zero_channels_take_no_pass(case: Any) -> None:
    case.module.last[0].weight[2:] = 0
    case.module.last[0].bias[2:] = -1
    method = get_method("ablation-cam")
    warm, capture = case.capture(), case.capture()
    method.function(warm, method.settings())
    method.function(capture, method.settings())
    assert capture.runner.spent.forward <= 1 + 2 + 1  # the picture, two channels, and the picture as it is


@pytest.mark.parametrize("name", ["vit", "swin", "mixer"])
def test_layers_of_tokens(name: str) -> None:
    """Only the patches of a channel are set to zero; whatever goes around the layer stays as it is."""
    torch.manual_seed(0)
    if name == "vit":
        module: nn.Module = VisionTransformer(
            img_size=64, patch_size=16, depth=2, embed_dim=12, num_heads=2, num_classes=3
        )
    elif name == "swin":
        module = SwinTransformer(
            img_size=64, depths=(1, 1), embed_dim=12, num_heads=(2, 2), window_size=4, num_classes=3
        )
    else:
        module = MlpMixer(img_size=64, patch_size=16, num_blocks=2, embed_dim=12, num_classes=3)
    module.eval().requires_grad_(False)
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0.2, 0.3)
    picture = torch.randn(1, 3, 64, 64)
    for layer in find_layers(module, 3, (64, 64)):
        ask = Ask(1)
        (look,) = look_at(module, picture, (layer,), (ask,))
        activations = look.activations[layer.name]
        runner = Runner(module, picture, layer, 1, "logit")
        method = get_method("ablation-cam")
        found = method.function(
            LayerCapture(layer, 1, look.logits, activations, runner=runner), method.settings(channels=0)
        ).values
        expected = torch.zeros_like(found)
        for k in range(len(activations)):

            def ablate(_module: Any, _inputs: Any, output: torch.Tensor, k: int = k, layer: Any = layer) -> Any:
                output = output.clone()
                layer.to_map(output)[:, k] = 0
                return output

            handle = module.get_submodule(layer.name).register_forward_hook(ablate)
            without = module(picture)[0, 1]
            handle.remove()
            expected += (look.logits[1] - without) / look.logits[1].abs() * activations[k]
        assert torch.allclose(found, expected, atol=2e-3 * float(expected.abs().max())), layer.name
