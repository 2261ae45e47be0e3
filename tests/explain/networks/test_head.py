"""The linear head: found where one follows a global average and nothing else does, refused everywhere else."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from explain.errors import MethodError
from explain.networks.head import find_head
from explain.networks.layer import Layer
from explain.networks.torchvision_operators import declare_missing_operators

SIZE = (12, 12)
LAYER = Layer("features", (6, 6), 8, "NCHW")


class Network(nn.Module):
    """Features, then whatever the test puts between them and the classifier."""

    def __init__(self, tail: Callable[[nn.Module, Tensor], Tensor], width: int = 8, bias: bool = True) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, width, 2, stride=2)
        self.gate = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.batch_norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(8, 5, bias=bias)
        self.per_place = nn.Conv2d(8, 5, 1)
        self.tail = tail

    def forward(self, picture: Tensor) -> Tensor:
        return self.tail(self, self.features(picture))


def make(tail: Callable[[nn.Module, Tensor], Tensor], seed: int = 0, **options: bool) -> Network:
    torch.manual_seed(seed)
    network = Network(tail, **options).eval()
    network.batch_norm.running_var.fill_(2)
    network.batch_norm.running_mean.fill_(0.5)
    return network


AVERAGES = {
    "mean": lambda n, x: n.classifier(x.mean((2, 3))),
    "adaptive pool and flatten": lambda n, x: n.classifier(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)),
    "pool of the whole map": lambda n, x: n.classifier(nn.functional.avg_pool2d(x, 6).flatten(1)),
    "dropout in evaluation mode": lambda n, x: n.classifier(n.dropout(x.mean((2, 3)))),
    "mean of tokens": lambda n, x: n.classifier(x.flatten(2).transpose(1, 2).mean(1)),
}


@pytest.mark.parametrize("tail", AVERAGES.values(), ids=list(AVERAGES))
@pytest.mark.parametrize("bias", [True, False])
def test_a_global_average_and_a_linear_layer(tail, bias):
    network = make(tail, bias=bias)
    found = find_head(network, LAYER, 3, SIZE)
    assert torch.equal(found, network.classifier.weight) and not found.requires_grad
    activations = torch.randn(1, 8, 6, 6)
    scores = network.tail(network, activations)[0] - (network.classifier.bias if bias else 0)
    assert torch.allclose(torch.einsum("ck,khw->chw", found, activations[0]).mean((1, 2)), scores, atol=1e-5)


@pytest.mark.parametrize(
    "tail",
    [lambda n, x: n.per_place(x.mean((2, 3), True)).flatten(1), lambda n, x: n.per_place(x).mean((2, 3))],
    ids=["after the average", "before it"],
)
def test_a_convolution_of_one_place_is_a_linear_layer(tail):
    network = make(tail)
    assert torch.equal(find_head(network, LAYER, 3, SIZE), network.per_place.weight[:, :, 0, 0])


OTHERS = {
    "ReLU before the average": lambda n, x: n.classifier(x.relu().mean((2, 3))),
    "ReLU in place before the average": lambda n, x: n.classifier(x.relu_().mean((2, 3))),
    "ReLU after the average": lambda n, x: n.classifier(x.mean((2, 3)).relu()),
    "a ceiling": lambda n, x: n.classifier(x.clamp(max=6).mean((2, 3))),
    "LayerNorm after the average": lambda n, x: n.classifier(n.norm(x.mean((2, 3)))),
    "BatchNorm before the average": lambda n, x: n.classifier(n.batch_norm(x).mean((2, 3))),
    "maximum": lambda n, x: n.classifier(x.amax((2, 3))),
    "one place": lambda n, x: n.classifier(x[:, :, 0, 0]),
    "average of a part": lambda n, x: n.classifier(x[:, :, 1:].mean((2, 3))),
    "average and maximum": lambda n, x: n.classifier(x.mean((2, 3)) / 2 + x.amax((2, 3)) / 2),
    "gate": lambda n, x: n.classifier(x.mean((2, 3)) * n.gate(x.mean((2, 3))).sigmoid()),
    "another linear layer": lambda n, x: n.classifier(n.gate(x.mean((2, 3)))),
    "scaled": lambda n, x: n.classifier(1.05 * x.mean((2, 3))),
    "softmax": lambda n, x: n.classifier(x.mean((2, 3))).softmax(1),
    "classes of each place, ReLU, average": lambda n, x: n.per_place(x).relu().mean((2, 3)),
    "unit length": lambda n, x: n.classifier(nn.functional.normalize(x.mean((2, 3)), dim=1)),
}


@pytest.mark.parametrize("tail", OTHERS.values(), ids=list(OTHERS))
@pytest.mark.parametrize("seed", range(3))
def test_anything_else_is_a_sentence(tail, seed):
    network = make(tail, seed)
    for _ in range(2):  # found out, and remembered
        with pytest.raises(MethodError, match="right after “features”"):
            find_head(network, LAYER, 3, SIZE)


def test_without_a_linear_layer_of_that_width_the_network_does_not_run():
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Conv2d(3, 8, 2, stride=2)
            self.head = nn.Linear(9, 5)

        def forward(self, picture: Tensor) -> Tensor:
            raise AssertionError

    with pytest.raises(MethodError):
        find_head(Network().eval(), LAYER, 3, SIZE)


def test_runs_once_leaves_no_hook_and_draws_no_random_numbers():
    network = make(AVERAGES["mean"])
    runs = []
    network.classifier.register_forward_hook(lambda *_: runs.append(1))
    state = torch.get_rng_state()
    with torch.inference_mode():
        first = find_head(network, LAYER, 3, SIZE)
    assert torch.equal(find_head(network, LAYER, 3, SIZE), first)
    assert len(runs) == 1 and not network.features._forward_hooks
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_are_read_anew():
    """A model may be moved, and its weights changed with it; only the proof is remembered."""
    network = make(AVERAGES["mean"])
    find_head(network, LAYER, 3, SIZE)
    network.double()
    network.classifier.weight.data.mul_(2)
    assert torch.equal(find_head(network, LAYER, 3, SIZE), network.classifier.weight.float())


def test_tokens_and_channels_last():
    class Tokens(nn.Module):
        def __init__(self, keep: slice) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, 8, 2, stride=2)
            self.norm = nn.LayerNorm(8)
            self.head = nn.Linear(8, 5)
            self.keep = keep

        def forward(self, picture: Tensor) -> Tensor:
            tokens = self.embed(picture).flatten(2).transpose(1, 2)
            tokens = self.norm(torch.cat([tokens.new_ones(len(tokens), 1, 8), tokens], 1))
            return self.head(tokens[:, self.keep].mean(1))

    layer = Layer("norm", (6, 6), 8, "NLC", 1)
    network = Tokens(slice(1, None)).eval()
    assert torch.equal(find_head(network, layer, 3, SIZE), network.head.weight)
    for keep in (slice(0, 1), slice(None)):  # the class token alone, or with the rest
        with pytest.raises(MethodError):
            find_head(Tokens(keep).eval(), layer, 3, SIZE)

    class ChannelsLast(Tokens):
        def forward(self, picture: Tensor) -> Tensor:
            return self.head(self.norm(self.embed(picture).permute(0, 2, 3, 1)).mean((1, 2)))

    network = ChannelsLast(slice(None)).eval()
    assert torch.equal(find_head(network, Layer("norm", (6, 6), 8, "NHWC"), 3, SIZE), network.head.weight)


@pytest.mark.parametrize(
    ("name", "layer", "linear"),
    [
        ("resnet18", Layer("layer4", (2, 2), 512, "NCHW"), "fc"),
        ("resnet18", Layer("layer3", (4, 4), 256, "NCHW"), None),
        ("convnext_atto", Layer("stages.3", (2, 2), 320, "NCHW"), None),  # a LayerNorm follows
        ("mobilenetv3_small_050", Layer("blocks.5", (2, 2), 288, "NCHW"), None),  # another convolution follows
    ],
)
def test_timm_networks(name, layer, linear):
    declare_missing_operators()
    import timm

    network = timm.create_model(name, pretrained=False, num_classes=7).eval().requires_grad_(False)
    if linear is None:
        with pytest.raises(MethodError):
            find_head(network, layer, 3, (64, 64))
    else:
        assert torch.equal(find_head(network, layer, 3, (64, 64)), network.get_submodule(linear).weight)


def test_squeezenet_bends_after_its_convolution():
    declare_missing_operators()
    from torchvision.models import squeezenet1_0

    network = squeezenet1_0(num_classes=7).eval().requires_grad_(False)
    with pytest.raises(MethodError):
        find_head(network, Layer("features.12", (3, 3), 512, "NCHW"), 3, (64, 64))
