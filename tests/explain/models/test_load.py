"""Bundled models are loaded whole, or with a sentence that says what is missing; and what a fingerprint is of."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from explain.bundled import models as bundled
from explain.bundled.architectures import build_photo_cnn, build_photo_vit
from explain.bundled.class_names import CLASSES
from explain.bundled.models import bundled_models, find_prompted_twin
from explain.errors import ModelError
from explain.models.load import load_model
from explain.models.request import ModelRequest, parse_model
from explain.networks.prompted_vit import PromptedViT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models' folder with random weights for both bundled networks and the prompts."""
    torch.manual_seed(0)
    for name in ("photo-cnn", "photo-vit"):
        (tmp_path / f"{name}.json").write_bytes((bundled.MODELS_FOLDER / f"{name}.json").read_bytes())
    safetensors.torch.save_file(build_photo_cnn().state_dict(), tmp_path / "photo-cnn.safetensors", {"top1": "92.50"})
    vit = build_photo_vit()
    safetensors.torch.save_file(vit.state_dict(), tmp_path / "photo-vit.safetensors")
    prompts = {k: v for k, v in PromptedViT(vit, 10, "last").state_dict().items() if not k.startswith("backbone.")}
    safetensors.torch.save_file(prompts, tmp_path / "photo-vit-prompts.safetensors")
    monkeypatch.setattr(bundled, "MODELS_FOLDER", tmp_path)
    return tmp_path


def test_bundled_cnn(folder: Path) -> None:
    model = load_model(parse_model("photo-cnn"))
    assert model.labels == CLASSES and model.prompted is None and model.notes == ()
    assert model.default_layer is not None and model.default_layer.grid == (8, 8)
    assert not model.module.training and not any(p.requires_grad for p in model.module.parameters())
    assert bundled_models()[0].accuracy == 92.5 and bundled_models()[1].accuracy is None
    weights = safetensors.torch.load_file(folder / "photo-cnn.safetensors")
    assert all(torch.equal(weights[key], tensor) for key, tensor in model.module.state_dict().items())


@pytest.mark.parametrize(
    "start",
    [
        (2**60).to_bytes(8, "little"),
        b"\x05",
        b"",
        (2).to_bytes(8, "little") + b"[]",
        (32).to_bytes(8, "little") + b'{"__metadata__":{"top1":"best"}}',
    ],
)
def test_a_damaged_weight_file_is_listed_without_its_accuracy(folder: Path, start: bytes) -> None:
    (folder / "photo-cnn.safetensors").write_bytes(start)
    assert [model.name for model in bundled_models()] == ["photo-cnn", "photo-vit"]
    assert bundled_models()[0].accuracy is None


def test_bundled_vit_has_prompts_on_the_same_network(folder: Path) -> None:
    model = load_model(parse_model("photo-vit"))
    assert model.prompted is not None and model.prompted.backbone is model.module
    assert not model.prompted.training and not any(p.requires_grad for p in model.prompted.parameters())
    weights = safetensors.torch.load_file(folder / "photo-vit-prompts.safetensors")
    assert torch.equal(model.prompted.prompts, weights["prompts"])
    assert find_prompted_twin(tuple(reversed(CLASSES))) == "photo-vit" and find_prompted_twin(("cat",)) is None


def test_missing_weights_and_prompts(folder: Path) -> None:
    (folder / "photo-vit-prompts.safetensors").unlink()
    model = load_model(parse_model("photo-vit"))
    assert model.prompted is None and "prompts of photo-vit are missing" in model.notes[0]
    assert find_prompted_twin(CLASSES) is None
    (folder / "photo-vit.safetensors").unlink()
    with pytest.raises(ModelError, match=r"photo-vit\.safetensors.*missing"):
        load_model(parse_model("photo-vit"))
    with pytest.raises(ModelError, match="Bundled: photo-cnn, photo-vit"):
        load_model(ModelRequest(source="bundled", name="photo"))


def test_fingerprint_is_the_weights_and_what_is_done_to_the_picture(folder: Path) -> None:
    first, again = load_model(parse_model("photo-cnn")), load_model(parse_model("photo-cnn"))
    assert first.fingerprint == again.fingerprint and len(first.fingerprint) == 64
    squashed = load_model(ModelRequest(source="bundled", name="photo-cnn", fit="squash"))
    weights = safetensors.torch.load_file(folder / "photo-cnn.safetensors")
    weights["head.fc.bias"][3] += 1e-6
    safetensors.torch.save_file(weights, folder / "photo-cnn.safetensors")
    changed = load_model(parse_model("photo-cnn"))
    prompted = load_model(parse_model("photo-vit"))
    (folder / "photo-vit-prompts.safetensors").unlink()
    bare = load_model(parse_model("photo-vit"))
    prints = [model.fingerprint for model in (first, squashed, changed, prompted, bare)]
    assert len(set(prints)) == 5
