"""What a head's numbers mean is written down and read again; what was written before it was, replays as ever."""

import json
from pathlib import Path

import pytest

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.errors import TargetError
from explain.models.request import build_file_request
from explain.networks.meaning import Outputs
from explain.report.comparison import describe_predictions
from explain.report.export import save
from explain.report.replay import replay_manifest
from tests.support.heads import RESNET, SIDE, build_head

METHODS = ("grad-cam", "finer-cam", "shapley-cam", "occlusion")


def write(folder: Path, biases: list[float], outputs: Outputs | None, **asked: object) -> Explanation:
    """An explanation of a head of these biases, written into `out`, with the weights beside it."""
    data = build_head(biases)
    weights = folder / "mine.pt"
    weights.write_bytes(data)
    names = "\n".join(["mass", "nodule", "hernia"][: len(biases)]).encode()
    request = build_file_request(
        data, "mine.pt", architecture=RESNET, outputs=outputs, label_file=names, input_size=SIDE
    )
    engine = Engine("cpu")
    explanation = engine.explain(bundled_pictures()[0].path, engine.load(request, data), METHODS, **asked)  # type: ignore[arg-type]
    save(explanation, folder / "out", model_file=weights)
    return explanation


def forget_meaning(folder: Path, probability: float) -> Path:
    """The manifest as it was before anything was said of meanings."""
    path = folder / "out" / "manifest.json"
    data = json.loads(path.read_text())
    del data["model"]["outputs"], data["model"]["request"]["outputs"]
    for picture in data["pictures"]:
        for prediction in picture["predictions"]:
            del prediction["score"]
            prediction["probability"] = probability
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("biases", "outputs", "score"),
    [
        pytest.param([-1.0], "logit", "logit", marks=pytest.mark.slow),
        ([-1.0], "logit", "probability"),
        ([-1.0], "value", "logit"),
        ([-1.0], None, "logit"),
        ([2.0, -1.0, 1.0], "findings", "probability"),
        pytest.param([2.0, -1.0, 1.0], None, "probability", marks=pytest.mark.slow),
    ],
)
def test_every_meaning_replays_bit_for_bit(
    tmp_path: Path, biases: list[float], outputs: Outputs | None, score: str
) -> None:
    targets = [0, 1] if outputs in ("logit", "findings") else [0]
    explanation = write(tmp_path, biases, outputs, target=targets, score=score)
    report = replay_manifest(tmp_path / "out" / "manifest.json")
    assert report.reproduced, report.lines
    assert report.explanations[0].model.outputs == explanation.model.outputs
    assert report.explanations[0].pictures[0].predictions == explanation.pictures[0].predictions


@pytest.mark.parametrize("biases", [[-1.0], [2.0, -1.0, 1.0]])
def test_a_manifest_from_before_replays_bit_for_bit(tmp_path: Path, biases: list[float]) -> None:
    write(tmp_path, biases, None, target=0)
    assert replay_manifest(forget_meaning(tmp_path, 1.0)).reproduced


def test_the_maps_of_a_probability_that_never_was_are_refused(tmp_path: Path) -> None:
    write(tmp_path, [-1.0], None, target=0)
    path = forget_meaning(tmp_path, 1.0)
    path.write_text(path.read_text().replace('"score": "logit"', '"score": "probability"'))
    with pytest.raises(TargetError, match="no probability to explain"):
        replay_manifest(path)


@pytest.mark.parametrize(
    ("biases", "outputs", "words"),
    [
        ([-6.0], "logit", "no mass over 99 %, mass under 1 %"),
        ([4.0, -4.0, -4.0], "findings", "mass 98 %"),
        ([63.0], "value", "mass 63"),
    ],
)
def test_the_figure_says_what_the_numbers_are(
    tmp_path: Path, biases: list[float], outputs: Outputs, words: str
) -> None:
    said = describe_predictions(write(tmp_path, biases, outputs).pictures[0])
    assert said.startswith(words)
    assert ("%" in said) == (outputs != "value")
