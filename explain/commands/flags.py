"""Flags that commands share, and how they are read."""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from explain.bundled.models import FIRST_MODEL, FIRST_VIT
from explain.errors import ExplainError, StorageError
from explain.maps.mask import MaskSettings
from explain.maps.render import RenderSettings
from explain.methods import get_method
from explain.models.model_folder import open_model_folder
from explain.models.recipes import decode_recipe, encode_recipe, forget_recipe, recall_recipe, remember_recipe
from explain.models.request import Average, ModelRequest, build_file_request, parse_model
from explain.networks.meaning import Outputs
from explain.passes.maco import DrawingSettings
from explain.pictures.geometry import Framing, Interpolation
from explain.pictures.naming import Names
from explain.pictures.scaling import MOST_WHITE
from explain.settings import Settings, read_refusal
from explain.storage import read_file, refusing_to_write
from explain.training.attention_recipe import AttentionRecipe
from explain.training.recipe import PromptRecipe

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel

S = TypeVar("S", bound=Settings)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Shows where an image model looks. Not for diagnostic use.",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

ModelName = Annotated[
    str,
    typer.Option("--model", help=f"{FIRST_MODEL}, the name of a timm model, prompts:NAME, or file:PATH."),
]

PromptedModel = Annotated[
    str,
    typer.Option("--model", help=f"One with class prompts: {FIRST_VIT}, prompts:NAME, or file:PATH."),
]

White = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_WHITE,
        help="The number that is white in PNG, TIFF, PGM and JPEG 2000 files of 16 bits, e.g. 4095; the same for a "
        "whole series. Left out, the bits that each file uses say it.",
    ),
]
NameMode = Annotated[
    Names,
    typer.Option(
        "--names",
        help="Whose file names stay out of what is written: those of DICOM files (auto), all (hidden), none (shown).",
    ),
]

Classes = Annotated[
    list[str],
    typer.Option("--class", help="Class index or label, or auto for the likeliest; may be given several times."),
]
Top = Annotated[int, typer.Option(min=1, help="How many of a class's most important heads are shown.")]


