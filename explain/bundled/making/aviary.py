"""Procedural birds as tensors to train on, drawn by a pool of processes; the same whenever they are drawn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from multiprocessing import get_context

import torch

from explain.bundled.birds.draw import DEFAULT_SIZE, draw_batch
from explain.bundled.birds.species import SPECIES
from explain.bundled.making.examples import Examples, Split, Variation

CLASSES = tuple(species.name for species in SPECIES)
MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
GRID = 12
SEEDS: Mapping[Split, range] = {"train": range(24_000), "test": range(1_000_000, 1_003_000)}
"""The species of a seed is the seed modulo their number, so that every scene is drawn once."""

_CHUNK = 500


class Aviary:
    """Procedural birds as a source of examples.

    Args:
        seeds: those of each split.
    """

    classes: tuple[str, ...] = CLASSES
    input_size = DEFAULT_SIZE

    def __init__(self, seeds: Mapping[Split, range] = SEEDS) -> None:
        self._seeds = seeds

    def read(self, split: Split) -> Examples:
        """Draw a split, or remember it: it takes a minute or two."""
        return draw_examples(self._seeds[split])

    def view(self, pictures: torch.Tensor) -> torch.Tensor:
        """The birds are drawn at the size at which they are seen."""
        return normalise(pictures)

    def vary(self, some: Examples, size: int, generator: torch.Generator, variation: Variation) -> Examples:
        """Mirror half of them; vary contrast, brightness and each channel's share, and add a little noise.

        Place, size and pose vary in the drawings themselves.
        """
        if size != self.input_size:
            raise ValueError(f"Birds are drawn at {self.input_size} pixels, not {size}.")
        count, light = len(some.pictures), variation.light

        def draw(low: float, high: float, channels: int = 1) -> torch.Tensor:
            return torch.rand(count, channels, 1, 1, generator=generator) * (high - low) + low

        mirror = torch.rand(count, generator=generator) < 0.5
        pictures = normalise(some.pictures)
        pictures = torch.where(mirror[:, None, None, None], pictures.flip(3), pictures)
        pictures = pictures * draw(1 - light, 1 + light) * draw(1 - light / 4, 1 + light / 4, 3) + draw(-light, light)
        pictures = pictures + 0.04 * torch.randn(pictures.shape, generator=generator)
        cells = some.cells
        if cells is not None:
            cells = torch.where(mirror[:, None, None, None], cells.flip(2), cells)
        return Examples(pictures, some.classes, cells)


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 pictures to floats round 0."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (pictures.float() / 255 - mean) / std


@cache
def draw_examples(seeds: range) -> Examples:
    """One bird for each seed, its species being the seed modulo their number."""
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    if len(chunks) == 1:
        drawn = [draw_batch(seeds, GRID)]
    else:
        # Spawned, not forked: torch's threads do not survive a fork.
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            drawn = list(pool.map(draw_batch, chunks, repeat(GRID)))
    pictures, cells = (torch.cat([torch.from_numpy(part) for part in parts]) for parts in zip(*drawn, strict=True))
    classes = torch.tensor([seed % len(SPECIES) for seed in seeds])
    return Examples(pictures.permute(0, 3, 1, 2).contiguous(), classes, cells)
