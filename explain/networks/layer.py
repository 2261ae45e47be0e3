"""A layer whose output can be laid on the picture: its grid, and how tokens become it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from explain.errors import LayerError
from explain.networks.output import first_tensor

if TYPE_CHECKING:
    from torch import Tensor


Layout = Literal["NCHW", "NHWC", "NLC", "NCDHW", "NDHWC"]
Grid = tuple[int, ...]
"""How many cells lie along each axis: rows and columns; of a network that reads volumes, slices first."""

_LEAST_SIDE = 4  # cells along an axis; a map of fewer hardly tells one place from another
_LEAST_DEPTH = 2  # along the depth of a volume, which networks reduce further than the rest


@dataclass(frozen=True)
class Layer:
    """A named module whose output is a grid of vectors over the model's input.

    Attributes:
        name: the module's dotted name in the model.
        grid: rows and columns of the output, slices before them.
        channels: length of the vector at each cell.
        layout: order of the output's axes; `NLC` are tokens, row by row.
        prefix_tokens: tokens before those of the patches (class token, registers, prompts); `NLC` only.
        aliases: names of other modules that give the very same tensor; not part of what the layer is.
    """

    name: str
    grid: Grid
    channels: int
    layout: Layout
    prefix_tokens: int = 0
    aliases: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return math.prod(self.grid)

    @property
    def longest_side(self) -> int:
        """Cells along the axis that has most."""
        return max(self.grid)

    @property
    def tells_places_apart(self) -> bool:
        """Whether there are cells enough along each axis for a map of use."""
        return min(self.grid[-2:]) >= _LEAST_SIDE and min(self.grid[:-2], default=_LEAST_DEPTH) >= _LEAST_DEPTH

    def describe_grid(self) -> str:
        """The cells along each axis, e.g. `14×14`."""
        return describe_grid(self.grid)

    def to_map(self, output: Any) -> Tensor:
        """The module's output, or the first tensor of several, as `(B, C, h, w)`, or `(B, C, d, h, w)`; a view where it
        can be.
        """
        tensor = first_tensor(output)
        if tensor is None:
            raise LayerError(f"The layer “{self.name}” gives no tensor. Choose another layer.")
        if self.layout == "NHWC":
            tensor = tensor.permute(0, 3, 1, 2)
        elif self.layout == "NDHWC":
            tensor = tensor.permute(0, 4, 1, 2, 3)
        elif self.layout == "NLC":
            patches = tensor[:, self.prefix_tokens :].transpose(1, 2)
            if patches.shape[2] != self.cells:
                raise LayerError(
                    f"The layer “{self.name}” gave {patches.shape[2]} patch tokens where "
                    f"{self.describe_grid()} were expected. Choose another layer."
                )
            tensor = patches.unflatten(2, self.grid)
        return tensor


def describe_grid(grid: Sequence[int]) -> str:
    """The cells along each axis of a grid, or of a map's shape, e.g. `14×14`."""
    return "×".join(map(str, grid))


def fits(grid: Sequence[int], input_size: Sequence[int]) -> bool:
    """Whether a grid has the input's shape, up to one cell lost or won at a border, and is no finer than the input.

    Of volumes that is asked of rows and columns: networks reduce their depth by steps of its own.
    """
    if len(grid) != len(input_size) or any(own > wanted for own, wanted in zip(grid[:-2], input_size, strict=False)):
        return False
    (rows, columns), (height, width) = grid[-2:], input_size[-2:]
    return rows <= height and columns <= width and abs(rows * width - columns * height) <= max(height, width)


def default_layer(layers: Sequence[Layer]) -> Layer | None:
    """The layer explained unless another is asked for: the last whose grid still tells one place from another."""
    for layer in reversed(layers):
        if layer.tells_places_apart:
            return layer
    return layers[-1] if layers else None
