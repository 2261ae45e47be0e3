"""A network of one's own, as the module it is: what it answers, what is assumed of it, and that it is left as it is."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explain import Engine
from explain.bundled.pictures import bundled_pictures
from explain.errors import LayerError, ModelError
from explain.models.load import load_model
from explain.models.own_module import hand_over
from explain.models.request import parse_model
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.geometry import Preprocessing, prepare
from tests.support.engine import make_picture, values_of

declare_missing_operators()

import timm  # noqa: E402

SMALL = {"input_size": 32, "mean": 0.5, "std": 0.5, "fit": "squash"}


class Mine(nn.Module):
    """What somebody trained."""

    def __init__(self, channels: int = 3, classes: int = 4, slope: float = 0.1) -> None:
        super().__init__()
        self.slope = slope
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(6, 8, 3, stride=4), nn.ReLU()
        )
        self.head = nn.Linear(8, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(nn.functional.leaky_relu(self.features(pictures), self.slope).mean((2, 3)))


@pytest.fixture
def mine() -> Mine:
    torch.manual_seed(0)
    return Mine()


def test_it_answers_what_the_module_answers(engine: Engine, mine: Mine) -> None:
    picture = make_picture()
    (entry,) = engine.explain(picture, mine, "grad-cam", preprocessing=SMALL, labels=list("abcd")).pictures
    chosen = Preprocessing(input_size=(32, 32), mean=(0.5,) * 3, std=(0.5,) * 3, fit="squash")
    scores = mine.eval()(prepare(picture, chosen).tensor)[0].softmax(0)
    shown = {p.label: p.probability for p in entry.predictions}
    assert shown == pytest.approx({label: float(score) for label, score in zip("abcd", scores, strict=True)}, abs=1e-6)
    assert entry.layers == ("features.3",)


def test_it_is_left_as_it_is_and_may_be_trained_further(engine: Engine, mine: Mine) -> None:
    mine.train()
    before = copy.deepcopy(mine.state_dict())
    first = engine.explain(make_picture(), mine, "grad-cam", preprocessing=SMALL, target=1)
    assert mine.training and all(p.requires_grad and p.grad is None for p in mine.parameters())
    assert not any(part._forward_hooks for part in mine.modules())
    assert all(torch.equal(mine.state_dict()[name], tensor) for name, tensor in before.items())
    assert any("training mode" in note for note in first.model.notes)
    again = engine.explain(make_picture(), mine, "grad-cam", preprocessing=SMALL, target=1)
    assert again.model is first.model and values_of(again) == values_of(first)
    with torch.no_grad():
        mine.head.weight.mul_(-1)
    trained = engine.explain(make_picture(), mine, "grad-cam", preprocessing=SMALL, target=1)
    assert trained.model.fingerprint != first.model.fingerprint and values_of(trained) != values_of(first)


def test_what_differs_in_more_than_weights_is_another_network(mine: Mine) -> None:
    class Other(Mine):
        def forward(self, pictures: Tensor) -> Tensor:
            return super().forward(-pictures)

    def digest(module: nn.Module, preprocessing: Any = None) -> str | None:
        return hand_over(module, preprocessing or SMALL).request.digest

    other = Other()
    other.load_state_dict(mine.state_dict())
    slower = copy.deepcopy(mine)
    slower.slope = 0.2
    assert digest(copy.deepcopy(mine)) == digest(mine)
    assert len({digest(mine), digest(other), digest(slower), digest(mine, {**SMALL, "input_size": 40})}) == 4


def test_what_was_assumed_is_said(engine: Engine, mine: Mine) -> None:
    loaded = engine.load(mine)
    assert loaded.preprocessing == Preprocessing(input_size=(224, 224), resize_size=256)
    notes = " ".join(loaded.notes)
    assert "No preprocessing was given: pictures are made 224 × 224" in notes
    assert "No class names were given" in notes
    assert loaded.labels == ("class 0", "class 1", "class 2", "class 3")
    grey = engine.load(Mine(channels=1))
    assert grey.preprocessing.channels == 1 and "0.449 and 0.226" in " ".join(grey.notes)


def test_timm_networks_bring_their_own_preprocessing(engine: Engine) -> None:
    loaded = engine.load(timm.create_model("test_vit", num_classes=3))
    assert loaded.preprocessing.input_size == (160, 160) and loaded.preprocessing.mean == (0.5, 0.5, 0.5)
    assert not any("No preprocessing" in note for note in loaded.notes)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["a", "b", "c", "d"], "abcd"),
        (np.array(["a", "b", "c", "d"]).tolist(), "abcd"),
        ({0: "a", 1: "b", 2: "c", 3: "d"}, "abcd"),
        ({"1": "b", "0": "a", "3": "d", "2": "c"}, "abcd"),
        ({"b": 1, "a": 0, "d": 3, "c": 2}, "abcd"),
    ],
)
def test_labels_are_taken_as_people_keep_them(engine: Engine, mine: Mine, labels: Any, names: str) -> None:
    assert engine.load(mine, preprocessing=SMALL, labels=labels).labels == tuple(names)


@pytest.mark.parametrize("layer", ["features[-1]", "features.3", "model.features[-1]"])
def test_layers_go_by_the_names_of_the_network(engine: Engine, mine: Mine, layer: str) -> None:
    (entry,) = engine.explain(make_picture(), mine, "grad-cam", layer, preprocessing=SMALL).pictures
    assert entry.layers == ("features.3",)


def test_layers_may_be_parts_of_it(engine: Engine, mine: Mine) -> None:
    parts = [mine.features[1], mine.features[-1]]
    (entry,) = engine.explain(make_picture(), mine, "grad-cam", parts, preprocessing=SMALL).pictures
    assert entry.layers == ("features.1", "features.3")
    wrapped = nn.DataParallel(mine)
    (entry,) = engine.explain(make_picture(), wrapped, "grad-cam", parts[1], preprocessing=SMALL).pictures
    assert entry.layers == ("features.3",)
    with pytest.raises(LayerError, match="no part of this network"):
        engine.explain(make_picture(), mine, "grad-cam", nn.ReLU(), preprocessing=SMALL)
    with pytest.raises(LayerError, match="named by text"):
        engine.explain(make_picture(), methods="grad-cam", layer=nn.ReLU())


class Answering(nn.Module):
    """Answers in ways that cannot be explained."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.stem = kind, nn.Conv2d(3, 4, 3)

    def forward(self, pictures: Tensor) -> Any:
        maps = self.stem(pictures)
        return {"map": maps, "nothing": None, "one": maps.mean(), "fault": maps}[self.kind] + (
            torch.zeros(1, 2) if self.kind == "fault" else 0
        )


