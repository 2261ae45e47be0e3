"""Maps of other pictures that ship with a model."""

from pathlib import Path

import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.faithfulness import calibration
from explain.faithfulness.calibration import CALIBRATIONS, has_calibration, read_calibration, write_calibration
from explain.faithfulness.probe import CELLS
from explain.faithfulness.verdict import FEWEST_OTHERS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(calibration, "CALIBRATIONS", tmp_path / "calibration")
    return tmp_path / "calibration"


def test_maps_come_back_as_they_were_but_for_their_scale(folder: Path) -> None:
    maps = np.random.default_rng(0).random((40, CELLS, CELLS)) * np.arange(1, 41)[:, None, None]
    path = write_calibration("made-up", {"fingerprint": "abc"}, {("grad-cam", "last"): maps})
    found = read_calibration("made-up", "abc", "grad-cam", "last")
    assert found is not None and found.max((1, 2)) == pytest.approx(np.full(40, 255))
    assert np.abs(found / 255 - maps / maps.max((1, 2), keepdims=True)).max() <= 0.5 / 255 + 1e-9
    assert path.parent == folder
    before = path.read_bytes()
    write_calibration("made-up", {"fingerprint": "abc"}, {("grad-cam", "last"): maps})
    assert path.read_bytes() == before


def test_those_of_another_model_method_or_place_are_none(folder: Path) -> None:
    write_calibration("made-up", {"fingerprint": "abc"}, {("grad-cam", "last"): np.ones((2, CELLS, CELLS))})
    assert has_calibration("made-up", "abc") and not has_calibration("made-up", "other")
    assert not has_calibration("unheard-of", "abc")
    assert read_calibration("made-up", "other", "grad-cam", "last") is None
    assert read_calibration("made-up", "abc", "grad-cam", "first") is None
    assert read_calibration("made-up", "abc", "cf-cam", "last") is None


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(CALIBRATIONS.glob("*.npz")), ids=lambda path: path.stem)
def test_what_ships_belongs_to_the_models_as_they_are(path: Path) -> None:
    """Where this fails, the weights are others: run `python -m benchmarks.verdict.calibration` again."""
    loaded = Engine().load(path.stem)
    assert has_calibration(path.stem, loaded.fingerprint)
    assert loaded.default_layer is not None
    maps = read_calibration(path.stem, loaded.fingerprint, "grad-cam", loaded.default_layer.name)
    assert maps is not None and len(maps) >= FEWEST_OTHERS
