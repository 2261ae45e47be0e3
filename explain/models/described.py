"""What is written beside a network's weights, as fields of a request: a config.json of timm's or of Hugging Face's, the
options of a training. Imports no torch.

Nothing of it is believed: a value that cannot be meant is left out, and a note says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from explain.errors import ModelError, make_printable
from explain.models.label_file import order_names
from explain.networks.meaning import Outputs
from explain.pictures.geometry import MOST_CHANNELS

LARGEST_INPUT = 2048
"""Pixels a side."""

MOST_CLASSES = 100_000

REQUEST_FIELDS = (
    "architecture",
    "outputs",
    "label_names",
    "input_size",
    "channels",
    "mean",
    "std",
    "fit",
    "resize_size",
    "interpolation",
    "global_pool",
)
"""What a description can say for a `ModelRequest`, by the names of its fields."""


class Fact(NamedTuple):
    """One thing that is written beside the weights, and where."""

    value: Any
    reason: str


@dataclass(frozen=True)
class Described:
    """What is written beside a network's weights.

    Attributes:
        facts: by name: those of `REQUEST_FIELDS`, `num_classes`, and `crop_pct` where no input size stands beside it.
        notes: sentences on what was written there and could not be used.
    """

    facts: dict[str, Fact] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def fill_request(self, input_size: tuple[int, int] | None = None) -> dict[str, Any]:
        """The fields of a `ModelRequest` that are known.

        Args:
            input_size: height and width where nothing is written of them: a crop's share needs them.
        """
        known = {name: self.facts[name].value for name in REQUEST_FIELDS if name in self.facts}
        size = known.get("input_size", input_size)
        if "crop_pct" in self.facts and size is not None and known.get("fit", "crop") == "crop":
            known.setdefault("resize_size", find_resize(size, self.facts["crop_pct"].value))
        return known


def find_resize(input_size: tuple[int, int], crop_pct: float) -> int | tuple[int, int]:
    """What timm resizes a picture to, before a crop that keeps this share of it."""
    height, width = (math.floor(side / crop_pct) for side in input_size)
    return height if height == width else (height, width)


def describe_training(args: Mapping[str, Any]) -> Described:
    """The options of timm's train.py, which its checkpoints hold as `args`; None there stands for the default."""
    found = _Reader("the checkpoint's args", args)
    found.read("architecture", _read_timm_name, "model")
    found.read("num_classes", _read_whole(1, MOST_CLASSES), "num_classes")
    found.read("global_pool", _read_word, "gp")
    if not found.read("input_size", _read_planes, "input_size"):
        found.read("input_size", _read_size, "img_size")
    found.read("channels", _read_whole(1, MOST_CHANNELS), "in_chans")
    _read_timm_data(found)
    return found.finish()


def describe_timm(config: Mapping[str, Any]) -> Described:
    """A config.json as timm writes it beside the weights, and Hugging Face beside those of a timm model."""
    inner = config.get("pretrained_cfg")
    # Older files hold the inner keys beside the outer ones.
    data = {**config, **inner} if isinstance(inner, Mapping) else config
    top = _Reader("config.json", config)
    top.read("architecture", _read_timm_name, "architecture")
    top.read("global_pool", _read_word, "global_pool")
    top.read("num_classes", _read_whole(1, MOST_CLASSES), "num_classes")
    found = _Reader("config.json", data, top)
    found.read("input_size", _read_planes, "input_size")
    arguments = config.get("model_args")
    if isinstance(arguments, Mapping):
        own = _Reader("config.json's model_args", arguments, found)
        own.read("input_size", _read_size, "img_size")
        own.read("channels", _read_whole(1, MOST_CHANNELS), "in_chans")
        own.read("global_pool", _read_word, "global_pool")
        unused = sorted(str(key) for key in arguments if key not in ("img_size", "in_chans", "global_pool"))
        if unused:
            own.note(f"model_args of config.json that were left out: {make_printable(', '.join(unused), 80)}.")
    _read_timm_data(found)
    if isinstance(inner, Mapping) and found.get("fit") is None:
        found.put("fit", "crop", "no crop_mode")
    _read_timm_labels(found, data)
    return found.finish()