@pytest.mark.parametrize(
    ("module", "given", "sentence"),
    [
        (Answering("map"), {}, r"shape \(1, 4, 30, 30\), not with a score for each class"),
        (Answering("one"), {}, "not with a score for each class"),
        (Answering("nothing"), {}, r"cannot work on an input of 3 × 32 × 32"),
        (Answering("fault"), {}, r"cannot work on an input of 3 × 32 × 32"),
        (nn.Sequential(nn.Flatten(), nn.Linear(10, 2)), {}, r"Say what it takes: preprocessing="),
        (Mine(channels=4), {"preprocessing": None}, "takes 4 channels"),
        (Mine(), {"labels": ["a"]}, "1 class names were given for 4 classes"),
        (Mine(), {"labels": {"a": 0, "b": 2}}, "indices are not 0, 1, 2"),
        (Mine(), {"labels": 4}, "Class names cannot be a int"),
        (Mine(), {"preprocessing": 224}, "cannot be made of a int"),
        (Mine(), {"preprocessing": {"input_size": -1}}, "preprocessing's input_size"),
        (Mine(), {"preprocessing": {"mean": (1, 2)}}, "preprocessing's"),
        (Mine(), {"preprocessing": {"size": 3}}, "preprocessing's size"),
    ],
)
def test_what_cannot_be_explained_is_a_sentence(
    engine: Engine, module: nn.Module, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        engine.explain(make_picture(), module, "grad-cam", **{"preprocessing": SMALL, **given})


def test_a_compiled_module_for_torchscript_is_a_sentence(mine: Mine) -> None:
    with pytest.raises(ModelError, match="TorchScript"):
        hand_over(torch.jit.trace(mine, torch.zeros(1, 3, 32, 32)))


def test_its_name_alone_brings_nothing_back(engine: Engine, mine: Mine) -> None:
    request = engine.load(mine, preprocessing=SMALL).request
    assert request.source == "module" and request.name == "Mine"
    with pytest.raises(ModelError, match="handed over in Python"):
        load_model(request)
    assert parse_model("module:Mine").source == "hub"


def test_half_precision_is_made_whole(engine: Engine, mine: Mine) -> None:
    loaded = engine.load(mine.half(), preprocessing=SMALL)
    assert all(parameter.dtype == torch.float32 for parameter in loaded.module.parameters())
    assert mine.head.weight.dtype == torch.float16


@pytest.fixture
def engine() -> Engine:
    return Engine("cpu")


def test_the_lines_of_the_readme_take_it(engine: Engine, mine: Mine) -> None:
    picture = bundled_pictures()[0].path
    explanation = engine.explain(picture, mine, "grad-cam", preprocessing={"input_size": 64}, labels=list("abcd"))
    assert explanation.pictures[0].labels[0] in "abcd"


def test_what_its_numbers_mean_may_be_said(engine: Engine, mine: Mine) -> None:
    findings = engine.load(mine, preprocessing=SMALL, outputs="findings")
    assert findings.outputs == "findings" and engine.load(mine, preprocessing=SMALL).outputs == "classes"
    one = engine.load(Mine(classes=1), preprocessing=SMALL, labels=["no", "yes"], outputs="logit")
    assert one.outputs == "logit" and one.labels == ("no", "yes")
    with pytest.raises(ModelError, match="Outputs cannot be “numbers”"):
        engine.load(mine, preprocessing=SMALL, outputs="numbers")  # type: ignore[arg-type]
