"""How each bundled model is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from explain.bundled.architectures import INPUT_SIZE
from explain.networks.prompt_variant import Variant


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a stage of a training run, so that the model card can print it."""

    epochs: int
    learning_rate: float
    optimiser: str
    weight_decay: float
    batch: int = 128
    seed: int = 0
    label_smoothing: float = 0.1
    small_size: int = INPUT_SIZE
    small_epochs: int = 0  # epochs at `small_size` before those at full size
    patch_drop: float = 0.0  # share of patch tokens dropped
    patch_drop_epochs: int = 0
    teacher: str | None = None
    teach_once: bool = False  # on each picture and its mirror image, not on each view; whole pixels only
    zoom: float = 0.2
    light: float = 0.2
    erase: float = 0.25
    plain_epochs: int = 0  # the last epochs, in which nothing is erased
    whole_pixels: bool = False  # only shifts by whole pixels, and flips, in place of zoom and light
    whiten: bool = False  # the first convolution whitens its patches and stays so
    rest_rate: float = 0.0  # learning rate of what Muon leaves to AdamW: biases, norms, the head
    warm_up: float = 0.2  # share of the steps in which learning rates rise
    anneal: Literal["cos", "linear"] = "cos"  # how they fall
    floor: float = 4e-6  # how far they fall, as a share of the highest
    memory: int = 64_000  # pictures over which the averaged weights reach back
    soup: float = 0.0  # share, in what the stage ends with, of the weights that it began from
    settle: bool = False  # batch statistics are taken anew in the end
    parts: float = 0.0  # weight of the loss that asks the tokens which parts of the bird they show
    along: bool = False  # class prompts in the last block learn along, so that the network suits those trained later
    variant: Variant = "deep"  # where prompts enter
    reuse: bool = False  # run the frozen part once for every picture, which is then not varied; for prompts only


RECIPES = {
    "photo-cnn": (
        Recipe(
            epochs=46,
            learning_rate=0.045,
            optimiser="muon",
            weight_decay=0.0,
            batch=512,
            small_size=48,
            small_epochs=22,
            plain_epochs=4,
            whole_pixels=True,
            whiten=True,
            rest_rate=3e-3,
            warm_up=0.08,
            anneal="linear",
        ),
        Recipe(
            epochs=6,
            seed=1,
            learning_rate=0.01,
            optimiser="muon",
            weight_decay=0.0,
            batch=512,
            whole_pixels=True,
            whiten=True,
            rest_rate=7e-4,
            warm_up=0.05,
            anneal="linear",
            floor=1.0,
            memory=200_000,
            soup=0.5,
            settle=True,
        ),
    ),
    "photo-vit": (
        Recipe(
            epochs=12,
            learning_rate=1.5e-3,
            optimiser="adamw",
            weight_decay=0.05,
            patch_drop=0.5,
            patch_drop_epochs=9,
            teacher="photo-cnn",
            label_smoothing=0.0,
        ),
        Recipe(
            epochs=2,
            seed=1,
            learning_rate=4e-4,
            optimiser="adamw",
            weight_decay=0.05,
            teacher="photo-cnn",
            label_smoothing=0.0,
            zoom=0.08,
            light=0.1,
            erase=0.0,
        ),
        Recipe(
            epochs=6,
            seed=2,
            learning_rate=5e-4,
            optimiser="adamw",
            weight_decay=0.05,
            teacher="photo-cnn",
            label_smoothing=0.0,
            zoom=0.12,
            light=0.15,
            erase=0.1,
            along=True,
        ),
        Recipe(
            epochs=30,
            seed=3,
            learning_rate=0.02,
            optimiser="muon",
            weight_decay=0.05,
            batch=256,
            patch_drop=0.5,
            patch_drop_epochs=30,
            teacher="photo-cnn",
            teach_once=True,
            whole_pixels=True,
            rest_rate=2e-3,
            warm_up=0.05,
            anneal="linear",
            floor=0.2,
        ),
        Recipe(
            epochs=4,
            seed=4,
            learning_rate=4e-3,
            optimiser="muon",
            weight_decay=0.05,
            batch=256,
            teacher="photo-cnn",
            teach_once=True,
            whole_pixels=True,
            plain_epochs=2,
            rest_rate=5e-4,
            warm_up=0.05,
            anneal="linear",
            along=True,
            settle=True,
        ),
    ),
    "photo-vit-prompts": (
        Recipe(
            epochs=10,
            learning_rate=1e-2,
            optimiser="adamw",
            weight_decay=1e-4,
            label_smoothing=0.0,
            variant="last",
            reuse=True,
        ),
    ),
    "birds-cnn": (Recipe(epochs=4, learning_rate=0.1, optimiser="sgd", weight_decay=5e-4),),
    "birds-vit": (
        Recipe(
            epochs=12,
            learning_rate=1.5e-3,
            optimiser="adamw",
            weight_decay=0.05,
            patch_drop=0.5,
            patch_drop_epochs=9,
            parts=4.0,
        ),
    ),
    "birds-vit-prompts": (
        Recipe(
            epochs=10,
            learning_rate=3e-2,
            optimiser="adamw",
            weight_decay=1e-4,
            label_smoothing=0.0,
            variant="last",
            reuse=True,
        ),
    ),
}
"""The stages of each model's training. A later stage starts from the averaged weights of the one before."""
