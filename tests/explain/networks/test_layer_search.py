"""Layers: which are found, and that what is found is what the definition says."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from torch import nn

from explain.bundled.architectures import build_photo_cnn, build_photo_vit
from explain.models.architectures import build_architecture, parse_architecture
from explain.networks.layer import Layer, default_layer
from explain.networks.layer_search import MOST_LAYERS, find_layers
from explain.networks.prompted_vit import PromptedViT


def outline(name: str, size: int | None = None) -> nn.Module:
    return build_architecture(parse_architecture(name), 1000, 3, size, "meta")


def names(layers: tuple[Layer, ...]) -> list[str]:
    return [layer.name for layer in layers]


# Architecture, input, what must be found, what is explained by default with its grid and channels.
EXPECTED = [
    ("torchvision/squeezenet1_0", 224, ["features.1", "features.3", "features.12"], ("features.12", (13, 13), 512)),
    ("torchvision/resnet18", 224, ["relu", "layer1.0", "layer1", "layer3", "layer4.0"], ("layer4", (7, 7), 512)),
    ("torchvision/resnet50", 224, ["layer2.1", "layer4.1"], ("layer4", (7, 7), 2048)),
    ("torchvision/vgg11", 224, ["features.1", "features.17"], ("features.19", (14, 14), 512)),
    ("torchvision/vgg16", 224, ["features.1", "features.27"], ("features.29", (14, 14), 512)),
    ("torchvision/densenet121", 224, ["features.denseblock3"], ("features.norm5", (7, 7), 1024)),
    ("torchvision/mobilenet_v3_small", 224, ["features.0", "features.8"], ("features.12", (7, 7), 576)),
    ("torchvision/efficientnet_b0", 224, ["features.3.1", "features.7"], ("features.8", (7, 7), 1280)),
    ("torchvision/convnext_tiny", 224, ["features.5.3"], ("features.7", (7, 7), 768)),
    ("torchvision/swin_t", 224, ["features.5.3", "features.7"], ("norm", (7, 7), 768)),
    (
        "torchvision/vit_b_16",
        224,
        ["encoder.layers.encoder_layer_0.ln_1"],
        ("encoder.layers.encoder_layer_11.ln_1", (14, 14), 768),
    ),
    ("timm/resnet18", 224, ["act1", "layer1.0", "layer4.0"], ("layer4", (7, 7), 512)),
    ("timm/mobilenetv3_small_100", 224, ["blocks.0", "blocks.4.1"], ("blocks.5", (7, 7), 576)),
    ("timm/efficientnet_b0", 224, ["bn1", "blocks.3.2", "blocks.6"], ("bn2", (7, 7), 1280)),
    ("timm/convnext_atto", 224, ["stem", "stages.2.blocks.3", "stages.2"], ("stages.3", (7, 7), 320)),
    ("timm/regnety_002", 224, ["stem", "s1", "s4.b3"], ("s4", (7, 7), 368)),
    ("timm/mobilevit_s", 256, ["stem", "stages.3.1"], ("final_conv", (8, 8), 640)),
    ("timm/swin_tiny_patch4_window7_224", 224, ["layers.2.blocks.3", "layers.3"], ("norm", (7, 7), 768)),
    ("timm/vit_tiny_patch16_224", 224, ["blocks.0.norm1"], ("blocks.11.norm1", (14, 14), 192)),
    ("timm/deit_tiny_distilled_patch16_224", 224, ["blocks.0.norm1"], ("blocks.11.norm1", (14, 14), 192)),
    ("timm/vit_small_patch14_reg4_dinov2", 518, ["blocks.0.norm1"], ("blocks.11.norm1", (37, 37), 384)),
    ("timm/resnet152", 224, ["layer3", "layer2"], ("layer4", (7, 7), 2048)),
]
PREFIX_TOKENS = {
    "timm/vit_tiny_patch16_224": 1,
    "timm/deit_tiny_distilled_patch16_224": 2,
    "timm/vit_small_patch14_reg4_dinov2": 5,
    "torchvision/vit_b_16": 1,
}


@pytest.mark.parametrize(("architecture", "size", "some", "best"), EXPECTED, ids=[row[0] for row in EXPECTED])
def test_well_known_networks(architecture: str, size: int, some: list[str], best: tuple) -> None:
    layers = find_layers(outline(architecture), 3, (size, size))
    assert set(some) <= set(names(layers))
    chosen = default_layer(layers)
    assert chosen is not None and (chosen.name, chosen.grid, chosen.channels) == best
    assert len(layers) <= MOST_LAYERS and len(set(names(layers))) == len(layers)
    assert chosen.prefix_tokens == PREFIX_TOKENS.get(architecture, 0)
    for name in names(layers):
        assert not any(part in name for part in ("downsample", "attn", ".se.", "pool")), name


def test_layout_of_every_kind() -> None:
    kinds = {
        "torchvision/resnet18": "NCHW",
        "timm/swin_tiny_patch4_window7_224": "NHWC",
        "timm/vit_tiny_patch16_224": "NLC",
    }
    for architecture, layout in kinds.items():
        assert {layer.layout for layer in find_layers(outline(architecture), 3, (224, 224))} == {layout}


BUILDERS = {
    "cnn": (build_photo_cnn, 3, (64, 64)),
    "cnn wide": (build_photo_cnn, 3, (64, 96)),
    "vit": (build_photo_vit, 3, (64, 64)),
    "grey squeezenet wide": (
        lambda: build_architecture(parse_architecture("torchvision/squeezenet1_0"), 5, 1, None),
        1,
        (90, 130),
    ),
    "swin wide": (lambda: build_architecture(parse_architecture("torchvision/swin_t"), 5, 3, None), 3, (64, 96)),
}


@pytest.mark.parametrize("kind", BUILDERS)
def test_outputs_are_what_the_layers_say(kind: str) -> None:
    """Every layer's map has its grid and channels, each cell is the module's own vector, the order is execution's."""
    build, channels, size = BUILDERS[kind]
    module = build().eval()
    layers = find_layers(module, channels, size)
    seen: dict[str, torch.Tensor] = {}
    handles = [
        module.get_submodule(layer.name).register_forward_hook(
            lambda _m, _i, output, name=layer.name: seen.setdefault(name, output)
        )
        for layer in layers
    ]
    with torch.no_grad():
        module(torch.rand(2, channels, *size))
    for handle in handles:
        handle.remove()
    assert list(seen) == names(layers)
    for layer in layers:
        maps, raw = layer.to_map(seen[layer.name]), seen[layer.name]
        rows, columns = layer.grid
        assert maps.shape == (2, layer.channels, rows, columns)
        for row, column in ((0, 0), (rows - 1, 0), (0, columns - 1), (rows // 2, columns // 3)):
            vector = {
                "NCHW": lambda: raw[1, :, row, column],  # noqa: B023 - called at once
                "NHWC": lambda: raw[1, row, column],  # noqa: B023
                "NLC": lambda: raw[1, layer.prefix_tokens + row * columns + column],  # noqa: B023
            }[layer.layout]()
            assert torch.equal(maps[1, :, row, column], vector)


def depends_on_layer_alone(module: nn.Module, layer: Layer, size: tuple[int, int]) -> bool:
    """A slow check of the definition: with the layer's output held, the answer no longer depends on the picture."""
    held: list[torch.Tensor] = []

    def hold(_module: nn.Module, _inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        held.append(output.clone())
        return held[0].clone()

    handle = module.get_submodule(layer.name).register_forward_hook(hold)
    with torch.no_grad():
        first, second = (module(torch.rand(1, 3, *size)) for _ in range(2))
    handle.remove()
    return torch.equal(first, second)


@pytest.mark.parametrize("name", ["torchvision/resnet18", "torchvision/mobilenet_v2"])
def test_nothing_goes_around_a_layer(name: str) -> None:
    torch.manual_seed(0)
    module = build_architecture(parse_architecture(name), 5, 3, None)
    layers = find_layers(module, 3, (64, 64))
    assert len(layers) > 5
    assert all(depends_on_layer_alone(module, layer, (64, 64)) for layer in layers)
    around = {"torchvision/resnet18": "layer2.1.bn2", "torchvision/mobilenet_v2": "features.3.conv.1"}.get(name)
    if around:
        assert not depends_on_layer_alone(module, Layer(around, (1, 1), 1, "NCHW"), (64, 64))


def test_last_norm_of_a_vit_has_gradients_at_the_patches() -> None:
    torch.manual_seed(0)
    vit = build_photo_vit().eval()
    layer = default_layer(find_layers(vit, 3, (64, 64)))
    assert layer == Layer("blocks.5.norm1", (8, 8), 128, "NLC", 1)
    kept: dict[str, torch.Tensor] = {}
    for name in ("blocks.5.norm1", "blocks.5.norm2", "blocks.5"):
        vit.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: kept.update({name: out}))
    score = vit(torch.rand(1, 3, 64, 64))[0, 3]
    gradients = torch.autograd.grad(score, list(kept.values()))
    strength = {name: layer.to_map(g).abs().sum().item() for name, g in zip(kept, gradients, strict=True)}
    assert strength["blocks.5.norm1"] > 0 and strength["blocks.5.norm2"] == strength["blocks.5"] == 0


def test_prompts_come_before_the_patches() -> None:
    vit = build_photo_vit().eval()
    for variant in ("deep", "shallow", "last"):
        layers = find_layers(PromptedViT(vit, 7, variant).eval(), 3, (64, 64))
        assert layers[0].prefix_tokens == (1 if variant == "last" else 8)
        assert layers[-1] == Layer("backbone.blocks.5.norm1", (8, 8), 128, "NLC", 8)
        assert len(layers) == 6


def test_finding_leaves_no_trace() -> None:
    module = build_photo_cnn().eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    find_layers(module, 3, (64, 64))
    assert all(not child._forward_hooks for child in module.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert all(tensor.device.type == "cpu" for tensor in module.state_dict().values())


class TwoNames(nn.Module):
    """One module under two names, one parameter in two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.again = nn.ModuleList([self.first])
        self.tied = nn.Conv2d(6, 6, 3, padding=1)
        self.tied.weight = self.last.weight
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.tied(self.last(self.again[0](x)))
        return self.head(x.mean((2, 3)))


def test_finding_leaves_no_trace_on_what_is_shared() -> None:
    module = TwoNames().eval()
    assert find_layers(module, 3, (8, 8))
    assert all(tensor.device.type == "cpu" for tensor in module.state_dict().values())
    assert module.again[0].weight is module.first.weight and module.tied.weight is module.last.weight


def build_crossvit() -> nn.Module:
    from timm.models.crossvit import CrossVit

    sizes = {"img_size": 32, "img_scale": (1.0, 1.0), "patch_size": (8, 4), "embed_dim": (8, 16)}
    return CrossVit(**sizes, depth=((1, 2, 0), (1, 1, 0)), num_heads=(2, 2), mlp_ratio=(2, 2, 1), num_classes=5)


def build_tnt() -> nn.Module:
    from timm.models.tnt import TNT

    widths = {"embed_dim": 16, "inner_dim": 8, "num_heads_inner": 2, "num_heads_outer": 2}
    return TNT(img_size=32, patch_size=8, depth=3, **widths, num_classes=5)


BRANCHED = {
    "crossvit": (build_crossvit, Layer("blocks.1.fusion.1.norm1", (4, 4), 8, "NLC", 1)),
    "tnt": (build_tnt, Layer("blocks.2.norm_out", (4, 4), 16, "NLC", 1)),
}


@pytest.mark.parametrize("kind", BRANCHED)
def test_branches_count_where_the_trunk_ends_early(kind: str) -> None:
    """Two streams of tokens side by side: no tensor holds all there is, and still the last block is explained."""
    build, expected = BRANCHED[kind]
    torch.manual_seed(0)
    module = build().eval()
    layers = find_layers(module, 3, (32, 32))
    layer = default_layer(layers)
    assert layer == expected
    kept: list[torch.Tensor] = []
    module.get_submodule(layer.name).register_forward_hook(lambda _m, _i, output: kept.append(output))
    score = module(torch.rand(1, 3, 32, 32))[0].square().sum()
    (gradient,) = torch.autograd.grad(score, kept)
    assert (layer.to_map(gradient).abs().sum(1) > 0).all()


def test_tokens_laid_out_by_windows_are_left_out() -> None:
    from timm.models.hiera import Hiera

    module = Hiera(img_size=(64, 64), embed_dim=8, num_heads=1, stages=(1, 1, 2), q_pool=2, num_classes=5).eval()
    layers = find_layers(module, 3, (64, 64))
    assert layers and {layer.grid for layer in layers} == {(4, 4)}


class LooksAtValues(nn.Module):
    """Cannot run on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.act = nn.ReLU()
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.conv(x))
        if x.sum().item() > 1e9:
            x = x * 0
        return self.head(x.mean((2, 3)))


def test_falls_back_to_a_real_pass() -> None:
    assert find_layers(LooksAtValues().eval(), 3, (8, 12)) == (Layer("act", (8, 12), 6, "NCHW"),)
