"""Networks by name from timm and torchvision, without weights, shaped after the checkpoint that is to go in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from explain.errors import ModelError
from explain.models.described import find_resize
from explain.models.request import write_size
from explain.models.volume_architectures import (
    WITHOUT_MONAI,
    build_monai,
    find_volume_preprocessing,
    has_monai,
    list_monai_networks,
    list_video_networks,
    reads_volumes,
)
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.geometry import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn

Family = Literal["timm", "torchvision", "monai"]
"""The library that an architecture is of."""

_UNTRAINED = Preprocessing(input_size=(224, 224), resize_size=256)


@dataclass(frozen=True)
class Architecture:
    """A family and a name in it, written `timm/resnet18` or `torchvision/squeezenet1_0`."""

    family: Family
    name: str

    def __str__(self) -> str:
        return f"{self.family}/{self.name}"


def parse_architecture(text: str) -> Architecture:
    """Read `timm/NAME`, `torchvision/NAME` or `monai/NAME`.

    Raises:
        ModelError: there is none of that name; the text lists close ones.
    """
    family, _, name = text.strip().partition("/")
    if family not in get_args(Family) or not name:
        raise ModelError(
            f"“{text}” does not say which library it is of. Write an architecture as timm/NAME or torchvision/NAME, "
            "e.g. timm/resnet18, or for volumes torchvision/r3d_18 or monai/DenseNet121."
        )
    # A timm name may carry a tag (`vit_base_patch16_224.dino`), which decides size and normalisation.
    base = name.partition(".")[0] if family == "timm" else name
    if family == "monai" and not has_monai():
        raise ModelError(WITHOUT_MONAI)
    names = [*list_architectures(family), *list_volume_architectures(family)]
    if base not in names:
        near = [f"{family}/{other}" for other in get_close_matches(base, names, n=5, cutoff=0.5)]
        hint = f"Did you mean {', '.join(near)}?" if near else "Look the name up in the documentation."
        raise ModelError(f"{family} has no architecture “{name}”. {hint}")
    return Architecture(cast(Family, family), name)


def list_architectures(family: str) -> list[str]:
    """The names of a family's image classifiers."""
    if family == "monai":
        return []
    declare_missing_operators()
    if family == "timm":
        import timm

        return list(timm.list_models())
    import torchvision.models

    return list(torchvision.models.list_models(module=torchvision.models))


def list_volume_architectures(family: str) -> list[str]:
    """The names of a family's classifiers that read volumes."""
    if family == "torchvision":
        return list(list_video_networks())
    return list(list_monai_networks()) if family == "monai" else []


def default_preprocessing(architecture: Architecture) -> Preprocessing:
    """What the published weights of an architecture were trained with. Downloads nothing."""
    declare_missing_operators()
    if reads_volumes(architecture.family, architecture.name):
        return find_volume_preprocessing(architecture.family, architecture.name)
    if architecture.family == "timm":
        import timm

        config = timm.models.get_pretrained_cfg(architecture.name)
        return read_timm_preprocessing(config.to_dict()) if config else _UNTRAINED
    import torchvision.models

    try:
        preset = torchvision.models.get_model_weights(architecture.name).DEFAULT.transforms()
    except (AttributeError, ValueError):
        return _UNTRAINED
    mean, std = tuple(preset.mean), tuple(preset.std)
    if architecture.name in ("googlenet", "inception_v3"):
        # Their published weights turn ImageNet's normalisation into this one inside the network (`transform_input`).
        mean, std = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    size = preset.crop_size[0]
    return Preprocessing(
        input_size=(size, size),
        resize_size=preset.resize_size[0],
        interpolation=preset.interpolation.value,
        mean=mean,
        std=std,
    )


def read_timm_preprocessing(config: Mapping[str, Any]) -> Preprocessing:
    """timm's data configuration as ours. Of the few models that are squashed and then cropped, the crop is left out."""
    declare_missing_operators()
    from timm.data import resolve_data_config

    data = resolve_data_config(pretrained_cfg=dict(config))
    _, height, width = data["input_size"]
    fit = {"squash": "squash", "border": "pad"}.get(data["crop_mode"], "crop")
    return Preprocessing.model_validate(
        {
            "input_size": (height, width),
            "fit": fit,
            "resize_size": find_resize((height, width), data["crop_pct"]) if fit == "crop" else None,
            "interpolation": data["interpolation"],
            "mean": tuple(data["mean"]),
            "std": tuple(data["std"]),
        }
    )


@dataclass(frozen=True)
class HeadAndStem:
    """What a checkpoint's shapes say of the network they belong to."""

    num_classes: int | None
    channels: int | None


