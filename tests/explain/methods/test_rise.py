"""RISE against one mask at a time, enlarged a pixel at a time."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from explain.networks.layer import Layer


def draw_masks_slowly(enlarge: Any, count: int, cells: int, share: float, seed: int, size: tuple[int, int]) -> Any:
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand((count, cells, cells), generator=generator).numpy()
    steps = torch.rand((count, 2), generator=generator).numpy()
    high, wide = math.ceil(size[0] / cells), math.ceil(size[1] / cells)
    for grid, (down, right) in zip(random, steps, strict=True):
        large = enlarge((grid < share / 100).astype(float), (cells + 1) * high, (cells + 1) * wide)
        y, x = int(down * high), int(right * wide)
        yield large[y : y + size[0], x : x + size[1]]


@pytest.mark.parametrize("centre", [True, False])
def test_follows_the_paper(case: Any, run: Any, enlarge: Any, centre: bool) -> None:
    found = run("rise", case, masks=20, grid=5, share=40, seed=7, centre=centre).values.numpy()
    masks = list(draw_masks_slowly(enlarge, 20, 5, 40, 7, (12, 16)))
    scores = [case.score(case.picture * torch.from_numpy(mask).float()) for mask in masks]
    mean = sum(scores) / 20 if centre else 0.0
    expected = sum((score - mean) * mask for score, mask in zip(scores, masks, strict=True)) / (0.4 * 20)
    assert found.shape == (12, 16)
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_the_seed_decides(case: Any, run: Any) -> None:
    first, again, other = (run("rise", case, masks=20, seed=seed).values for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_finds_the_one_place_that_counts(run: Any, case: Any) -> None:
    """A network that reads one corner of the picture."""

    class Corner(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = torch.nn.Identity()

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            corner = self.last(pictures)[:, :, :4, 10:].mean((1, 2, 3))
            return torch.stack([0 * corner, corner], 1)

    picture = torch.full((1, 3, 12, 16), 2.0)
    corner = replace(case, module=Corner().eval(), picture=picture, layer=Layer("last", (12, 16), 3, "NCHW"))
    found = run("rise", corner, masks=400, grid=4).values
    assert found[:4, 10:].mean() > 0.1
    assert found[6:, :6].mean().abs() < 0.3 * found[:4, 10:].mean()
