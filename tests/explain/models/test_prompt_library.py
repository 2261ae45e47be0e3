"""Trained prompts are kept whole, come back as they were, and are a model like any other."""

from __future__ import annotations

import errno
import io
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor

from explain import storage
from explain.engine.engine import Engine
from explain.errors import ModelError, RightsError, StorageError
from explain.models import library, prompt_library
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.load import load_model
from explain.models.loaded import LoadedModel
from explain.models.prompt_library import (
    PromptCard,
    check_name,
    delete_prompts,
    encode_prompts,
    list_prompts,
    read_card,
    read_prompts,
    save_prompts,
    suggest_name,
    take_prompts,
)
from explain.models.request import ModelRequest, build_file_request, parse_model
from explain.networks.prompt_variant import Variant
from explain.networks.prompted_vit import PromptedViT
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from tests.support.people import asking, make_actor

ROOT = Path(__file__).resolve().parents[3]
CLASSES = ("robin", "wren", "blackbird")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture(scope="module")
def photo_vit() -> LoadedModel:
    return load_model(parse_model("photo-vit"))


@pytest.fixture(scope="module")
def picture() -> Picture:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((90, 70)).convert("RGB").save(buffer, "PNG")
    return decode(buffer.getvalue(), "gradient.png")


def make_tensors(depth: int = 6, classes: int = 3, width: int = 128, seed: int = 0) -> dict[str, Tensor]:
    made = torch.Generator().manual_seed(seed)
    return {
        "prompts": torch.randn(depth, classes, width, generator=made),
        "score.weight": torch.randn(1, width, generator=made),
        "score.bias": torch.randn(1, generator=made),
    }


def make_card(trained_on: LoadedModel, **changes: Any) -> PromptCard:
    values = {
        "name": "birds",
        "classes": CLASSES,
        "backbone": trained_on.request,
        "backbone_fingerprint": trained_on.fingerprint,
        "variant": "deep",
        "recipe": {"epochs": 7, "learning_rate": 0.01},
        "accuracy": 91.25,
        "class_accuracy": (100.0, 75.0, 98.75),
        "pictures": 60,
        "created": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    }
    return PromptCard.model_validate({**values, **changes})


def list_files(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("*") if path.is_file())


def test_prompts_come_back_as_they_were(photo_vit: LoadedModel, home: Path) -> None:
    tensors = make_tensors()
    saved = save_prompts("garden-birds", tensors, make_card(photo_vit))
    assert list_files(home) == ["garden-birds.safetensors"]
    assert saved == make_card(photo_vit, name="garden-birds", digest=saved.digest)
    assert len(saved.digest) == 64
    assert read_card("garden-birds") == saved
    assert list_prompts() == [saved]
    card, own, backbone = read_prompts("garden-birds")
    assert card == saved and backbone == {}
    assert own.keys() == tensors.keys() and all(torch.equal(own[key], tensors[key]) for key in own)
    delete_prompts("garden-birds")
    assert list_prompts() == [] and list_files(home) == []


@pytest.mark.parametrize("variant", ["deep", "shallow", "last"])
def test_they_are_a_model_like_any_other(photo_vit: LoadedModel, picture: Picture, variant: Variant) -> None:
    tensors = make_tensors(6 if variant == "deep" else 1)
    save_prompts("birds", tensors, make_card(photo_vit, variant=variant))
    engine = Engine()
    model = engine.load("prompts:birds")
    assert model.prompted is model.module and isinstance(model.module, PromptedViT)
    assert model.prompted.variant == variant
    assert model.labels == CLASSES and model.preprocessing == photo_vit.preprocessing
    assert model.request == ModelRequest(source="prompts", name="birds", digest=read_card("birds").digest)
    assert not model.module.training and not any(p.requires_grad for p in model.module.parameters())
    expected = PromptedViT(photo_vit.module, 3, variant=variant).eval()  # type: ignore[arg-type]
    expected.load_state_dict(tensors, strict=False)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model.module(x), expected(x))
    assert engine.load("prompts:birds") is model
    explanation = engine.explain(picture, "prompts:birds", ["prompt-cam", "grad-cam", "eigen-cam"], target="wren")
    maps = explanation.pictures[0].maps
    assert [heatmap.method for heatmap in maps] == ["prompt-cam", "grad-cam", "eigen-cam"]
    assert {heatmap.values.shape for heatmap in maps} == {(8, 8)} and not maps[0].blank


