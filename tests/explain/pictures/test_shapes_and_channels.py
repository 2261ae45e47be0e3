"""Inputs that are no square, and pictures of other than three channels: against slow references."""

import numpy as np
import pytest
import torch
from PIL import Image

from explain.errors import PictureError
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.geometry import Box, Preprocessing, find_box, prepare
from explain.pictures.picture import Picture
from tests.explain.pictures.test_geometry import make_noise

declare_missing_operators()

from timm.data.transforms import ResizeKeepRatio  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

SIZES = [(100, 75), (75, 100), (333, 201), (64, 64), (31, 211), (480, 641), (1, 1)]
INPUTS = [(256, 128), (128, 256), (64, 48), (96, 32), (33, 57)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("input_size", INPUTS)
def test_the_picture_just_covers_what_it_is_resized_to(size: tuple[int, int], input_size: tuple[int, int]) -> None:
    """timm's own resize, and what is left of it after a crop of the middle; its corners by hand."""
    for resize in (None, input_size, (input_size[0] * 8 // 7, input_size[1] * 8 // 7)):
        preprocessing = Preprocessing(input_size=input_size, resize_size=resize, mean=(0,) * 3, std=(1,) * 3)
        box = find_box(size, preprocessing)
        target = resize or input_size
        ratio = min(size[0] / target[0], size[1] / target[1])
        resized = round(size[0] / ratio), round(size[1] / ratio)
        assert resized[0] >= input_size[0] and resized[1] >= input_size[1]
        top, left = round((resized[0] - input_size[0]) / 2), round((resized[1] - input_size[1]) / 2)
        per_y, per_x = size[0] / resized[0], size[1] / resized[1]
        by_hand = (left * per_x, top * per_y, (left + input_size[1]) * per_x, (top + input_size[0]) * per_y)
        assert box == pytest.approx(by_hand)
        inside = Box.whole(size)
        assert box.left >= -1e-6 and box.top >= -1e-6 and box.right <= inside.right + 1e-6
        pixels = make_noise(size, 4)
        shown = prepare(Picture("noise", pixels, pixels, "0"), preprocessing).tensor[0]
        transform = v2.Compose(
            [
                ResizeKeepRatio(target),
                v2.CenterCrop(input_size),
                v2.PILToTensor(),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )
        theirs = transform(Image.fromarray(pixels))
        assert shown.shape == theirs.shape
        # Pillow rounds between its two passes, whose order depends on the sizes: a level, at single pixels two.
        off = (shown - theirs).abs() * 255
        assert off.max() <= 2.01 and (off > 1.01).float().mean() < 0.01


def test_a_square_to_cover_is_the_shorter_side() -> None:
    for size in SIZES:
        for input_size in ((64, 64), (48, 64)):
            one = Preprocessing(input_size=input_size, resize_size=73)
            assert find_box(size, one) == find_box(size, one.model_copy(update={"resize_size": (73, 73)}))


def test_none_is_the_inputs_own_side_where_it_is_square() -> None:
    for size in SIZES:
        assert find_box(size, Preprocessing(input_size=(64, 64))) == find_box(
            size, Preprocessing(input_size=(64, 64), resize_size=64)
        )


@pytest.mark.parametrize("channels", [2, 4, 5, 6])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_every_band_is_resized_and_normalised_alone(channels: int, deep: bool, fit: str) -> None:
    rng = np.random.default_rng(channels)
    bands = rng.integers(0, 256, (50, 70, channels), dtype=np.uint8)
    values = (bands / np.float32(255)).astype(np.float32) if deep else bands
    mean, std = tuple(0.1 * (n + 1) for n in range(channels)), tuple(0.2 + 0.1 * n for n in range(channels))
    given = {"input_size": (32, 48), "fit": fit}
    picture = Picture("bands", np.zeros((50, 70, 3), np.uint8), values, "0")
    ours = prepare(picture, Preprocessing(channels=channels, mean=mean, std=std, **given)).tensor
    assert ours.shape == (1, channels, 32, 48)
    for n in range(channels):
        alone = Picture("band", picture.pixels, np.ascontiguousarray(values[..., n : n + 1]), "0")
        one = Preprocessing(channels=1, mean=(mean[n],), std=(std[n],), **given)
        assert torch.equal(ours[:, n : n + 1], prepare(alone, one).tensor)


def test_a_picture_of_other_channels_than_the_model_is_refused() -> None:
    def show(own: int, wanted: int) -> torch.Tensor:
        picture = Picture("x", np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9, own), np.uint8), "0")
        numbers = {"mean": (0.5,) * wanted, "std": (0.5,) * wanted}
        return prepare(picture, Preprocessing(input_size=(8, 8), channels=wanted, **numbers)).tensor

    with pytest.raises(
        PictureError, match=r"This model takes 4 channels; the picture has 3\. Give a picture of 4 bands"
    ):
        show(3, 4)
    with pytest.raises(PictureError, match=r"takes 2 channels; the picture has 5\. Give a picture of 2 bands"):
        show(5, 2)
    for own in range(1, 7):
        for wanted in range(1, 7):
            # A model of grey or colour is given the bands that are shown of a picture of more.
            if own == wanted or wanted in (1, 3):
                assert show(own, wanted).shape == (1, wanted, 8, 8)
            else:
                with pytest.raises(PictureError, match=f"takes {wanted} channel.* the picture has {own}"):
                    show(own, wanted)
