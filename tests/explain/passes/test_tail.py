"""What follows a layer, run alone, against the whole network with the layer's output changed by a hook."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import nn

from explain.errors import LayerError
from explain.networks.layer import Layer
from explain.networks.layer_search import find_layers
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.tail import _ways, find_tail

declare_missing_operators()

from timm.models.convnext import ConvNeXt  # noqa: E402
from timm.models.densenet import DenseNet  # noqa: E402
from timm.models.resnet import BasicBlock, ResNet  # noqa: E402
from timm.models.swin_transformer import SwinTransformer  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: ResNet(BasicBlock, layers=(1, 2, 1, 1), channels=(8, 12, 16, 24), num_classes=5),
    "densenet": lambda: DenseNet(growth_rate=4, block_config=(2, 2), num_classes=5),
    "convnext": lambda: ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 12, 16, 24), num_classes=5),
    "vit": lambda: VisionTransformer(img_size=64, patch_size=16, embed_dim=12, depth=3, num_heads=2, num_classes=5),
    "swin": lambda: SwinTransformer(
        img_size=64, depths=(1, 2), embed_dim=12, num_heads=(2, 2), window_size=4, num_classes=5
    ),
}


def build(name: str) -> nn.Module:
    torch.manual_seed(1)
    module = BUILDERS[name]()
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("name", list(BUILDERS))
def test_equals_the_whole_network_at_every_layer(name: str) -> None:
    module, picture = build(name), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        plain = module(picture)
        for layer in find_layers(module, 3, (64, 64)):
            for known in (False, True):
                tail = find_tail(module, layer, picture)
                assert tail.passes == 1 if known else tail.passes >= 5
                assert tail.way != "whole", layer.name
            assert torch.allclose(tail.run(tail.output.clone()), plain, rtol=1e-4, atol=1e-4)
            outputs = tail.output * torch.rand(3, *tail.output.shape[1:])
            module_there = module.get_submodule(layer.name)
            handle = module_there.register_forward_hook(lambda _module, _inputs, _output, outputs=outputs: outputs)
            expected = module(picture.repeat(3, 1, 1, 1))
            handle.remove()
            found = tail.run(outputs.clone())
            assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())), layer.name
        assert torch.equal(module(picture), plain)
    for part in module.modules():
        assert "forward" not in vars(part) and not part._forward_hooks and not part._forward_pre_hooks


def test_runs_nothing_before_the_layer() -> None:
    module, picture = build("resnet"), torch.randn(1, 3, 64, 64)
    tail = find_tail(module, Layer("layer3", (4, 4), 16, "NCHW"), picture)
    ran: list[str] = []
    for name, part in module.named_modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            original = part.forward

            def forward(values: torch.Tensor, name: str = name, original: Callable = original) -> torch.Tensor:
                ran.append(name)
                return original(values)

            part.forward = forward
    tail.run(tail.output.repeat(7, 1, 1, 1))
    assert ran and all(name.startswith(("layer4", "fc")) for name in ran)
    assert all("forward" in vars(part) for part in module.modules() if isinstance(part, nn.Conv2d)), "put back"


class Mixing(nn.Module):
    """Counts its pictures before the layer and mixes them up if there are more after it."""

    def __init__(self, raises: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 2)
        self.raises = raises

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        count = len(pictures)
        values = self.first(pictures)
        if self.raises and len(values) != count:
            raise ValueError("Not so many.")
        scores = self.head(values.mean((2, 3)))
        return scores if len(scores) == count else scores.flip(0)


@pytest.mark.parametrize("raises", [True, False])
def test_a_network_that_counts_its_pictures_is_told_of_all(raises: bool) -> None:
    torch.manual_seed(0)
    module, picture = Mixing(raises).eval(), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        tail = find_tail(module, Layer("first", (8, 8), 4, "NCHW"), picture)
        assert tail.way == "many"
        outputs = torch.randn(3, 4, 8, 8)
        assert torch.allclose(tail.run(outputs), module.head(outputs.mean((2, 3))), atol=1e-6)


def test_a_network_that_cannot_be_replayed_runs_whole() -> None:
    class Stubborn(Mixing):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            own = pictures.clone() if pictures.is_contiguous() and pictures.stride(0) else None
            assert own is not None, "an expanded picture"
            return super().forward(pictures)

    torch.manual_seed(0)
    module, picture = Stubborn(True).eval(), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        tail = find_tail(module, Layer("first", (8, 8), 4, "NCHW"), picture)
        assert tail.way == "whole"
        outputs = torch.randn(3, 4, 8, 8)
        assert torch.allclose(tail.run(outputs), module.head(outputs.mean((2, 3))), atol=1e-6)
    assert "forward" not in vars(module.first) and not module.first._forward_hooks


def test_a_layer_that_does_not_run_is_a_sentence() -> None:
    module = build("resnet")
    module.spare = nn.Conv2d(3, 4, 1)
    with pytest.raises(LayerError, match="“spare” does not run"):
        find_tail(module, Layer("spare", (8, 8), 4, "NCHW"), torch.randn(1, 3, 64, 64))


def test_what_is_known_of_a_network_goes_with_it() -> None:
    module = build("resnet")
    find_tail(module, Layer("layer3", (4, 4), 16, "NCHW"), torch.randn(1, 3, 64, 64))
    assert module in _ways
    gone = weakref.ref(module)
    del module
    gc.collect()
    assert gone() is None
