"""Heads that authors put in the place of the architecture's own, proved by the scores of the network that was saved."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from torch import nn
from torch.nn import BatchNorm1d, Dropout, LayerNorm, Linear, ReLU, Sequential

from explain.errors import ModelError
from tests.support.checkpoints import make_lively, open_file, open_same

HEADS: dict[str, Callable[[int], nn.Module]] = {
    "linear": lambda width: Linear(width, 3),
    "no bias": lambda width: Linear(width, 3, bias=False),
    "dropout, linear": lambda width: Sequential(Dropout(0.5), Linear(width, 3)),
    "mlp": lambda width: Sequential(Linear(width, 16), ReLU(), Dropout(0.3), Linear(16, 3)),
    "mlp of three": lambda width: Sequential(
        Dropout(), Linear(width, 16), ReLU(), Dropout(), Linear(16, 8), ReLU(), Linear(8, 3), nn.LogSoftmax(1)
    ),
    "batch normalisation": lambda width: Sequential(Linear(width, 16), BatchNorm1d(16), ReLU(), Linear(16, 3)),
    "normalisation first": lambda width: Sequential(
        BatchNorm1d(width), Dropout(), Linear(width, 16, bias=False), ReLU(), BatchNorm1d(16), Dropout(), Linear(16, 3)
    ),
    "layer normalisation": lambda width: Sequential(LayerNorm(width), Linear(width, 16), ReLU(), Linear(16, 3)),
    "nothing between": lambda width: Sequential(Linear(width, 16), Linear(16, 3)),
    "names": lambda width: Sequential(
        OrderedDict([("z1", Linear(width, 16)), ("norm", BatchNorm1d(16)), ("act", ReLU()), ("a2", Linear(16, 3))])
    ),
    "nested": lambda width: Sequential(Sequential(Linear(width, 16), ReLU()), Sequential(Linear(16, 3))),
}
NOT_IN_SCORES = "mlp of three"
"""Its LogSoftmax leaves no trace; the scores are those before it."""


COVERED = {"no bias", "mlp", "mlp of three", "normalisation first", "layer normalisation", "nested"}
"""Each differs from one of the others in a way that another of them has: tried in the long form."""


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in COVERED)) for kind in HEADS])
def test_heads_are_built_from_names_and_shapes(kind: str) -> None:
    torch.manual_seed(0)
    source = torchvision.models.resnet18()
    source.fc = HEADS[kind](512)
    make_lively(source)
    if kind == NOT_IN_SCORES:
        state = source.state_dict()
        source.fc = source.fc[:-1]
    else:
        state = source.state_dict()
    model = open_same(source, state, "torchvision/resnet18", input_size=64)
    open_same(source, safetensors.torch.save(state), "torchvision/resnet18", input_size=64)
    told = [note for note in model.notes if "built from its weights" in note]
    is_own = kind in ("linear", "no bias", "dropout, linear")
    assert bool(told) != is_own
    assert is_own or ("assumed" in told[0]) == (kind != "nothing between")


PLACES = [
    ("torchvision/efficientnet_b0", "classifier.1", 1280),
    pytest.param("torchvision/efficientnet_b0", "classifier", 1280, marks=pytest.mark.slow),
    pytest.param("torchvision/mobilenet_v3_small", "classifier.3", 1024, marks=pytest.mark.slow),
    ("torchvision/mobilenet_v3_small", "classifier", 576),
    pytest.param("torchvision/densenet121", "classifier", 1024, marks=pytest.mark.slow),
    ("torchvision/convnext_tiny", "classifier.2", 768),
    pytest.param("torchvision/swin_t", "head", 768, marks=pytest.mark.slow),
    pytest.param("torchvision/shufflenet_v2_x0_5", "fc", 1024, marks=pytest.mark.slow),
    ("timm/test_vit", "head", 64),
    ("timm/test_resnet", "fc", 96),
    ("timm/test_convnext", "head.fc", 64),
    ("timm/test_efficientnet", "classifier", 256),
]


@pytest.mark.parametrize("kind", [pytest.param("dropout, linear", marks=pytest.mark.slow), "mlp"])
@pytest.mark.parametrize(("architecture", "place", "width"), PLACES)
def test_heads_stand_where_the_architecture_has_its_own(architecture: str, place: str, width: int, kind: str) -> None:
    torch.manual_seed(0)
    family, _, name = architecture.partition("/")
    source = timm.create_model(name) if family == "timm" else torchvision.models.get_model(name)
    source.set_submodule(place, HEADS[kind](width))
    make_lively(source)
    size = {} if name == "test_vit" else {"input_size": 64}
    open_same(source, {"state_dict": source.state_dict()}, architecture, **size)


class Wrapped(nn.Module):
    """A network of an author's own around an architecture without its head."""

    def __init__(self, head: nn.Module, keeps_its_own: bool = False) -> None:
        super().__init__()
        self.backbone = torchvision.models.resnet18()
        if not keeps_its_own:
            self.backbone.fc = nn.Identity()
        self.top = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.top(self.backbone(x))


