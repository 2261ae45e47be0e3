"""A preprocessing in the words of whoever trained the network gives the input that they gave it."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from explain.errors import ModelError
from explain.models.own_preprocessing import read_preprocessing
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.geometry import Preprocessing, prepare
from tests.support.engine import make_picture

declare_missing_operators()

from torchvision import transforms  # noqa: E402
from torchvision.transforms import InterpolationMode, v2  # noqa: E402
from torchvision.transforms._presets import ImageClassification  # noqa: E402

NORMALISE = transforms.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.1))


@pytest.mark.parametrize(
    "given",
    [
        transforms.Compose([transforms.Resize((48, 40)), transforms.ToTensor(), NORMALISE]),
        transforms.Compose([transforms.Resize(64), transforms.CenterCrop(48), transforms.ToTensor()]),
        transforms.Compose(
            [transforms.Resize(64, InterpolationMode.BICUBIC), transforms.CenterCrop((48, 32)), transforms.ToTensor()]
        ),
        v2.Compose(
            [
                v2.ToImage(),
                v2.Resize((48, 48), antialias=True),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * 3, [0.5] * 3),
            ]
        ),
        ImageClassification(crop_size=48, resize_size=64),
        transforms.Compose(
            [transforms.Grayscale(), transforms.Resize((40, 40)), transforms.ToTensor(), transforms.Normalize(0.5, 0.2)]
        ),
    ],
)
def test_torchvisions_transforms_give_their_own_input(given: Any) -> None:
    picture = make_picture(size=(90, 120))
    expected = given(Image.fromarray(picture.pixels))
    found = prepare(picture, read_preprocessing(given)).tensor[0]
    assert found.shape == expected.shape
    assert float((found - expected).abs().mean()) < 0.03 * float(expected.std())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Preprocessing(input_size=(8, 8)), Preprocessing(input_size=(8, 8))),
        ({"input_size": 32}, Preprocessing(input_size=(32, 32))),
        ({}, Preprocessing(input_size=(224, 224))),
        ({"input_size": (32, 16), "fit": "squash"}, Preprocessing(input_size=(32, 16), fit="squash")),
        ({"channels": 1}, Preprocessing(input_size=(224, 224), channels=1, mean=(0.449,), std=(0.226,))),
        (
            {"input_size": 9, "channels": 1, "mean": 0.5, "std": [0.25]},
            Preprocessing(input_size=(9, 9), channels=1, mean=(0.5,), std=(0.25,)),
        ),
        (
            {
                "input_size": (3, 64, 64),
                "crop_pct": 0.5,
                "mean": (0.5,) * 3,
                "std": (0.5,) * 3,
                "interpolation": "bicubic",
            },
            Preprocessing(
                input_size=(64, 64), resize_size=128, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3
            ),
        ),
    ],
)
def test_mappings_are_read(given: Any, expected: Preprocessing) -> None:
    assert read_preprocessing(given) == expected


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (transforms.Compose([transforms.Resize(64), transforms.ToTensor()]), "does not say the size"),
        (transforms.Compose([transforms.Resize((64, 64)), transforms.CenterCrop(32)]), "squashes and then crops"),
        (transforms.Compose([transforms.RandomCrop(32)]), "step RandomCrop"),
        (transforms.ToTensor(), "made of a ToTensor"),
        (lambda picture: picture, "made of a function"),
        ({"fit": "stretch"}, "preprocessing's fit cannot be stretch"),
        ({"std": 0}, "preprocessing's"),
        (np.zeros(3), "made of a ndarray"),
    ],
)
def test_what_cannot_be_said_in_these_words_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        read_preprocessing(given)
