"""`inspect` on the command line, recipes there, and files whose architecture nobody names."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explain.models.architectures import build_architecture, parse_architecture

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    module = build_architecture(parse_architecture("torchvision/squeezenet1_1"), 3, 3, None)
    path = tmp_path / "mine.pth"
    torch.save({"model": module.state_dict()}, path)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)).save(path)
    return path


def test_inspect_prints_what_was_found(run: Run, checkpoint: Path, picture: Path, tmp_path: Path) -> None:
    status, printed, _ = run(f"inspect {checkpoint} --picture {picture}")
    assert status == 0
    assert "architecture   torchvision/squeezenet1_1  (All names and shapes agree)" in printed
    assert len(re.findall(r"^    class \d \d+\.\d %$", printed, re.MULTILINE)) == 3
    status, printed, _ = run(f"inspect {checkpoint} --json")
    found = json.loads(printed)
    assert found["candidates"][0] == {"architecture": "torchvision/squeezenet1_1", "share": 1.0, "alike": []}
    assert {finding["subject"] for finding in found["findings"]} >= {"architecture", "classes", "input size", "mean"}
    assert found["problem"] is None


@pytest.mark.parametrize("data", [b"", b"just words", b"\x80\x02K\x01.", b"PK\x03\x04 cut"])
def test_what_holds_no_weights_is_one_sentence(run: Run, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(data)
    status, printed, said = run(f"inspect {path}")
    assert (status, printed) == (2, "") and said.startswith("“mine.pth”") and said.count("\n") == 1


def test_a_recipe_is_written_given_and_remembered(
    run: Run, checkpoint: Path, picture: Path, tmp_path: Path, home: Path
) -> None:
    recipe, labels = tmp_path / "mine.toml", tmp_path / "labels.txt"
    labels.write_text("daisy\nrose\ntulip\n")
    assert run(f"inspect {checkpoint} --fit squash --labels {labels} --write {recipe}")[0] == 0
    written = tomllib.loads(recipe.read_text())
    assert written["architecture"] == "torchvision/squeezenet1_1" and written["fit"] == "squash"
    assert written["label_names"] == ["daisy", "rose", "tulip"] and "mean" not in written

    def ask(options: str) -> tuple[str, dict[str, object]]:
        out = tmp_path / "out"
        status, printed, said = run(
            f"show {picture} --out {out} --methods grad-cam --model file:{checkpoint} {options}"
        )
        assert status == 0, said
        return printed, json.loads((out / "manifest.json").read_text())["model"]["request"]

    printed, request = ask("")
    assert request["fit"] == "squash" and "remembered of this file" in printed, "inspect was told, and kept it"
    printed, request = ask("--forget-recipe")
    assert request["fit"] is None and "The architecture was guessed: torchvision/squeezenet1_1" in printed
    assert request["architecture"] == "torchvision/squeezenet1_1", "so that it can be replayed"
    assert not list(home.rglob("*.toml")), "a guess alone is nothing to remember"
    _, request = ask(f"--recipe {recipe} --fit pad")
    assert request["fit"] == "pad" and request["label_names"] == ["daisy", "rose", "tulip"]
    _, request = ask("")
    assert request["fit"] == "pad"
    _, request = ask("--arch torchvision/squeezenet1_1")
    assert request["fit"] is None, "whoever names the architecture says all"


def test_a_recipe_that_is_none_is_one_sentence(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    for text, words in (("fit = ", "is no TOML"), ('colour = "red"', "A recipe has no “colour”")):
        recipe.write_text(text)
        status, _, said = run(f"layers file:{checkpoint} --recipe {recipe}")
        assert status == 2 and words in said and said.count("\n") == 1
    status, _, said = run("layers photo-cnn --recipe x.toml")
    assert status == 2 and "--recipe only applies to" in said


def test_what_cannot_be_told_for_sure_names_the_candidates(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    tensors = torch.load(checkpoint, weights_only=True)["model"]
    torch.save(dict(list(tensors.items())[:30]), checkpoint)
    status, _, said = run(f"layers file:{checkpoint}")
    assert status == 2 and "cannot be told for sure" in said and "torchvision/squeezenet1_1" in said