def build_architecture(
    architecture: Architecture,
    num_classes: int,
    channels: int,
    input_size: int | tuple[int, int] | None,
    device: str = "cpu",
    global_pool: str | None = None,
) -> nn.Module:
    """An untrained network.

    Args:
        architecture: which.
        num_classes: 0 leaves timm's head out.
        channels: of the input.
        input_size: side of the input, or height and width, for those that are built for one; None for the
            architecture's own.
        device: `meta` for the shapes alone.
        global_pool: of a timm network; None for the architecture's own.

    Raises:
        ModelError: it cannot be built so.
    """
    from explain.networks.outline import shapes_alone

    if architecture.family == "timm":
        build = partial(_build_timm, global_pool=global_pool)
    elif global_pool is None:
        build = partial(_build_torchvision if architecture.family == "torchvision" else _build_monai)
    else:
        raise ModelError(f"{architecture} has one way of pooling, so “{global_pool}” cannot be chosen. Leave it out.")
    try:
        if device == "meta":
            with shapes_alone():
                return build(architecture.name, num_classes, channels, input_size).eval()
        return build(architecture.name, num_classes, channels, input_size).eval()
    except (NotImplementedError, RuntimeError, ValueError, AssertionError, TypeError) as error:
        if device == "meta":
            # Some constructors look at values, which the meta device has none of.
            return build_architecture(architecture, num_classes, channels, input_size, global_pool=global_pool)
        raise ModelError(
            f"{architecture} cannot be built with {num_classes} classes, {channels} channels and "
            f"{f'an input of {write_size(input_size)} pixels' if input_size else 'its own input size'}"
            f"{f' and {global_pool} pooling' if global_pool else ''}. ({error})"
        ) from None


@dataclass(frozen=True)
class Places:
    """Where in a network its classes and its channels stand.

    Attributes:
        heads: paths of the layers that give the classes.
        stem: path of the first layer; None where it is no convolution of the picture.
        classes: axis that counts classes, by the name of the tensor.
        channels: axis that counts channels, and how many of its places one channel takes.
    """

    heads: tuple[str, ...]
    stem: str | None
    classes: Mapping[str, int]
    channels: Mapping[str, tuple[int, int]]


def find_places(architecture: Architecture, global_pool: str | None = None) -> Places:
    """Which axis of which tensor counts classes or channels: two networks without data that differ in both tell it."""
    few = build_architecture(architecture, 7, 1, None, "meta", global_pool).state_dict()
    many = build_architecture(architecture, 11, 3, None, "meta", global_pool).state_dict()
    classes, channels = {}, {}
    for key, shape in ((key, tensor.shape) for key, tensor in few.items()):
        for axis, (a, b) in enumerate(zip(shape, many[key].shape, strict=True)):
            if (a, b) == (7, 11):
                classes[key] = axis
            elif b == 3 * a:
                channels[key] = (axis, a)
    heads = tuple(dict.fromkeys(key.rpartition(".")[0] for key in classes))
    stems = [key.rpartition(".")[0] for key in channels if key.endswith(".weight")]
    return Places(heads, stems[0] if len(stems) == 1 else None, classes, channels)


