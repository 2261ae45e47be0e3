"""Which model is asked for, in words that can be written down. Imports no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from explain.bundled.models import FIRST_MODEL, find_bundled_model
from explain.errors import ModelError
from explain.models.label_file import read_labels
from explain.models.recipes import decode_recipe, recall_recipe
from explain.networks.meaning import Outputs
from explain.pictures.geometry import Framing, InputChannels, Interpolation
from explain.pictures.volume_preprocessing import Orientation, Spacing, ValueWindow
from explain.settings import read_refusal
from explain.storage import read_file

ModelSource = Literal["bundled", "hub", "file", "prompts", "module"]
"""Where a model comes from; a module is handed over in Python, and cannot be named elsewhere."""

Average = Literal["averaged", "raw"]
"""Which weights of a checkpoint: those averaged over the training's last steps, or those of its very last step."""


def read_size(given: Any) -> Any:
    """A size as people write it, `224` or `256x128` (height × width), as a number or a pair; all else as it came.

    Two equal sides are one number, so that a size has one way to be written down.
    """
    if isinstance(given, str):
        written = re.fullmatch(r"\s*(\d{1,5})\s*(?:[x×X*, ]\s*(\d{1,5})\s*)?", given, re.ASCII)
        if written is None:
            raise ValueError("write pixels as 224, or as height x width, e.g. 256x128")
        given = [int(side) for side in written.groups() if side is not None]
    if isinstance(given, list | tuple):
        if len(given) not in (1, 2):
            raise ValueError("a size is one number, or height and width")
        given = given[0] if len(given) == 1 or (len(given) == 2 and given[0] == given[1]) else tuple(given)
    return given


def write_size(size: int | tuple[int, int] | None) -> str:
    """A size as `read_size` reads it; empty for none."""
    if size is None:
        return ""
    return str(size) if isinstance(size, int) else f"{size[0]}x{size[1]}"


def _bound(low: int, high: int) -> Callable[[Any], Any]:
    def check(size: int | tuple[int, int]) -> int | tuple[int, int]:
        if not all(low <= side <= high for side in (size if isinstance(size, tuple) else (size,))):
            raise ValueError(f"a side has {low} to {high} pixels")
        return size

    return check


_Size = int | tuple[int, int]

InputSize = Annotated[_Size, BeforeValidator(read_size), AfterValidator(_bound(8, 2048))]
"""The side of a square input in pixels, or height and width."""


class ModelRequest(BaseModel):
    """Which model, in words that can be written down: for the manifest, links and cache keys.

    Attributes:
        source: ships with CAMscope, is fetched from the hub, was handed over as a file or a module, or is prompts
            trained here.
        name: `photo-cnn`, a timm name, what the file, the prompts or the module's class are called.
        architecture: `timm/NAME`, `torchvision/NAME` or `monai/NAME`; guessed for files where it is left out, known
            otherwise.
        outputs: what the numbers of its head mean; what is left out is told from their count, see `find_outputs`.
        labels: a known label set, `imagenet` or `cifar10`.
        label_names: the names themselves, from a label file.
        input_size: side of the model's square input in pixels, or height and width; what is left out here keeps the
            model's own default.
        mean: one number, or one for each channel.
        std: as `mean`.
        channels: 1 for grey, 3 for RGB, or as many as the weights take.
        fit: see `Preprocessing`.
        resize_size: see `Preprocessing`.
        interpolation: see `Preprocessing`.
        depth: slices of the input, of a network that reads volumes; so are all that follow, see `VolumePreprocessing`.
        spacing: millimetres between the input's slices, rows and columns.
        orientation: of the input's axes, e.g. `SPL`.
        window: from and to, in the file's units.
        global_pool: how a timm network sums its last layer up, where that is not its own way: `avg`, `max`, `token` …
        weights: which of a checkpoint's weights; what is left out takes averaged ones where there are some.
        digest: SHA-256 of the checkpoint's bytes, `PromptCard.digest`, or of a module and its weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: ModelSource
    name: str = Field(min_length=1, max_length=200)
    architecture: str | None = None
    outputs: Outputs | None = None
    labels: str | None = None
    label_names: tuple[str, ...] | None = None
    input_size: InputSize | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: InputChannels | None = None
    fit: Framing | None = None
    resize_size: Annotated[_Size, BeforeValidator(read_size), AfterValidator(_bound(1, 4096))] | None = None
    interpolation: Interpolation | None = None
    depth: Annotated[int, Field(ge=1, le=2048)] | None = None
    spacing: Spacing | None = None
    orientation: Orientation | None = None
    window: ValueWindow | None = None
    global_pool: Annotated[str, StringConstraints(pattern="^[a-z]{1,12}$")] | None = None
    weights: Average | None = None
    digest: str | None = None

    @property
    def recipe(self) -> dict[str, Any]:
        """What is said of the model, whichever file it is: see `explain.models.recipes`."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"source", "name", "digest"})


