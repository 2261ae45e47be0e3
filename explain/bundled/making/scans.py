"""The scans that bundled models are trained on, as tensors. How they lie and split: `explain.bundled.scan_sets`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from explain.bundled.making.examples import Examples, Split, Variation
from explain.bundled.scan_sets import find_declared, list_scans
from explain.pictures.geometry import prepare


class Scans:
    """A set of scans as a source of examples, seen as the bundled model that is named sees them.

    Args:
        folder: holds the set's own folder.
        model: whose set, classes and preprocessing count.
    """

    def __init__(self, folder: Path, model: str) -> None:
        declared = find_declared(model)
        self._folder, self._model = folder, model
        self._preprocessing = declared.preprocessing
        self.classes = declared.classes
        self.input_size = self._preprocessing.input_size[0]

    def read(self, split: Split) -> Examples:
        """All pictures of a split at the size at which they are seen; `cells` are the marked pixels `(N, S, S, 1)`."""
        scans = list_scans(self._model, self._folder, split)
        mean, std = self._preprocessing.mean[0], self._preprocessing.std[0]
        pictures, marks = [], []
        for scan in scans:
            picture = scan.read()
            prepared = prepare(picture, self._preprocessing)
            pictures.append((prepared.tensor[0, 0] * std + mean).mul(255).round().byte())
            at = np.arange(self.input_size)
            rows, columns = (span.to_pixels(at, self.input_size).astype(int) for span in prepared.box.spans)
            marks.append(torch.from_numpy(scan.mark(picture.size)[np.ix_(rows, columns)]))
        classes = torch.tensor([scan.class_index for scan in scans])
        # All are grey: one plane is kept, and seen as three.
        return Examples(torch.stack(pictures)[:, None].expand(-1, 3, -1, -1), classes, torch.stack(marks)[..., None])

    def view(self, pictures: torch.Tensor) -> torch.Tensor:
        """Normalised; they were read at the size at which they are seen."""
        mean, std = (torch.tensor(v).view(3, 1, 1) for v in (self._preprocessing.mean, self._preprocessing.std))
        return (pictures.float() / 255 - mean) / std

    def vary(self, some: Examples, size: int, generator: torch.Generator, variation: Variation) -> Examples:
        """Turned, zoomed, shifted and mirrored with their marks, and varied in light; see `move_about`."""
        if size != self.input_size:
            raise ValueError(f"Scans are read at {self.input_size} pixels, not {size}.")
        assert some.cells is not None
        grey = some.pictures[:, :1].float() / 255
        moved, marks = move_about(grey, some.cells[..., 0], generator, variation)
        return Examples(self.view(moved.expand(-1, 3, -1, -1) * 255), some.classes, marks[..., None])


def move_about(
    grey: torch.Tensor, marks: torch.Tensor, generator: torch.Generator, variation: Variation
) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn by up to a fifth of a radian, zoom, shift by up to a sixteenth, mirror half; vary contrast and light.

    Args:
        grey: `(B, 1, S, S)` in 0…1.
        marks: `(B, S, S)` bool, moved with the pictures.
        generator: source of every random draw.
        variation: `zoom` and `light` count.
    """
    count = len(grey)

    def draw(low: float, high: float) -> torch.Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    zoom, angle = 1 / draw(1 - variation.zoom, 1 / (1 - variation.zoom)), draw(-0.2, 0.2)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = flip * zoom * angle.cos(), -zoom * angle.sin()
    theta[:, 1, 0], theta[:, 1, 1] = flip * zoom * angle.sin(), zoom * angle.cos()
    theta[:, 0, 2], theta[:, 1, 2] = draw(-0.125, 0.125), draw(-0.125, 0.125)
    grid = functional.affine_grid(theta, [count, 1, *grey.shape[2:]], align_corners=False)
    moved = functional.grid_sample(grey, grid, mode="bicubic", padding_mode="border", align_corners=False)
    low, high = 1 - variation.light, 1 / (1 - variation.light)
    moved = moved.clamp(0, 1) ** draw(low, high).view(-1, 1, 1, 1)
    moved = (moved * draw(low, 1 + variation.light).view(-1, 1, 1, 1)).clamp(0, 1)
    nearest = functional.grid_sample(marks[:, None].float(), grid, mode="nearest", align_corners=False)
    return moved, nearest[:, 0] > 0.5
