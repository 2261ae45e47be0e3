"""Flags that commands share, and how they are read."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from explain.bundled.models import FIRST_MODEL, FIRST_VIT
from explain.errors import ExplainError
from explain.maps.render import RenderSettings
from explain.methods import get_method
from explain.models.request import ModelRequest, build_file_request, parse_model
from explain.pictures.scaling import MOST_WHITE
from explain.settings import read_refusal
from explain.storage import read_file
from explain.training.recipe import PromptRecipe

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Shows where an image model looks. Not for diagnostic use.",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

ModelName = Annotated[
    str,
    typer.Option("--model", help=f"{FIRST_MODEL}, the name of a timm model, prompts:NAME, or file:PATH with --arch."),
]

PromptedModel = Annotated[
    str,
    typer.Option("--model", help=f"One with class prompts: {FIRST_VIT}, prompts:NAME, or file:PATH with --arch."),
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
    _declare_flag("arch", str, "For file:PATH: timm/NAME or torchvision/NAME, e.g. torchvision/resnet18.", "--arch"),
    _declare_flag("labels", str, "For file:PATH: imagenet, cifar10, or a text file with one label a line."),
    _declare_flag("input_size", int, "For file:PATH: side of the model's input in pixels."),
    _declare_flag("mean", str, "For file:PATH: mean of each channel in 0…1, e.g. 0.5,0.5,0.5."),
    _declare_flag("std", str, "For file:PATH: standard deviation of each channel, e.g. 0.5,0.5,0.5."),
    _declare_flag("channels", int, "For file:PATH: 3 for colour, 1 for grey."),
)
"""What a checkpoint cannot say of itself; the arguments of `read_model`."""

RECIPE = tuple(
    _declare_flag(name, info.annotation, f"{info.title}. {info.description}")
    for name, info in PromptRecipe.model_fields.items()
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise ExplainError(f"Nothing can be written to {folder}: {error.strerror or error}.") from None


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
    pairs = dict(text.partition("=")[::2] for text in values)
    try:
        return RenderSettings.model_validate(pairs)
    except ValidationError as error:
        refusal = read_refusal(error)
        known = ", ".join(RenderSettings.model_fields)
        raise ExplainError(
            f"--view does not take {refusal.field}={refusal.given}: {refusal.reason}. It takes: {known}."
        ) from None


def read_model(
    model: str,
    arch: str | None,
    labels: str | None,
    input_size: int | None,
    mean: str | None,
    std: str | None,
    channels: int | None,
) -> tuple[ModelRequest, bytes | None, Path | None]:
    """The request, and for a file its bytes and path.

    Args:
        model: what `--model` says.
        arch: as all that follow, a flag of `CHECKPOINT`; None where it is left out.
        labels: a known label set, or the path of a label file.
        input_size: in pixels.
        mean: numbers with commas between.
        std: numbers with commas between.
        channels: 1 or 3.

    Raises:
        ExplainError: a file cannot be read, a value cannot be, or a flag is given that the model has no use for.
    """
    if not model.startswith("file:"):
        given = {"--arch": arch, "--labels": labels, "--input-size": input_size, "--mean": mean, "--std": std}
        useless = [flag for flag, value in {**given, "--channels": channels}.items() if value is not None]
        if useless:
            raise ExplainError(f"{', '.join(useless)} only applies to --model file:PATH; {model} knows its own.")
        return parse_model(model), None, None
    path = Path(model.removeprefix("file:"))
    data = read_file(path)
    label_file = Path(labels) if labels and Path(labels).is_file() else None
    request = build_file_request(
        data,
        path.name,
        architecture=arch,
        labels=None if label_file else labels,
        label_file=read_file(label_file) if label_file else None,
        input_size=input_size,
        mean=read_numbers("--mean", mean),
        std=read_numbers("--std", std),
        channels=channels,
    )
    return request, data, path


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
