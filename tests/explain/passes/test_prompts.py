"""Prompt-CAM against a plain ViT written in matrix products, which runs whole for every head that is blurred.

The oracle follows the paper (section 3) and shares only the weights with the code under test: no timm module is called,
and every candidate of the greedy ranking is a pass of the whole network.
"""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from explain.networks.prompted_vit import PromptedViT
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.prompts import capture_prompt, look_through_prompts
from tests.support.prompted import KINDS, make_model

declare_missing_operators()

from timm.models.vision_transformer import VisionTransformer  # noqa: E402


def normalise(x: Tensor, norm: nn.Module) -> Tensor:
    if isinstance(norm, nn.Identity):
        return x
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias


def apply(x: Tensor, linear: nn.Linear) -> Tensor:
    return x @ linear.weight.T + (linear.bias if linear.bias is not None else 0)


def embed_slowly(vit: VisionTransformer, picture: Tensor) -> Tensor:
    """Patches one by one, row by row: `(T, D)`."""
    kernel = vit.patch_embed.proj
    rows, columns = picture.shape[2] // 8, picture.shape[3] // 8
    patches = []
    for row in range(rows):
        for column in range(columns):
            patch = picture[0, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            patches.append((kernel.weight * patch).sum((1, 2, 3)) + (kernel.bias if kernel.bias is not None else 0))
    tokens = torch.stack(patches)
    prefix = [token[0] for token in (vit.cls_token, vit.reg_token) if token is not None]
    if vit.no_embed_class:
        tokens = torch.cat([*prefix, tokens + vit.pos_embed[0]])
    else:
        tokens = torch.cat([*prefix, tokens]) + vit.pos_embed[0]
    return normalise(tokens, vit.norm_pre)


def run_slowly(
    model: PromptedViT, picture: Tensor, blurred_class: int = -1, blurred_heads: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor]:
    """Scores `(C,)` and the last block's attention `(heads, N, N)`, of the whole network.

    In the last block the pre-softmax scores of row `blurred_class` are 0 in `blurred_heads`.
    """
    vit = model.backbone
    tokens = embed_slowly(vit, picture)
    count, depth = model.num_classes, len(vit.blocks)
    outputs: Tensor | None = None
    for index, block in enumerate(vit.blocks):
        if model.variant == "deep":
            outputs = model.prompts[index]  # fresh prompts; what the block before made of its own is dropped
        elif index == (0 if model.variant == "shallow" else depth - 1):
            outputs = model.prompts[0]
        x = tokens if outputs is None else torch.cat([outputs, tokens])
        normed = normalise(x, block.norm1)
        joint = apply(normed, block.attn.qkv)
        width = joint.shape[1] // 3
        query, key, value = joint[:, :width], joint[:, width : 2 * width], joint[:, 2 * width :]
        heads, size = block.attn.num_heads, width // block.attn.num_heads
        mixed, attention = [], []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            q = normalise(query[:, part], block.attn.q_norm)
            k = normalise(key[:, part], block.attn.k_norm)
            scores = q @ k.T / math.sqrt(size)
            if index == depth - 1 and head in blurred_heads:
                scores[blurred_class] = 0
            weights = scores.exp() / scores.exp().sum(1, keepdim=True)
            attention.append(weights)
            mixed.append(weights @ value[:, part])
        scale1 = block.ls1.gamma if not isinstance(block.ls1, nn.Identity) else 1
        scale2 = block.ls2.gamma if not isinstance(block.ls2, nn.Identity) else 1
        x = x + scale1 * apply(normalise(torch.cat(mixed, 1), block.attn.norm), block.attn.proj)
        hidden = apply(normalise(x, block.norm2), block.mlp.fc1)
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        x = x + scale2 * apply(hidden, block.mlp.fc2)
        if outputs is None:
            tokens = x
        else:
            outputs, tokens = x[:count], x[count:]
    assert outputs is not None
    return apply(normalise(outputs, vit.norm), model.score)[:, 0], torch.stack(attention)


def rank_slowly(model: PromptedViT, picture: Tensor, target: int) -> tuple[list[int], list[float], float]:
    """The greedy ranking by probability, most important first; the probabilities; the closest call of them all."""
    heads = model.backbone.blocks[-1].attn.num_heads
    blurred: tuple[int, ...] = ()
    probabilities, closest = [], math.inf
    while len(blurred) < heads:
        trial = {}
        for head in range(heads):
            if head not in blurred:
                scores, _ = run_slowly(model, picture, target, (*blurred, head))
                trial[head] = float(scores[target])
                chance = float(scores.softmax(0)[target])
                if trial[head] == max(trial.values()):
                    best = chance
        ordered = sorted(trial.values(), reverse=True)
        closest = min([closest, *(a - b for a, b in itertools.pairwise(ordered))])
        blurred = (*blurred, max(trial, key=lambda head: trial[head]))
        probabilities.append(best)
    return list(reversed(blurred)), probabilities, closest


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", KINDS)
def test_scores_maps_and_ranking_equal_the_whole_network_run_each_time(kind: str, seed: int) -> None:
    model, picture = make_model(kind, seed)
    with torch.no_grad():
        scores, attention = run_slowly(model, picture)
        assert torch.allclose(model(picture)[0], scores, atol=2e-4)
        assert torch.allclose(model.finish(model.precompute(picture))[0], scores, atol=2e-4)
        look = look_through_prompts(model, picture)
        assert torch.allclose(look.scores, scores, atol=2e-4)
        rows, columns = model.grid
        for target in (0, 3):
            capture = capture_prompt(model, look, target)
            expected = attention[:, target, -rows * columns :].reshape(-1, rows, columns)
            assert capture.attention.shape == (4, rows, columns)
            assert torch.allclose(capture.attention, expected, atol=1e-5)
            ranking, probabilities, closest = rank_slowly(model, picture, target)
            assert capture.ranking.least_first == pytest.approx(probabilities, abs=1e-4)
            assert closest > 2e-4, "choose another seed: the ranking hangs on rounding"
            assert list(capture.ranking.order) == ranking


def test_a_class_alone_is_certain() -> None:
    torch.manual_seed(0)
    backbone = VisionTransformer(img_size=16, patch_size=8, embed_dim=8, depth=2, num_heads=2, num_classes=1)
    model = PromptedViT(backbone, 1).eval()
    capture = capture_prompt(model, look_through_prompts(model, torch.randn(1, 3, 16, 16)), 0)
    assert capture.ranking.least_first == (1.0, 1.0)


def test_several_pictures_at_once_equal_one_at_a_time() -> None:
    model, _ = make_model("registers", 3)
    pictures = torch.randn(3, 3, 24, 24)
    with torch.no_grad():
        together = model(pictures)
        for index in range(3):
            assert torch.allclose(together[index], run_slowly(model, pictures[index : index + 1])[0], atol=2e-4)