def parse_model(text: str) -> ModelRequest:
    """Read `photo-cnn`, `hub:resnet18.a1_in1k` (or a plain timm name), `file:NAME` or `prompts:NAME`. Loads nothing.

    Raises:
        ModelError: no name is given.
    """
    kind, colon, rest = text.strip().partition(":")
    named = colon and kind in get_args(ModelSource) and kind != "module"
    source, name = (kind, rest.strip()) if named else ("", text.strip())
    if not name or len(name) > 200:
        raise ModelError(f"Name a model: a bundled one such as {FIRST_MODEL}, a timm model, file:PATH or prompts:NAME.")
    if source == "prompts":
        return ModelRequest(source="prompts", name=name)
    if source == "file":
        return ModelRequest(source="file", name=Path(name).name or name)
    if source == "bundled" or (not source and find_bundled_model(name) is not None):
        return ModelRequest(source="bundled", name=name)
    return ModelRequest(source="hub", name=name.removeprefix("hf-hub:").removeprefix("timm/"))


def name_model(model: Any, weights: bytes | None = None, **known: Any) -> tuple[Any, bytes | None]:
    """The request for a model that is named, and its checkpoint's bytes; what names none is given back as it is.

    Args:
        model: as `parse_model` reads it, or the path of a checkpoint, or `file:` and the path.
        weights: the checkpoint's bytes, where they are at hand.
        known: of a path's checkpoint; see `build_file_request`.

    Raises:
        ModelError: no name is given, or the file cannot be read.
    """
    if isinstance(model, str) and model.strip().startswith("file:"):
        model = Path(model.strip().removeprefix("file:"))
    if isinstance(model, Path):
        weights = read_file(model, ModelError)
        return build_file_request(weights, model.name, **known), weights
    return parse_model(model) if isinstance(model, str) else model, weights


def build_file_request(
    data: bytes,
    name: str,
    *,
    architecture: str | None = None,
    outputs: Outputs | None = None,
    labels: str | None = None,
    label_file: bytes | None = None,
    label_names: tuple[str, ...] | None = None,
    input_size: int | tuple[int, int] | str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    channels: int | None = None,
    fit: str | None = None,
    resize_size: int | tuple[int, int] | str | None = None,
    interpolation: str | None = None,
    depth: int | None = None,
    spacing: tuple[float, ...] | None = None,
    orientation: str | None = None,
    window: tuple[float, ...] | None = None,
    global_pool: str | None = None,
    weights: str | None = None,
    recipe: bytes | None = None,
) -> ModelRequest:
    """The request for a person's own checkpoint, known by the digest of its bytes. Does not read the weights.

    Where neither an architecture nor a recipe is given, what is remembered of the file is taken; and where nothing is,
    the architecture is guessed from the weights when they are loaded.

    Args:
        data: the file's bytes.
        name: what the file is called.
        architecture: `timm/NAME` or `torchvision/NAME`.
        outputs: see `ModelRequest`.
        labels: a known label set, `imagenet` or `cifar10`.
        label_file: the bytes of a file of class names, see `read_labels`, in place of `labels`.
        label_names: the names themselves, in place of both.
        input_size: in pixels, `224` or `256x128`; as all that follows, read from the weights or the architecture where
            it is left out.
        mean: see `ModelRequest`; so are all that follow.
        std: as `mean`.
        channels: 1 for grey, 3 for RGB, or as many as the weights take.
        fit: `crop`, `squash` or `pad`.
        resize_size: in pixels, as `input_size`.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.
        depth: of a network that reads volumes; see `ModelRequest`, as for the three that follow.
        spacing: in millimetres.
        orientation: three letters.
        window: two numbers.
        global_pool: of a timm network.
        weights: `averaged` or `raw`.
        recipe: the bytes of a TOML file, see `explain.models.recipes`; all that is given beside it goes first.

    Raises:
        ModelError: a value is out of its bounds, or the recipe is none.
    """
    digest = hashlib.sha256(data).hexdigest()
    names = read_labels(label_file) if label_file is not None else label_names
    given = {
        "architecture": architecture or None,
        "outputs": outputs,
        "labels": labels,
        "label_names": names,
        "input_size": input_size,
        "mean": mean,
        "std": std,
        "channels": channels,
        "fit": fit,
        "resize_size": resize_size,
        "interpolation": interpolation,
        "depth": depth,
        "spacing": spacing,
        "orientation": orientation,
        "window": window,
        "global_pool": global_pool,
        "weights": weights,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if recipe is not None:
        before = decode_recipe(recipe)
    else:
        before = {} if "architecture" in given else recall_recipe(digest) or {}
    if {"labels", "label_names"} & set(given):
        before = {key: value for key, value in before.items() if key not in ("labels", "label_names")}
    try:
        return ModelRequest.model_validate(
            {**before, **given, "source": "file", "name": name[:200] or "checkpoint", "digest": digest}
        )
    except ValidationError as error:
        refusal = read_refusal(error)
        if refusal.field not in ModelRequest.model_fields:
            known = ", ".join(key for key in ModelRequest.model_fields if key not in ("source", "name", "digest"))
            raise ModelError(f"A recipe has no “{refusal.field[:60]}”. It has: {known}.") from None
        field_name = refusal.field.replace("_", " ")
        reason = refusal.reason.removeprefix("value error, ")
        raise ModelError(f"The {field_name} cannot be {refusal.given}: {reason}.") from None
