"""From what the engine answered to what the canvas shows: a row a picture, the picture itself and a pane a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.canvas import Choice, Pane, Row
from explain.explanation import PictureExplanation
from explain.heatmap import Heatmap
from explain.methods import get_method
from explain.picture import Picture

SWITCH_MODEL = "switch-model"
EXPLAIN_CLASS = "explain-class"


@dataclass(frozen=True, eq=False)
class Failure:
    """A picture that could not be explained, and the sentence why."""

    picture: Picture
    sentence: str


def build_rows(
    outcomes: Sequence[PictureExplanation | Failure],
    methods: Sequence[str],
    twin: str | None,
    coming: Mapping[str, str] | None = None,
) -> list[Row]:
    """Describe every picture's row.

    Args:
        outcomes: one a picture.
        methods: the columns, in order.
        twin: a bundled model with prompts that knows the same classes, offered where the model has no prompts.
        coming: methods whose maps are still being made, and what is said of them until then.
    """
    return [
        _build_failed_row(outcome) if isinstance(outcome, Failure) else _build_row(outcome, methods, twin, coming or {})
        for outcome in outcomes
    ]


def describe_passes(heatmap: Heatmap) -> str:
    """The time of a map, and how often the network ran for it."""
    count = heatmap.passes.forward + heatmap.passes.backward
    passes = "no pass" if count == 0 else f"{count} pass{'es' if count > 1 else ''}"
    return f"{_format_time(heatmap.seconds)} · {passes}"


def describe_picture(picture: Picture) -> str:
    """Size and what reading the file did."""
    height, width = picture.size
    return " ".join([f"{width} × {height} pixels.", *picture.notes])


def _build_row(entry: PictureExplanation, methods: Sequence[str], twin: str | None, coming: Mapping[str, str]) -> Row:
    probability = next((p.probability for p in entry.predictions if p.index == entry.targets[0]), None)
    explained = f"Explained: {entry.labels[0]}"
    share = "" if probability is None else f" ({_format_share(probability)})"
    predicted = ", the likeliest class" if entry.predictions[0].index == entry.targets[0] else ""
    panes = [_build_picture_pane(entry)]
    maps = {heatmap.method: heatmap for heatmap in entry.maps}
    for name in methods:
        if name in maps:
            panes.append(_build_map_pane(entry, maps[name]))
        else:
            panes.append(_build_missing_pane(entry, name, twin, coming.get(name, "This map is missing.")))
    return Row(
        key=entry.picture.digest,
        label=entry.picture.name,
        pixels=entry.picture.pixels,
        digest=entry.picture.digest,
        panes=panes,
        detail=f"{explained}{share}{predicted} · {describe_picture(entry.picture)}",
    )


def _build_picture_pane(entry: PictureExplanation) -> Pane:
    return Pane(
        key="picture",
        title="Picture",
        sentence="The likeliest classes. Press one to explain it.",
        alt=entry.picture.name,
        choices=tuple(
            Choice(p.label, p.probability, p.index == entry.targets[0], f"{EXPLAIN_CLASS}:{p.index}")
            for p in entry.predictions
        ),
    )


def _build_map_pane(entry: PictureExplanation, heatmap: Heatmap) -> Pane:
    method = get_method(heatmap.method)
    warnings = list(heatmap.warnings)
    if "prompts" in method.needs and entry.prompt_predictions[0].index != entry.predictions[0].index:
        warnings.append(
            f"The prompts find “{entry.prompt_predictions[0].label}” likeliest, the model's own head "
            f"“{entry.predictions[0].label}”."
        )
    return Pane(
        key=heatmap.method,
        title=method.title,
        sentence=method.sentence,
        time=describe_passes(heatmap),
        warnings=tuple(warnings),
        values=heatmap.values,
        box=heatmap.box,
        alt=f"{method.title} for “{heatmap.label}” on {entry.picture.name}",
    )


def _build_missing_pane(entry: PictureExplanation, name: str, twin: str | None, otherwise: str) -> Pane:
    method = get_method(name)
    return Pane(
        key=name,
        title=method.title,
        sentence=method.sentence,
        message=entry.unavailable.get(name, otherwise),
        action=(f"Switch to {twin}", f"{SWITCH_MODEL}:{twin}") if twin and "prompts" in method.needs else None,
        alt=f"{method.title} on {entry.picture.name}",
    )


def _build_failed_row(failure: Failure) -> Row:
    picture = failure.picture
    pane = Pane(key="picture", title="Picture", message=failure.sentence, alt=picture.name)
    return Row(picture.digest, picture.name, picture.pixels, picture.digest, [pane], describe_picture(picture))


def _format_time(seconds: float) -> str:
    if seconds < 1e-4:
        return "under 0.1 ms"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"


def _format_share(probability: float) -> str:
    return f"{probability:.0%}" if 0.01 <= probability <= 0.99 else f"{probability:.1%}"
