"""A replay makes every map again, says of each whether it is the same, and asks for what it misses."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.errors import ExplainError, ModelError
from explain.models.request import build_file_request
from explain.networks.torchvision_operators import declare_missing_operators
from explain.report.export import save
from explain.report.replay import replay_manifest

declare_missing_operators()

import timm  # noqa: E402


@pytest.fixture
def folder(explanation: Explanation, tmp_path: Path) -> Path:
    return save(explanation, tmp_path / "out")


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = folder / "manifest.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return path


def change_maps(folder: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    with np.load(folder / "maps.npz") as maps:
        changed = dict(maps)
    change(changed)
    np.savez(folder / "maps.npz", **changed)


def test_all_maps_are_the_same_bit_for_bit(explanation: Explanation, folder: Path) -> None:
    report = replay_manifest(folder / "manifest.json")
    assert report.reproduced and report.lines[-1] == "4 of 4 maps are the same, bit for bit."
    for again, before in zip(report.explanations, explanation.pictures, strict=True):
        for one, other in zip(again.pictures[0].maps, before.maps, strict=True):
            np.testing.assert_array_equal(one.values, other.values)


def test_each_map_that_is_not_the_same_is_named_with_the_reason(folder: Path) -> None:
    first, second, third, _ = (made["key"] for made in json.loads((folder / "manifest.json").read_text())["maps"])

    def spoil(maps: dict[str, np.ndarray]) -> None:
        maps[first] = maps[first] + np.float32(0.5)
        maps[second] = maps[second][:3]
        del maps[third]

    change_maps(folder, spoil)
    report = replay_manifest(folder / "manifest.json")
    name, other = (entry.path.name for entry in bundled_pictures()[:2])
    assert not report.reproduced
    assert list(report.lines) == [
        f"{name}, Grad-CAM: differs by up to 0.5.",
        f"{name}, CF-CAM: differs in size, (3, 8) then and (8, 8) now.",
        f"{other}, Grad-CAM: made again, but the old map is not in the NPZ.",
        f"{other}, CF-CAM: the same, bit for bit.",
        "1 of 4 maps are the same, bit for bit.",
    ]


def test_a_map_that_cannot_be_made_again_is_said(folder: Path) -> None:
    def add(data: dict[str, Any]) -> None:
        data["maps"] = [{**data["maps"][0], "key": "0/prompt-cam/x/3", "method": "prompt-cam", "settings": {}}]

    report = replay_manifest(change_manifest(folder, add))
    assert not report.reproduced
    assert report.lines[0].endswith("Prompt-CAM: could not be made again.")


def test_other_versions_are_said_and_change_nothing_else(folder: Path) -> None:
    def age(data: dict[str, Any]) -> None:
        data["versions"] |= {"numpy": "0.1", "abacus": "2"}

    report = replay_manifest(change_manifest(folder, age))
    assert report.reproduced
    assert report.lines[0].startswith("Since then changed: numpy 0.1 → ") and "abacus 2 → absent" in report.lines[0]


def test_another_model_is_a_sentence(folder: Path) -> None:
    path = change_manifest(folder, lambda data: data["model"].update(fingerprint="0" * 64))
    with pytest.raises(ModelError, match="photo-cnn is not the model of the manifest"):
        replay_manifest(path)


def test_a_checkpoint_nobody_names_is_asked_for(folder: Path) -> None:
    path = change_manifest(folder, lambda data: data["model"]["request"].update(source="file", name="mine.pt"))
    with pytest.raises(ModelError, match=r"does not say where mine\.pt is\. Name it with --weights"):
        replay_manifest(path)


def test_a_picture_is_found_by_its_bytes_in_a_file_or_a_folder(
    explanation: Explanation, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = bundled_pictures()[:2]
    monkeypatch.setattr("explain.report.replay.bundled_pictures", tuple)
    path = folder / "manifest.json"
    with pytest.raises(ExplainError, match=r"was not found, or is not what it was\. Name its file or folder"):
        replay_manifest(path)
    kept = tmp_path / "kept"
    kept.mkdir()
    for number, entry in enumerate(bundled):
        (kept / f"{number} under another name").write_bytes(entry.path.read_bytes())
    assert replay_manifest(path, [kept]).reproduced
    assert replay_manifest(path, sorted(kept.iterdir())).reproduced
    (kept / "0 under another name").write_bytes(b"no picture")
    with pytest.raises(ExplainError, match=bundled[0].path.name):
        replay_manifest(path, [kept])


def test_maps_that_are_none_are_a_sentence(folder: Path) -> None:
    (folder / "maps.npz").write_bytes(b"no maps")
    with pytest.raises(ExplainError, match=r"maps\.npz is no NPZ of maps"):
        replay_manifest(folder / "manifest.json")
    (folder / "maps.npz").unlink()
    with pytest.raises(ExplainError, match=r"maps\.npz cannot be read"):
        replay_manifest(folder / "manifest.json")


def test_a_manifest_from_before_averages_were_taken_has_the_weights_beside_them(tmp_path: Path) -> None:
    file = tmp_path / "trained.pt"
    torch.manual_seed(0)
    raw, averaged = (timm.create_model("resnet18", num_classes=3).state_dict() for _ in range(2))
    content = io.BytesIO()
    torch.save({"state_dict": raw, "state_dict_ema": averaged}, content)
    file.write_bytes(content.getvalue())
    given = {"architecture": "timm/resnet18", "input_size": 64, "weights": "raw"}
    engine = Engine("cpu")
    loaded = engine.load(build_file_request(file.read_bytes(), file.name, **given), file.read_bytes())
    out = save(engine.explain(bundled_pictures()[0].path, loaded, ["grad-cam"]), tmp_path / "out")
    path = change_manifest(out, lambda data: data["model"]["request"].pop("weights"))
    assert replay_manifest(path, weights=file).reproduced
    path = change_manifest(out, lambda data: data["model"]["request"].update(weights="averaged"))
    with pytest.raises(ModelError, match="is not the model of the manifest"):
        replay_manifest(path, weights=file)


def test_a_manifest_from_before_a_file_was_asked_what_its_numbers_mean_keeps_its_meaning(tmp_path: Path) -> None:
    file = tmp_path / "trained.pt"
    torch.manual_seed(0)
    state = timm.create_model("resnet10t", num_classes=3).state_dict()
    torch.save({"state_dict": state, "hyper_parameters": {"loss": "BCEWithLogitsLoss"}}, file)
    engine = Engine("cpu")
    given = {"architecture": "timm/resnet10t", "input_size": 64, "outputs": "classes"}
    loaded = engine.load(build_file_request(file.read_bytes(), file.name, **given), file.read_bytes())
    out = save(engine.explain(bundled_pictures()[0].path, loaded, ["grad-cam"], score="probability"), tmp_path / "out")
    path = change_manifest(out, lambda data: data["model"]["request"].pop("outputs"))
    assert replay_manifest(path, weights=file).reproduced
    path = change_manifest(out, lambda data: data["model"].pop("outputs"))
    assert replay_manifest(path, weights=file).reproduced
