"""What a head's numbers mean, and classes named by numbers, on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from explain.bundled.pictures import bundled_pictures
from tests.support.heads import RESNET, build_head

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def show(run: Run, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """`show` a bundled picture by a head of these biases and names; writes to `out` of the temporary folder."""

    def call(biases: list[float], names: list[str], flags: str = "") -> tuple[int, str, str]:
        weights, labels = tmp_path / "mine.pt", tmp_path / "names.txt"
        weights.write_bytes(build_head(biases))
        labels.write_text("\n".join(names))
        picture = bundled_pictures()[0].path
        return run(
            f"show {picture} --out {tmp_path / 'out'} --model file:{weights} --arch {RESNET} --labels {labels} "
            f"--methods grad-cam {flags}"
        )

    return call


def read_manifest(folder: Path) -> dict:
    return json.loads((folder / "out" / "manifest.json").read_text())


@pytest.mark.parametrize(("bias", "share"), [(-6.0, "0.2 %"), (6.0, "99.8 %")])
def test_one_logit(show: Callable[..., tuple[int, str, str]], tmp_path: Path, bias: float, share: str) -> None:
    status, printed, _ = show([bias], ["pneumonia"], "--outputs logit --score probability --target pneumonia")
    assert status == 0
    assert f" pneumonia {share}" in printed and "no pneumonia" in printed
    assert "nothing says what it means" not in printed
    manifest = read_manifest(tmp_path)
    assert manifest["model"]["request"]["outputs"] == manifest["model"]["outputs"] == "logit"
    with np.load(tmp_path / "out" / "maps.npz") as maps:
        assert all(np.abs(maps[key]).max() > 0 for key in maps.files)


@pytest.mark.parametrize(("bias", "value"), [(-6.0, "−6"), (6.0, "6")])
def test_one_number_that_nobody_declared_is_no_percentage(
    show: Callable[..., tuple[int, str, str]], tmp_path: Path, bias: float, value: str
) -> None:
    status, printed, _ = show([bias], ["pneumonia"])
    assert status == 0
    answer, _, sentence = printed.split("\n\n")[1].partition("The model says ")
    assert "%" not in answer and "%" not in sentence.partition(").")[0], "how large a place is may be told in per cent"
    assert f"pneumonia {value}" in answer
    assert "nothing says what it means" in printed and "--outputs" in printed
    manifest = read_manifest(tmp_path)
    assert manifest["model"]["request"]["outputs"] is None and manifest["model"]["outputs"] == "value"
    assert manifest["pictures"][0]["predictions"][0]["probability"] is None
    status, _, error = show([bias], ["pneumonia"], "--score probability")
    assert status == 2
    assert "no probability to explain" in error and "Traceback" not in error


def test_findings(show: Callable[..., tuple[int, str, str]]) -> None:
    names = ["mass", "nodule", "hernia"]
    status, printed, _ = show([4.0, 4.0, -4.0], names, "--outputs findings")
    assert status == 0
    assert "mass 98.2 %" in printed and "nodule 98.2 %" in printed and "hernia 1.8 %" in printed
    assert "exclude each other" not in printed
    status, printed, _ = show([4.0, 4.0, -4.0], names)
    assert "mass 50.0 %" in printed and "exclude each other" in printed and "--outputs" in printed
    status, printed, _ = show([4.0, 4.0, -4.0], names, "--outputs classes")
    assert "mass 50.0 %" in printed and "exclude each other" not in printed


@pytest.mark.parametrize(
    ("biases", "flags", "words"),
    [
        ([0.0], "--outputs classes", "100 % for every picture"),
        ([0.0, 1.0], "--outputs logit", "answers with 2 numbers"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    show: Callable[..., tuple[int, str, str]], biases: list[float], flags: str, words: str
) -> None:
    status, _, error = show(biases, [f"c{index}" for index in range(len(biases))], flags)
    assert status == 2 and words in error and "Traceback" not in error


def test_a_bundled_model_knows_what_it_means(run: Run, tmp_path: Path) -> None:
    picture = bundled_pictures()[0].path
    status, _, error = run(f"show {picture} --out {tmp_path} --outputs findings")
    assert status == 2 and "--outputs only applies to --model file:PATH" in error


def test_classes_named_by_numbers(show: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    names = sorted(map(str, range(1, 13)))
    biases = [float(index) for index in range(12)]
    status, _, error = show(biases, names, "--target 10")
    assert status == 2
    assert "the name of class 1" in error and "the index of the class “8”" in error
    for flags, label in (("--target 12", "12"), ("--target index:1", "10"), ("--target index:10", "8")):
        assert show(biases, names, flags)[0] == 0
        assert [entry["label"] for entry in read_manifest(tmp_path)["maps"]] == [label]
