"""A layer whose output can be laid on the picture: its grid, and how tokens become it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from explain.errors import LayerError
from explain.networks.output import first_tensor

if TYPE_CHECKING:
    from torch import Tensor


Layout = Literal["NCHW", "NHWC", "NLC"]
LEAST_DEFAULT_GRID = 4


@dataclass(frozen=True)
class Layer:
    """A named module whose output is a grid of vectors over the model's input.

    Attributes:
        name: the module's dotted name in the model.
        grid: rows and columns of the output.
        channels: length of the vector at each cell.
        layout: order of the output's axes; `NLC` are tokens, row by row.
        prefix_tokens: tokens before those of the patches (class token, registers, prompts); `NLC` only.
    """

    name: str
    grid: tuple[int, int]
    channels: int
    layout: Layout
    prefix_tokens: int = 0

    def to_map(self, output: Any) -> Tensor:
        """The module's output, or the first tensor of several, as `(B, C, h, w)`; a view where it can be."""
        tensor = first_tensor(output)
        if tensor is None:
            raise LayerError(f"The layer “{self.name}” gives no tensor. Choose another layer.")
        if self.layout == "NHWC":
            tensor = tensor.permute(0, 3, 1, 2)
        elif self.layout == "NLC":
            patches = tensor[:, self.prefix_tokens :].transpose(1, 2)
            if patches.shape[2] != self.grid[0] * self.grid[1]:
                raise LayerError(
                    f"The layer “{self.name}” gave {patches.shape[2]} patch tokens where "
                    f"{self.grid[0]}×{self.grid[1]} were expected. Choose another layer."
                )
            tensor = patches.unflatten(2, self.grid)
        return tensor


def default_layer(layers: Sequence[Layer]) -> Layer | None:
    """The layer explained unless another is asked for: the last whose grid still tells one place from another."""
    for layer in reversed(layers):
        if min(layer.grid) >= LEAST_DEFAULT_GRID:
            return layer
    return layers[-1] if layers else None
