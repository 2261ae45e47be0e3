"""Procedural birds: a world in which the traits that tell the classes apart are known.

Every species is a row of one table of traits. Siblings share a row but for one trait. Scene, pose, place, size and
light are drawn from the seed alone, so that two siblings drawn with one seed differ in nothing but that trait: each is
the other's counterfactual picture. Every picture comes with a mask for every part.

Importing this does not import torch: the pictures are drawn by OpenCV with antialiased edges on a canvas of twice the
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from explain.bundled.birds.body import Pose, paint_bird
from explain.bundled.birds.canvas import Canvas
from explain.bundled.birds.dice import Dice, throw_light
from explain.bundled.birds.scene import paint_scene
from explain.bundled.birds.species import PARTS, SPECIES, find_species
from explain.errors import PictureError

DEFAULT_SIZE = 96
SMALLEST_SIZE, LARGEST_SIZE = 32, 1024


@dataclass(frozen=True, eq=False)
class Bird:
    """A drawn bird.

    Attributes:
        species: its name.
        seed: what scene, pose, place, size and light were drawn from.
        pixels: `(S, S, 3)` uint8 RGB.
        masks: for each of `PARTS` the pixels on which it is seen at all, `(S, S)` bool; edges shared by two parts
            belong to both.
    """

    species: str
    seed: int
    pixels: np.ndarray
    masks: dict[str, np.ndarray]


def draw_bird(species: str, seed: int, size: int = DEFAULT_SIZE) -> Bird:
    """Draw a bird; the same for the same species, seed and size.

    Args:
        species: a name in `SPECIES`.
        seed: not negative. Siblings drawn with one seed differ only in the part in which the table says they do.
        size: side of the picture in pixels, 32…1024.

    Raises:
        PictureError: no species is called so, or the size is out of bounds.
    """
    row = find_species(species)
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise PictureError(f"A bird is drawn at {SMALLEST_SIZE} to {LARGEST_SIZE} pixels, not {size}.")
    dice = Dice(seed)
    pose = Pose.throw(dice, 2.0 * size)
    canvas = Canvas(2 * size)
    paint_scene(canvas, dice, pose)
    tint = 1 + 0.12 * (np.array([dice.throw() for _ in range(3)]) - 0.5)
    paint_bird(canvas, row, pose, tint)
    light = throw_light(dice, size)
    pixels = cv2.resize(canvas.pixels, (size, size), interpolation=cv2.INTER_AREA)
    pixels *= light
    seen = canvas.seen[0::2, 0::2] | canvas.seen[1::2, 0::2] | canvas.seen[0::2, 1::2] | canvas.seen[1::2, 1::2]
    masks = {part: (seen & (1 << index)) != 0 for index, part in enumerate(PARTS)}
    return Bird(species, seed, np.clip(np.rint(pixels), 0, 255).astype(np.uint8), masks)


def draw_batch(seeds: Sequence[int], grid: int) -> tuple[np.ndarray, np.ndarray]:
    """One bird for each seed, its species being the seed modulo their number.

    Returns:
        Pictures `(N, S, S, 3)` uint8 at the default size, and which parts cover at least a sixth of each cell of a
        grid laid on them, `(N, grid, grid, parts)` bool.
    """
    cv2.setNumThreads(1)
    birds = [draw_bird(SPECIES[seed % len(SPECIES)].name, seed) for seed in seeds]
    masks = np.stack([np.stack([bird.masks[part] for part in PARTS], axis=-1) for bird in birds])
    cell = DEFAULT_SIZE // grid
    shares = masks.reshape(len(birds), grid, cell, grid, cell, len(PARTS)).mean((2, 4), dtype=np.float32)
    return np.stack([bird.pixels for bird in birds]), shares >= 1 / 6
