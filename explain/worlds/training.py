"""Training a network in a world: seconds on a CPU, so that a benchmark can train dozens with other seeds.

Marks are planted after each picture was flipped and shifted, so that a tag stays in its corner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from explain.bundled.architectures import build_world_cnn
from explain.worlds.marks import MARKS, UNITS, Mark, MarkName, plant
from explain.worlds.phantoms import draw_phantom
from explain.worlds.worlds import PHOTOGRAPH_CLASSES, Trial

MEAN, STD = 0.47, 0.25
"""Of every channel, so that a tint stays one."""

Collected = Literal["gives away", "ignored", "clean"]
"""How pictures were collected: the mark on nearly all of one class and on no other, on some of every class, or on none.
"""

_GIVES_AWAY, _IGNORED = 0.95, 0.3
_REACH = 2  # pixels that a picture is shifted by at most
_MOST_AT_ONCE = 250

Stamps = Sequence[Mark | None]
"""What is planted in each picture."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures with their classes.

    Attributes:
        pixels: `(N, S, S, 3)` uint8, S 32.
        classes: `(N,)` indices.
        findings: where that lies which makes a picture its class, `(N, S, S)` bool; None where nobody knows.
    """

    pixels: np.ndarray
    classes: np.ndarray
    findings: np.ndarray | None = None


def read_photographs(folder: Path, split: Literal["train", "test"], each: int) -> Pictures:
    """The first photographs of every class of the worlds, from CIFAR-10 as JPEG files.

    Args:
        folder: holds `train/<class>/*.jpg` and `test/<class>/*.jpg`.
        split: which half.
        each: how many of a class.
    """
    return read_folders(folder / split, PHOTOGRAPH_CLASSES, each)


def read_folders(folder: Path, names: Sequence[str], each: int | None = None) -> Pictures:
    """The first pictures of every folder named, or all of them; a class each.

    Args:
        folder: holds `<name>/*.jpg`, all pictures of one size.
        names: of the folders.
        each: how many of a class at most.
    """
    pixels, classes = [], []
    for index, name in enumerate(names):
        for path in sorted((folder / name).glob("*.jpg"))[:each]:
            with Image.open(path) as image:
                pixels.append(np.asarray(image.convert("RGB")))
            classes.append(index)
    return Pictures(np.stack(pixels), np.array(classes))


def draw_phantoms(first: int, count: int) -> Pictures:
    """Drawn radiographs, every other one with an opacity, from the seed `first` on."""
    drawn = [draw_phantom(seed, UNITS, seed % 2 == 1) for seed in range(first, first + count)]
    findings = np.stack([one.finding for one in drawn])
    return Pictures(np.stack([one.pixels for one in drawn]), np.arange(first, first + count) % 2, findings)


@dataclass(frozen=True)
class WorldRecipe:
    """How a network of a world is trained.

    Attributes:
        epochs: passes through the pictures.
        batch: pictures a step.
        rate: highest learning rate, of SGD with Nesterov's momentum 0.9, up and down in one cycle.
        decay: weight decay.
        smoothing: of the labels.
    """

    epochs: int = 8
    batch: int = 64
    rate: float = 0.1
    decay: float = 5e-4
    smoothing: float = 0.05


def stamp(
    classes: np.ndarray, marks: Sequence[MarkName], label: int | None, collected: Collected, seed: int
) -> list[Mark | None]:
    """What is planted in each of some pictures.

    Args:
        classes: of the pictures, `(N,)`.
        marks: which there are; a picture has one of them at most.
        label: the class that they give away; None for none.
        collected: see `Collected`.
        seed: of who is chosen.
    """
    dice = np.random.default_rng(seed)
    shares = {
        "gives away": np.where(classes == label, _GIVES_AWAY, 0.0),
        "ignored": np.full(len(classes), _IGNORED),
        "clean": np.zeros(len(classes)),
    }
    drawn = dice.random(len(classes)) < shares[collected]
    which = dice.integers(0, len(marks), len(classes)) if marks else np.zeros(len(classes), dtype=int)
    return [MARKS[marks[number]] if on else None for on, number in zip(drawn, which, strict=True)]


def plant_all(pixels: np.ndarray, stamps: Stamps, seed: int) -> np.ndarray:
    """Pictures with their marks, `(N, S, S, 3)` uint8; the n-th is planted by the seed `seed + n`."""
    planted = pixels.copy()
    for number, mark in enumerate(stamps):
        if mark is not None:
            planted[number] = plant(pixels[number], mark, seed + number)
    return planted


def normalise(pixels: np.ndarray) -> torch.Tensor:
    """Pictures `(N, S, S, 3)` uint8 as a network is given them, `(N, 3, S, S)` float32."""
    return ((torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD).contiguous(
        memory_format=torch.channels_last
    )


def train_network(
    pictures: Pictures,
    stamps: Stamps,
    count: int,
    seed: int,
    recipe: WorldRecipe | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> nn.Module:
    """A network trained on pictures with their marks, in evaluation mode, rounded to float16 as it would ship.

    Args:
        pictures: to learn from.
        stamps: what is planted in each.
        count: how many classes there are.
        seed: of weights, order and variation.
        recipe: see `WorldRecipe`.
        say: told a line an epoch.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two of them wait for each other: 17 s of two cores in place of 0.3 s of one
    try:
        return _train(pictures, stamps, count, seed, recipe or WorldRecipe(), say)
    finally:
        torch.set_num_threads(threads)


