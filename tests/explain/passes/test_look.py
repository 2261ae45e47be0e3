"""One look of the network against the plain way: every parameter in the graph, one class and one layer at a time."""

import copy
from collections import namedtuple

import pytest
import torch
from torch import nn

from explain.errors import LayerError, ModelError, TargetError
from explain.maps.heatmap import find_rules, is_blank
from explain.methods import get_method
from explain.networks.layer import Layer
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.capture import LayerCapture
from explain.passes.look import Ask, Look, Score, look_at

declare_missing_operators()

from timm.models.convnext import ConvNeXt  # noqa: E402
from timm.models.resnet import BasicBlock, ResNet  # noqa: E402
from timm.models.swin_transformer import SwinTransformer  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

CLASSES = 7


def build_resnet() -> nn.Module:
    return ResNet(BasicBlock, layers=(1, 1, 1, 1), channels=(8, 12, 16, 24), num_classes=CLASSES)


def build_vit() -> nn.Module:
    return VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=3, num_heads=4, reg_tokens=2, num_classes=CLASSES
    )


def build_convnext() -> nn.Module:
    return ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 12, 16, 24), num_classes=CLASSES)


def build_swin() -> nn.Module:
    return SwinTransformer(
        img_size=32, patch_size=4, window_size=4, embed_dim=12, depths=(1, 1), num_heads=(2, 2), num_classes=CLASSES
    )


RESNET_LAYERS = [
    Layer("layer1", (8, 8), 8, "NCHW"),
    Layer("act1", (16, 16), 64, "NCHW"),
    Layer("layer3", (2, 2), 16, "NCHW"),
]
VIT_LAYERS = [Layer("blocks.0.norm1", (4, 4), 24, "NLC", 3), Layer("blocks.2.norm1", (4, 4), 24, "NLC", 3)]
CONVNEXT_LAYERS = [Layer("stages.0.blocks.0.mlp", (8, 8), 8, "NHWC"), Layer("stages.2", (2, 2), 16, "NCHW")]
SWIN_LAYERS = [Layer("layers.0", (8, 8), 12, "NHWC"), Layer("layers.1", (4, 4), 24, "NHWC")]


def look(
    module: nn.Module, picture: torch.Tensor, layers: list[Layer], targets: list[int | None], score: Score = "logit"
) -> Look:
    """One picture, and each class's own score."""
    (found,) = look_at(module, picture, layers, [Ask(target, score) for target in targets])
    return found


NETWORKS = {
    "resnet": (build_resnet, RESNET_LAYERS),
    "vit": (build_vit, VIT_LAYERS),
    "convnext": (build_convnext, CONVNEXT_LAYERS),
    "swin": (build_swin, SWIN_LAYERS),
}


def make_network(name: str, seed: int) -> tuple[nn.Module, torch.Tensor]:
    """A frozen network with random weights and statistics, and a picture for it."""
    torch.manual_seed(seed)
    module = NETWORKS[name][0]()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else nn.init.normal_(parameter, 1.0, 0.3)
    for buffer_name, buffer in module.named_buffers():
        if buffer_name.endswith(("running_mean", "running_var")):
            nn.init.uniform_(buffer, 0.3, 1.5)
    return module.eval().requires_grad_(False), torch.randn(1, 3, 32, 32)


