"""How a request changes a model's own preprocessing, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from explain.errors import ModelError
from explain.models.request import ModelRequest, write_size
from explain.pictures.geometry import Preprocessing
from explain.pictures.volume_preprocessing import VolumePreprocessing
from explain.settings import read_refusal

_LARGEST = 255.0
_USUAL_STD = (0.05, 0.6)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def override_preprocessing(preprocessing: Preprocessing, request: ModelRequest) -> Preprocessing:
    """A preprocessing with what a request changes. A new input size keeps the share that a crop cuts off.

    One number for the mean or the standard deviation stands for every channel. Numbers in 0…255 are divided by 255,
    see `find_scale`; for another number of channels those of colour are spread, see `_spread`.

    Args:
        preprocessing: the model's own.
        request: what it leaves out stays.

    Raises:
        ModelError: mean or standard deviation are not of so many channels or are no such numbers, or the picture
            would be made smaller than the crop that follows.
    """
    changes: dict[str, Any] = {}
    if request.input_size is not None:
        size = _as_pair(request.input_size)
        changes["input_size"] = size
        if preprocessing.resize_size is not None:
            changes["resize_size"] = _scale_resize(preprocessing, size)
    for field_name in ("fit", "resize_size", "interpolation", "channels"):
        value = getattr(request, field_name)
        if value is not None:
            changes[field_name] = value
    channels = changes.get("channels", preprocessing.channels)
    given = {"mean": request.mean, "std": request.std}
    if request.mean is not None or request.std is not None:
        mean, std = request.mean or preprocessing.mean, request.std or preprocessing.std
        scale = find_scale(mean, std)
        given = {
            name: None if values is None else tuple(value / scale for value in values) for name, values in given.items()
        }
    for field_name, values in given.items():
        if values is None:
            values = _spread(getattr(preprocessing, field_name), channels)
        elif len(values) == 1:
            values = values * channels
        if len(values) != channels:
            raise ModelError(f"The {field_name} has {len(values)} numbers for {channels} channels. Give one for each.")
        changes[field_name] = values
    if isinstance(preprocessing, VolumePreprocessing):
        return _change_volume(preprocessing, changes, request)
    _refuse(request, _OF_VOLUMES, "is for networks that read volumes, and this one reads pictures")
    changed = preprocessing.model_copy(update=changes)
    if changed.fit == "crop" and changed.resize_size is not None:
        covered = _as_pair(changed.resize_size)
        if isinstance(changed.resize_size, int) and changed.resize_size < max(changed.input_size):
            covered = (0, 0)
        if any(side < wanted for side, wanted in zip(covered, changed.input_size, strict=True)):
            raise ModelError(
                f"The picture cannot be resized to {write_size(changed.resize_size)} pixels and then cropped to "
                f"{_write_times(changed.input_size)}. Make the resize at least as large as the input."
            )
    return changed


_OF_VOLUMES = ("depth", "spacing", "orientation", "window")
_OF_PICTURES = ("fit", "resize_size", "interpolation")


def _refuse(request: ModelRequest, names: Sequence[str], why: str) -> None:
    """Refuse settings that mean nothing here.

    Raises:
        ModelError: one of them is given.
    """
    for name in names:
        if getattr(request, name) is not None:
            raise ModelError(f"The {name.replace('_', ' ')} {why}. Leave it out.")


def _change_volume(
    preprocessing: VolumePreprocessing, changes: dict[str, Any], request: ModelRequest
) -> VolumePreprocessing:
    _refuse(request, _OF_PICTURES, "is for networks that read pictures, and this one reads volumes")
    given = {name: getattr(request, name) for name in _OF_VOLUMES if getattr(request, name) is not None}
    try:
        return VolumePreprocessing.model_validate({**preprocessing.model_dump(), **changes, **given})
    except ValidationError as error:
        raise ModelError(f"The model's input cannot be so: {read_refusal(error).reason}.") from None


def _as_pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _scale_resize(preprocessing: Preprocessing, size: tuple[int, int]) -> int | tuple[int, int]:
    """What a picture is resized to for an input of another size, so that a crop keeps its share."""
    resize = preprocessing.resize_size
    assert resize is not None
    if isinstance(resize, int):
        share = resize / min(preprocessing.input_size)
        height, width = (round(side * share) for side in size)
    else:
        shares = (now / own for now, own in zip(resize, preprocessing.input_size, strict=True))
        height, width = (round(side * share) for side, share in zip(size, shares, strict=True))
    return height if height == width else (height, width)


def _spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """A mean or deviation of a network of colour for another number of channels.

    Four and more keep those of the three colours, and the others have their mean, as fewer than three have.
    """
    if len(values) == channels:
        return values
    middle = round(sum(values) / len(values), 6)
    return (*values, *[middle] * (channels - len(values))) if len(values) == 3 < channels else (middle,) * channels


def find_scale(mean: Sequence[float], std: Sequence[float]) -> float:
    """What a mean and a deviation have to be divided by to be in units of 0…1: 1, or 255 where they are in 0…255.

    Raises:
        ModelError: they are no such numbers, or one is in 0…1 and the other in 0…255.
    """
    for name, values in (("mean", mean), ("std", std)):
        low = 0 if name == "std" else -_LARGEST
        # Written so that what is no number is refused too.
        if not all(low <= value <= _LARGEST for value in values) or (name == "std" and not all(v > 0 for v in values)):
            raise ModelError(
                f"The {name} cannot be {', '.join(map(str, values))}. It is in units of 0…1, or all of it in 0…255."
            )
    if max(map(abs, mean)) <= 1 and max(std) <= 1:
        return 1.0
    # A deviation of exactly 1 means none, in either unit; means of 0 fit either too.
    if (max(map(abs, mean)) > 1 or not any(mean)) and min(std) >= 1:
        return _LARGEST
    raise ModelError(
        f"A mean of {_write_numbers(mean)} and a standard deviation of {_write_numbers(std)} are not in the same "
        "units. Give both in units of 0…1: numbers for pixels of 0…255 are divided by 255."
    )


def note_normalisation(request: ModelRequest, preprocessing: Preprocessing) -> list[str]:
    """What a person should know of the mean and the deviation that they gave: in which units they were taken, and
    whether pictures have such ones.

    Args:
        request: as it was asked for.
        preprocessing: what came of it.
    """
    if request.mean is None and request.std is None:
        return []
    notes, mean, std = [], preprocessing.mean, preprocessing.std
    if any(max(map(abs, values), default=0) > 1 for values in (request.mean or (), request.std or ())):
        notes.append(
            "Mean and standard deviation were taken as units of 0…255 and divided by 255: "
            f"{_write_numbers(mean)} and {_write_numbers(std)}."
        )
        if len(mean) == 3 and mean[0] < mean[1] < mean[2] and mean[2] - mean[0] > 0.03:
            notes.append(
                "The mean grows from channel to channel, as where colours stand in the order blue, green, red. The "
                "model is given red, green, blue: turn the numbers round, and be sure that it was trained so."
            )
    is_plain = set(std) == {1.0} or (not any(mean) and len(set(std)) == 1)
    strange = not is_plain and not all(_USUAL_STD[0] <= value <= _USUAL_STD[1] for value in std)
    if strange or not all(0 <= value <= 0.95 for value in mean):
        notes.append(
            f"A mean of {_write_numbers(mean)} and a standard deviation of {_write_numbers(std)} are unusual for "
            "pixels in 0…1, whose deviation is mostly 0.1 to 0.4. Check them: wrong ones give wrong answers."
        )
    return notes


def note_assumed(
    request: ModelRequest, preprocessing: Preprocessing, told: int | tuple[int, int] | None = None
) -> list[str]:
    """What was assumed of the preprocessing of a file that does not say it, in one sentence; none where all is given.

    Args:
        request: what was given.
        preprocessing: what came of it.
        told: the size of the input that the weights tell of themselves; a pair is taken to stand upright.
    """
    if isinstance(preprocessing, VolumePreprocessing):
        return _note_assumed_of_volumes(request, preprocessing)
    size, parts = preprocessing.input_size, []
    if request.mean is None and request.std is None:
        is_imagenet = (preprocessing.mean, preprocessing.std) == (_IMAGENET_MEAN, _IMAGENET_STD)
        numbers = f"mean {_write_numbers(preprocessing.mean)} and deviation {_write_numbers(preprocessing.std)}"
        parts.append("ImageNet's mean and deviation" if is_imagenet else numbers)
    elif request.mean is None or request.std is None:
        name = "mean" if request.mean is None else "std"
        parts.append(f"{'mean' if name == 'mean' else 'deviation'} {_write_numbers(getattr(preprocessing, name))}")
    framing = _describe_framing(preprocessing)
    if request.fit is None or (preprocessing.fit == "crop" and request.resize_size is None):
        parts.append(framing)
    elif request.input_size is None and told is None:
        parts.append(f"input {_write_times(size)}")
    upright = []
    if isinstance(told, tuple):
        upright.append(
            f"The position embedding fills no square, and was taken for pictures of {_write_times(told)} (height × "
            "width). If they lie on their side, give the input size."
        )
    if not parts:
        return upright
    hint = ""
    if request.fit is None and preprocessing.fit == "crop":
        hint = (
            " Networks of one's own are often trained on whole pictures squashed to the input: then set fit to squash."
        )
    text = ", ".join(parts)
    return [f"{text[0].upper()}{text[1:]}: assumed, since the file does not say.{hint}", *upright]


def _note_assumed_of_volumes(request: ModelRequest, preprocessing: VolumePreprocessing) -> list[str]:
    sides = "×".join(map(str, preprocessing.sides))
    said = {
        "depth": f"an input of {sides} voxels",
        "spacing": "over which the whole volume is stretched, whatever its millimetres",
        "orientation": f"axes towards {', '.join(preprocessing.orientation)}",
        "window": "values from the volume's own range",
        "mean": f"mean {_write_numbers(preprocessing.mean)} and deviation {_write_numbers(preprocessing.std)}",
    }
    parts = [text for name, text in said.items() if getattr(request, name) is None]
    if not parts:
        return []
    text = ", ".join(parts)
    return [
        f"{text[0].upper()}{text[1:]}: assumed, since the file does not say. Networks of scans were nearly always "
        "trained at one spacing and through one window: give both."
    ]


def _describe_framing(preprocessing: Preprocessing) -> str:
    size = _write_times(preprocessing.input_size)
    if preprocessing.fit == "squash":
        return f"whole picture squashed to {size}"
    if preprocessing.fit == "pad":
        return f"whole picture padded to {size}"
    resize = preprocessing.resize_size or preprocessing.input_size
    if isinstance(resize, tuple) and resize[0] == resize[1]:
        resize = resize[0]
    before = f"shorter side to {resize}" if isinstance(resize, int) else f"resized to cover {_write_times(resize)}"
    crop = preprocessing.input_size
    return f"{before}, centre crop {crop[0] if crop[0] == crop[1] else size}"


def _write_numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _write_times(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
