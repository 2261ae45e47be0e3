"""CIFAR-10 as a folder of JPEG files (`train/<class>/*.jpg`, `test/<class>/*.jpg`), decoded once into memory."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from explain.bundled.architectures import INPUT_SIZE
from explain.bundled.class_names import CLASSES
from explain.bundled.making.examples import Examples, Split, Variation

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
        """See `augment`, or `shift_and_flip` where only whole pixels are to move."""
        if variation.whole_pixels:
            views = resize(normalise(shift_and_flip(some.pictures, generator, variation.epoch)), size)
            views = erase_square(views, generator, variation.erase)
        else:
            views = normalise(some.pictures)
            views = augment(views, size, generator, variation.zoom, variation.light, variation.erase)
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
    return erase_square(views, generator, erase)


def shift_and_flip(pictures: torch.Tensor, generator: torch.Generator, epoch: int, reach: int = 3) -> torch.Tensor:
    """Shift each picture by up to `reach` whole pixels, mirrored at the border, and flip it in every other epoch.

    Args:
        pictures: `(B, 3, S, S)` uint8.
        generator: source of the shifts.
        epoch: counted from 0.
        reach: largest shift in pixels.

    Returns:
        The same shape in float32, values still 0 to 255; no pixel is interpolated.
    """
    count, _, side, _ = pictures.shape
    padded = functional.pad(pictures.float(), (reach,) * 4, mode="reflect")
    top, left = torch.randint(0, 2 * reach + 1, (2, count), generator=generator)
    rows = top[:, None] + torch.arange(side)
    columns = left[:, None] + torch.arange(side)
    columns = torch.where(find_flipped(pictures, epoch)[:, None], columns.flip(1), columns)
    index = torch.arange(count)[:, None, None]
    return padded[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def find_flipped(pictures: torch.Tensor, epoch: int) -> torch.Tensor:
    """Which of the uint8 pictures `(B, 3, S, S)` are flipped in an epoch, counted from 0: `(B,)` bool.

    A picture's pixels decide whether those are the even epochs or the odd ones, so that any two epochs in a row show it
    both ways (Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, section 3.6).
    """
    return pictures.flatten(1).sum(1, dtype=torch.long) % 2 == epoch % 2


def erase_square(views: torch.Tensor, generator: torch.Generator, share: float) -> torch.Tensor:
    """Set a square at a random place of each view to zero, the mean (Cutout, DeVries and Taylor 2017).

    Args:
        views: normalised, `(B, 3, S, S)`.
        generator: source of the places; the square may stick out.
        share: its side as a share of `S`; 0 leaves the views as they are.
    """
    count, size = len(views), views.shape[-1]
    hole = round(size * share)
    if not hole:
        return views
    rows = torch.arange(size)
    top, left = (torch.rand(count, 1, generator=generator) * (size + hole) - hole for _ in range(2))
    inside_y = (rows >= top) & (rows < top + hole)
    inside_x = (rows >= left) & (rows < left + hole)
    return views.masked_fill((inside_y[:, :, None] & inside_x[:, None, :])[:, None], 0.0)


def whiten(views: torch.Tensor, kernel: int, stride: int, count: int) -> torch.Tensor:
    """Principal directions of the patches a first convolution sees, each scaled to unit variance, and their negatives.

    A network that starts from these need not spend its first thousand steps on finding them (Page, "How to Train Your
    ResNet 8", 2019).

    Args:
        views: normalised pictures as the network sees them, `(B, 3, S, S)`.
        kernel: side of the convolution's kernel.
        stride: its stride.
        count: its output channels, even; the strongest `count / 2` directions are taken.

    Returns:
        Kernels `(count, 3, kernel, kernel)`; one half of them are the other half's negatives, as a ReLU follows.
    """
    patches = functional.unfold(views, kernel, stride=stride).transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
    kernels = (vectors / (values + 5e-4).sqrt()).T.reshape(-1, 3, kernel, kernel).flip(0)[: count // 2]
    return torch.cat([kernels, -kernels])