def read_shapes(places: Places, tensors: Mapping[str, Tensor]) -> HeadAndStem:
    """How many classes and input channels a checkpoint has."""
    num_classes = channels = None
    for key, axis in places.classes.items():
        if key in tensors and axis < tensors[key].ndim:
            num_classes = num_classes or int(tensors[key].shape[axis])
    for key, (axis, each) in places.channels.items():
        if key in tensors and axis < tensors[key].ndim and channels is None:
            channels = max(int(tensors[key].shape[axis]) // each, 1)
    return HeadAndStem(num_classes, channels)


def drop_training_only(architecture: Architecture, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the weights of side heads that torchvision's Inception networks use in training alone."""
    heads = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}
    unused = heads.get(architecture.name, ()) if architecture.family == "torchvision" else ()
    return {key: tensor for key, tensor in tensors.items() if not key.startswith(unused)}


def read_side(tensors: Mapping[str, Tensor], module: nn.Module) -> int | tuple[int, int] | None:
    """The side in pixels of the input that a ViT's position embedding was trained for, where it differs.

    A grid of twice or three times as many rows as columns, as networks for persons have it, gives height and width: it
    is taken to stand upright.

    Raises:
        ModelError: its cells fill no such grid, so that only who trained it knows the size.
    """
    from torch import nn

    for key, stem in (("pos_embed", "patch_embed.proj"), ("encoder.pos_embedding", "conv_proj")):
        try:
            wanted, patches = module.state_dict()[key], module.get_submodule(stem)
        except (KeyError, AttributeError):
            continue
        found = tensors.get(key)
        if found is None or found.ndim != 3 or found.shape == wanted.shape or not isinstance(patches, nn.Conv2d):
            continue
        side = math.isqrt(wanted.shape[1])
        prefix = wanted.shape[1] - side * side
        cells, patch = max(found.shape[1] - prefix, 0), int(patches.kernel_size[0])
        for times in (1, 2, 3):
            side = math.isqrt(cells // times)
            if side and times * side * side == cells:
                return side * patch if times == 1 else (times * side * patch, side * patch)
        raise ModelError(
            f"The position embedding has {found.shape[1]} places, which fill no square. Give the input's height and "
            f"width, e.g. {_suggest_sizes(cells, patch)}."
        )
    return _read_side_of_table(tensors, module)


def _read_side_of_table(tensors: Mapping[str, Tensor], module: nn.Module) -> int | None:
    """The same of BEiT, which has a table of how far two patches lie apart: `(2 rows - 1)²` and three for the class."""
    patches = getattr(getattr(module, "patch_embed", None), "proj", None)
    for key, wanted in module.state_dict().items():
        found = tensors.get(key)
        if not key.endswith("relative_position_bias_table") or found is None or patches is None:
            continue
        side = math.isqrt(max(found.shape[0] - 3, 0))
        if found.shape == wanted.shape or math.isqrt(wanted.shape[0] - 3) ** 2 != wanted.shape[0] - 3:
            return None
        if side % 2 and side * side == found.shape[0] - 3:
            return (side + 1) // 2 * int(patches.kernel_size[0])
    return None


def _suggest_sizes(cells: int, patch: int) -> str:
    """Heights and widths of grids of so many cells, the nearest to a square first."""
    rows = [count for count in range(math.isqrt(cells), 1, -1) if cells % count == 0][:2]
    sizes = [
        size
        for count in rows
        for size in ((cells // count * patch, count * patch), (count * patch, cells // count * patch))
    ]
    return " or ".join(map(write_size, sizes)) or "256x128"


def _build_timm(
    name: str,
    num_classes: int,
    channels: int,
    input_size: int | tuple[int, int] | None,
    global_pool: str | None,
) -> nn.Module:
    declare_missing_operators()
    import timm

    options: dict[str, Any] = {"pretrained": False, "num_classes": num_classes, "in_chans": channels}
    if global_pool is not None:
        options["global_pool"] = global_pool
    return build_for_size(lambda **size: timm.create_model(name, **options, **size), input_size)


def build_for_size(build: Callable[..., nn.Module], input_size: int | tuple[int, int] | None) -> nn.Module:
    """Build a timm network for an input size where it wants to know it; convolutional ones do not.

    Args:
        build: takes `img_size`, or nothing.
        input_size: side of the input in pixels, or height and width; None keeps the network's own.
    """
    if input_size is not None:
        try:
            return build(img_size=input_size)
        except TypeError as error:
            if "img_size" not in str(error):
                raise
    return build()


def _build_monai(name: str, num_classes: int, channels: int, input_size: int | tuple[int, int] | None) -> nn.Module:
    return build_monai(name, num_classes, channels)


def _build_torchvision(
    name: str, num_classes: int, channels: int, input_size: int | tuple[int, int] | None
) -> nn.Module:
    declare_missing_operators()
    import torchvision.models
    from torch import nn

    options: dict[str, Any] = {"num_classes": num_classes}
    if name in ("googlenet", "inception_v3"):
        options |= {"init_weights": False, "aux_logits": False}
    if name.startswith("vit_") and isinstance(input_size, tuple):
        raise ValueError("torchvision's vision transformers take square inputs only")
    if name.startswith("vit_") and input_size is not None:
        options["image_size"] = input_size
    module = torchvision.models.get_model(name, weights=None, **options)
    if channels != 3:
        kinds = (nn.Conv2d, nn.Conv3d)
        path, first = next((p, m) for p, m in module.named_modules() if isinstance(m, kinds) and m.in_channels == 3)
        parent, _, child = path.rpartition(".")
        kind: Any = type(first) if type(first) in kinds else nn.Conv2d if isinstance(first, nn.Conv2d) else nn.Conv3d
        grey = kind(
            channels,
            first.out_channels,
            first.kernel_size,
            first.stride,
            first.padding,
            first.dilation,
            bias=first.bias is not None,
        )
        setattr(module.get_submodule(parent), child, grey)
    return module