def describe_hugging_face(config: Mapping[str, Any], processor: Mapping[str, Any] | None = None) -> Described:
    """A config.json as transformers writes it, and the preprocessor_config.json beside it.

    Args:
        config: of the network.
        processor: how pictures are prepared; None where that file is missing.
    """
    found = _Reader("config.json", config)
    architecture = _name_transformer(config)
    if architecture is not None:
        found.put("architecture", architecture, "sizes of its blocks")
    for key in ("id2label", "label2id"):
        names = _order(config.get(key), found, key)
        if names is not None:
            found.put("num_classes", len(names), key)
            if not all(re.fullmatch(r"LABEL_\d+", name) for name in names):
                found.put("label_names", names, key)
            break
    if found.get("num_classes") != 1 or config.get("problem_type") != "single_label_classification":
        found.read("outputs", _read_problem, "problem_type")
    found.read("channels", _read_whole(1, MOST_CHANNELS), "num_channels")
    found.read("input_size", _read_size, "image_size")
    if processor is None:
        return found.finish()
    own = _Reader("preprocessor_config.json", processor, found)
    _read_processor(own, processor)
    return own.finish()


def describe_config(config: Mapping[str, Any], processor: Mapping[str, Any] | None = None) -> Described | None:
    """A config.json of timm's or of Hugging Face's; None where it is neither's.

    Args:
        config: of the network.
        processor: what preprocessor_config.json beside it holds.
    """
    if isinstance(config.get("architecture"), str):
        return describe_timm(config)
    names = config.get("architectures")
    if isinstance(config.get("model_type"), str) or (isinstance(names, Sequence) and not isinstance(names, str)):
        return describe_hugging_face(config, processor)
    return None


class _Reader:
    """Reads the values of one mapping, and keeps what it found with the reasons."""

    def __init__(self, place: str, content: Mapping[str, Any], before: _Reader | None = None) -> None:
        self.place = place
        self.content = content
        self._facts: dict[str, Fact] = before._facts if before else {}
        self._notes: list[str] = before._notes if before else []

    def read(self, name: str, read_value: Callable[[Any], Any], key: str) -> bool:
        """Read one value, if it is there; says whether it was, and could be meant."""
        given = self.content.get(key)
        if given is None:
            return False
        try:
            value = read_value(given)
        except (ValueError, TypeError, OverflowError):
            self.note(
                f"“{key}” in {self.place} was left out, since it cannot be {make_printable(repr(given), 60, 40)}."
            )
            return False
        if value is None:
            return False
        self.put(name, value, key)
        return True

    def put(self, name: str, value: Any, key: str) -> None:
        """Keep a fact; what was found before under that name is forgotten."""
        self._facts[name] = Fact(value, f"{self.place} says so ({key})")

    def get(self, name: str) -> Any:
        """What was found under a name, or None."""
        return self._facts[name].value if name in self._facts else None

    def drop(self, name: str) -> None:
        """Forget a fact."""
        self._facts.pop(name, None)

    def note(self, sentence: str) -> None:
        """Keep a sentence."""
        self._notes.append(sentence)

    def finish(self) -> Described:
        """All that was found; numbers of a mean and of a deviation tell the channels too."""
        return Described(dict(self._facts), tuple(dict.fromkeys(self._notes)))


def _read_timm_data(found: _Reader) -> None:
    """timm's data configuration: mean, std, crop and filter."""
    planes = found.content.get("input_size")
    if found.get("channels") is None and isinstance(planes, Sequence) and len(planes) == 3:
        found.read("channels", lambda size: _read_whole(1, MOST_CHANNELS)(size[0]), "input_size")
    found.read("mean", _read_numbers, "mean")
    found.read("std", _read_numbers, "std")
    found.read("interpolation", _read_filter, "interpolation")
    found.read("fit", _read_crop_mode, "crop_mode")
    found.read("crop_pct", _read_share, "crop_pct")
    share, size, fit = found.get("crop_pct"), found.get("input_size"), found.get("fit") or "crop"
    if share is not None and fit != "crop":
        if share != 1:
            found.note(
                f"The pictures of its training were cropped to {share:g} of their sides too, which was left out."
            )
        found.drop("crop_pct")
    elif share is not None and size is not None:
        found.put("resize_size", find_resize(size, share), "crop_pct")
        found.drop("crop_pct")


