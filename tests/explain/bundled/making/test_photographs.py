"""Photographs as examples to learn from: read, enlarged and varied."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explain.bundled.architectures import INPUT_SIZE
from explain.bundled.class_names import CLASSES
from explain.bundled.making.photographs import (
    augment,
    erase_square,
    normalise,
    read_photographs,
    resize,
    shift_and_flip,
    whiten,
)
from explain.engine.engine import Engine
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare


def test_photographs_come_with_the_class_of_their_folder(data: Path) -> None:
    pictures, classes = read_photographs(data, "test")
    assert pictures.shape == (20, 3, 32, 32)
    assert classes.tolist() == [index for index in range(10) for _ in range(2)]
    with Image.open(data / "test" / "frog" / "1.jpg") as image:
        expected = torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)
    assert torch.equal(pictures[CLASSES.index("frog") * 2 + 1], expected)


def test_missing_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No pictures under"):
        read_photographs(tmp_path, "train")


def test_augmentation_is_seeded_and_keeps_the_range(data: Path) -> None:
    pictures = normalise(read_photographs(data, "train")[0])
    first, second, other = (augment(pictures, 48, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.shape == (20, 3, 48, 48)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.abs().max() < 2 * pictures.abs().max()


def test_whole_pixels_are_shifted_and_every_picture_is_seen_both_ways_in_two_epochs() -> None:
    random = np.random.default_rng(0)
    pictures = torch.from_numpy(random.integers(0, 256, (8, 3, 12, 12), np.uint8))
    flips = []
    for epoch in range(2):
        views = shift_and_flip(pictures, torch.Generator().manual_seed(epoch), epoch, reach=2)
        for number, view in enumerate(views.numpy()):
            padded = np.pad(pictures[number].numpy(), ((0, 0), (2, 2), (2, 2)), mode="reflect")
            found = [
                flip
                for top in range(5)
                for left in range(5)
                for flip in (False, True)
                if np.array_equal(view, padded[:, top : top + 12, left : left + 12][:, :, :: -1 if flip else 1])
            ]
            assert len(found) == 1, "the view is exactly one shift of the picture"
            flips.append(found[0])
    assert flips[:8] == [not flip for flip in flips[8:]]
    assert len(set(flips[:8])) == 2


def test_an_erased_square_is_zero_and_the_rest_untouched() -> None:
    views = torch.rand(200, 3, 16, 16) + 1
    erased = erase_square(views, torch.Generator().manual_seed(0), 0.25)
    holes = erased == 0
    assert torch.equal(erased[~holes], views[~holes])
    assert (holes == holes[:, :1]).all()
    for hole in holes[:, 0]:
        rows, columns = hole.any(1).sum(), hole.any(0).sum()
        assert hole.sum() == rows * columns and max(rows, columns) <= 4
    assert holes[:, 0].flatten(1).sum(1).max() == 16
    assert erase_square(views, torch.Generator(), 0.0) is views


def test_a_whitened_stem_answers_without_correlation() -> None:
    mixed = torch.einsum("ij,bjhw->bihw", torch.randn(3, 3), torch.randn(64, 3, 16, 16))
    views = torch.nn.functional.avg_pool2d(mixed, 3, 1)
    kernels = whiten(views, kernel=3, stride=2, count=32)
    assert torch.equal(kernels[:16], -kernels[16:])
    answers = torch.nn.functional.conv2d(views, kernels[:16], stride=2).permute(1, 0, 2, 3).flatten(1)
    assert torch.allclose(answers @ answers.T / answers.shape[1], torch.eye(16), atol=0.05)


def test_training_resizes_as_the_dashboard_does(data: Path) -> None:
    """What accuracy is measured on is what the dashboard feeds the model."""
    path = data / "test" / "cat" / "0.jpg"
    ours = prepare(decode(path.read_bytes(), path.name), Engine().load("photo-cnn").preprocessing).tensor
    pictures, _ = read_photographs(data, "test")
    theirs = resize(normalise(pictures[CLASSES.index("cat") * 2 :][:1]), INPUT_SIZE)
    assert (ours - theirs).abs().max() < 1e-4
