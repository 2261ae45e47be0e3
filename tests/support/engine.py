"""Small models of three kinds, pictures of noise and methods made up, to ask an engine with."""

import io
import threading
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import nn

from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.methods import Method, MethodResult
from explain.methods.base import Needs
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.networks.layer_search import find_layers
from explain.networks.prompted_vit import PromptedViT
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.count import Passes
from explain.pictures.decode import decode
from explain.pictures.geometry import Preprocessing
from explain.pictures.picture import Picture

declare_missing_operators()

from timm.models.convnext import ConvNeXt  # noqa: E402
from timm.models.resnet import BasicBlock, ResNet  # noqa: E402
from timm.models.swin_transformer import SwinTransformer  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

LABELS = ("tabby cat", "tiger cat", "dog", "ship", "7", "Großer Hund")
PREPROCESSING = Preprocessing(input_size=(32, 32))
NONE, ONE_LOOK = Passes(), Passes(1, 1)


def build_model(kind: str, seed: int = 0, labels: tuple[str, ...] = LABELS) -> LoadedModel:
    """A `cnn`, a `convnext`, a `swin` or a `vit` with class prompts, all alive; any other is a ViT without prompts."""
    torch.manual_seed(seed)
    prompted = None
    if kind == "cnn":
        module: nn.Module = ResNet(
            BasicBlock, layers=(1, 1, 1, 1), channels=(8, 12, 16, 24), output_stride=8, num_classes=len(labels)
        )
    elif kind == "convnext":
        module = ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 12, 16, 24), num_classes=len(labels))
    elif kind == "swin":
        module = SwinTransformer(
            img_size=32,
            patch_size=4,
            window_size=2,
            embed_dim=8,
            depths=(1, 1),
            num_heads=(1, 2),
            num_classes=len(labels),
        )
    else:
        module = VisionTransformer(
            img_size=32, patch_size=8, embed_dim=16, depth=3, num_heads=4, num_classes=len(labels)
        )
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else nn.init.normal_(parameter, 1.0, 0.3)
    module.eval().requires_grad_(False)
    module.get_classifier().weight.mul_(0.1)  # far from certain, so that no two probabilities are both 0
    if kind == "vit":
        prompted = PromptedViT(module, len(labels)).eval().requires_grad_(False)
        nn.init.normal_(prompted.prompts)
        nn.init.normal_(prompted.score.weight)
    layers = find_layers(module, 3, (32, 32))
    return LoadedModel(
        ModelRequest(source="hub", name=kind), module, PREPROCESSING, labels, f"{kind} {seed}", layers, prompted
    )


def make_picture(seed: int = 0, name: str = "picture.png", size: tuple[int, int] = (40, 50)) -> Picture:
    """Noise, in colour."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return encode(pixels, name)


def encode(pixels: np.ndarray, name: str) -> Picture:
    """The picture that comes of a PNG file of these pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return decode(file.getvalue(), name)


def values_of(explanation: Explanation) -> dict[str, bytes]:
    """By picture and method, the map's bytes."""
    return {
        f"{index} {heatmap.method}": heatmap.values.tobytes()
        for index, entry in enumerate(explanation.pictures)
        for heatmap in entry.maps
    }


def spend(engine: Engine, work: Callable[[], object]) -> Passes:
    """The passes that some work takes."""
    before = engine.passes
    work()
    return engine.passes - before


def stop(cancel: threading.Event) -> MethodResult:
    """A map, and the end of the work that it was made for."""
    cancel.set()
    return MethodResult(torch.ones(2, 2))


def make_method(name: str, function: Callable[..., MethodResult], *needs: Needs) -> Method:
    """A method that nobody has declared."""
    return Method(
        function,
        name=name,
        title=name.title(),
        sentence="A test.",
        paper="None, 2025",
        group="gradient",
        needs=set(needs or ("gradients",)),
    )


def count_weights(model: LoadedModel) -> int:
    """Bytes of the network itself, without prompts."""
    return sum(tensor.nbytes for tensor in model.module.state_dict().values())
