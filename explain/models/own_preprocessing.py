"""How a picture becomes the input of a person's own network, in the words of whoever trained it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from explain.errors import ModelError
from explain.pictures.geometry import Preprocessing
from explain.pictures.volume_preprocessing import VolumePreprocessing
from explain.settings import read_refusal

_HARMLESS = (
    *("ToTensor", "ToImage", "ToPILImage", "PILToTensor", "ConvertImageDtype", "ToDtype"),
    *("Identity", "ToPureTensor", "RGB", "MaybeToTensor", "MaybePILToTensor"),
)


def read_preprocessing(given: Any) -> Preprocessing:
    """A preprocessing of what people have: CAMscope's own, its fields, timm's configuration, torchvision's transforms.

    Args:
        given: a `Preprocessing`; a mapping of its fields, or as `timm.data.resolve_data_config` gives it; what
            `weights.transforms()` gives; or a `Compose` of resize, crop and normalisation.

    Raises:
        ModelError: it is none of these, or holds a step that cannot be told in these words.
    """
    if isinstance(given, Preprocessing):
        return given
    try:
        if isinstance(given, Mapping):
            return _read_mapping(given)
        if hasattr(given, "crop_size") and hasattr(given, "resize_size"):
            return _read_preset(given)
        if isinstance(getattr(given, "transforms", None), (list, tuple)):
            return _read_steps(given.transforms)
    except ValidationError as error:
        refusal = read_refusal(error)
        raise ModelError(f"The preprocessing's {refusal.path} cannot be {refusal.given}: {refusal.reason}.") from None
    raise ModelError(
        f"A preprocessing cannot be made of a {type(given).__name__}. Give a mapping such as {{'input_size': 224, "
        "'mean': (0.5, 0.5, 0.5), 'std': (0.5, 0.5, 0.5), 'fit': 'squash'}, or torchvision's transforms."
    )


def _read_mapping(given: Mapping[str, Any]) -> Preprocessing:
    size = given.get("input_size")
    if "crop_pct" in given or (isinstance(size, Sequence) and len(size) == 3):
        from explain.models.architectures import read_timm_preprocessing

        return read_timm_preprocessing(given)
    fields = {"input_size": (224, 224), **given}
    if isinstance(size, int):
        fields["input_size"] = (size, size)
    for name in ("mean", "std"):
        if isinstance(fields.get(name), (int, float)):
            fields[name] = (float(fields[name]),) * int(fields.get("channels", 3))
    if fields.get("channels") == 1 and not {"mean", "std"} & set(given):
        fields |= {"mean": (0.449,), "std": (0.226,)}
    kind = VolumePreprocessing if "depth" in fields else Preprocessing
    return kind.model_validate(fields)


def _read_preset(given: Any) -> Preprocessing:
    """torchvision's `ImageClassification`, which resizes, crops and normalises."""
    (crop, *_), (resize, *_) = _list(given.crop_size), _list(given.resize_size)
    return Preprocessing(
        input_size=(crop, crop),
        resize_size=resize,
        interpolation=_name_filter(given.interpolation),
        mean=tuple(given.mean),
        std=tuple(given.std),
    )


def _read_steps(steps: Sequence[Any]) -> Preprocessing:
    """A `Compose` of torchvision's transforms, old or new."""
    fields: dict[str, Any] = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    resize: list[int] = []
    for step in steps:
        kind = type(step).__name__
        if kind == "Resize":
            resize = _list(step.size)
            fields["interpolation"] = _name_filter(step.interpolation)
        elif kind == "CenterCrop":
            fields["input_size"] = tuple(_list(step.size) * 2)[:2]
        elif kind == "Normalize":
            fields["mean"], fields["std"] = _list_floats(step.mean), _list_floats(step.std)
        elif kind == "Grayscale":
            fields["channels"] = step.num_output_channels
        elif kind not in _HARMLESS:
            raise ModelError(
                f"The step {kind} of the preprocessing is not known. Leave out what only the training did, or say it "
                "with input_size, fit, mean and std."
            )
    if "input_size" not in fields:
        if len(resize) != 2:
            raise ModelError("The preprocessing does not say the size of the input. Add CenterCrop, or Resize((h, w)).")
        fields |= {"input_size": tuple(resize), "fit": "squash"}
    elif len(resize) == 2:
        raise ModelError("The preprocessing squashes and then crops, which cannot be done here. Give one of the two.")
    elif resize:
        fields["resize_size"] = resize[0]
    if len(fields["mean"]) == 1:
        fields.setdefault("channels", 1)
    elif fields.get("channels") == 1:
        fields["mean"], fields["std"] = fields["mean"][:1], fields["std"][:1]
    return Preprocessing.model_validate(fields)


def _list(size: Any) -> list[int]:
    return [int(size)] if isinstance(size, int) else [int(side) for side in size]


def _list_floats(numbers: Any) -> tuple[float, ...]:
    return (float(numbers),) if isinstance(numbers, (int, float)) else tuple(map(float, numbers))


def _name_filter(interpolation: Any) -> Any:
    """The name of a resize filter, which may be an enumeration's or Pillow's number."""
    name = str(getattr(interpolation, "value", interpolation)).lower().replace("-exact", "")
    return {"0": "nearest", "1": "lanczos", "2": "bilinear", "3": "bicubic"}.get(name, name)