@pytest.mark.parametrize("kind", ["linear", "dropout, linear", "mlp"])
def test_a_head_beside_the_network_belongs_to_it(kind: str) -> None:
    torch.manual_seed(0)
    source = make_lively(Wrapped(HEADS[kind](512)))
    model = open_same(source, source.state_dict(), "torchvision/resnet18", input_size=64)
    assert not any("left out" in note for note in model.notes)


def test_layers_after_the_whole_classifier_are_kept() -> None:
    for source in (
        Sequential(torchvision.models.resnet18(), Linear(1000, 3)),
        Sequential(torchvision.models.resnet18(), ReLU(), Linear(1000, 3)),
        Wrapped(Linear(1000, 3), keeps_its_own=True),
    ):
        make_lively(source)
        model = open_same(source, source.state_dict(), "torchvision/resnet18", input_size=64)
        assert "1000→3" in model.notes[0]


def test_a_layer_before_the_network_is_refused() -> None:
    source = Sequential(nn.Conv2d(1, 3, 1), torchvision.models.resnet18(num_classes=3))
    with pytest.raises(ModelError, match=r"a layer before this architecture \(0\.weight\)"):
        open_file(source.state_dict(), "torchvision/resnet18")


def test_the_whole_classifier_of_vgg_may_be_another() -> None:
    torch.manual_seed(0)
    source = torchvision.models.vgg11()
    source.classifier = Sequential(Linear(25088, 16), ReLU(True), Dropout(), Linear(16, 8), ReLU(True), Linear(8, 3))
    make_lively(source)
    open_same(source, source.state_dict(), "torchvision/vgg11", input_size=64)


def test_squeezenet_with_a_linear_head_is_pooled_first() -> None:
    torch.manual_seed(0)
    source = torchvision.models.squeezenet1_1()
    source.classifier = Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), Linear(512, 3))
    make_lively(source)
    open_same(source, source.state_dict(), "torchvision/squeezenet1_1", input_size=64)