def _read_timm_labels(found: _Reader, data: Mapping[str, Any]) -> None:
    names = _order(data.get("label_names"), found, "label_names")
    if names is None:
        return
    described = data.get("label_descriptions")
    if isinstance(described, Mapping) and all(isinstance(described.get(name), str) for name in names):
        names = tuple(described[name].strip()[:200] or name for name in names)
    found.put("label_names", names, "label_names")


def _order(content: Any, found: _Reader, key: str) -> tuple[str, ...] | None:
    """Names in the order of their classes; None where there are none, or a note says why not."""
    if not content:
        return None
    try:
        return order_names(content)
    except ModelError as error:
        found.note(f"“{key}” in {found.place} was left out. {error}")
        return None


_HUGGING_FACE_VITS = {
    (192, 12, 3): "tiny",
    (384, 12, 6): "small",
    (768, 12, 12): "base",
    (1024, 24, 16): "large",
    (1280, 32, 16): "huge",
}
"""Names that timm has for widths, depths and numbers of heads."""


def _name_transformer(config: Mapping[str, Any]) -> str | None:
    """timm's name of a vision transformer that Hugging Face's file describes; None for another kind of network."""
    kind = config.get("model_type")
    if kind not in ("vit", "deit"):
        return None
    # What transformers takes where the file is silent.
    sizes = (
        config.get("hidden_size", 768),
        config.get("num_hidden_layers", 12),
        config.get("num_attention_heads", 12),
    )
    patch = config.get("patch_size", 16)
    if any(not isinstance(size, int) for size in sizes) or sizes not in _HUGGING_FACE_VITS:
        return None
    name = _HUGGING_FACE_VITS[sizes]
    known = {"tiny": (16,), "small": (16, 32, 8), "base": (16, 32, 8), "large": (16, 32, 14), "huge": (14,)}
    if not isinstance(patch, int) or patch not in known[name]:
        return None
    return f"timm/vit_{name}_patch{patch}_224"


