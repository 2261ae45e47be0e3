"""The line that makes the maps of a report again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from explain.engine.explanation import Explanation, PictureExplanation
from explain.models.request import ModelRequest
from explain.pictures.scaling import RULES
from explain.settings import Settings

PICTURE = "PICTURE"
"""In place of the picture's file, whose name may be a patient's."""


def write_command(explanation: Explanation, entry: PictureExplanation, whole: bool = False) -> str:
    """The line of the shell that makes a picture's maps again; for file names stand `PICTURE` and `CHECKPOINT`.

    Args:
        explanation: the answer.
        entry: of one picture.
        whole: that is a slice of a volume which was explained whole.
    """
    picture, maps = entry.picture, entry.maps
    methods = dict.fromkeys(heatmap.method for heatmap in maps)
    words = ["python", "-m", "explain", "show", PICTURE, "--out", "out"]
    words += ["--model", _name_model(explanation.model.request), "--methods", ",".join(methods)]
    words += [word for layer in entry.layers for word in ("--layer", layer)]
    words += [word for target in entry.targets for word in ("--target", str(target))]
    settings = {heatmap.method: heatmap.settings for heatmap in maps}
    words += [word for name, own in settings.items() for value in _list_changed(name, own) for word in ("--set", value)]
    for flag, value, usual in (
        ("--score", explanation.score, "logit"),
        ("--fusion", explanation.fusion, "none"),
        ("--augmentation", explanation.augmentation, "none"),
    ):
        words += [flag, value] if value != usual else []
    if picture.white is not None:
        words += ["--white", str(picture.white)]
    if picture.section is not None and not whole:
        words += ["--slice", str(picture.section.index + 1)]
        words += ["--plane", picture.section.plane] if picture.section.plane != "stack" else []
        words += ["--window", picture.section.window] if picture.section.window else []
    words += ["--verdicts"] if entry.verdicts else []
    words += ["--without"] if entry.effects else []
    if entry.masks is not None:
        words += [word for name, value in entry.masks.model_dump().items() for word in ("--mask", f"{name}={value}")]
    return " ".join(map(_quote, words))


def _quote(word: str) -> str:
    """A word as the shell takes it; one with an apostrophe, such as a window's, in double quotes, to be legible."""
    if "'" in word and not set(word) & set('"$`\\!'):
        return f'"{word}"'
    return shlex.quote(word)


def can_be_made_again(explanation: Explanation, entry: PictureExplanation) -> str:
    """Why the line alone does not make the maps again, in a sentence; empty where it does."""
    picture = entry.picture
    if explanation.model.request.source == "module":
        return "The model was handed over in Python: no line of the shell names it."
    if picture.section is not None and picture.section.inverted:
        return "The slice was inverted by hand, which only the manifest says."
    if picture.rules != RULES:
        return "The picture was read by older rules, which only the manifest says."
    if not picture.source and picture.section is None and picture.white is None:
        return "The picture was altered or made on the way: no file holds it."
    return ""


def _name_model(request: ModelRequest) -> str:
    if request.source == "file":
        return "file:CHECKPOINT"
    return f"{request.source}:{request.name}" if request.source in ("hub", "prompts") else request.name


def _list_changed(name: str, settings: Settings) -> Iterable[str]:
    """The settings that are not as they are at first, as `--set` takes them."""
    for field, info in type(settings).model_fields.items():
        value = getattr(settings, field)
        if value != info.default:
            yield f"{name}.{field}={value}"
