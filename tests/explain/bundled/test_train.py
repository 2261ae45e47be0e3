"""The training scripts, on a data set of a few pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import typer
from PIL import Image

from explain.bundled.architectures import INPUT_SIZE
from explain.bundled.aviary import Aviary
from explain.bundled.photographs import CLASSES, Photographs, augment, normalise, read_photographs, resize
from explain.bundled.train import RECIPES, find_source, follow, run_frozen, train
from explain.engine import Engine
from explain.geometry import prepare
from explain.picture import decode
from explain.promptcam import PromptedViT

FIRST = replace(RECIPES["photo-cnn"][0], epochs=2, small_epochs=1, batch=20)
STAGES = (FIRST, replace(FIRST, epochs=1, small_epochs=0, seed=1))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            for number in range(2):
                pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{number}.jpg")
    return folder


def test_a_stopped_run_goes_on_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    whole, accuracy = train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path / "whole", say=lambda line: None)

    def stop_after_first_epoch(line: str) -> None:
        if line.startswith("epoch 1/2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path / "stopped", say=stop_after_first_epoch)
    said: list[str] = []
    resumed, again = train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path / "stopped", say=said.append)
    assert said[0] == "Going on after epoch 1."
    assert again == accuracy
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_weights_are_measured_as_they_ship(data: Path, tmp_path: Path) -> None:
    model, _ = train("photo-cnn", STAGES, Photographs(data), tmp_path, tmp_path, say=lambda line: None)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            assert torch.equal(tensor, tensor.half().float()), name


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


def test_averaged_weights_follow_by_the_decay() -> None:
    model, average = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    before = average.weight.clone()
    follow(average, model, decay=0.75)
    assert torch.allclose(average.weight, 0.75 * before + 0.25 * model.weight)


def test_training_resizes_as_the_dashboard_does(data: Path) -> None:
    """What accuracy is measured on is what the dashboard feeds the model."""
    path = data / "test" / "cat" / "0.jpg"
    ours = prepare(decode(path.read_bytes(), path.name), Engine().load("photo-cnn").preprocessing).tensor
    pictures, _ = read_photographs(data, "test")
    theirs = resize(normalise(pictures[CLASSES.index("cat") * 2 :][:1]), INPUT_SIZE)
    assert (ours - theirs).abs().max() < 1e-4


def test_prompts_of_birds_are_trained_on_the_frozen_network(tmp_path: Path) -> None:
    aviary = Aviary({"train": range(24), "test": range(100, 112)})
    network = tuple(replace(recipe, epochs=2, patch_drop_epochs=1, batch=12) for recipe in RECIPES["birds-vit"])
    vit, _ = train("birds-vit", network, aviary, tmp_path, tmp_path, say=lambda line: None)
    weights = {name: tensor.clone().contiguous() for name, tensor in vit.state_dict().items()}
    assert not any("readout" in name for name in weights)
    safetensors.torch.save_file(weights, tmp_path / "birds-vit.safetensors")
    stages = tuple(replace(recipe, epochs=2, batch=12) for recipe in RECIPES["birds-vit-prompts"])
    prompted, accuracy = train("birds-vit-prompts", stages, aviary, tmp_path, tmp_path, say=lambda line: None)
    assert isinstance(prompted, PromptedViT) and prompted.variant == "last" and 0 <= accuracy <= 100
    for name, tensor in prompted.backbone.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    # What was run once is what running all of it gives, but for the rounding of bf16.
    pictures = aviary.read("train").pictures
    with torch.no_grad():
        reused = prompted.finish(run_frozen(prompted, aviary, pictures).float())
        assert (reused - prompted(aviary.view(pictures))).abs().max() < 0.05


def test_photographs_need_their_folder_and_birds_do_not() -> None:
    assert isinstance(find_source("birds-cnn", None), Aviary)
    with pytest.raises(typer.BadParameter, match="--data"):
        find_source("photo-cnn", None)
