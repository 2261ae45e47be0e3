"""The folder that `Report` fills: as many files as maps, and the same as if all answers had come at once."""

import io
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from explain import Engine, save
from explain.engine.explanation import Explanation, PictureExplanation
from explain.errors import ExplainError
from explain.maps.figure import figure
from explain.maps.render import RenderSettings
from explain.report.comparison import encode_figure
from explain.report.export import Report, encode_maps, make_file_name, name_overlays
from tests.support.engine import build_model, make_picture

LONG = "encoder.layers.encoder_layer_{}.self_attention.norm_of_all_that_is_seen"


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    model = build_model("cnn")
    pictures = [make_picture(seed, f"a picture {seed}.png", size) for seed, size in enumerate([(40, 50), (640, 500)])]
    layers = [layer.name for layer in model.layers[-2:]]
    return Engine("cpu").explain(pictures, model, ["grad-cam", "eigen-cam"], layers, [0, 1, 4])


def rename(entry: PictureExplanation, name: str = LONG) -> PictureExplanation:
    """The same with layers of long names, as torchvision's transformers have them."""
    numbers = {layer: number for number, layer in enumerate(entry.layers, 1)}
    maps = tuple(replace(heatmap, layer=name.format(numbers[heatmap.layer])) for heatmap in entry.maps)
    return replace(entry, maps=maps, layers=tuple(name.format(number) for number in numbers.values()))


@pytest.mark.parametrize("name", [LONG, pytest.param(f"{'x' * 40}.{{}}.{'y' * 40}", marks=pytest.mark.slow), "ä/b.{}"])
def test_as_many_files_as_maps(explanation: Explanation, tmp_path: Path, name: str) -> None:
    renamed = replace(explanation, pictures=tuple(rename(entry, name) for entry in explanation.pictures))
    out = save(renamed, tmp_path / "out")
    overlays = sorted(path.name for path in out.glob("0*.png"))
    assert len(overlays) == sum(len(entry.maps) for entry in renamed.pictures) == 24
    assert all(len(overlay.encode()) < 200 for overlay in overlays)
    for method in ("grad-cam", "eigen-cam"):
        for target in (0, 1, 4):
            matching = [o for o in overlays if f"-{method}-" in o and f"-{target}" in o]
            assert len(matching) >= 2
    assert len(json.loads((out / "manifest.json").read_text())["maps"]) == 24


def test_upper_and_lower_case_are_one_on_some_disks(explanation: Explanation) -> None:
    entry = explanation.pictures[0]
    one, other = entry.maps[0], replace(entry.maps[0], layer=entry.maps[0].layer.upper())
    names = name_overlays(0, replace(entry, maps=(one, other)), [one.key, other.key])
    assert len({name.casefold() for name, _ in names}) == 2


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("layer4", "layer4"),
        ("a b/c", "a-b-c"),
        ("../..", "picture"),
        ("", "picture"),
        ("x" * 20 + "y" * 60, "x" * 19 + ".." + "y" * 39),
    ],
)
def test_a_name_is_shortened_in_the_middle(name: str, short: str) -> None:
    assert make_file_name(name) == short and len(make_file_name(name)) <= 60


def test_one_after_the_other_is_the_same_as_all_at_once(explanation: Explanation, tmp_path: Path) -> None:
    whole = save(explanation, tmp_path / "whole")
    with Report(tmp_path / "parts") as report:
        for entry in explanation.pictures:
            report.add(replace(explanation, pictures=(entry,)))
    assert {path.name for path in whole.iterdir()} == {path.name for path in report.folder.iterdir()}
    for path in whole.iterdir():
        if path.suffix == ".png":
            assert path.read_bytes() == (report.folder / path.name).read_bytes(), path.name
    assert (whole / "manifest.json").read_text() == (report.folder / "manifest.json").read_text()
    with np.load(whole / "maps.npz") as one, np.load(report.folder / "maps.npz") as other:
        assert one.files == other.files == list(np.load(io.BytesIO(encode_maps(explanation))))
        assert all(np.array_equal(one[key], other[key]) for key in one.files)


def test_the_figure_is_drawn_alike_from_pictures_that_waited(explanation: Explanation, tmp_path: Path) -> None:
    """A large picture waits at the size at which it will be drawn."""
    out = save(explanation, tmp_path / "out", RenderSettings(opacity=0.5))
    direct = encode_figure(explanation, RenderSettings(opacity=0.5))
    one, other = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        for data in (direct, (out / "figure.png").read_bytes())
    )
    np.testing.assert_array_equal(one, other)
    assert figure([], RenderSettings())


def test_nothing_is_made_without_an_answer(tmp_path: Path) -> None:
    with Report(tmp_path / "out"):
        pass
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(explanation: Explanation, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ExplainError, match=r"Nothing can be written to .*taken"):
        save(explanation, tmp_path / "taken")


def test_a_hidden_name_is_in_no_file_and_no_files_name(explanation: Explanation, tmp_path: Path) -> None:
    first, second = (replace(entry, maps=entry.maps[:1]) for entry in explanation.pictures)
    patient = replace(first, picture=replace(first.picture, name="DOE_JOHN.dcm", modality="CT"))
    told = replace(explanation, pictures=(patient, replace(second, caution="It knows no X-rays.")))
    places = {entry.picture.digest: tmp_path / entry.picture.name for entry in told.pictures}
    hidden, shown = (
        save(told, tmp_path / names, picture_files=places, names=names)  # type: ignore[arg-type]
        for names in ("auto", "shown")
    )
    pictures = json.loads((hidden / "manifest.json").read_text())["pictures"]
    called = f"Picture 1 · {(first.picture.source or first.picture.digest)[:6]}"
    assert [entry["name"] for entry in pictures] == [called, "a picture 1.png"]
    assert [entry["file"] for entry in pictures] == [None, "../a picture 1.png"]
    assert [entry["caution"] for entry in pictures] == ["", "It knows no X-rays."]
    assert not any(b"DOE_JOHN" in path.read_bytes() or "DOE" in path.name for path in hidden.iterdir())
    assert any("DOE_JOHN" in path.name for path in shown.iterdir())
    assert json.loads((shown / "manifest.json").read_text())["pictures"][0]["file"] == "../DOE_JOHN.dcm"
