"""What a bundled model is trained on: pictures with their classes, from wherever they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch

Split = Literal["train", "test"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Some pictures.

    Attributes:
        pictures: `(N, 3, H, W)` uint8.
        classes: `(N,)` class indices.
        cells: which parts each cell of the model's grid shows, `(N, h, w, parts)` bool, where that is known.
    """

    pictures: torch.Tensor
    classes: torch.Tensor
    cells: torch.Tensor | None = None

    def pick(self, chosen: torch.Tensor | slice) -> Examples:
        """Those of these indices."""
        cells = None if self.cells is None else self.cells[chosen]
        return Examples(self.pictures[chosen], self.classes[chosen], cells)


@dataclass(frozen=True)
class Variation:
    """How much pictures are varied in training; a source ignores what it has no use for.

    Attributes:
        zoom: see `photographs.augment`.
        light: contrast and brightness, see there and in `aviary`.
        erase: see `photographs.augment`.
        whole_pixels: shift and flip by whole pixels only, see `photographs.shift_and_flip`, in place of zoom and light.
        epoch: counted from 0; decides there which pictures are flipped.
    """

    zoom: float
    light: float
    erase: float
    whole_pixels: bool = False
    epoch: int = 0


class PictureSource(Protocol):
    """Pictures to train and to test on.

    Attributes:
        classes: their names.
        input_size: side of what the models see, in pixels.
    """

    classes: tuple[str, ...]
    input_size: int

    def read(self, split: Split) -> Examples:
        """All pictures of a split."""

    def view(self, pictures: torch.Tensor) -> torch.Tensor:
        """uint8 pictures as the dashboard gives them to the model, `(B, 3, input_size, input_size)`."""

    def vary(self, some: Examples, size: int, generator: torch.Generator, variation: Variation) -> Examples:
        """The same pictures, normalised, varied at random, and `size` pixels wide."""
