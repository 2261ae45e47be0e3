"""Names of other libraries and older versions, proved by the scores of the network that was saved."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import nn

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
