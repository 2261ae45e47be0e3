"""What the tests of trainings share."""

from pathlib import Path

import pytest

from explain.models.loaded import LoadedModel
from tests.support.training import build_backbone


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CAMSCOPE_HOME", str(folder))
    return folder


@pytest.fixture
def backbone() -> LoadedModel:
    return build_backbone()
