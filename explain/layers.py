"""Layers whose output can be laid on the picture: which there are, on what grid, and how to turn tokens into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from explain.errors import LayerError

if TYPE_CHECKING:
    from torch import Tensor

Layout = Literal["NCHW", "NHWC", "NLC"]


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
        """The module's output as `(B, C, h, w)`, a view where it can be. Of a tuple or list, the first tensor counts."""
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


def first_tensor(output: Any) -> Tensor | None:
    """The tensor a module gave back, or the first of several; None where there is none."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    values = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return next((found for value in values if (found := first_tensor(value)) is not None), None)