def look_plainly(
    module: nn.Module, picture: torch.Tensor, layer: Layer, target: int, probability: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, activations and gradients with the whole network in the graph and nothing done in place."""
    module = copy.deepcopy(module).requires_grad_(True)
    for child in module.modules():
        if hasattr(child, "inplace"):
            child.inplace = False
    seen: list[torch.Tensor] = []
    module.get_submodule(layer.name).register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.inference_mode(False), torch.enable_grad():
        logits = module(picture.clone().requires_grad_(True))[0]
        score = (logits.exp() / logits.exp().sum())[target] if probability else logits[target]
        (gradient,) = torch.autograd.grad(score, seen[0], allow_unused=True)
    return logits.detach(), lay_out(seen[0].detach(), layer), lay_out(gradient, layer)


def lay_out(tensor: torch.Tensor, layer: Layer) -> torch.Tensor:
    """`(C, h, w)` cell by cell."""
    rows, columns = layer.grid
    out = torch.empty(layer.channels, rows, columns)
    for row in range(rows):
        for column in range(columns):
            if layer.layout == "NCHW":
                out[:, row, column] = tensor[0, :, row, column]
            elif layer.layout == "NHWC":
                out[:, row, column] = tensor[0, row, column]
            else:
                out[:, row, column] = tensor[0, layer.prefix_tokens + row * columns + column]
    return out


def is_close(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> bool:
    return found.shape == expected.shape and bool(
        (found - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1e-12)
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_equal_those_of_the_whole_graph(name: str, seed: int) -> None:
    module, picture = make_network(name, seed)
    for layer in NETWORKS[name][1]:
        logits, activations, gradients = look_plainly(module, picture, layer, seed)
        assert gradients.abs().max() > 0
        seen = look(module, picture, [layer], [seed])
        assert is_close(seen.logits, logits)
        assert is_close(seen.activations[layer.name], activations)
        assert is_close(seen.gradients[layer.name, Ask(seed)], gradients)


@pytest.mark.parametrize("name", NETWORKS)
def test_many_layers_and_classes_at_once_equal_one_at_a_time(name: str) -> None:
    module, picture = make_network(name, 3)
    layers, targets = NETWORKS[name][1], [4, 0, None, 6]
    together = look(module, picture, layers, targets)
    assert [ask.target for ask in together.asks] == [4, 0, int(together.logits.argmax()), 6]
    for layer in layers:
        for ask in together.asks:
            alone = look(module, picture, [layer], [ask.target])
            assert is_close(together.activations[layer.name], alone.activations[layer.name])
            assert is_close(together.gradients[layer.name, ask], alone.gradients[layer.name, ask])


@pytest.mark.parametrize("name", NETWORKS)
def test_probability_equals_the_softmax_differentiated(name: str) -> None:
    module, picture = make_network(name, 5)
    module.get_classifier().weight.mul_(0.05)  # far from certain: a saturated softmax has no gradient to compare
    layer = NETWORKS[name][1][0]
    _, _, expected = look_plainly(module, picture, layer, 2, probability=True)
    seen = look(module, picture, [layer], [2], "probability")
    assert is_close(seen.gradients[layer.name, Ask(2, "probability")], expected)


def watch_graph(module: nn.Module) -> dict[str, bool]:
    """Whether the output of each module has a graph, as the network runs."""
    seen: dict[str, bool] = {}
    for name, child in module.named_modules():

        def note(_module: nn.Module, _inputs: tuple, output: torch.Tensor, name: str = name) -> None:
            seen[name] = output.requires_grad

        child.register_forward_hook(note)
    return seen


def test_graph_starts_at_the_shallowest_layer() -> None:
    module, picture = make_network("resnet", 0)
    seen = watch_graph(module)
    look(module, picture, [Layer("layer3", (2, 2), 16, "NCHW"), Layer("layer2", (4, 4), 12, "NCHW")], [1])
    assert not any(seen[name] for name in ("conv1", "bn1", "layer1", "layer1.0.conv2", "layer2.0.conv2"))
    assert all(seen[name] for name in ("layer3.0.conv1", "layer3", "layer4", "fc"))


def test_without_classes_there_is_no_graph() -> None:
    module, picture = make_network("resnet", 0)
    graphs = watch_graph(module)
    seen = look(module, picture, RESNET_LAYERS, [])
    assert not any(graphs.values())
    assert seen.gradients == {} and seen.asks == ()
    assert is_close(seen.activations["layer3"], look(module, picture, RESNET_LAYERS, [1]).activations["layer3"])


def test_nothing_kept_has_a_graph_and_no_parameter_gets_a_gradient() -> None:
    module, picture = make_network("vit", 1)
    seen = look(module, picture, VIT_LAYERS, [0, 1])
    for tensor in [seen.logits, *seen.activations.values(), *seen.gradients.values()]:
        assert not tensor.requires_grad and tensor.grad_fn is None and tensor.dtype == torch.float32
        assert tensor.is_contiguous() and not tensor.is_inference()
        assert tensor.untyped_storage().nbytes() == tensor.nbytes  # its own memory, not a part of something larger
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("guard", [torch.inference_mode, torch.no_grad, torch.enable_grad])
@pytest.mark.parametrize("name", NETWORKS)
def test_works_whatever_the_caller_has_switched_off(name: str, guard: type) -> None:
    module, picture = make_network(name, 2)
    layers = NETWORKS[name][1]
    expected = look(module, picture, layers, [1])
    with guard():
        seen = look(module, picture * 1, layers, [1])
        assert torch.is_grad_enabled() == (guard is torch.enable_grad)
    for key, gradient in expected.gradients.items():
        assert torch.equal(seen.gradients[key], gradient)
    assert not seen.logits.is_inference()


def test_a_picture_made_in_inference_mode_may_be_used_late_in_the_network() -> None:
    class Gated(nn.Module):
        """Multiplies by the picture after the layer, so that the graph has to keep the picture."""

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (self.first(x) * x).mean((2, 3))

    module = Gated().eval().requires_grad_(False)
    with torch.inference_mode():
        picture = torch.randn(1, 3, 5, 5)
        seen = look(module, picture, [Layer("first", (5, 5), 3, "NCHW")], [1])
    assert torch.allclose(seen.gradients["first", Ask(1)][1], picture[0, 1] / 25)


def count_hooks(module: nn.Module) -> int:
    return sum(len(child._forward_hooks) + len(child._forward_pre_hooks) for child in module.modules())


class Failing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise MemoryError("in the middle")


@pytest.mark.parametrize("failing", ["layer4", "fc", None])
def test_the_network_is_left_as_it_was(failing: str | None) -> None:
    module, picture = make_network("resnet", 4)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    kept = picture.clone()
    if failing:
        setattr(module, failing, Failing())
        with pytest.raises(MemoryError):
            look(module, picture, RESNET_LAYERS, [1])
    else:
        look(module, picture, RESNET_LAYERS, [1])
        with pytest.raises(TargetError):
            look(module, picture, RESNET_LAYERS, [CLASSES])
        with pytest.raises(AttributeError):  # after the first hook is set
            look(module, picture, [RESNET_LAYERS[0], Layer("nowhere", (1, 1), 1, "NCHW")], [1])
    assert count_hooks(module) == 0
    assert not any(child.training for child in module.modules() if not isinstance(child, Failing))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert torch.equal(picture, kept)
    assert torch.is_grad_enabled()


class InPlace(nn.Module):
    """Everything after the layer works in place, on the layer's own output and on what it was given."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layer = layer
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = self.stem(x)
        x = self.layer(given)
        scaled = x * 1.5
        given.mul_(0).add_(7)  # where the layer handed back what it was given, this reaches the same memory
        x.mul_(-3).relu_()
        return self.fc((scaled + x).mean((2, 3)))


@pytest.mark.parametrize(
    ("layer_module", "deep"),
    [  # After a layer that keeps its input or output for its own gradient, nothing shallower could be differentiated.
        (nn.Identity(), False),
        (nn.Identity(), True),
        (nn.Dropout(0.5), True),
        (nn.ReLU(inplace=True), False),
        (nn.BatchNorm2d(4), False),
    ],
)
def test_what_happens_in_place_does_not_reach_what_is_kept(layer_module: nn.Module, deep: bool) -> None:
    torch.manual_seed(0)
    module = InPlace(copy.deepcopy(layer_module)).eval().requires_grad_(False)
    picture = torch.randn(1, 3, 6, 6)
    layers = [Layer("layer", (6, 6), 4, "NCHW")] + ([Layer("stem", (6, 6), 4, "NCHW")] if deep else [])
    seen = look(module, picture, layers, [2])
    activations = copy.deepcopy(layer_module).eval()(module.stem(picture))[0]
    assert is_close(seen.activations["layer"], activations)
    # score = w · mean(1.5 a + relu(-3 a)) + b
    slope = (1.5 - 3.0 * (activations < 0)) / 36
    assert is_close(seen.gradients["layer", Ask(2)], module.fc.weight[2][:, None, None] * slope)
    if deep:
        assert is_close(seen.activations["stem"], module.stem(picture)[0])


Pair = namedtuple("Pair", ["first", "second"])


class Wrapping(nn.Module):
    def __init__(self, wrap: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.wrap = wrap

    def forward(self, x: torch.Tensor) -> object:
        return self.wrap(self.conv(x))


class Unwrapping(nn.Module):
    """A network whose layer gives back its tensor in a container, together with others."""

    def __init__(self, wrap: object, unwrap: object) -> None:
        super().__init__()
        self.layer = Wrapping(wrap)
        self.unwrap = unwrap
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.unwrap(self.layer(x))).mean((2, 3)))


