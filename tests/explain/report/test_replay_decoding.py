"""A manifest says by which white and which rules its pictures were decoded, and replays by them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explain.engine.engine import Engine
from explain.errors import ExplainError
from explain.pictures.decode import decode
from explain.report.export import save
from explain.report.replay import replay_manifest


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """16-bit grey of which 12 bits are used, but for one hot pixel."""
    random = np.random.default_rng(2)
    values = np.kron(random.integers(0, 4000, (8, 8)), np.ones((8, 8))).astype(np.uint16)
    values[0, 0] = 65_535
    path = tmp_path / "scan.png"
    Image.fromarray(values).save(path)
    return path


def explain(scan: Path, out: Path, white: int | None = None, rules: int = 2) -> Path:
    picture = decode(scan.read_bytes(), scan.name, white, rules)
    explanation = Engine("cpu").explain(picture, "photo-cnn", ["grad-cam"])
    return save(explanation, out, picture_files={picture.digest: scan}) / "manifest.json"


@pytest.mark.parametrize(("white", "rules"), [(None, 2), (4095, 2), (20_000, 2), (None, 1)])
def test_replay_is_bit_for_bit(scan: Path, tmp_path: Path, white: int | None, rules: int) -> None:
    path = explain(scan, tmp_path / "out", white, rules)
    entry = json.loads(path.read_text())["pictures"][0]
    assert (entry["white"], entry["rules"]) == (white, rules)
    report = replay_manifest(path)
    assert report.reproduced
    again = report.explanations[0].pictures[0].picture
    assert again.white == white and np.array_equal(
        again.model_pixels, decode(scan.read_bytes(), "", white, rules).model_pixels
    )


def test_a_manifest_from_before_the_rules_were_recorded_replays_by_the_first(scan: Path, tmp_path: Path) -> None:
    path = explain(scan, tmp_path / "out", rules=1)
    data = json.loads(path.read_text())
    for entry in data["pictures"]:
        del entry["white"], entry["rules"]
    path.write_text(json.dumps(data))
    assert replay_manifest(path).reproduced
    before, now = (decode(scan.read_bytes(), "", rules=rules).model_pixels for rules in (1, 2))
    assert before.mean() < now.mean() / 10


@pytest.mark.parametrize(("field", "value"), [("white", 0), ("white", 70_000), ("rules", 0), ("rules", 9)])
def test_nonsense_is_refused(scan: Path, tmp_path: Path, field: str, value: int) -> None:
    path = explain(scan, tmp_path / "out")
    data = json.loads(path.read_text())
    data["pictures"][0][field] = value
    path.write_text(json.dumps(data))
    with pytest.raises(ExplainError, match="no manifest that CAMscope can replay"):
        replay_manifest(path)


def test_white_on_the_command_line(run: Callable[[str], tuple[int, str, str]], scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, printed, _ = run(f"show {scan} --white 4095 --methods grad-cam --out {out}")
    assert status == 0 and "white is 4,095, as asked" in printed
    assert json.loads((out / "manifest.json").read_text())["pictures"][0]["white"] == 4095
    status, printed, _ = run(f"replay {out / 'manifest.json'}")
    assert status == 0 and "1 of 1 maps are the same" in printed
    assert run(f"show {scan} --white 0 --out {out}")[0] == 2