def test_prompts_trained_anew_under_the_same_name_are_others(photo_vit: LoadedModel) -> None:
    engine = Engine()
    save_prompts("birds", make_tensors(), make_card(photo_vit))
    before = engine.load("prompts:birds")
    with pytest.raises(ModelError, match="There are prompts called “birds” already"):
        save_prompts("birds", make_tensors(seed=1), make_card(photo_vit))
    assert engine.load("prompts:birds") is before
    save_prompts("birds", make_tensors(seed=1), make_card(photo_vit), overwrite=True)
    after = engine.load("prompts:birds")
    assert after.fingerprint != before.fingerprint
    with pytest.raises(ModelError, match="“birds” were trained anew and are not those that were asked for"):
        load_model(before.request)
    delete_prompts("birds")
    with pytest.raises(ModelError, match=r"no prompts “birds” on this computer\. Train some on the Studio page"):
        engine.load("prompts:birds")
    with pytest.raises(ModelError, match="no prompts “birds”"):
        delete_prompts("birds")


def save_torch(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def make_file_backbone() -> tuple[LoadedModel, bytes]:
    torch.manual_seed(0)
    source = build_architecture(parse_architecture("timm/test_vit"), 5, 3, 96)
    data = save_torch({"state_dict": {f"module.{key}": value for key, value in source.state_dict().items()}})
    return load_model(build_file_request(data, "mine.pt", architecture="timm/test_vit"), data), data


def test_a_backbone_from_a_file_is_kept_beside_as_tensors(home: Path) -> None:
    backbone, data = make_file_backbone()
    tensors = make_tensors(width=64)
    with pytest.raises(ModelError, match=r"bytes of the backbone “mine\.pt” are missing"):
        save_prompts("birds", tensors, make_card(backbone))
    save_prompts("birds", tensors, make_card(backbone), data)
    assert list_files(home) == ["birds.safetensors"]
    with safetensors.safe_open(home / "prompts" / "birds.safetensors", "pt") as file:
        assert set(tensors) < set(file.keys())
        assert sum(key.startswith("backbone.") for key in file.keys()) == len(backbone.module.state_dict())  # noqa: SIM118
    model = load_model(parse_model("prompts:birds"))
    assert model.preprocessing == backbone.preprocessing and model.preprocessing.input_size == (96, 96)
    x = torch.randn(1, 3, 96, 96)
    expected = PromptedViT(backbone.module, 3).eval()  # type: ignore[arg-type]
    expected.load_state_dict(tensors, strict=False)
    with torch.no_grad():
        assert torch.equal(model.module(x), expected(x))


def test_a_backbone_keeps_what_its_file_says_beside_the_weights(home: Path) -> None:
    """The tensors are kept without it, so the card has to say it."""
    torch.manual_seed(0)
    source = build_architecture(parse_architecture("timm/test_vit"), 5, 3, 96)
    args = {"model": "test_vit", "img_size": 96, "mean": [0.1, 0.2, 0.3], "crop_pct": 1.0}
    data = save_torch({"state_dict": source.state_dict(), "args": args})
    backbone = load_model(build_file_request(data, "mine.pt", architecture="timm/test_vit"), data)
    save_prompts("birds", make_tensors(width=64), make_card(backbone), data)
    model = load_model(parse_model("prompts:birds"))
    assert model.preprocessing == backbone.preprocessing and model.preprocessing.mean == (0.1, 0.2, 0.3)


def test_what_does_not_fit_is_a_sentence(photo_vit: LoadedModel, home: Path) -> None:
    for tensors, changes, words in (
        (make_tensors(), {"classes": CLASSES[:2], "class_accuracy": (1.0, 2.0)}, "does not fit 2 classes"),
        (make_tensors(), {"variant": "last"}, r"does not fit 3 classes \(last\)"),
        ({**make_tensors(), "score.weight": torch.ones(1, 64)}, {}, "does not fit 3 classes"),
        ({"prompts": torch.ones(1, 3, 128)}, {}, r"lack score\.weight, score\.bias"),
        ({**make_tensors(), "score.bias": torch.full((1,), torch.nan)}, {}, "not numbers"),
    ):
        with pytest.raises(ModelError, match=words):
            save_prompts("birds", tensors, make_card(photo_vit, **changes))
    assert list_files(home) == []
    save_prompts("narrow", make_tensors(width=64), make_card(photo_vit))
    with pytest.raises(ModelError, match="prompts in “narrow” do not fit the network"):
        load_model(parse_model("prompts:narrow"))
    save_prompts("shallow", make_tensors(depth=3), make_card(photo_vit))
    with pytest.raises(ModelError, match="prompts in “shallow” do not fit the network"):
        load_model(parse_model("prompts:shallow"))


def test_another_backbone_than_that_of_the_training_is_a_sentence(photo_vit: LoadedModel) -> None:
    save_prompts("birds", make_tensors(), make_card(photo_vit, backbone_fingerprint="0" * 64))
    with pytest.raises(ModelError, match="trained on another photo-vit than is here now"):
        load_model(parse_model("prompts:birds"))


def test_a_convolutional_backbone_is_a_sentence() -> None:
    cnn = load_model(parse_model("photo-cnn"))
    save_prompts("birds", make_tensors(), make_card(cnn))
    with pytest.raises(ModelError, match="needs a plain ViT"):
        load_model(parse_model("prompts:birds"))


@pytest.mark.parametrize(
    "name", ["", ".", "../evil", "a/b", "a\\b", "C:x", "Birds", "my birds", "-x", "x" * 65, "a\n", "vögel", "a.b"]
)
def test_a_name_is_a_plain_word(name: str, photo_vit: LoadedModel, home: Path) -> None:
    for use in (
        lambda: check_name(name),
        lambda: read_card(name),
        lambda: read_prompts(name),
        lambda: delete_prompts(name),
        lambda: encode_prompts(name),
        lambda: save_prompts(name, make_tensors(), make_card(photo_vit)),
        lambda: load_model(ModelRequest(source="prompts", name=name or " ")),
    ):
        with pytest.raises(ModelError, match="named with lower-case letters"):
            use()
    assert not home.exists()


def test_names_are_suggested(photo_vit: LoadedModel) -> None:
    assert suggest_name("My  birds (2)") == "my-birds-2"
    assert suggest_name("Vögel & Bäume!") == "vogel-baume"
    assert suggest_name("鳥") == suggest_name("../..") == "prompts"
    assert len(suggest_name("long name " * 20)) <= 64
    save_prompts("birds", make_tensors(), make_card(photo_vit))
    assert suggest_name("Birds") == "birds-2"
    save_prompts("birds-2", make_tensors(), make_card(photo_vit))
    assert suggest_name("birds") == "birds-3"
    check_name(suggest_name("birds"))
    check_name("birds", overwrite=True)
    with pytest.raises(ModelError, match="already"):
        check_name("birds")


def test_a_full_disk_leaves_the_prompts_before(
    photo_vit: LoadedModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = save_prompts("birds", make_tensors(), make_card(photo_vit))

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(storage.os, "fsync", fail)
        for name in ("birds", "others"):
            with pytest.raises(StorageError, match="The disk is full, so nothing was saved"):
                save_prompts(name, make_tensors(seed=1), make_card(photo_vit), overwrite=True)
    assert list_files(home) == ["birds.safetensors"]
    assert list_prompts() == [kept]
    load_model(parse_model("prompts:birds"))


def test_what_is_damaged_is_left_out_of_the_list(
    photo_vit: LoadedModel, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = save_prompts("good", make_tensors(), make_card(photo_vit))
    whole = encode_prompts("good")
    folder = home / "prompts"
    header = int.from_bytes(whole[:8], "little")
    safetensors.torch.save_file(make_tensors(), folder / "cardless.safetensors")
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "long.safetensors").write_bytes(b"\xff" * 100)
    (folder / "cut.safetensors").write_bytes(whole[: header // 2])
    (folder / "list.safetensors").write_bytes((2).to_bytes(8, "little") + b"[]")
    (folder / "changed.safetensors").write_bytes(whole.replace(b"91.25", b"991.2"))
    (folder / "Not A Name.safetensors").write_bytes(whole)
    (folder / ".hidden.safetensors").write_bytes(whole)
    (folder / "folder.safetensors").mkdir()
    with caplog.at_level(logging.WARNING):
        assert list_prompts() == [good]
    for name in ("cardless", "empty", "long", "cut", "list", "changed", "folder"):
        assert f"{name}.safetensors" in caplog.text
        with pytest.raises(ModelError, match=f"The file of the prompts “{name}” is damaged"):
            load_model(parse_model(f"prompts:{name}"))
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    (folder / "flipped.safetensors").write_bytes(flipped)
    with pytest.raises(ModelError, match="“flipped” is damaged"):
        load_model(parse_model("prompts:flipped"))
    (folder / "short.safetensors").write_bytes(whole[:-10])
    with pytest.raises(ModelError, match="prompts:short” is damaged or cut short"):
        load_model(parse_model("prompts:short"))


def test_a_copy_under_another_name_is_known_by_that_name(photo_vit: LoadedModel, home: Path) -> None:
    save_prompts("birds", make_tensors(), make_card(photo_vit))
    (home / "prompts" / "copy.safetensors").write_bytes(encode_prompts("birds"))
    assert [card.name for card in list_prompts()] == ["birds", "copy"]
    copied, original = load_model(parse_model("prompts:copy")), load_model(parse_model("prompts:birds"))
    assert copied.fingerprint == original.fingerprint and copied.request.name == "copy"


def test_a_folder_that_cannot_be_read_is_an_empty_library(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Path:
        raise StorageError("This account has no home folder.")

    monkeypatch.setattr(library, "find_data_folder", fail)
    assert list_prompts() == []
    assert "no home folder" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"accuracy": 101},
        {"accuracy": float("nan")},
        {"class_accuracy": (1.0,)},
        {"classes": ()},
        {"name": "../x"},
        {"variant": "wide"},
        {"backbone": ModelRequest(source="prompts", name="others")},
    ],
)
def test_a_card_says_only_what_can_be(photo_vit: LoadedModel, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_card(photo_vit, **changes)


def test_the_file_to_take_along_holds_its_card(photo_vit: LoadedModel) -> None:
    saved = save_prompts("birds", make_tensors(), make_card(photo_vit))
    data = encode_prompts("birds")
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert PromptCard.model_validate_json(header["__metadata__"]["camscope-card"]) == saved
    assert set(safetensors.torch.load(data)) == set(prompt_library.TENSORS)


def test_what_was_taken_along_is_taken_in_elsewhere(
    photo_vit: LoadedModel, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Sharing by a file: what one person took along, another has, under a name that is free."""
    saved = save_prompts("birds", make_tensors(), make_card(photo_vit))
    data = encode_prompts("birds")
    assert take_prompts(data) == saved and list_prompts() == [saved], "they are here already"
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "elsewhere"))
    save_prompts("birds", make_tensors(seed=1), make_card(photo_vit))
    with asking(make_actor("prompts", key="b" * 64)):
        taken = take_prompts(data)
        assert taken.name == "birds" and taken.digest == saved.digest
        assert take_prompts(data) == taken and list_prompts() == [taken]
        assert torch.equal(read_prompts("birds")[1]["prompts"], make_tensors()["prompts"])
    assert take_prompts(data).name == "birds-2"
    assert {card.name for card in list_prompts()} == {"birds", "birds-2"}


def test_a_file_that_is_none_is_not_taken_in(photo_vit: LoadedModel, home: Path) -> None:
    save_prompts("birds", make_tensors(), make_card(photo_vit))
    whole = encode_prompts("birds")
    delete_prompts("birds")
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    header = int.from_bytes(whole[:8], "little")
    out = {"no name": whole.replace(b'\\"name\\":\\"birds\\"', b'\\"name\\":\\"../rs\\"')}
    assert out["no name"] != whole
    for data in (b"", b"pixels", whole[: header // 2], whole[:-10], bytes(flipped), out["no name"]):
        with pytest.raises(ModelError):
            take_prompts(data)
    with pytest.raises(ModelError, match="no file of prompts that CAMscope wrote: there is no card in the header"):
        take_prompts(safetensors.torch.save(make_tensors()))
    assert list_files(home) == []


def test_a_backbone_of_somebodys_own_is_no_way_round_the_right_to_model_files(home: Path) -> None:
    backbone, weights = make_file_backbone()
    save_prompts("birds", make_tensors(width=64), make_card(backbone), weights)
    data = encode_prompts("birds")
    with asking(make_actor("prompts", key="b" * 64)), pytest.raises(RightsError, match="a model file of your own"):
        take_prompts(data)
    with asking(make_actor("prompts", "models", key="b" * 64)):
        assert take_prompts(data).backbone.source == "file"
        assert load_model(parse_model("prompts:birds")).labels == CLASSES


def test_listing_prompts_needs_no_torch() -> None:
    code = (
        "import sys, explain.models.prompt_library as l; l.list_prompts(); l.suggest_name('x'); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "False", done.stderr