def _declare_flag(name: str, kind: Any, help: str, *names: str) -> inspect.Parameter:
    """A flag that may be left out."""
    annotation = Annotated[kind | None, typer.Option(*names, help=help)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


CHECKPOINT = (
    _declare_flag("arch", str, "For file:PATH: timm/, torchvision/ or monai/NAME; guessed if it can be.", "--arch"),
    _declare_flag(
        "outputs",
        Outputs,
        "For file:PATH: what its numbers mean: classes (softmax), findings (a sigmoid each), logit, value.",
    ),
    _declare_flag(
        "labels", str, "For file:PATH: imagenet, cifar10, or a file of labels, one a line or as JSON or CSV."
    ),
    _declare_flag("input_size", str, "For file:PATH: the model's input in pixels, 224 or HEIGHTxWIDTH as 256x128."),
    _declare_flag("fit", Framing, "For file:PATH: how a picture of another shape is made to fit: crop, squash or pad."),
    _declare_flag("resize_size", str, "For file:PATH and crop: shorter side before it, or HEIGHTxWIDTH to cover."),
    _declare_flag("interpolation", Interpolation, "For file:PATH: filter that pictures are resized with."),
    _declare_flag("mean", str, "For file:PATH: mean of each channel in 0…1, e.g. 0.5,0.5,0.5."),
    _declare_flag("std", str, "For file:PATH: standard deviation of each channel, e.g. 0.5,0.5,0.5."),
    _declare_flag("channels", int, "For file:PATH: 3 for colour, 1 for grey, up to 6 for bands."),
    _declare_flag("depth", int, "For file:PATH that reads volumes: slices of its input."),
    _declare_flag("spacing", str, "For file:PATH that reads volumes: mm between slices, rows, columns: 2.5,1.5,1.5."),
    _declare_flag("orientation", str, "For file:PATH that reads volumes: towards what its axes count up, e.g. SPL."),
    _declare_flag("model_window", str, "For file:PATH that reads volumes: values that become 0 and 1: -500,500."),
    _declare_flag("global_pool", str, "For file:PATH: pooling of a timm network, e.g. avg, max or token."),
    _declare_flag("recipe", Path, "For file:PATH: a TOML file with all of these, as inspect FILE --write makes it."),
    _declare_flag("forget_recipe", bool, "For file:PATH: forget what is remembered of the file.", "--forget-recipe"),
    _declare_flag("weights", Average, "For file:PATH: averaged or raw, of a checkpoint that holds both."),
)
"""What a checkpoint cannot say of itself; the arguments of `read_model`."""


def _declare_settings(kind: type[Settings]) -> tuple[inspect.Parameter, ...]:
    """A flag for each setting of a training."""
    return tuple(
        _declare_flag(name, info.annotation, f"{info.title}. {info.description}")
        for name, info in kind.model_fields.items()
    )


RECIPE, ATTENTION = _declare_settings(PromptRecipe), _declare_settings(AttentionRecipe)

DRAWING = tuple(
    _declare_flag(name, info.annotation, f"{info.title}. {info.description}")
    for name, info in DrawingSettings.model_fields.items()
)


def with_flags(*groups: Sequence[inspect.Parameter]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these flags in place of its `**` argument, which gets their values."""

    def change(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        named = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*named, *(flag for group in groups for flag in group)]
        )
        return command

    return change


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files, by their names, into a folder, which is made if missing.

    Raises:
        ExplainError: nothing can be written there.
    """
    with refusing_to_write(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)


def split_names(text: str) -> list[str]:
    """Names with commas between them, one by one."""
    return [name.strip() for name in text.split(",") if name.strip()]


def encode_json(data: Any) -> bytes:
    """JSON for people to read, as bytes."""
    return json.dumps(data, indent=1, ensure_ascii=False).encode()


def read_settings(presets: list[str], values: list[str]) -> dict[str, dict[str, Any]]:
    """Settings by method; the engine checks their names and bounds.

    Args:
        presets: of `--preset`, METHOD=PRESET.
        values: of `--set`, METHOD.SETTING=VALUE, which go before a preset's.

    Raises:
        ExplainError: a method has no such preset, or a value is not written like that.
    """
    settings: dict[str, dict[str, Any]] = {}
    for text in presets:
        name, _, preset = text.partition("=")
        known = get_method(name).presets
        if preset not in known:
            raise ExplainError(f"{name} has no preset “{preset}”. It has: {', '.join(known) or 'none'}.")
        settings[name] = known[preset].model_dump()
    for text in values:
        path, equals, value = text.partition("=")
        name, dot, field = path.partition(".")
        if not (equals and dot):
            raise ExplainError(f"--set takes METHOD.SETTING=VALUE, e.g. cf-cam.eps=2, not “{text}”.")
        settings.setdefault(name, {})[field] = value
    return settings


def read_view(values: list[str]) -> RenderSettings:
    """How maps are drawn, from the SETTING=VALUE of `--view`.

    Raises:
        ExplainError: there is no such setting, or a value is out of its bounds.
    """
    return _read_declared("--view", RenderSettings, values)


def read_mask(values: list[str]) -> MaskSettings:
    """How maps become masks, from the SETTING=VALUE of `--mask`.

    Raises:
        ExplainError: there is no such setting, or a value is out of its bounds.
    """
    return _read_declared("--mask", MaskSettings, values)


def _read_declared(flag: str, declared: type[S], values: list[str]) -> S:
    pairs = dict(text.partition("=")[::2] for text in values)
    try:
        return declared.model_validate(pairs)
    except ValidationError as error:
        refusal = read_refusal(error)
        known = ", ".join(declared.model_fields)
        raise ExplainError(
            f"{flag} does not take {refusal.field}={refusal.given}: {refusal.reason}. It takes: {known}."
        ) from None


def read_model(model: str, **checkpoint: Any) -> tuple[ModelRequest, bytes | None, Path | None]:
    """The request, and for a file its bytes and path.

    Where the flags are silent a recipe is taken; where none is given and no architecture is named, what is remembered
    of the file; and then what a folder's config.json says.

    Args:
        model: what `--model` says.
        checkpoint: values of the flags of `CHECKPOINT`; None where one is left out.

    Raises:
        ExplainError: a file cannot be read, a value cannot be, or a flag is given that the model has no use for.
    """
    given = {name: value for name, value in checkpoint.items() if value is not None}
    if not model.startswith("file:"):
        if given:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise ExplainError(f"{flags} only applies to --model file:PATH; {model} knows its own.")
        return parse_model(model), None, None
    folder = open_model_folder(Path(model.removeprefix("file:")))
    data = read_file(folder.weights)
    digest = hashlib.sha256(data).hexdigest()
    recipe, labels = given.pop("recipe", None), given.pop("labels", None)
    if given.pop("forget_recipe", False):
        forget_recipe(digest)
    before: dict[str, Any] = {}
    if recipe is not None:
        before = decode_recipe(read_file(recipe), str(recipe))
    elif "arch" not in given:
        before = recall_recipe(digest) or {}
    if labels is not None:
        before.pop("label_names", None)
        before.pop("labels", None)
        folder.known.pop("label_names", None)
        is_file = Path(labels).is_file()
        given |= {"label_file": read_file(Path(labels))} if is_file else {"labels": labels}
    if "arch" in given:
        given["architecture"] = given.pop("arch")
    if "model_window" in given:
        given["window"] = read_numbers("--model-window", given.pop("model_window"))
    for name in ("mean", "std", "spacing"):
        if name in given:
            given[name] = read_numbers(f"--{name}", given[name])
    for note in folder.notes:
        print(f"{folder.name}: {note}", file=sys.stderr)
    if {"labels", "label_names"} & set(before):
        folder.known.pop("label_names", None)
    known = encode_recipe({**folder.known, **before}) if folder.known or before else None
    return build_file_request(data, folder.name, recipe=known, **given), data, folder.weights


def keep_recipe(loaded: LoadedModel, **checkpoint: Any) -> None:
    """Remember what was said of a file that could be loaded, and say so where it is news.

    Args:
        loaded: what came of it.
        checkpoint: values of the flags of `CHECKPOINT`.
    """
    request = loaded.request
    said = {name for name, value in checkpoint.items() if value is not None} - {"forget_recipe"}
    if request.source != "file" or request.digest is None or not said:
        return
    try:
        news = remember_recipe(request.digest, request.recipe)
    except StorageError as error:
        print(f"{request.name}: {error}", file=sys.stderr)
        return
    if news:
        print(
            f"{request.name}: what was said of this file is remembered: next time file:PATH alone will do. "
            "--forget-recipe forgets it.",
            file=sys.stderr,
        )


def read_numbers(flag: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers with commas between, or None where the flag is left out.

    Args:
        flag: what to call it in an error.
        text: its value.

    Raises:
        ExplainError: something in it is no number.
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ExplainError(f"{flag} takes numbers with commas between, e.g. 0.5,0.5,0.5, not “{text}”.") from None
