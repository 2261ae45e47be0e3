"""The network that tells photographs from generated pictures is written so that it can be loaded by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explain.bundled import models
from explain.models.load import load_model
from explain.models.request import parse_model
from explain.worlds.generated import CLASSES, FOLDERS, MODEL
from explain.worlds.making.generated import make
from explain.worlds.training import WorldRecipe, read_folders


def test_it_is_written_with_the_first_generated_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in FOLDERS:
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for number in range(8):
                Image.fromarray(dice.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"{number}.jpg")
    out = tmp_path / "worlds"
    out.mkdir()
    assert read_folders(tmp_path / "data" / "train", FOLDERS, 2).classes.tolist() == [0, 0, 1, 1]
    make(tmp_path / "data", out, WorldRecipe(epochs=1, batch=8))
    monkeypatch.setattr(models, "WORLDS_FOLDER", out)
    assert load_model(parse_model(MODEL)).labels == CLASSES
    test = tmp_path / "data" / "test" / "fake"
    assert (out / "generated" / "01.jpg").read_bytes() == (test / "0.jpg").read_bytes()
    assert len([*(out / "generated").iterdir()]) == 8
