"""The manifest says all that was asked and answered, comes back as it was, and names no place of the person's own."""

import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from explain.engine.explanation import Explanation
from explain.errors import ExplainError
from explain.report.manifest import build_manifest, find_versions, name_map, read_manifest, write_manifest


def test_every_answer_is_in_it(explanation: Explanation) -> None:
    manifest = build_manifest(explanation)
    assert (manifest.score, manifest.fusion, manifest.augmentation) == ("probability", "none", "flip")
    assert manifest.model.request == explanation.model.request
    assert manifest.model.fingerprint == explanation.model.fingerprint
    described = iter(manifest.maps)
    for index, (picture, entry) in enumerate(zip(manifest.pictures, explanation.pictures, strict=True)):
        assert (picture.name, picture.digest, picture.size) == (
            entry.picture.name,
            entry.picture.digest,
            entry.picture.size,
        )
        assert (picture.layers, picture.targets, picture.notes) == (entry.layers, entry.targets, entry.picture.notes)
        assert [(p.index, p.label, p.probability) for p in picture.predictions] == [
            (p.index, p.label, p.probability) for p in entry.predictions
        ]
        assert picture.unavailable == dict(entry.unavailable) and set(picture.unavailable) == {"prompt-cam"}
        for heatmap, made in zip(entry.maps, described, strict=False):
            assert made.key == name_map(index, heatmap) == f"{index}/{heatmap.key}"
            assert made.picture == entry.picture.digest
            for name in ("method", "layer", "target", "label", "box", "blank", "seconds", "warnings"):
                assert getattr(made, name) == getattr(heatmap, name), name
            assert made.settings == heatmap.settings.model_dump(mode="json")
            assert (made.passes.forward, made.passes.backward) == (heatmap.passes.forward, heatmap.passes.backward)
    assert len({made.key for made in manifest.maps}) == len(manifest.maps) == 4
    assert [made.settings["sigma"] for made in manifest.maps if made.method == "cf-cam"] == [2.0, 2.0]


def test_it_comes_back_as_it_was(explanation: Explanation) -> None:
    manifest = build_manifest(explanation)
    assert read_manifest(manifest.model_dump_json().encode()) == manifest
    assert json.loads(manifest.model_dump_json())["note"] == "Not for diagnostic use."
    written = write_manifest(manifest)
    assert read_manifest(written) == manifest and "volumes" not in json.loads(written), "as before there were any"


def test_paths_are_written_as_seen_from_its_folder_and_only_where_they_are_given(
    explanation: Explanation, tmp_path: Path
) -> None:
    digest = explanation.pictures[0].picture.digest
    files = {digest: tmp_path / "pictures" / "one.png"}
    placed = build_manifest(explanation, tmp_path / "out", files, tmp_path / "mine.pt")
    assert [picture.file for picture in placed.pictures] == ["../pictures/one.png", None]
    assert placed.model.file == "../mine.pt"
    without_folder = build_manifest(explanation, None, files, tmp_path / "mine.pt")
    assert without_folder == build_manifest(explanation)
    assert str(tmp_path) not in placed.model_dump_json()


def test_versions_are_those_of_what_can_change_a_number(explanation: Explanation) -> None:
    versions = find_versions("CUDA, float16")
    assert {"torch", "numpy", "python", "machine", "torch threads"} <= set(versions)
    assert versions["device"] == "CUDA, float16"
    assert build_manifest(replace(explanation, device="CUDA, float16")).versions == versions


def test_a_library_in_its_build_without_a_screen_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    own = metadata.version
    there = {"opencv-python-headless": "5.0.0"}

    def find(name: str) -> str:
        if name.startswith("opencv-python"):
            return there.get(name) or own("no such library")
        return own(name)

    monkeypatch.setattr(metadata, "version", find)
    assert find_versions("CPU")["opencv-python"] == "5.0.0"
    there.clear()
    assert find_versions("CPU")["opencv-python"] == "not known"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "another"}, "kind: input should be 'camscope-manifest'"),
        ({"format": 3}, "format: input should be 1 or 2"),
        ({"format": 2}, "the file: value error, format 1 is of pictures"),
        ({"score": "rank"}, "score: "),
        ({"more": 1}, "more: extra inputs are not permitted"),
        ({"pictures": [{}]}, r"pictures\.0\.name: field required"),
    ],
)
def test_what_is_no_manifest_is_a_sentence(explanation: Explanation, change: dict[str, object], sentence: str) -> None:
    data = {**json.loads(build_manifest(explanation).model_dump_json()), **change}
    with pytest.raises(ExplainError, match=f"no manifest that CAMscope can replay: {sentence}"):
        read_manifest(json.dumps(data).encode())


def test_noise_and_too_much_are_sentences() -> None:
    with pytest.raises(ExplainError, match="no manifest that CAMscope can replay: the file: "):
        read_manifest(b"\xff no JSON")
    with pytest.raises(ExplainError, match="too large"):
        read_manifest(bytes(64 * 2**20 + 1))
