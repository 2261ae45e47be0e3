"""Names of other libraries and older versions, proved by the scores of the network that was saved."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

from explain.errors import ModelError
from explain.models.guess import guess_architecture
from explain.models.renamings import rename_as_timm, rename_children, unwrap
from tests.support.checkpoints import make_lively, open_file, open_same

State = dict[str, torch.Tensor]


def test_wrappers_are_taken_out_wherever_they_stand() -> None:
    names = {
        "module.a.weight": "a.weight",
        "features.module.0.weight": "features.0.weight",
        "_orig_mod.module.b": "b",
        "layer._fsdp_wrapped_module._checkpoint_wrapped_module.c": "layer.c",
        "my_module.d": "my_module.d",
        "module": "module",
    }
    assert list(unwrap({name: torch.ones(1) for name in names})) == list(names.values())


def number_parts(state: State) -> State:
    """DenseNet's names before PyTorch 0.4, without the counters there were none of."""
    pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])\.")
    return {pattern.sub(r"\1.\2.", key): tensor for key, tensor in state.items() if "num_batches" not in key}


DENSE: dict[str, Callable[[State], State]] = {
    "torchvision's download": number_parts,
    "CheXNet": lambda state: {
        "module.densenet121." + key.replace("classifier.", "classifier.0."): tensor
        for key, tensor in number_parts(state).items()
    },
    "MONAI": lambda state: {
        re.sub(r"(denselayer\d+)\.", r"\1.layers.", key).replace("classifier.", "class_layers.out."): tensor
        for key, tensor in state.items()
    },
}


@pytest.mark.parametrize("kind", DENSE)
def test_dense_nets_of_other_times_and_libraries(kind: str) -> None:
    torch.manual_seed(0)
    source = make_lively(torchvision.models.densenet121(num_classes=4))
    open_same(source, {"state_dict": DENSE[kind](source.state_dict())}, "torchvision/densenet121", input_size=64)


def test_versions_of_parts_are_kept() -> None:
    """MnasNet refuses weights that do not say which version they are of; a safetensors file cannot say it."""
    import safetensors.torch

    torch.manual_seed(0)
    source = make_lively(torchvision.models.mnasnet0_5(num_classes=3))
    open_same(source, source.state_dict(), "torchvision/mnasnet0_5", input_size=64)
    open_same(source, safetensors.torch.save(source.state_dict()), "torchvision/mnasnet0_5", input_size=64)


SWIN = "swin_tiny_patch4_window7_224"


def make_old_swin(state: State) -> State:
    """As timm up to 0.6 and Microsoft's own code save it."""
    old = {}
    for key, tensor in state.items():
        key = re.sub(r"layers\.(\d)\.downsample", lambda at: f"layers.{int(at.group(1)) - 1}.downsample", key)
        old[key.replace("head.fc.", "head.")] = tensor
    return old | make_buffers()


