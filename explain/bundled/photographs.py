"""CIFAR-10 as a folder of JPEG files (`train/<class>/*.jpg`, `test/<class>/*.jpg`), decoded once into memory."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from explain.bundled.architectures import INPUT_SIZE
from explain.bundled.examples import Examples, Split, Variation

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


class Photographs:
    """CIFAR-10 as a source of examples.

    Args:
        folder: holds `train/<class>/*.jpg` and `test/<class>/*.jpg`.
    """

    classes: tuple[str, ...] = CLASSES
    input_size = INPUT_SIZE

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, split: Split) -> Examples:
        """All pictures of a split, 32×32."""
        return Examples(*read_photographs(self._folder, split))

    def view(self, pictures: torch.Tensor) -> torch.Tensor:
        """Normalised and enlarged."""
        return resize(normalise(pictures), self.input_size)

    def vary(self, some: Examples, size: int, generator: torch.Generator, variation: Variation) -> Examples:
        """See `augment`."""
        views = augment(normalise(some.pictures), size, generator, variation.zoom, variation.light, variation.erase)
        return Examples(views, some.classes)


@cache
def read_photographs(folder: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures `(N, 3, 32, 32)` uint8 and class indices `(N,)`, in the order of the sorted file names."""
    pictures, classes = [], []
    for index, name in enumerate(CLASSES):
        for path in sorted((folder / split / name).glob("*.jpg")):
            with Image.open(path) as image:
                pictures.append(np.asarray(image.convert("RGB")))
            classes.append(index)
    if not pictures:
        raise FileNotFoundError(f"No pictures under {folder / split}; expected {split}/<class>/*.jpg.")
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous(), torch.tensor(classes)


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 pictures to zero-mean, unit-variance floats."""
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (pictures.float() / 255 - mean) / std


def resize(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """The bicubic, antialiased resize that the dashboard's preprocessing applies too."""
    return functional.interpolate(pictures, size=(size, size), mode="bicubic", antialias=True, align_corners=False)


def augment(
    pictures: torch.Tensor,
    size: int,
    generator: torch.Generator,
    scale: float = 0.2,
    light: float = 0.2,
    erase: float = 0.25,
) -> torch.Tensor:
    """Random flip, shift (one eighth), zoom and brightness, resampled straight to `size`; then a random erased square.

    Args:
        pictures: normalised, `(B, 3, 32, 32)`.
        size: side of the result in pixels.
        generator: source of every random draw.
        scale: zoom is drawn log-uniformly from `[1 - scale, 1 / (1 - scale)]`, the aspect ratio from half of that.
        light: contrast is drawn from `[1 - light, 1 + light]`, brightness from `[-light, light]` standard deviations.
        erase: side of the erased square as a share of `size`.
    """
    count = len(pictures)

    def draw(low: float, high: float) -> torch.Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    flip = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    zoom = torch.exp(draw(math.log(1 - scale), -math.log(1 - scale)))
    aspect = torch.exp(draw(math.log(1 - scale), -math.log(1 - scale)) / 4)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = flip * zoom * aspect, zoom / aspect
    theta[:, 0, 2], theta[:, 1, 2] = draw(-0.25, 0.25), draw(-0.25, 0.25)
    grid = functional.affine_grid(theta, [count, 3, size, size], align_corners=False)
    views = functional.grid_sample(pictures, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    views = views * draw(1 - light, 1 + light).view(-1, 1, 1, 1) + draw(-light, light).view(-1, 1, 1, 1)

    hole = round(size * erase)
    if not hole:
        return views
    rows = torch.arange(size)
    top, left = draw(-hole, size).view(-1, 1), draw(-hole, size).view(-1, 1)
    inside_y = (rows >= top) & (rows < top + hole)
    inside_x = (rows >= left) & (rows < left + hole)
    return views.masked_fill((inside_y[:, :, None] & inside_x[:, None, :])[:, None], 0.0)
