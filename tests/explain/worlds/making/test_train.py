"""The networks of the worlds are written so that they can be loaded by name, and not trained twice."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explain.bundled import models
from explain.models.load import load_model
from explain.models.request import parse_model
from explain.worlds.making import train
from explain.worlds.making.train import make_all
from explain.worlds.training import WorldRecipe, ask
from explain.worlds.worlds import PHOTOGRAPH_CLASSES, PLANS, Manifest


def test_everything_is_written_and_loads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in PHOTOGRAPH_CLASSES:
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for number in range(4):
                pixels = dice.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.jpg")
    out = tmp_path / "worlds"
    out.mkdir()
    monkeypatch.setattr(train, "TESTED", 4)
    monkeypatch.setattr(train, "PLANS", PLANS[:2])
    monkeypatch.setattr(models, "WORLDS_FOLDER", out)
    recipe, learned = WorldRecipe(epochs=2, batch=4), {"photographs": 4, "phantoms": 8}
    manifest = make_all(tmp_path / "data", out, learned, recipe)  # type: ignore[arg-type]
    assert Manifest.model_validate_json((out / "worlds.json").read_bytes()) == manifest
    assert [*manifest.worlds] == [plan.name for plan in PLANS[:2]]
    assert {path.stem for path in out.glob("*.safetensors")} == {"shortcut-tag", "shortcut-patch", "honest-photographs"}

    loaded = load_model(parse_model("shortcut-patch"))
    assert loaded.labels == PHOTOGRAPH_CLASSES and loaded.preprocessing.input_size == (32, 32)
    pixels = dice.integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    written = out / "shortcut-patch.safetensors"
    before = written.read_bytes()
    assert make_all(tmp_path / "data", out, learned, recipe) == manifest and written.read_bytes() == before  # type: ignore[arg-type]
    assert ask(loaded.module, pixels).shape == (3,)