class NotATensor:
    """Something a module may give back beside its tensor."""


CONTAINERS = {
    "tuple": (lambda x: (x, x + 100), lambda o: o[0]),
    "list after none": (lambda x: [None, x, 3], lambda o: o[1]),
    "named tuple": (lambda x: Pair(x, 2), lambda o: o.first),
    "dict": (lambda x: {"note": "text", "out": x, "aux": x + 100}, lambda o: o["out"]),
    "nested": (lambda x: ((x, x + 100), torch.zeros(2)), lambda o: o[0][0]),
    "nested dict": (lambda x: ("text", {"deep": [x]}, x + 100), lambda o: o[1]["deep"][0]),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_outputs_in_containers(kind: str) -> None:
    torch.manual_seed(1)
    module = Unwrapping(*CONTAINERS[kind]).eval().requires_grad_(False)
    picture = torch.randn(1, 3, 5, 5)
    layer = Layer("layer", (5, 5), 4, "NCHW")
    seen = look(module, picture, [layer], [3])
    activations = module.layer.conv(picture)[0]
    assert is_close(seen.logits, module(picture)[0])
    assert is_close(seen.activations["layer"], activations)
    expected = module.fc.weight[3][:, None, None] * (activations > 0) / 25
    assert is_close(seen.gradients["layer", Ask(3)], expected)


def test_a_layer_without_a_tensor_or_that_never_runs_is_a_sentence() -> None:
    module = Unwrapping(lambda x: (x,), lambda o: o[0]).eval().requires_grad_(False)
    module.silent = Wrapping(lambda _x: NotATensor())
    module.idle = nn.Conv2d(3, 4, 1)
    run = module.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        module.silent(x)
        return run(x)

    module.forward = forward
    picture = torch.randn(1, 3, 5, 5)
    for name in ("silent", "idle"):
        with pytest.raises(LayerError, match=name):
            look(module, picture, [Layer(name, (5, 5), 4, "NCHW")], [0])
    assert count_hooks(module) == 0


def test_a_layer_the_scores_do_not_depend_on_has_zero_gradients() -> None:
    module = Unwrapping(lambda x: (x,), lambda o: o[0]).eval().requires_grad_(False)
    module.aside = nn.Conv2d(3, 4, 1).requires_grad_(False)
    run = module.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        module.aside(x)
        return run(x)

    module.forward = forward
    aside, layer = Layer("aside", (5, 5), 4, "NCHW"), Layer("layer", (5, 5), 4, "NCHW")
    picture = torch.randn(1, 3, 5, 5)
    for layers in ([aside], [aside, layer], [layer, aside]):
        seen = look(module, picture, layers, [1, 2])
        assert seen.gradients["aside", Ask(1)].shape == (4, 5, 5)
        assert not seen.gradients["aside", Ask(1)].any() and not seen.gradients["aside", Ask(2)].any()
    assert seen.gradients["layer", Ask(2)].any()


@pytest.mark.parametrize("name", ["blocks.2.norm2", "blocks.2"])
def test_a_vits_last_tokens_give_a_blank_map_with_a_sentence(name: str) -> None:
    """Only the class token of the last block is read, so that the patches' gradients there are zero."""
    module, picture = make_network("vit", 6)
    layer = Layer(name, (4, 4), 24, "NLC", 3)
    seen = look(module, picture, [layer], [1])
    assert seen.activations[name].any()
    assert not seen.gradients[name, Ask(1)].any()
    capture = LayerCapture(layer, 1, seen.logits, seen.activations[name], seen.gradients[name, Ask(1)])
    method = get_method("grad-cam")
    values = method.function(capture, method.settings()).values.numpy()
    assert is_blank(values)
    (warning,) = find_rules(method, values, "cat").values()
    assert warning.startswith("Blank") and "cat" in warning


@pytest.mark.parametrize("targets", [[], [0], [None]])
def test_weights_that_are_not_numbers_are_the_models_fault(targets: list) -> None:
    module, picture = make_network("resnet", 0)
    module.layer2[0].conv1.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match="damaged"):
        look(module, picture, RESNET_LAYERS, targets)
    assert count_hooks(module) == 0


