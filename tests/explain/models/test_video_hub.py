"""torchvision's networks for clips by name: what is said offline, and of damaged files. Nothing is fetched here."""

import io
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch

from explain.errors import ModelError
from explain.models import hub, video_hub
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.load import load_model
from explain.models.request import ModelRequest, parse_model


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_args: Any, **_named: Any) -> None:
        raise urllib.error.URLError("offline")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))


def test_offline_it_is_said_what_to_do() -> None:
    request = parse_model("torchvision/r3d_18")
    assert request == ModelRequest(source="hub", name="torchvision/r3d_18")
    assert not video_hub.is_fetched(request.name)
    with pytest.raises(ModelError, match=r"cannot be reached.*phantom-3d"):
        load_model(request)


def test_they_are_found_by_what_they_read() -> None:
    found = [model.name for model in hub.search_hub("video")]
    assert {"torchvision/r3d_18", "torchvision/s3d", "torchvision/mvit_v1_b"} <= set(found)
    assert hub.search_hub("r3d")[0].name == "torchvision/r3d_18"
    assert not hub.search_hub("r3d")[0].cached
    assert not any("/" in model.name for model in hub.search_hub("swin"))


def test_others_of_torchvisions_are_refused() -> None:
    with pytest.raises(ModelError, match=r"those that read volumes are: .*r3d_18.*take timm's of the same name"):
        load_model(parse_model("torchvision/resnet18"))


def test_what_is_not_as_published_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_a, **_n: io.BytesIO(b"something else"))
    with pytest.raises(ModelError, match="is not what was published"):
        load_model(parse_model("torchvision/s3d"))
    assert not [*tmp_path.rglob("*.pth*")]


@pytest.mark.slow
def test_what_lies_here_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    module = build_architecture(parse_architecture("torchvision/s3d"), 400, 3, None)
    torch.save(module.state_dict(), tmp_path / "checkpoints" / "s3d-d76dad2f.pth")
    loaded = load_model(parse_model("torchvision/s3d"))
    assert loaded.reads_volumes and len(loaded.labels) == 400 and loaded.labels[0] == "abseiling"
    assert "They never saw a scan" in loaded.notes[0]
