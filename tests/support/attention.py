"""A tiny classifier, pictures for it, and what T-TAME's attention is trained on in tests."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime

import numpy as np
import torch
from PIL import Image
from torch import nn

from explain.datasets.dataset import DataSet, Example
from explain.models.attention_library import AttentionCard
from explain.models.attention_report import AttentionReport, MapFigures
from explain.models.loaded import LoadedModel, finish_loading
from explain.models.request import ModelRequest
from explain.pictures.geometry import Preprocessing
from explain.training.attention_recipe import AttentionRecipe

SIDE = 16
RECIPE = AttentionRecipe(epochs=3, batch=4, judged=2, learning_rate=0.01)
FIGURES = MapFigures(title="T-TAME", average_drop=9.0, increase=48.0, insertion=0.7, deletion=0.2, likeness=-0.5)
REPORT = AttentionReport(
    own=FIGURES,
    others=(FIGURES.model_copy(update={"title": "Grad-CAM", "deletion": 0.3}),),
    pictures=300,
    area=0.4,
    same=90.0,
)


class TinyNetwork(nn.Module):
    """Two stages, the second on half the grid, and a linear head after a global average."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, 4, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(6, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.head = nn.Linear(8, 3)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.second(self.first(pictures)).mean((2, 3)))
        return scores


def build_classifier(seed: int = 0) -> LoadedModel:
    """A tiny network with random weights and statistics, in evaluation mode."""
    torch.manual_seed(seed)
    network = TinyNetwork()
    with torch.no_grad():
        network(torch.randn(32, 3, SIDE, SIDE))  # batch norms that are not the identity
        network.head.weight *= 8
    request = ModelRequest(source="module", name="tiny")
    preprocessing = Preprocessing(input_size=(SIDE, SIDE))
    return finish_loading(request, network, None, "tiny", preprocessing, ("a", "b", "c"), [])


def make_pictures(count: int, kept_back: int) -> DataSet:
    """Noise with a bright corner, all in one class."""
    examples = []
    for number in range(count + kept_back):
        pixels = np.random.default_rng(number).integers(0, 120, (SIDE, SIDE, 3), np.uint8)
        half = SIDE // 2
        pixels[:half, (number % 2) * half :][:, :half, number % 3] += 120
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        data = file.getvalue()
        split = "train" if number < count else "val"
        examples.append(Example(f"{number}.png", hashlib.sha256(data).hexdigest(), 0, split, data))
    return DataSet(("pictures",), tuple(examples))


def make_card(loaded: LoadedModel, names: tuple[str, ...] = ("first", "second")) -> AttentionCard:
    """The card of attention that reads some layers of a classifier; both stages of the tiny one."""
    layers = [layer for layer in loaded.layers if layer.name in names]
    return AttentionCard(
        name="draft",
        backbone=loaded.request,
        backbone_fingerprint=loaded.fingerprint,
        layers=tuple(layer.name for layer in layers),
        channels=tuple(layer.channels for layer in layers),
        grid=layers[0].grid,
        classes=loaded.labels,
        recipe=RECIPE.model_dump(),
        report=REPORT,
        pictures=20,
        created=datetime(2026, 1, 2, tzinfo=UTC),
    )
