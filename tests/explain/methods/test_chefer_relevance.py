"""Chefer's relevance against the update rules of the paper with whole matrices."""

import numpy as np
import pytest
import torch

from explain.methods import get_method
from explain.networks.layer import Layer
from explain.passes.attention import AttentionCapture, Pooling
from explain.passes.capture import LayerCapture

GRID, PREFIX, TOKENS = (3, 4), 1, 13


def draw(start: np.ndarray, relevances: list[np.ndarray], pooling: Pooling = "token") -> np.ndarray:
    attention = AttentionCapture(
        grid=GRID,
        prefix_tokens=PREFIX,
        pooling=pooling,
        readout=torch.zeros(TOKENS),
        readout_relevance=torch.from_numpy(start.astype(np.float32)),
        means=(),
        relevances=tuple(torch.from_numpy(part.astype(np.float32)) for part in relevances),
        rows=(),
        sensitivities=(),
    )
    layer = Layer("blocks.0.norm1", (4, 4), 8, "NLC", 1)
    capture = LayerCapture(layer, 2, torch.zeros(4), torch.zeros(8, 4, 4), attention=attention)
    method = get_method("chefer-relevance")
    return method.function(capture, method.settings()).values.numpy()


def make_relevances(seed: int, blocks: int = 5) -> list[np.ndarray]:
    """`mean_h (∇A ⊙ A)+` (equation 5), head by head."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(blocks):
        mean = np.zeros((TOKENS, TOKENS))
        for _ in range(4):
            logits = rng.normal(size=(TOKENS, TOKENS))
            attention = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
            mean += np.maximum(rng.normal(size=(TOKENS, TOKENS)) * attention, 0) / 4
        found.append(mean)
    return found


def relate_slowly(relevances: list[np.ndarray]) -> np.ndarray:
    relevance = np.eye(TOKENS)
    for step in relevances:
        relevance = relevance + step @ relevance  # equation 6
    return relevance


@pytest.mark.parametrize("seed", range(8))
def test_equals_the_paper_written_out(seed: int) -> None:
    relevances = make_relevances(seed)
    expected = relate_slowly(relevances)[0, PREFIX:].reshape(GRID)
    assert np.allclose(draw(np.eye(TOKENS)[0], relevances), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_head_that_averages_patches_gets_their_rows_without_the_identity(seed: int) -> None:
    relevances = make_relevances(seed)
    start = np.full(TOKENS, 1 / 12)
    start[0] = 0
    expected = (relate_slowly(relevances) - np.eye(TOKENS))[PREFIX:].mean(0)[PREFIX:].reshape(GRID)
    assert np.allclose(draw(start, relevances, "average"), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_an_attention_pool_reads_from_normalised_relevances(seed: int) -> None:
    relevances = make_relevances(seed)
    pool = np.random.default_rng(seed).uniform(size=TOKENS)
    gathered = relate_slowly(relevances) - np.eye(TOKENS)
    for i in range(TOKENS):
        gathered[i] /= gathered[i].sum()  # equations 8 and 9
    expected = (pool @ (gathered + np.eye(TOKENS)))[PREFIX:].reshape(GRID)  # equation 10
    assert np.allclose(draw(pool, relevances, "attention"), expected, rtol=1e-4, atol=1e-6)


def test_attention_that_raises_nothing_gives_zeros() -> None:
    nothing = [np.zeros((TOKENS, TOKENS))] * 3
    assert not draw(np.eye(TOKENS)[0], nothing).any()
    assert not draw(np.full(TOKENS, 1 / TOKENS), nothing, "average").any()
    pool = np.arange(TOKENS, dtype=float)
    assert np.array_equal(draw(pool, nothing, "attention").ravel(), pool[PREFIX:])


def test_relevance_is_gathered_through_other_tokens() -> None:
    """The class token reads patch 3 in the second block, which read patch 7 in the first."""
    first, second = np.zeros((TOKENS, TOKENS)), np.zeros((TOKENS, TOKENS))
    first[PREFIX + 3, PREFIX + 7] = 0.5
    second[0, PREFIX + 3] = 2.0
    found = draw(np.eye(TOKENS)[0], [first, second]).ravel()
    assert found[3] == 2.0 and found[7] == 1.0 and np.count_nonzero(found) == 2
    assert np.count_nonzero(draw(np.eye(TOKENS)[0], [second, first])) == 1
