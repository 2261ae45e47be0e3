"""Sets of noise, small backbones and short recipes: what class prompts are trained on in tests."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explain.datasets.dataset import DataSet, Example
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.networks.prompt_variant import Variant
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.geometry import Preprocessing
from explain.training.recipe import PromptRecipe
from explain.training.run import TrainingRun

declare_missing_operators()

from timm.models.vision_transformer import VisionTransformer  # noqa: E402

VIT = ModelRequest(source="bundled", name="photo-vit")
RECIPE = PromptRecipe(epochs=6, batch=4, patience=0, folds=2)
SIDE, DEPTH, CLASSES = 16, 3, 3
VARIANTS: tuple[Variant, ...] = ("deep", "shallow", "last")
PREPROCESSING = Preprocessing(input_size=(SIDE, SIDE))
SMALL = PromptRecipe(epochs=4, batch=4, warm_up=1, learning_rate=0.05, patience=0, folds=2)


def wrap(module: nn.Module) -> LoadedModel:
    """A network as a backbone of three classes."""
    request = ModelRequest(source="bundled", name="tiny")
    return LoadedModel(request, module.eval(), PREPROCESSING, ("a", "b", "c"), "fingerprint", ())


def build_backbone() -> LoadedModel:
    """A tiny ViT with random weights, alive."""
    torch.manual_seed(0)
    vit = VisionTransformer(
        img_size=SIDE, patch_size=8, embed_dim=32, depth=DEPTH, num_heads=4, num_classes=CLASSES, drop_path_rate=0.3
    )
    for parameter in vit.parameters():
        nn.init.normal_(parameter, 0 if parameter.ndim > 1 else 0.5, 0.3)
    return wrap(vit)


def paint(label: int, seed: int) -> bytes:
    """Noise in which one colour, that of the class, is brighter."""
    pixels = np.random.default_rng(seed).integers(0, 120, (SIDE, SIDE, 3), np.uint8)
    pixels[:, :, label] += 100
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def make_set(counts: tuple[int, ...] = (6, 6, 6), val: int = 2) -> DataSet:
    """So many pictures of each class to train on, and `val` more to check with."""
    examples = []
    for label, count in enumerate(counts):
        for number in range(count + val):
            data = paint(label, 100 * label + number)
            split = "train" if number < count else "val"
            examples.append(Example(f"{label}-{number}.png", hashlib.sha256(data).hexdigest(), label, split, data))
    return DataSet(("a", "b", "c")[: len(counts)], tuple(examples))


def make_two_colours() -> DataSet:
    """Reddish and greenish noise: twelve pictures to train on and four to check with."""
    examples = []
    for number in range(16):
        pixels = np.random.default_rng(number).integers(0, 120, (24, 24, 3), np.uint8)
        pixels[:, :, number % 2] += 100
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        data = file.getvalue()
        split = "val" if number >= 12 else "train"
        examples.append(Example(f"{number}.png", hashlib.sha256(data).hexdigest(), number % 2, split, data))
    return DataSet(("red", "green"), tuple(examples))


def prepare_run(
    dataset: DataSet, monkeypatch: pytest.MonkeyPatch, backbone: ModelRequest = VIT, weights: bytes | None = None
) -> TrainingRun:
    """A run whose process has not been started."""
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "_launch", lambda self: None)
        return TrainingRun.start(dataset, backbone, RECIPE, "My prompts", weights)
