"""What people hand to the engine first: names, numbers and paths in the types they have, or a sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.errors import DeviceError, ExplainError, MethodError, ModelError, TargetError
from explain.models.loaded import LoadedModel
from tests.support.engine import make_picture


@pytest.mark.parametrize(
    ("target", "indices"),
    [
        (3, (3,)),
        (np.int64(3), (3,)),
        (np.array(3), (3,)),
        (np.array([3, 5]), (3, 5)),
        (torch.tensor(3), (3,)),
        (torch.tensor([3, 5]), (3, 5)),
        ([np.int32(3), torch.tensor(5)], (3, 5)),
        ((3, "ship"), (3,)),
        (range(2), (0, 1)),
        ("dog", (2,)),
    ],
)
def test_classes_are_numbers_of_any_library(engine: Engine, cnn: LoadedModel, target: Any, indices: tuple[int]) -> None:
    assert engine.explain(make_picture(), cnn, ["grad-cam"], target=target).pictures[0].targets == indices


@pytest.mark.parametrize("given", [{"target": None}, {"target": [None]}, {"layer": None}, {"layer": [None]}])
def test_nothing_named_is_the_default(engine: Engine, cnn: LoadedModel, given: dict[str, Any]) -> None:
    one = engine.explain(make_picture(), cnn, ["grad-cam"], **given).pictures[0]
    other = engine.explain(make_picture(), cnn, ["grad-cam"]).pictures[0]
    assert (one.targets, one.layers) == (other.targets, other.layers)


@pytest.mark.parametrize("methods", ["grad-cam", ["grad-cam"], ("grad-cam",), "grad-cam,", " grad-cam "])
def test_one_method_is_a_name(engine: Engine, cnn: LoadedModel, methods: Any) -> None:
    (entry,) = engine.explain(make_picture(), cnn, methods).pictures
    assert [heatmap.method for heatmap in entry.maps] == ["grad-cam"]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"target": 1.5}, TargetError),
        ({"target": np.array([1.5])}, TargetError),
        ({"target": True}, TargetError),
        ({"target": {"a": 1}}, TargetError),
        ({"target": object()}, TargetError),
        ({"target": []}, TargetError),
        ({"target": -1}, TargetError),
        ({"target": 10**400}, TargetError),
        ({"methods": 7}, MethodError),
        ({"methods": [7]}, MethodError),
        ({"methods": None}, MethodError),
        ({"layer": 4}, ExplainError),
        ({"layer": [4]}, ExplainError),
        ({"score": "rank"}, ExplainError),
        ({"fusion": "sum"}, ExplainError),
        ({"augmentation": "rotate"}, ExplainError),
        ({"settings": {"grad-cam": 7}}, MethodError),
        ({"pictures": []}, ExplainError),
        ({"pictures": None}, ExplainError),
    ],
)
def test_anything_else_is_a_sentence(engine: Engine, cnn: LoadedModel, given: dict[str, Any], kind: type) -> None:
    with pytest.raises(kind) as refused:
        engine.explain(**{"pictures": make_picture(), "model": cnn, "methods": ["grad-cam"], **given})
    assert str(refused.value).endswith((".", ")"))


@pytest.mark.parametrize("model", [7, None, [], b"weights", {"a": 1}])
def test_what_is_no_model_is_a_sentence(engine: Engine, model: Any) -> None:
    with pytest.raises(ModelError, match="A model cannot be"):
        engine.load(model)


def test_a_checkpoint_goes_by_its_path(engine: Engine, tmp_path: Path) -> None:
    import timm

    torch.manual_seed(0)
    path = tmp_path / "mine.pth"
    torch.save(timm.create_model("test_vit", num_classes=3).state_dict(), path)
    loaded = engine.load(path, architecture="timm/test_vit")
    assert len(loaded.labels) == 3 and loaded.request.name == "mine.pth"
    assert engine.load(f"file:{path}", architecture="timm/test_vit") is loaded
    for missing in (tmp_path / "gone.pth", f"file:{tmp_path / 'gone.pth'}"):
        with pytest.raises(ModelError, match=r"gone\.pth cannot be read"):
            engine.explain(make_picture(), missing)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "tpu:0", " "])
def test_a_device_of_no_known_kind_is_a_sentence(device: str) -> None:
    with pytest.raises(DeviceError, match="There is no device"):
        Engine(device=device).explain(make_picture())