_PILLOW_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers of its filters, which Hugging Face writes."""

_CONVNEXT_SQUASHES_FROM = 384
"""Pixels from which its preparation resizes both sides and crops nothing."""


def _read_processor(found: _Reader, processor: Mapping[str, Any]) -> None:
    """How Hugging Face prepares pictures: size, crop, filter, scale and normalisation."""
    found.read("interpolation", _read_filter, "resample")
    _read_processor_scale(found, processor)
    kind = str(processor.get("image_processor_type") or processor.get("feature_extractor_type") or "")
    size, crop = _read_sides(processor.get("size")), _read_sides(processor.get("crop_size"))
    short = _read_shortest(processor.get("size"))
    if short is None and kind.startswith("ConvNext") and isinstance(processor.get("size"), int):
        short, size = processor["size"], None
    if processor.get("do_resize") is False or (size is None and short is None):
        return
    if kind.startswith("ConvNext") and short is not None:
        share = processor.get("crop_pct", 224 / 256)
        found.put("input_size", (short, short), "size")
        if short >= _CONVNEXT_SQUASHES_FROM or not isinstance(share, int | float) or not 0.1 < share <= 1:
            found.put("fit", "squash", "size")
        else:
            found.put("fit", "crop", "crop_pct")
            found.put("resize_size", int(short / share), "crop_pct")
        return
    if processor.get("do_center_crop") and crop is not None:
        found.put("input_size", crop, "crop_size")
        found.put("fit", "crop", "do_center_crop")
        found.put("resize_size", short if short is not None else size, "size")
        if size is not None:
            found.note("The pictures of its training were squashed before they were cropped; here their shape is kept.")
    elif size is not None:
        found.put("input_size", size, "size")
        found.put("fit", "squash", "size of both sides")
    else:
        found.put("resize_size", short, "size")


def _read_processor_scale(found: _Reader, processor: Mapping[str, Any]) -> None:
    """Mean and deviation in units of 0…1, whatever scale the pixels are brought to first."""
    factor = processor.get("rescale_factor", 1 / 255)
    if processor.get("do_rescale") is False:
        factor = 1.0
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 1e-6 < factor <= 1:
        found.note("“rescale_factor” in preprocessor_config.json was left out, since it is no such factor.")
        factor = 1 / 255
    scale, offset = 255 * factor, 1.0 if processor.get("rescale_offset") is True else 0.0
    if processor.get("do_normalize") is False:
        mean, std = (0.0,), (1.0,)
    else:
        found.read("mean", _read_numbers, "image_mean")
        found.read("std", _read_numbers, "image_std")
        mean, std = found.get("mean"), found.get("std")
    if mean is None or std is None:
        return
    exact = math.isclose(scale, 1.0, rel_tol=1e-4) and not offset
    if processor.get("do_normalize") is False or not exact:
        # Divided back to where a pixel reaches from 0 to 1.
        scale = 1.0 if math.isclose(scale, 1.0, rel_tol=1e-4) else scale
        found.put("mean", tuple((value + offset) / scale for value in mean), "rescale_factor, image_mean")
        found.put("std", tuple(value / scale for value in std), "rescale_factor, image_std")


def _read_sides(given: Any) -> tuple[int, int] | None:
    """Height and width, of a mapping that says both or of one number for both; None for anything else."""
    if isinstance(given, Mapping):
        given = [given.get("height"), given.get("width")]
    try:
        return _read_size(given)
    except (ValueError, TypeError, OverflowError):
        return None


def _read_shortest(given: Any) -> int | None:
    edge = given.get("shortest_edge") if isinstance(given, Mapping) else None
    return edge if isinstance(edge, int) and not isinstance(edge, bool) and 1 <= edge <= LARGEST_INPUT else None


def _read_timm_name(given: Any) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"[\w.:/-]{1,150}", given, re.ASCII):
        raise ValueError("no name of a network")
    return "timm/" + given.removeprefix("hf-hub:").removeprefix("hf_hub:").removeprefix("timm/")


_PROBLEMS: dict[str, Outputs] = {
    "single_label_classification": "classes",
    "multi_label_classification": "findings",
    "regression": "value",
}
"""What transformers calls what the numbers of a head mean."""


def _read_problem(given: Any) -> Outputs:
    return _PROBLEMS[given] if isinstance(given, str) and given in _PROBLEMS else _refuse()


def _read_word(given: Any) -> str | None:
    if not isinstance(given, str) or not re.fullmatch(r"[a-z]{0,12}", given):
        raise ValueError("no word")
    return given or None


def _read_whole(least: int, most: int) -> Callable[[Any], int]:
    def read(given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
            raise ValueError("out of its bounds")
        return given

    return read


def _read_size(given: Any) -> tuple[int, int]:
    """A side, or height and width."""
    sides = [given, given] if isinstance(given, int) else list(given)
    if len(sides) == 1:
        sides *= 2
    height, width = (_read_whole(8, LARGEST_INPUT)(side) for side in sides)
    return height, width


def _read_planes(given: Any) -> tuple[int, int]:
    """timm's input size: channels, height and width."""
    _, height, width = given
    return _read_size([height, width])


def _read_numbers(given: Any) -> tuple[float, ...]:
    values = [given] if isinstance(given, int | float) else list(given)
    numbers = tuple(float(value) for value in values if not isinstance(value, bool | str))
    if len(numbers) != len(values) or not 1 <= len(numbers) <= MOST_CHANNELS or not all(map(math.isfinite, numbers)):
        raise ValueError("no numbers, one a channel")
    return numbers


def _read_filter(given: Any) -> str | None:
    if isinstance(given, int):
        return _PILLOW_FILTERS[given] if given in _PILLOW_FILTERS else _refuse()
    word = str(given).casefold()
    if word in ("random", ""):
        return None
    return word if word in _PILLOW_FILTERS.values() else _refuse()


def _read_crop_mode(given: Any) -> str:
    modes = {"center": "crop", "squash": "squash", "border": "pad"}
    return modes[given] if isinstance(given, str) and given in modes else _refuse()


def _read_share(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0.1 <= given <= 1:
        raise ValueError("no share of a side")
    return float(given)


def _refuse() -> Any:
    raise ValueError("unknown")