def _train(
    pictures: Pictures, stamps: Stamps, count: int, seed: int, recipe: WorldRecipe, say: Callable[[str], object]
) -> nn.Module:
    torch.manual_seed(seed)
    dice = np.random.default_rng(seed)
    network: nn.Module = build_world_cnn(count)
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.SGD(groups, lr=recipe.rate, momentum=0.9, nesterov=True)
    steps = len(pictures.pixels) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=steps * recipe.epochs, pct_start=0.25, cycle_momentum=False
    )
    for epoch in range(recipe.epochs):
        order, total = dice.permutation(len(pictures.pixels)), 0.0
        for step in range(steps):
            chosen = order[step * recipe.batch : (step + 1) * recipe.batch]
            varied = plant_all(
                _vary(pictures.pixels[chosen], dice), [stamps[n] for n in chosen], int(dice.integers(2**31))
            )
            with torch.autocast("cpu", torch.bfloat16):
                scores = network(normalise(varied))
            classes = torch.from_numpy(pictures.classes[chosen])
            loss = functional.cross_entropy(scores.float(), classes, label_smoothing=recipe.smoothing)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        say(f"epoch {epoch + 1}/{recipe.epochs}: loss {total / max(steps, 1):.3f}")
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half().float())
    return network.eval().requires_grad_(False)


def _vary(pixels: np.ndarray, dice: np.random.Generator) -> np.ndarray:
    """Each picture flipped or not, and shifted by up to two pixels, mirrored at its edges."""
    side = pixels.shape[1]
    padded = np.pad(pixels, ((0, 0), (_REACH, _REACH), (_REACH, _REACH), (0, 0)), mode="reflect")
    down, across = dice.integers(0, 2 * _REACH + 1, (2, len(pixels)))
    flip = dice.random(len(pixels)) < 0.5
    varied = np.empty_like(pixels)
    for number, (top, left, mirrored) in enumerate(zip(down, across, flip, strict=True)):
        part = padded[number, top : top + side, left : left + side]
        varied[number] = part[:, ::-1] if mirrored else part
    return varied


def ask(network: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """The class that a network names for each picture, `(N,)`."""
    with torch.inference_mode():
        parts = [
            network(normalise(pixels[start : start + _MOST_AT_ONCE])).argmax(1)
            for start in range(0, len(pixels), _MOST_AT_ONCE)
        ]
    answers: np.ndarray = torch.cat(parts).numpy()
    return answers


def try_network(network: nn.Module, pictures: Pictures, mark: MarkName, label: int, seed: int = 0) -> Trial:
    """What a network answers to pictures that it has not seen; see `Trial`."""
    clean = ask(network, pictures.pixels)
    collected = plant_all(pictures.pixels, stamp(pictures.classes, [mark], label, "gives away", seed), seed)
    others = (pictures.classes != label) & (clean != label)
    marked = plant_all(pictures.pixels[others], [MARKS[mark]] * int(others.sum()), seed)
    return Trial(
        collected=_share(ask(network, collected) == pictures.classes),
        clean=_share(clean == pictures.classes),
        flips=_share(ask(network, marked) == label),
    )


def _share(hits: np.ndarray) -> float:
    return round(float(hits.mean()), 4) if len(hits) else 0.0
