"""First layers for other pictures, with a bias or without; what cannot be told of them is refused."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from explain.errors import ModelError
from tests.support.checkpoints import make_lively, open_file, open_same


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [1, 4, *(pytest.param(count, marks=pytest.mark.slow) for count in (2, 5, 6))])
def test_first_layers_of_other_channels(channels: int, bias: bool) -> None:
    torch.manual_seed(0)
    source = torchvision.models.resnet18(num_classes=3)
    source.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=bias)
    make_lively(source)
    model = open_same(source, source.state_dict(), "torchvision/resnet18", input_size=64)
    assert model.preprocessing.channels == channels


def test_a_nested_first_layer_with_a_bias_and_one_output() -> None:
    torch.manual_seed(0)
    source = torchvision.models.efficientnet_b0()
    source.features[0][0] = nn.Conv2d(1, 32, 3, 2, 1)
    source.classifier = nn.Sequential(nn.Dropout(0.3), nn.Linear(1280, 1))
    make_lively(source)
    state = source.state_dict()
    model = open_file(state, "torchvision/efficientnet_b0", input_size=64)
    x = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.allclose(model.module(x), source(x), atol=1e-5)


def test_vision_transformers_of_other_channels() -> None:
    torch.manual_seed(0)
    source = make_lively(timm.create_model("test_vit", num_classes=3, in_chans=4))
    open_same(source, source.state_dict(), "timm/test_vit")


def test_what_cannot_be_told_of_a_first_layer_is_refused() -> None:
    small = torchvision.models.resnet18(num_classes=3)
    small.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    small.maxpool = nn.Identity()
    several = torchvision.models.resnet18(num_classes=3)
    several.conv1 = nn.Sequential(nn.Conv2d(1, 3, 1), several.conv1)
    for source, words in ((small, "a kernel of 3×3 in conv1 instead of 7×7"), (several, r"conv1\.0\.weight for conv1")):
        with pytest.raises(ModelError, match=f"another first layer .*{words}") as caught:
            open_file(source.state_dict(), "torchvision/resnet18")
        assert "In Python" in str(caught.value)
    patches = timm.create_model("test_vit", patch_size=8)
    with pytest.raises(ModelError, match="patches of 8×8 pixels, and this architecture into 16×16"):
        open_file(patches.state_dict(), "timm/test_vit")


def test_a_layer_before_the_network_is_not_left_out() -> None:
    state = {f"net.{key}": tensor for key, tensor in torchvision.models.resnet18(num_classes=3).state_dict().items()}
    aside = {"to_colour.weight": torch.ones(3, 1, 1, 1), "to_colour.bias": torch.ones(3)}
    with pytest.raises(ModelError, match=r"a layer before this architecture \(to_colour\.weight\).*its 3 channels"):
        open_file({**state, **aside}, "torchvision/resnet18")
    segmenter = {"mask.weight": torch.ones(3, 512, 1, 1)}
    notes = open_file({**state, **segmenter}, "torchvision/resnet18", input_size=64).notes
    assert any(note.startswith("1 tensor beside “net.” was left out: mask.weight.") for note in notes)


def test_a_resnet_of_monai_is_known_by_the_biases_of_its_shortcuts() -> None:
    torch.manual_seed(0)
    source = torchvision.models.resnet18(num_classes=3)
    source.conv1 = nn.Conv2d(1, 64, 7, 1, 3, bias=False)
    for block in (source.layer2[0], source.layer3[0], source.layer4[0]):
        before = block.downsample[0]
        block.downsample[0] = nn.Conv2d(before.in_channels, before.out_channels, 1, 2)
    make_lively(source)
    model = open_same(source, source.state_dict(), "torchvision/resnet18", input_size=64)
    assert any("as in MONAI's ResNet" in note for note in model.notes)
