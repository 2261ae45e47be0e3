"""Which layers of a network a trained attention reads, where nobody says. Importing this does not import torch."""

from __future__ import annotations

from collections.abc import Sequence

from explain.networks.layer import Layer

MOST_LAYERS = 4
LARGEST_GRID = 56
"""Cells along each side of the maps, at most."""

_USUAL = 3
_FINEST = 4  # pixels of the input along a cell's side; what is finer knows edges, and its fusion is dear


def find_attention_layers(layers: Sequence[Layer], default: Layer, input_size: Sequence[int]) -> tuple[Layer, ...]:
    """Three layers as T-TAME takes them: a transformer's last three, else the last of each of the coarsest grids up to
    the default layer, and where there are fewer of those, the ones before.

    Args:
        layers: of the network, in the order in which they run.
        default: the layer that is explained unless another is asked for.
        input_size: height and width of the input.
    """
    alike = [layer for layer in layers if layer.layout == default.layout]
    if default.layout == "NLC":
        return tuple(alike[-_USUAL:])
    until = alike[: alike.index(default) + 1]
    coarse = [layer for layer in until if _FINEST * layer.longest_side <= max(input_size)] or [default]
    last_of_each = {layer.grid: layer for layer in coarse}
    chosen = list(last_of_each.values())[-_USUAL:]
    rest = [layer for layer in reversed(coarse) if layer not in chosen]
    chosen += rest[: _USUAL - len(chosen)]
    return tuple(layer for layer in until if layer in chosen)


def choose_grid(grid: Sequence[int]) -> tuple[int, ...]:
    """The grid of the maps, where the first layer has this one: the same, but for sides that are too long."""
    return tuple(min(side, LARGEST_GRID) for side in grid)
