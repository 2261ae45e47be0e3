"""Attention rollout against the recursion of the paper with whole matrices."""

import numpy as np
import pytest
import torch

from explain.methods import get_method
from explain.networks.layer import Layer
from explain.passes.attention import AttentionCapture
from explain.passes.capture import LayerCapture

GRID, PREFIX, TOKENS = (3, 4), 1, 13


def draw(readout: np.ndarray, means: list[np.ndarray], **settings: float) -> np.ndarray:
    attention = AttentionCapture(
        grid=GRID,
        prefix_tokens=PREFIX,
        pooling="token",
        readout=torch.from_numpy(readout.astype(np.float32)),
        readout_relevance=torch.zeros(TOKENS),
        means=tuple(torch.from_numpy(mean.astype(np.float32)) for mean in means),
        relevances=(),
        rows=(),
        sensitivities=(),
    )
    layer = Layer("blocks.0.norm1", (4, 4), 8, "NLC", 1)
    capture = LayerCapture(layer, 2, torch.zeros(4), torch.zeros(8, 4, 4), attention=attention)
    method = get_method("attention-rollout")
    return method.function(capture, method.settings(**settings)).values.numpy()


def make_attention(seed: int, blocks: int = 5) -> list[np.ndarray]:
    """Rows that sum to 1, already averaged over heads."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(blocks, 4, TOKENS, TOKENS), scale=2)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return list(weights.mean(1))


def roll_out_slowly(means: list[np.ndarray], skip: float = 0.5) -> np.ndarray:
    rolled = np.eye(TOKENS)
    for weights in means:
        attention = np.zeros((TOKENS, TOKENS))
        for i in range(TOKENS):
            for j in range(TOKENS):
                attention[i, j] = (1 - skip) * weights[i, j] + skip * (i == j)  # section 3: A = 0.5 W + 0.5 I
        rolled = attention @ rolled  # equation 1
    return rolled


@pytest.mark.parametrize("skip", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_paper_written_out(seed: int, skip: float) -> None:
    means = make_attention(seed)
    expected = roll_out_slowly(means, skip)[0, PREFIX:].reshape(GRID)
    assert np.allclose(draw(np.eye(TOKENS)[0], means, skip=skip), expected, atol=1e-6)


def test_half_goes_past_unless_told() -> None:
    means = make_attention(0)
    assert np.array_equal(draw(np.eye(TOKENS)[0], means), draw(np.eye(TOKENS)[0], means, skip=0.5))


def test_a_head_that_averages_patches_gets_the_mean_of_their_rows() -> None:
    means = make_attention(3)
    readout = np.full(TOKENS, 1 / 12)
    readout[0] = 0
    expected = roll_out_slowly(means)[PREFIX:].mean(0)[PREFIX:].reshape(GRID)
    assert np.allclose(draw(readout, means), expected, atol=1e-6)


def test_one_block_that_looks_at_one_patch() -> None:
    mean = np.zeros((TOKENS, TOKENS))
    mean[:, PREFIX + 5] = 1
    found = draw(np.eye(TOKENS)[0], [mean])
    assert found[1, 1] == 0.5 and np.count_nonzero(found) == 1


def test_nothing_is_lost_on_the_way() -> None:
    means = make_attention(4)
    assert draw(np.eye(TOKENS)[0], means).sum() <= 1 + 1e-6
    uniform = draw(np.full(TOKENS, 1 / TOKENS), [np.full((TOKENS, TOKENS), 1 / TOKENS)] * 3)
    assert np.allclose(uniform, 1 / TOKENS)


def test_is_class_agnostic() -> None:
    assert get_method("attention-rollout").class_agnostic
