"""LeGrad's mean over blocks. That each block's part is right is tested with the capture, in `test_attention.py`."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from explain.methods import get_method
from explain.networks.layer import Layer
from explain.passes.attention import AttentionCapture
from explain.passes.capture import LayerCapture

GRID, PREFIX = (2, 4), 5


def draw(sensitivities: np.ndarray, **settings: float) -> np.ndarray:
    nothing = torch.zeros(PREFIX + 8)
    parts = tuple(torch.from_numpy(part.astype(np.float32)) for part in sensitivities)
    attention = AttentionCapture(GRID, PREFIX, "token", nothing, nothing, (), (), (), parts)
    layer = Layer("blocks.0.norm1", (4, 4), 8, "NLC", 1)
    capture = LayerCapture(layer, 2, torch.zeros(4), torch.zeros(8, 4, 4), attention=attention)
    method = get_method("legrad")
    return method.function(capture, method.settings(**settings)).values.numpy()


@pytest.mark.parametrize("blocks", [1, 6, 12])
@pytest.mark.parametrize("seed", range(4))
def test_is_the_mean_over_blocks_at_the_patches(seed: int, blocks: int) -> None:
    parts = np.random.default_rng(seed).uniform(size=(blocks, PREFIX + 8))
    expected = np.zeros(GRID)
    for block in range(blocks):
        for r in range(GRID[0]):
            for c in range(GRID[1]):
                expected[r, c] += parts[block, PREFIX + r * GRID[1] + c] / blocks
    assert np.allclose(draw(parts), expected, atol=1e-6)


@pytest.mark.parametrize(("share", "count"), [(0.0, 1), (0.05, 1), (0.1, 1), (0.15, 2), (0.5, 5), (0.7, 7), (1.0, 10)])
def test_a_share_takes_the_last_blocks(share: float, count: int) -> None:
    parts = np.random.default_rng(0).uniform(size=(10, PREFIX + 8))
    expected = parts[10 - count :].mean(0)[PREFIX:].reshape(GRID)
    assert np.allclose(draw(parts, last_share=share), expected, atol=1e-6)


def test_blocks_that_do_not_respond_give_zeros() -> None:
    assert not draw(np.zeros((3, PREFIX + 8))).any()


def test_shares_out_of_bounds() -> None:
    for share in (-0.1, 1.1):
        with pytest.raises(ValidationError):
            get_method("legrad").settings(last_share=share)
