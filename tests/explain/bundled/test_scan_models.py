"""The models of scans, as they ship: what they get right on real scans that they were never trained on."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from explain.bundled.models import MODELS_FOLDER, bundled_models
from explain.bundled.pictures import bundled_pictures
from explain.bundled.scan_sets import list_scans
from explain.engine.engine import Engine
from explain.pictures.decode import decode

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
SETS = {"brain_mri.tar": "outlines.csv", "chest_radiographs.tar": "labels.csv"}
SCANS = [model for model in bundled_models() if model.name in ("chest-xray", "scan-mri", "scan-mri-tumour")]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The held-out scans, unpacked, of which a test reads some."""
    if not all((DATA / name).is_file() for name in SETS):
        pytest.skip("the real scans are not on this machine")
    folder = tmp_path_factory.mktemp("scans")
    for name in SETS:
        with tarfile.open(DATA / name) as file:
            file.extractall(folder, filter="data")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("scan-mri", 0.8), ("scan-mri-tumour", 0.8), ("chest-xray", 0.65)])
def test_held_out_scans_are_named_right(sample: Path, name: str, least: float) -> None:
    engine = Engine()
    scans = list_scans(name, sample, "test")[::6]
    labels = next(model.classes for model in SCANS if model.name == name)
    right = [engine.predict(scan.read(), name, 1)[0].label == labels[scan.class_index] for scan in scans]
    assert sum(right) / len(right) >= least, "less than its card says, beyond what a sample may miss"


def test_the_examples_are_named_as_they_are_labelled() -> None:
    engine = Engine()
    for entry in bundled_pictures():
        for model in SCANS:
            if {*entry.classes} & {*model.classes}:
                picture = decode(entry.path.read_bytes(), entry.title)
                assert engine.predict(picture, model.name, 1)[0].label in entry.classes


def test_cards_say_what_the_models_are_not_for() -> None:
    for model in SCANS:
        card = (MODELS_FOLDER / model.card).read_text(encoding="utf-8")
        assert "Not for diagnostic use" in card and "## What it leans on" in card and "## What it cannot do" in card
