"""Raw attention: a plain row of one block, by head or averaged."""

import numpy as np
import pytest
import torch

from explain.methods import MethodResult, get_method
from explain.networks.layer import Layer
from explain.passes.attention import AttentionCapture
from explain.passes.capture import LayerCapture

GRID, PREFIX, HEADS = (2, 3), 2, 3


def draw(rows: list[np.ndarray], **settings: int) -> MethodResult:
    nothing = torch.zeros(8)
    attention = AttentionCapture(
        GRID, PREFIX, "token", nothing, nothing, (), (), tuple(torch.from_numpy(row) for row in rows), ()
    )
    layer = Layer("blocks.0.norm1", (4, 4), 8, "NLC", 1)
    capture = LayerCapture(layer, 2, torch.zeros(4), torch.zeros(8, 4, 4), attention=attention)
    method = get_method("raw-attention")
    return method.function(capture, method.settings(**settings))


def make_rows(seed: int, blocks: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(size=(HEADS, PREFIX + 6)).astype(np.float32) for _ in range(blocks)]


@pytest.mark.parametrize("back", range(4))
@pytest.mark.parametrize("seed", range(3))
def test_is_the_mean_over_heads_of_one_block(seed: int, back: int) -> None:
    rows = make_rows(seed)
    expected = np.zeros(GRID)
    for head in range(HEADS):
        for r in range(GRID[0]):
            for c in range(GRID[1]):
                expected[r, c] += rows[3 - back][head, PREFIX + r * GRID[1] + c] / HEADS
    result = draw(rows, blocks_before_last=back)
    assert np.allclose(result.values, expected, atol=1e-6)
    assert result.details["block"] == 3 - back and not result.warnings


@pytest.mark.parametrize("head", [1, 2, 3])
def test_a_single_head(head: int) -> None:
    rows = make_rows(0)
    assert np.array_equal(draw(rows, head=head).values.numpy().ravel(), rows[3][head - 1, PREFIX:])


def test_asked_for_more_than_there_is_it_says_what_it_shows() -> None:
    rows = make_rows(1)
    result = draw(rows, blocks_before_last=4, head=4)
    assert np.array_equal(result.values.numpy().ravel(), rows[0][2, PREFIX:])
    assert len(result.warnings) == 2 and "4 blocks" in result.warnings[0] and "3 heads" in result.warnings[1]


def test_is_class_agnostic() -> None:
    assert get_method("raw-attention").class_agnostic