def make_buffers() -> State:
    """What was saved until timm 0.9, though it follows from the size."""
    buffers = {}
    for stage, (depth, side) in enumerate(zip((2, 2, 6, 2), (56, 28, 14, 7), strict=True)):
        for block in range(depth):
            place = f"layers.{stage}.blocks.{block}"
            buffers[f"{place}.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
            if block % 2 and side > 7:
                buffers[f"{place}.attn_mask"] = torch.zeros((side // 7) ** 2, 49, 49)
    return buffers


@pytest.mark.slow
def test_swin_of_older_versions() -> None:
    torch.manual_seed(0)
    source = make_lively(timm.create_model(SWIN, num_classes=3))
    state = source.state_dict()
    wrapped = {f"module.{key}": tensor for key, tensor in make_old_swin(state).items()}
    open_same(source, {"model": wrapped}, f"timm/{SWIN}")
    model = open_same(source, {**state, **make_buffers()}, f"timm/{SWIN}")
    assert not any("left out" in note for note in model.notes)


def test_convnext_of_its_authors() -> None:
    torch.manual_seed(0)
    source = make_lively(timm.create_model("convnext_atto", num_classes=3))

    def rename(key: str) -> str:
        key = key.replace("head.fc", "head").replace("head.norm", "norm")
        key = re.sub(r"^stem", "downsample_layers.0", key)
        key = re.sub(r"^stages\.(\d)\.downsample\.(\d)", r"downsample_layers.\1.\2", key)
        key = re.sub(r"^stages\.(\d)\.blocks\.", r"stages.\1.", key)
        return key.replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")

    old: dict[str, Any] = {}
    for key, tensor in source.state_dict().items():
        dense = "mlp.fc" in key and tensor.ndim == 4
        old[rename(key)] = tensor.flatten(1) if dense else tensor
    open_same(source, {"model": old}, "timm/convnext_atto", input_size=64)


def test_what_timm_would_resize_is_left_as_it_was() -> None:
    """A network of other windows or patches would else be loaded and give other scores without a word."""
    outline = timm.create_model(SWIN, num_classes=3)
    state = timm.create_model(SWIN, num_classes=3, window_size=8, img_size=256).state_dict()
    renamed = rename_as_timm(state, outline)
    assert renamed is not None
    key = "layers.0.blocks.0.attn.relative_position_bias_table"
    assert renamed[key].shape == state[key].shape != outline.state_dict()[key].shape
    assert rename_as_timm(state, torchvision.models.squeezenet1_1()) is None


class Cut(nn.Module):
    """The commonest way to take features: all children but the last in a sequence."""

    def __init__(self) -> None:
        super().__init__()
        network = torchvision.models.resnet18()
        self.extractor = nn.Sequential(*list(network.children())[:-1])
        self.classifier = nn.Linear(512, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.extractor(x).flatten(1))


def test_children_by_number() -> None:
    torch.manual_seed(0)
    source = make_lively(Cut())
    state = source.state_dict()
    open_same(source, {f"model.{key}": tensor for key, tensor in state.items()}, "torchvision/resnet18", input_size=64)
    outline = torchvision.models.squeezenet1_1()
    assert rename_children(outline.state_dict(), outline) is None, "its own numbers are no children's"


@pytest.mark.parametrize(
    "prefix", ["timm_model.", "visual.trunk.", "net.model.module.", "encoder.resnet.", "my_very_own_name."]
)
def test_any_prefix_is_taken_off(prefix: str) -> None:
    torch.manual_seed(0)
    source = make_lively(timm.create_model("test_resnet", num_classes=3))
    state = {f"{prefix}{key}": tensor for key, tensor in source.state_dict().items()}
    open_same(source, state, "timm/test_resnet")
    model = open_file({**state, "loss.weight": torch.ones(3)}, "timm/test_resnet")
    assert any("loss.weight" in note for note in model.notes)


def write_as_efficientnet_pytorch(source: Any) -> State:
    """The names of that package: blocks are counted through, and layers named by what they do."""
    places = [f"blocks.{stage}.{at}" for stage, blocks in enumerate(source.blocks) for at in range(len(blocks))]
    outer = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    plain = ("_depthwise_conv", "_bn1", "_se_reduce", "_se_expand", "_project_conv", "_bn2")
    first = dict(zip(("conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2"), plain, strict=True))
    later = dict(zip(("conv_dw", "bn2", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3"), plain, strict=True))
    later |= {"conv_pw": "_expand_conv", "bn1": "_bn0"}
    written = {}
    for key, tensor in source.state_dict().items():
        place = next((place for place in places if key.startswith(f"{place}.")), None)
        if place is None:
            layer, _, rest = key.partition(".")
            written[f"{outer[layer]}.{rest}"] = tensor
            continue
        layer, _, rest = key.removeprefix(f"{place}.").rpartition(".")
        names = first if place.startswith("blocks.0.") else later
        written[f"_blocks.{places.index(place)}.{names[layer]}.{rest}"] = tensor
    return written


@pytest.mark.parametrize("prefix", [pytest.param("", marks=pytest.mark.slow), "model.net."])
def test_efficient_nets_of_the_package_of_that_name(prefix: str) -> None:
    """It pads as TensorFlow does: under the plain name the scores would be others, so that it is refused there."""
    torch.manual_seed(0)
    source = make_lively(timm.create_model("tf_efficientnet_b0", num_classes=3))
    state = {prefix + key: tensor for key, tensor in write_as_efficientnet_pytorch(source).items()}
    open_same(source, state, "timm/tf_efficientnet_b0", input_size=64)
    with pytest.raises(ModelError, match="another architecture than timm/efficientnet_b0"):
        open_file(state, "timm/efficientnet_b0")


@pytest.mark.slow
def test_such_a_file_is_guessed_to_be_the_one_that_pads_so() -> None:
    source = timm.create_model("tf_efficientnet_b0", num_classes=3)
    shapes = {key: tuple(tensor.shape) for key, tensor in write_as_efficientnet_pytorch(source).items()}
    best = guess_architecture(shapes)[0]
    assert best.architecture == "timm/tf_efficientnet_b0" and best.share == 1.0 and best.num_classes == 3


def test_a_head_with_higher_numbers_than_the_body_has_does_not_hide_the_body() -> None:
    """As fastai cuts a network: `0.4.0.conv1.weight` of the body, `1.8.weight` of the head."""
    source = torchvision.models.resnet18()
    children = [child for child, _ in source.named_children()]
    state = {
        f"0.{children.index(key.partition('.')[0])}.{key.partition('.')[2]}": tensor
        for key, tensor in source.state_dict().items()
        if not key.startswith("fc.")
    }
    head = {"1.8.weight": torch.ones(3, 512)}
    found = [rename_children({**state, **head}, source, 1, rank) for rank in (0, 1)]
    assert any(names is not None and {"conv1.weight", "1.8.weight"} <= names.keys() for names in found)
