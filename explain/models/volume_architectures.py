"""Networks that read volumes, by name: torchvision's for clips, and MONAI's where it is installed."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from explain.errors import ModelError
from explain.networks.torchvision_operators import declare_missing_operators
from explain.pictures.volume_preprocessing import VolumePreprocessing

if TYPE_CHECKING:
    from torch import nn

_FRAMES = 16
"""Of the clips that torchvision's networks learned from."""

_MONAI = ("DenseNet121", "DenseNet169", "DenseNet201", "DenseNet264", *(f"ResNet{n}" for n in (10, 18, 34, 50, 101)))
"""MONAI's classifiers; those of ResNet as MedicalNet (Chen et al. 2019) publishes weights for them."""

WITHOUT_MONAI = (
    "MONAI is not installed here, and monai/NAME needs it. Install it with “pip install monai”; torchvision's networks "
    "of volumes work without."
)


def has_monai() -> bool:
    """Whether MONAI is installed. Imports nothing of it, which would take seconds."""
    return find_spec("monai") is not None


@lru_cache(maxsize=1)
def list_video_networks() -> tuple[str, ...]:
    """torchvision's networks that read clips, and so volumes."""
    declare_missing_operators()
    import torchvision.models

    return tuple(torchvision.models.list_models(module=torchvision.models.video))


def list_monai_networks() -> tuple[str, ...]:
    """MONAI's networks that are known here; none where MONAI is not installed."""
    return _MONAI if has_monai() else ()


def reads_volumes(family: str, name: str) -> bool:
    """Whether an architecture reads volumes."""
    return family == "monai" or (family == "torchvision" and name in list_video_networks())


def find_volume_preprocessing(family: str, name: str) -> VolumePreprocessing:
    """What a network of volumes is given where nothing else is said: of torchvision's, the clips' own normalisation.

    No weights say how a scan should be given: the whole volume is stretched over the input, in the range of its values.
    """
    if family == "monai":
        return VolumePreprocessing(depth=64, input_size=(64, 64), channels=1, mean=(0.0,), std=(1.0,))
    import torchvision.models

    preset: Any = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    sides = tuple(preset.crop_size) * 2
    return VolumePreprocessing(
        depth=_FRAMES, input_size=(sides[0], sides[1]), mean=tuple(preset.mean), std=tuple(preset.std)
    )


def build_monai(name: str, num_classes: int, channels: int) -> nn.Module:
    """An untrained network of MONAI's over three axes of space.

    Raises:
        ModelError: MONAI is not installed.
    """
    if not has_monai():
        raise ModelError(WITHOUT_MONAI)
    nets = import_module("monai.networks.nets")
    if name.startswith("DenseNet"):
        build = getattr(nets, name)
        return cast("nn.Module", build(spatial_dims=3, in_channels=channels, out_channels=num_classes))
    build = getattr(nets, name.lower())
    return cast("nn.Module", build(spatial_dims=3, n_input_channels=channels, num_classes=num_classes))