class Attention(nn.Module):
    """A head that no shape tells the working of."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.ones(4, 512))
        self.out = Linear(512, 3)


def test_what_cannot_be_told_is_refused_and_not_called_another_architecture() -> None:
    source = torchvision.models.resnet18()
    for head, words in (
        (Attention(), "neither linear nor a normalisation"),
        (Sequential(nn.Conv1d(512, 8, 3), Linear(8, 3)), "neither linear nor a normalisation"),
        (Sequential(Linear(1024, 16), ReLU(), Linear(16, 3)), "takes 1,024 numbers"),
        (nn.ModuleDict({"a": Linear(512, 3), "b": Linear(512, 4)}), "cannot be told"),
    ):
        source.fc = head
        with pytest.raises(ModelError, match=words) as caught:
            open_file(source.state_dict(), "torchvision/resnet18")
        assert "head" in str(caught.value) and "holds the weights of another architecture" not in str(caught.value)
    source.fc = nn.Identity()
    with pytest.raises(ModelError, match=r"holds no head.*fc\.weight"):
        open_file(source.state_dict(), "torchvision/resnet18")


def test_other_networks_are_not_taken_for_a_changed_head() -> None:
    models = torchvision.models
    with pytest.raises(ModelError, match="80 tensors more, so it is of a larger architecture"):
        open_file(models.resnet34().state_dict(), "torchvision/resnet18")
    for other in (models.resnet50(), models.squeezenet1_1()):
        with pytest.raises(ModelError, match="another architecture than torchvision/resnet18"):
            open_file(other.state_dict(), "torchvision/resnet18")
    half = dict(list(models.resnet18().state_dict().items())[:60])
    with pytest.raises(ModelError, match=r"lacks \d+ of the 122 tensors"):
        open_file(half, "torchvision/resnet18")


def test_what_compares_directions_is_refused_or_thought_of() -> None:
    network = torchvision.models.resnet18(num_classes=16)
    state = {f"backbone.{key}": tensor for key, tensor in network.state_dict().items()}
    for key in ("weight", "margin.ArcMarginProduct.weight"):
        with pytest.raises(ModelError, match=r"compares directions, as ArcFace .*give the network itself"):
            open_file({**state, key: torch.ones(10, 16)}, "torchvision/resnet18")
    network.fc = Linear(512, 3, bias=False)
    assert any("has no bias" in note for note in open_file(network.state_dict(), "torchvision/resnet18").notes)
    plain = open_file(torchvision.models.resnet18(num_classes=3).state_dict(), "torchvision/resnet18")
    assert not any("has no bias" in note for note in plain.notes)


def test_an_activation_after_the_head_is_said() -> None:
    said = "A ReLU follows this architecture's head"
    for classes in (3, 1000):
        state = torchvision.models.squeezenet1_1(num_classes=classes).state_dict()
        notes = open_file(state, "torchvision/squeezenet1_1", input_size=64).notes
        assert any(note.startswith(said) for note in notes) == (classes == 3)


class ConcatPool(nn.Module):
    """fastai's `AdaptiveConcatPool2d(1)`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([nn.functional.adaptive_max_pool2d(x, 1), nn.functional.adaptive_avg_pool2d(x, 1)], 1)


class TimmBody(nn.Module):
    """The body that fastai makes of a timm network."""

    def __init__(self) -> None:
        super().__init__()
        self.model = timm.create_model("resnet10t", num_classes=0, global_pool="")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


@pytest.mark.parametrize("architecture", ["torchvision/resnet18", "timm/resnet10t"])
def test_heads_of_fastai_take_the_maximum_beside_the_mean(architecture: str) -> None:
    torch.manual_seed(0)
    body = TimmBody() if "timm" in architecture else Sequential(*list(torchvision.models.resnet18().children())[:-2])
    head = Sequential(
        *(ConcatPool(), nn.Flatten(), BatchNorm1d(1024), Dropout(0.25), Linear(1024, 16, bias=False), ReLU()),
        *(BatchNorm1d(16), Dropout(0.5), Linear(16, 3, bias=False)),
    )
    source = make_lively(Sequential(body, head))
    model = open_same(source, {"model": source.state_dict(), "opt": {"state": []}}, architecture, input_size=64)
    assert "1024→16" in model.notes[0] and "maximum of each channel" in model.notes[1]
    assert model.default_layer is not None


def test_a_doubled_head_without_a_pooling_to_replace_is_refused() -> None:
    state = torchvision.models.mobilenet_v2(num_classes=3).features.state_dict()
    norm = {f"1.2.{key}": tensor for key, tensor in BatchNorm1d(2560).state_dict().items()}
    body = {f"features.{key}": tensor for key, tensor in state.items()}
    with pytest.raises(ModelError, match=r"takes 2,560 numbers .* gives 1,280"):
        open_file({**body, **norm, "1.4.weight": torch.ones(3, 2560)}, "torchvision/mobilenet_v2")


def test_a_head_beside_a_network_that_keeps_a_part_of_its_own_belongs_to_it() -> None:
    """A ConvNeXt of timm without classes keeps the normalisation of its head."""
    torch.manual_seed(0)
    source = Sequential(OrderedDict(backbone=timm.create_model("convnext_atto", num_classes=0), head=Linear(320, 3)))
    make_lively(source)
    model = open_same(source, source.state_dict(), "timm/convnext_atto", input_size=64)
    assert not any("left out" in note for note in model.notes)
