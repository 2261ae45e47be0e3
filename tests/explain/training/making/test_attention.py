"""The attention that ships: small, of the model beside it as it is, and its report says what it is worth."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explain.bundled.models import ATTENTION_FOLDER
from explain.datasets.sample import choose_pictures
from explain.methods.rise import RiseSettings
from explain.models.attention_library import AttentionCard, find_attention, load_attention
from explain.models.library import read_kept_card
from explain.models.load import load_model
from explain.models.request import ModelRequest
from explain.training.attention_recipe import AttentionRecipe
from explain.training.making.attention import make


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for split, count in (("train", 14), ("test", 3)):
        folder = tmp_path / split / "cat"
        folder.mkdir(parents=True)
        for number in range(count):
            file = io.BytesIO()
            pixels = np.random.default_rng(number + 100 * count).integers(0, 255, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(file, "JPEG")
            (folder / f"{number}.jpg").write_bytes(file.getvalue())
    return tmp_path


@pytest.mark.slow
def test_it_is_made_of_so_many_pictures(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.training.attention_judging._RISE", RiseSettings(masks=20))
    dataset = choose_pictures(data, 12, 2)
    assert [len(dataset.list_split(split)) for split in ("train", "val")] == [12, 2]
    path = make(dataset, "photo-cnn", data / "out", AttentionRecipe(epochs=1, judged=1, batch=8))
    card = read_kept_card(path, AttentionCard)
    assert (card.name, card.pictures, card.report.pictures) == ("photo-cnn", 11, 1) and card.digest


def test_what_ships_is_of_the_model_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    for path in ATTENTION_FOLDER.glob("*.safetensors"):
        assert path.stat().st_size < 2e6
        loaded = load_model(ModelRequest(source="bundled", name=path.stem))
        card = find_attention(loaded)
        assert card.name == path.stem and card.classes == loaded.labels and not card.report.list_warnings()
        load_attention(card.name, card.digest)