@pytest.mark.parametrize("target", [-1, CLASSES, 10**9])
def test_a_class_that_does_not_exist(target: int) -> None:
    module, picture = make_network("vit", 0)
    with pytest.raises(TargetError, match=f"classes 0 to {CLASSES - 1}"):
        look(module, picture, VIT_LAYERS, [0, target])


@pytest.mark.parametrize(
    "answer",
    [lambda x: (x, x), lambda x: {"logits": x}, lambda x: x[0], lambda x: x[None], lambda x: torch.cat([x, x])],
)
def test_a_model_that_does_not_answer_with_scores(answer: object) -> None:
    module, picture = make_network("resnet", 0)
    module.register_forward_hook(lambda _m, _i, output: answer(output))
    with pytest.raises(ModelError, match="one score for each class"):
        look(module, picture, RESNET_LAYERS, [0])


def test_half_precision_networks_are_read_in_full() -> None:
    module, picture = make_network("vit", 1)
    module.bfloat16()
    seen = look(module, picture.bfloat16(), VIT_LAYERS, [1])
    exact = look(module.float(), picture.bfloat16().float(), VIT_LAYERS, [1])
    for key, gradient in seen.gradients.items():
        assert gradient.dtype == torch.float32
        assert torch.nn.functional.cosine_similarity(gradient.flatten(), exact.gradients[key].flatten(), 0) > 0.98


