"""Models from the hub: with and without a network, from the cache, and what cannot be had."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from explain.errors import ModelError, RightsError
from explain.models.architectures import build_architecture, parse_architecture
from explain.models.hub import search_hub
from explain.models.load import load_model
from explain.models.request import ModelRequest, parse_model
from explain.networks.torchvision_operators import declare_missing_operators
from tests.support.people import asking, make_actor

declare_missing_operators()

import timm  # noqa: E402


def no_network(*_: Any, **__: Any) -> Any:
    raise OSError("no network in tests")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.get_session", no_network)
    return tmp_path


def put_into_cache(hub: Path, name: str, weights: dict[str, torch.Tensor]) -> None:
    repository = hub / f"models--timm--{name}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    (repository / "snapshots" / "c0ffee").mkdir(parents=True)
    safetensors.torch.save_file(weights, repository / "snapshots" / "c0ffee" / "model.safetensors")


def test_hub_without_network(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Any] = []
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *asked, **_: fetched.append(asked))
    with pytest.raises(ModelError, match=r"resnet18\.a1_in1k.*not on this computer yet.*Connect to the internet"):
        load_model(parse_model("resnet18.a1_in1k"))
    assert not fetched, "which would try again and again, for minutes"


def test_a_hub_that_never_answers_is_not_waited_for(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end, knocked = threading.Event(), threading.Event()

    def never_answer() -> None:
        knocked.set()
        end.wait()

    monkeypatch.setattr("huggingface_hub.get_session", never_answer)
    monkeypatch.setattr("explain.models.hub.SECONDS_TO_REACH_HUB", 0.1)
    with pytest.raises(ModelError, match="cannot be reached"):
        load_model(parse_model("resnet18.a1_in1k"))
    assert knocked.wait(60)
    end.set()


def test_a_cold_process_without_network_answers_before_it_imports_timm(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom explain.engine.engine import Engine\nfrom explain.errors import ModelError\n"
        "try:\n    Engine().load('resnet18.a1_in1k')\nexcept ModelError as error:\n    print(error)\n"
        "print('timm' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    said, imported = run.stdout.splitlines()
    assert "not on this computer yet" in said and "Connect to the internet" in said
    assert imported == "False"


def test_cached_hub_models_work_offline(hub: Path) -> None:
    torch.manual_seed(0)
    source = build_architecture(parse_architecture("timm/test_resnet"), 1000, 3, None)
    put_into_cache(hub, "test_resnet.r160_in1k", source.state_dict())
    found = search_hub("test_resnet")
    assert found[0].name == "test_resnet.r160_in1k" and found[0].cached
    model = load_model(parse_model("hub:test_resnet.r160_in1k"))
    own = model.preprocessing
    config = timm.models.get_pretrained_cfg("test_resnet.r160_in1k")
    assert own.input_size == config.input_size[1:] == (160, 160) and own.mean == config.mean and own.std == config.std
    assert own.resize_size == int(160 / config.crop_pct) and own.interpolation == config.interpolation
    assert model.labels[1] == "goldfish" and len(model.labels) == len(set(model.labels)) == 1000
    x = torch.rand(1, 3, 160, 160)
    assert torch.equal(model.module(x), source(x))
    grey = load_model(ModelRequest(source="hub", name="test_resnet.r160_in1k", channels=1))
    assert grey.preprocessing.channels == 1 and len(grey.preprocessing.mean) == 1
    assert torch.allclose(grey.module(x[:, :1]), source(x[:, :1].expand(-1, 3, -1, -1)), atol=1e-4)


def test_what_is_here_is_everybodys_and_only_who_may_has_more_fetched(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knocks: list[str] = []
    monkeypatch.setattr("explain.models.hub._reach_hub", knocks.append)
    torch.manual_seed(0)
    put_into_cache(hub, "test_resnet.r160_in1k", timm.create_model("test_resnet").state_dict())
    with asking(make_actor()):
        assert load_model(parse_model("hub:test_resnet.r160_in1k")).request.name == "test_resnet.r160_in1k"
        with pytest.raises(RightsError, match="have this server fetch a model"):
            load_model(parse_model("hub:resnet18.a1_in1k"))
        assert not knocks
    with asking(make_actor("models")), pytest.raises(ModelError, match="cannot be reached"):
        load_model(parse_model("hub:resnet18.a1_in1k"))
    assert knocks


def test_hub_search(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = search_hub("ResNet18 a1")
    assert found[0].name == "resnet18.a1_in1k" and not found[0].cached
    with monkeypatch.context() as patch:  # what timm is slow to tell is asked for once
        for name in ("list_models", "models.get_pretrained_cfg"):
            patch.setattr(f"timm.{name}", no_network)
        assert search_hub("ResNet18 a1") == found
    assert len(search_hub("", limit=7)) == 7 and search_hub("no such model") == []


def test_unknown_and_classless_hub_models(hub: Path) -> None:
    with pytest.raises(ModelError, match=r"Did you mean .*photo-cnn"):
        load_model(parse_model("photo-cn"))
    with pytest.raises(ModelError, match=r"resnet18\.a1_in1k"):
        load_model(parse_model("resnet18.a9_in1k"))
    with pytest.raises(ModelError, match="knows no classes"):
        load_model(parse_model("vit_small_patch14_dinov2.lvd142m"))
