"""Names of layers as tutorials write them: the layer that gives the very same tensor, or a sentence that is true."""

import pytest
import torch
from torch import nn

from explain.errors import LayerError
from explain.networks.layer import Layer
from explain.networks.layer_names import find_layer, find_module_name
from explain.networks.layer_search import find_layers
from explain.networks.output import first_tensor
from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

import timm  # noqa: E402
import torchvision  # noqa: E402

SIZE = 64
VIT = {"img_size": 64, "patch_size": 16, "embed_dim": 24, "depth": 3, "num_heads": 2}
SWIN = {"img_size": 64, "embed_dim": 12, "depths": (2, 2), "num_heads": (1, 2), "window_size": 4}

BUILDERS = {
    "resnet18": lambda: torchvision.models.resnet18(num_classes=3),
    "timm resnet18": lambda: timm.create_model("resnet18", num_classes=3),
    "vgg": lambda: torchvision.models.vgg11_bn(num_classes=3),
    "mobilenet": lambda: torchvision.models.mobilenet_v2(num_classes=3),
    "densenet": lambda: torchvision.models.DenseNet(8, (2, 2), 8, num_classes=3),
    "vit": lambda: timm.models.vision_transformer.VisionTransformer(num_classes=3, **VIT),
    "torchvision vit": lambda: torchvision.models.VisionTransformer(64, 16, 3, 2, 24, 48, num_classes=3),
    "swin": lambda: timm.models.swin_transformer.SwinTransformer(num_classes=3, **SWIN),
}


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[nn.Module, tuple[Layer, ...]]]:
    torch.manual_seed(0)
    built = {name: build().eval().requires_grad_(False) for name, build in BUILDERS.items()}
    return {name: (module, find_layers(module, 3, (SIZE, SIZE))) for name, module in built.items()}


Networks = dict[str, tuple[nn.Module, tuple[Layer, ...]]]


@pytest.mark.parametrize(
    ("network", "written", "name"),
    [
        ("resnet18", "layer4[-1]", "layer4"),
        ("resnet18", "layer4.1", "layer4"),
        ("resnet18", "layer4.-1", "layer4"),
        ("resnet18", "layer4[ -1 ]", "layer4"),
        ("resnet18", "model.layer4[-1]", "layer4"),
        ("resnet18", "self.model.layer4", "layer4"),
        ("resnet18", " layer4 ", "layer4"),
        ("resnet18", "layer3[0]", "layer3.0"),
        ("timm resnet18", "layer4[-1].act2", "layer4"),
        ("vgg", "features[-2]", "features.27"),
        ("mobilenet", "features[-1]", "features.18"),
        ("densenet", "features[-1]", "features.norm5"),
        ("vit", "blocks[-1].norm1", "blocks.2.norm1"),
        ("torchvision vit", "encoder.layers[-1].ln_1", "encoder.layers.encoder_layer_2.ln_1"),
        ("torchvision vit", "encoder.layers['encoder_layer_1'].ln_1", "encoder.layers.encoder_layer_1.ln_1"),
        ("swin", "layers[-1].blocks[-1]", "layers.1"),
        ("swin", "layers.1.blocks.1", "layers.1"),
    ],
)
def test_what_gives_the_same_tensor_is_the_layer(networks: Networks, network: str, written: str, name: str) -> None:
    module, layers = networks[network]
    assert find_layer(module, layers, written).name == name
    taken = find_module_name(module, written)
    assert taken is not None
    seen: dict[str, torch.Tensor] = {}
    handles = [
        module.get_submodule(one).register_forward_hook(
            lambda _m, _i, out, one=one: seen.update({one: first_tensor(out)})
        )
        for one in {taken, name}
    ]
    try:
        module(torch.randn(1, 3, SIZE, SIZE))
    finally:
        for handle in handles:
            handle.remove()
    assert torch.equal(seen[taken], seen[name])


@pytest.mark.parametrize(
    ("network", "written", "sentence"),
    [
        ("resnet18", "layer4.1.conv2", r"layer4\.1\.conv2” \(Conv2d\).*step on the way to “layer4”.*Take layer4\."),
        ("resnet18", "fc", r"“fc” \(Linear\) cannot be explained by itself.*nearest before it is layer4"),
        ("resnet18", "conv1", r"“conv1” \(Conv2d\).*nearest after it is relu"),
        ("resnet18", "layer9", r"There is no layer “layer9” in this model.*layer4"),
        ("resnet18", "layer4[7]", r"There is no layer “layer4\[7\]”"),
        ("resnet18", "layer4[-3]", r"There is no layer"),
        ("resnet18", "model", r"There is no layer “model”"),
        ("resnet18", "__import__('os')", r"There is no layer"),
        ("resnet18", "layer4[-1", r"There is no layer"),
        ("resnet18", "x" * 5000, r"There is no layer “…?x"),
        ("resnet18", "\x1b[31m", r"There is no layer “�\[31m”"),
        (
            "vgg",
            "features",
            r"“features” \(Sequential\).*what is explained there is .*features\.27\. Take features\.27",
        ),
        ("vgg", "features[-1]", r"“features\.28” \(MaxPool2d\).*nearest before it is features\.27"),
        ("vit", "blocks[-1]", r"“blocks\.2” \(Block\).*what is explained there is blocks\.2\.norm1"),
        ("swin", "layers[-1].blocks[-1].norm2", r"step on the way to “layers\.1”"),
    ],
)
def test_what_is_not_explained_is_a_sentence(networks: Networks, network: str, written: str, sentence: str) -> None:
    module, layers = networks[network]
    with pytest.raises(LayerError, match=sentence) as refused:
        find_layer(module, layers, written)
    assert len(str(refused.value)) < 700


def test_other_names_are_no_part_of_what_a_layer_is(networks: Networks) -> None:
    _, layers = networks["resnet18"]
    last = layers[-1]
    assert last.aliases == ("layer4.1",)
    assert last == Layer(last.name, last.grid, last.channels, last.layout) and "aliases" not in repr(last)


def test_a_network_called_model_may_have_a_part_called_model() -> None:
    module = nn.Sequential()
    module.model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert find_module_name(module, "model[0]") == "model.0"
    assert find_module_name(module, "model.model[-1]") == "model.1"
    assert find_module_name(module, "other[0]") is None