# Asks other than a class's own score


class SmallNetwork(nn.Module):
    """A convolution, and a tail of two linear layers with a bend between."""

    def __init__(self, bend: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.tail = nn.Sequential(nn.Flatten(), nn.Linear(2 * 9, 6), bend, nn.Linear(6, CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tail(self.conv(x))


SMALL_LAYER = Layer("conv", (3, 3), 2, "NCHW")


def make_small(bend: nn.Module, seed: int) -> tuple[SmallNetwork, torch.Tensor]:
    torch.manual_seed(seed)
    return SmallNetwork(bend).eval().requires_grad_(False), torch.randn(1, 3, 3, 3)


class Margin:
    """The class's score against the best of the others, squared."""

    def __call__(self, scores: torch.Tensor, target: int) -> torch.Tensor:
        others = scores.index_fill(0, torch.tensor(target), -torch.inf)
        return (scores[target] - others.max()) ** 2


def find_hessian(module: SmallNetwork, activations: torch.Tensor, ask: Ask) -> torch.Tensor:
    """All second derivatives at the layer, `(18, 18)`, by central differences of gradients in float64."""
    tail = copy.deepcopy(module.tail).double()
    start = activations.double().flatten()

    def gradient(at: torch.Tensor) -> torch.Tensor:
        at = at.clone().requires_grad_(True)
        scores = tail(at.reshape(1, 2, 3, 3))[0]
        scores = scores if ask.score == "logit" else scores.softmax(0)
        value = scores[ask.target] if ask.objective is None else ask.objective(scores, ask.target)
        return torch.autograd.grad(value, at)[0]

    step = 1e-4
    rows = [(gradient(start + step * unit) - gradient(start - step * unit)) / (2 * step) for unit in torch.eye(18)]
    return torch.stack(rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "ask",
    [
        Ask(2, curvature=True),
        Ask(2, "probability", curvature=True),
        Ask(4, objective=Margin(), curvature=True),
        Ask(4, "probability", Margin(), curvature=True),
    ],
)
def test_curvature_is_the_hessian_times_the_activations(ask: Ask, seed: int) -> None:
    module, picture = make_small(nn.Softplus(), seed)
    (seen,) = look_at(module, picture, [SMALL_LAYER], [ask])
    activations = seen.activations["conv"]
    expected = (find_hessian(module, activations, ask) @ activations.double().flatten()).reshape(2, 3, 3)
    assert expected.abs().max() > 1e-5
    assert torch.allclose(seen.curvatures["conv", ask], expected.float(), atol=1e-4 * float(expected.abs().max()))


def test_a_tail_that_only_bends_at_zero_has_no_curvature() -> None:
    module, picture = make_small(nn.ReLU(), 0)
    ask = Ask(1, curvature=True)
    (seen,) = look_at(module, picture, [SMALL_LAYER], [ask])
    assert seen.gradients["conv", ask].any()
    assert not seen.curvatures["conv", ask].any()
    module.tail = nn.Sequential(nn.Flatten(), nn.Linear(18, CLASSES)).requires_grad_(False)
    (seen,) = look_at(module, picture, [SMALL_LAYER], [ask])
    assert not seen.curvatures["conv", ask].any()


def make_uncertain(module: nn.Module, pictures: torch.Tensor) -> None:
    """Scores around 0 and about 1 apart, so that no softmax is saturated and no class wins every time."""
    head = module.get_classifier()
    scores = module(pictures)
    spread = (scores - scores.mean(0)).std()
    head.bias.sub_(scores.mean(0)).div_(spread)
    head.weight.div_(spread)


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_an_objective_is_differentiated_in_place_of_the_score(score: Score) -> None:
    module, picture = make_network("resnet", 2)
    make_uncertain(module, torch.cat([picture, picture.flip(3), -picture]))
    layer, objective = RESNET_LAYERS[0], Margin()
    asks = [Ask(3, score), Ask(3, score, objective), Ask(None, score, objective)]
    (seen,) = look_at(module, picture, [layer], asks)
    kept: list[torch.Tensor] = []
    handle = module.get_submodule(layer.name).register_forward_hook(
        lambda _m, _i, output: kept.append(output.requires_grad_(True)) or output * 1
    )
    scores = module(picture)[0]
    handle.remove()
    scores = scores if score == "logit" else scores.softmax(0)
    others = torch.cat([scores[:3], scores[4:]])
    (expected,) = torch.autograd.grad((scores[3] - others.max()) ** 2, kept[0])
    assert is_close(seen.gradients[layer.name, asks[1]], expected[0])
    assert not is_close(seen.gradients[layer.name, asks[0]], expected[0])
    assert seen.asks[2].target == int(seen.logits.argmax())
    assert seen.curvatures == {}


def test_curvature_leaves_the_other_asks_as_they_are() -> None:
    module, picture = make_small(nn.Softplus(), 5)
    curved, plain = Ask(0, curvature=True), Ask(3)
    (alone,) = look_at(module, picture, [SMALL_LAYER], [plain])
    for asks in ([plain, curved], [curved, plain], [curved, plain, Ask(1, curvature=True)]):
        (seen,) = look_at(module, picture, [SMALL_LAYER], asks)
        assert torch.equal(seen.gradients["conv", plain], alone.gradients["conv", plain])
        assert ("conv", plain) not in seen.curvatures and ("conv", curved) in seen.curvatures


@pytest.mark.parametrize("name", NETWORKS)
def test_pictures_in_a_batch_do_not_mix(name: str) -> None:
    """Each gets what it gets alone, its own likeliest class included; in the last digits a batch may differ."""
    module, _ = make_network(name, 1)
    pictures = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    make_uncertain(module, pictures)
    layers = NETWORKS[name][1]
    asks = [Ask(), Ask(2, "probability"), Ask(3, objective=Margin())]
    if name == "resnet":
        asks.append(Ask(1, curvature=True))
    together = look_at(module, pictures, layers, asks)
    assert len({seen.asks[0].target for seen in together}) > 1
    for picture, seen in zip(pictures, together, strict=True):
        (alone,) = look_at(module, picture[None], layers, asks)
        assert seen.asks == alone.asks
        assert is_close(seen.logits, alone.logits, 1e-4)
        assert seen.gradients.keys() == alone.gradients.keys() and seen.curvatures.keys() == alone.curvatures.keys()
        for layer_name, activations in alone.activations.items():
            assert is_close(seen.activations[layer_name], activations, 1e-4)
        for key, gradients in alone.gradients.items():
            assert is_close(seen.gradients[key], gradients, 1e-4)
            assert gradients.any()
        for key, curvature in alone.curvatures.items():
            assert is_close(seen.curvatures[key], curvature, 1e-4)
