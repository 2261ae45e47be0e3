"""Pictures as Python programs hold them: all ways lead to the same pixels, and what is no picture is a sentence."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from explain.engine.handed_over import open_pictures
from explain.errors import PictureError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]


def encode() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a photo.png"
    path.write_bytes(encode())
    return path


@pytest.mark.parametrize(
    "given",
    [
        PIXELS,
        np.asfortranarray(PIXELS),
        PIXELS.transpose(2, 0, 1),
        PIXELS[None],
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        torch.from_numpy(PIXELS.transpose(2, 0, 1).copy()),
        torch.from_numpy(PIXELS.transpose(2, 0, 1) / 255).requires_grad_(),
        torch.from_numpy(PIXELS.copy()),
        torch.from_numpy(PIXELS.transpose(2, 0, 1).copy())[None],
        Image.fromarray(PIXELS),
        encode(),
        bytearray(encode()),
        io.BytesIO(encode()),
        [PIXELS],
    ],
)
def test_all_ways_lead_to_the_same_pixels(given: Any) -> None:
    (picture,) = open_pictures(given)
    np.testing.assert_array_equal(picture.pixels, PIXELS)
    assert picture.pixels.shape == (5, 7, 3) and picture.pixels.dtype == np.uint8
    assert not picture.pixels.flags.writeable and len(picture.digest) == 64
    assert picture.name == "picture"


def test_files_keep_their_names(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    with file.open("rb") as opened:
        pictures = open_pictures([file, str(file), "~/a photo.png", opened, Image.open(file)])
    assert {picture.name for picture in pictures} == {"a photo.png"}
    assert len({picture.digest for picture in pictures[:4]}) == 1


@pytest.mark.parametrize(
    "given", [GREY, GREY[..., None], GREY[None], torch.from_numpy(GREY.copy()), Image.fromarray(GREY)]
)
def test_grey_is_shown_grey(given: Any) -> None:
    (picture,) = open_pictures(given)
    np.testing.assert_array_equal(picture.pixels, np.repeat(GREY[..., None], 3, axis=2))


def test_floats_keep_what_8_bits_would_lose() -> None:
    deep = np.linspace(0, 1, 35, dtype=np.float64).reshape(5, 7)
    (picture,) = open_pictures(deep)
    np.testing.assert_array_equal(picture.model_pixels[..., 0], deep.astype(np.float32))


def test_what_is_transparent_lies_on_white() -> None:
    image = Image.new("RGBA", (4, 3), (10, 20, 30, 0))
    (picture,) = open_pictures(image)
    assert (picture.pixels == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "LA", "PA", "RGBA"])
def test_every_mode_of_pillow_is_taken(mode: str) -> None:
    image = Image.fromarray(PIXELS)
    image = image.convert("LA").convert(mode) if mode == "PA" else image.convert(mode)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(open_pictures(image)[0].pixels, expected)


def test_a_batch_is_several_pictures() -> None:
    batch = torch.stack([torch.from_numpy(PIXELS.transpose(2, 0, 1).copy())] * 3)
    batch[1] = 255 - batch[1]
    pictures = open_pictures(batch)
    assert [picture.name for picture in pictures] == ["picture 1", "picture 2", "picture 3"]
    np.testing.assert_array_equal(pictures[1].pixels, 255 - PIXELS)
    assert pictures[0].digest == pictures[2].digest != pictures[1].digest
    assert len(open_pictures(picture for picture in pictures)) == 3


def test_what_the_caller_does_to_his_array_reaches_nobody() -> None:
    mine = PIXELS.copy()
    (picture,) = open_pictures(mine)
    mine[:] = 0
    np.testing.assert_array_equal(picture.pixels, PIXELS)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "made of nothing"),
        (7, "made of a int"),
        ({}, "made of a dict"),
        ([None], "made of nothing"),
        ([], "at least one picture"),
        (np.zeros((0, 5, 7, 3), np.uint8), "at least one picture"),
        (np.zeros((5, 7, 4), np.uint8), "neither 1 nor 3 colours"),
        (np.zeros(5, np.uint8), r"shape \(5,\) is no picture"),
        (np.zeros((0, 7, 3), np.uint8), "no pixels"),
        (np.zeros((5, 7, 3), np.uint16), "uint16, of which nobody can tell"),
        (np.zeros((5, 7, 3), bool), "bool, of which nobody can tell"),
        (np.zeros((5, 7, 3), object), "object, of which nobody can tell"),
        (np.zeros((5, 7, 3), np.complex64), "complex64, of which nobody can tell"),
        (PIXELS.astype(np.float32), "divide it by 255"),
        ((torch.rand(3, 8, 8) - 0.5) / 0.2, "before it is normalised"),
        (np.full((5, 7), np.nan), "not numbers"),
        (torch.zeros(3, 5, 7, dtype=torch.int64), "int64, of which nobody can tell"),
        (Image.fromarray(GREY.astype(np.uint16)), "uint16, of which nobody can tell"),
        (b"no picture", "picture”"),
        (io.StringIO("text"), "mode “rb”"),
        ("https://example.org/cat.jpg", "CAMscope fetches nothing"),
        ("gone.jpg", r"gone\.jpg cannot be read: No such file"),
        ("\0", "cannot be read"),
    ],
)
def test_what_is_no_picture_is_a_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(PictureError, match=sentence):
        open_pictures(given)


def test_a_folder_and_a_broken_file_are_sentences(file: Path) -> None:
    with pytest.raises(PictureError, match=r"is a directory\. Name the pictures in it"):
        open_pictures(file.parent)
    cut = file.with_name("cut.png")
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(PictureError, match="Pillow picture cannot be read"):
        open_pictures(Image.open(cut))
