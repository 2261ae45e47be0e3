"""The form that understands a file, as plain data: what was found, why, and what a person may write in its place.

Streamlit draws it in `own_file`; nothing here knows of it, nor of torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from explain.errors import ModelError
from explain.models.label_file import read_labels
from explain.models.labels import KNOWN_SETS
from explain.models.request import Average
from explain.networks.meaning import MEANINGS, list_meanings
from explain.percent import write_percent
from explain.pictures.geometry import MOST_CHANNELS, Framing, Interpolation

if TYPE_CHECKING:
    from explain.models.inspection import Inspection

Kind = Literal["said", "text", "numbers", "choice", "lines"]
"""How a row is shown: as words alone, a line of text, numbers with commas between, one of several, or some lines."""

NUMBERED = "numbered"
"""The choice of class names that stands for those in the file, or for numbers where it names none."""

OPEN = ("architecture", "label_names", "input_size", "fit", "outputs", "weights")
"""What a person looks at first, by field; the other rows are folded away."""

_NUMBERS = ("mean", "std", "spacing", "window")
_CHOICES: dict[str, tuple[str, ...]] = {
    "fit": get_args(Framing),
    "interpolation": get_args(Interpolation),
    "weights": get_args(Average),
    "channels": tuple(map(str, range(1, MOST_CHANNELS + 1))),
}
_WORDS: dict[str, str] = {
    "crop": "Crop: the middle",
    "squash": "Squash: the whole picture",
    "pad": "Pad: the whole picture, with a border",
    "averaged": "Averaged over the training",
    "raw": "Of the last step",
    "imagenet": "ImageNet",
    "cifar10": "CIFAR-10",
    "1": "1, grey",
    "3": "3, colour",
    **{str(outputs): words for outputs, words in MEANINGS.items()},
}
_TITLES = {
    "input size": "Input size (pixels)",
    "fit": "Fit",
    "resize": "Resize before the crop (pixels)",
    "interpolation": "Filter",
    "std": "Standard deviation",
    "outputs": "What its numbers mean",
    "depth": "Depth (slices)",
    "spacing": "Spacing (mm): slices, rows, columns",
    "orientation": "Axes towards",
    "window": "Values that become 0 and 1",
}
_TOLD = "as told"
_MOST_OTHERS = 4
_THOUSAND = "numbered, 1,000"


@dataclass(frozen=True)
class FormRow:
    """One row of the form.

    Attributes:
        title: what it is of.
        found: what was found, in words.
        reason: why, as the end of a sentence.
        kind: how it is shown.
        field: the argument of `build_file_request` that it fills; None where nothing can be changed.
        text: what stands in the field at first.
        options: of a choice.
        is_assumed: nothing in the file says so, and a person should look at it.
        is_open_question: nobody but a person can say it.
    """

    title: str
    found: str
    reason: str
    kind: Kind = "said"
    field: str | None = None
    text: str = ""
    options: tuple[str, ...] = ()
    is_assumed: bool = False
    is_open_question: bool = False


def list_rows(inspection: Inspection, told: Mapping[str, str] | None = None) -> list[FormRow]:
    """The rows of the form for a file, in the order in which a person would ask.

    Args:
        inspection: what was found in it.
        told: by field, who says so where that is not the file: a link, a file beside it, the person.
    """
    told = told or {}
    rows = []
    is_settled = inspection.request.architecture is not None
    for finding in inspection.findings:
        title = _TITLES.get(finding.subject, finding.subject[0].upper() + finding.subject[1:])
        if finding.field is None:
            rows.append(FormRow(title, finding.found, finding.reason))
            continue
        field = "label_names" if finding.field == "labels" else finding.field
        reason = finding.reason.partition(": give")[0]
        if reason.startswith(_TOLD):
            reason = told.get(finding.field, _TOLD) + reason.removeprefix(_TOLD)
        elif reason.startswith("what "):
            reason = f"as {inspection.request.architecture} was published"
        kind: Kind = "text"
        options: tuple[str, ...] = _CHOICES.get(field, ())
        if field == "outputs":
            options = list_meanings(inspection.candidates[0].num_classes if inspection.candidates else None)
        if options:
            kind = "choice"
        elif field in _NUMBERS:
            kind = "numbers"
        elif field == "label_names":
            kind = "lines"
        text = _write(finding.value, field)
        if field == "architecture" and not is_settled:
            text = ""
        if field == "label_names" and not text and finding.found == _THOUSAND:
            reason = "the file names none; if they are ImageNet's, choose them"
        asked = field == "outputs" and not text
        rows.append(FormRow(title, finding.found, reason, kind, field, text, options, finding.is_assumed, asked))
    if (inspection.request.architecture or "").startswith("timm/") and inspection.loaded is not None:
        pooling = inspection.request.global_pool
        why = told.get("global_pool", _TOLD) if pooling else "left empty: the network's own way"
        rows.append(FormRow("Pooling (timm)", pooling or "its own", why, "text", "global_pool", pooling or ""))
    return rows


def ask_architecture(sentence: str) -> list[FormRow]:
    """The one row of a file of which nothing else can be told."""
    return [FormRow("Architecture", "unknown", sentence, "text", "architecture")]


def list_others(inspection: Inspection) -> dict[str, str]:
    """The other architectures that a file may be of, with how far each agrees."""
    chosen = inspection.request.architecture
    others: dict[str, str] = {}
    for candidate in inspection.candidates:
        if candidate.share > 0:
            others.setdefault(candidate.architecture, write_percent(candidate.share))
    best = inspection.candidates[0] if inspection.candidates else None
    for name in best.alike if best is not None else ():
        others.setdefault(name, "looks the same")
    # Nobody takes what fits badly for what fits in all.
    worth = [name for name, words in others.items() if name != chosen and (chosen is None or _is_close(words))]
    return {name: others[name] for name in worth[:_MOST_OTHERS]}


def _is_close(words: str) -> bool:
    return words == "looks the same" or int(words.rstrip(" %")) >= 90


def word_choice(value: str) -> str:
    """An option as people read it."""
    return _WORDS.get(value, f"{value} bands" if value.isdigit() else value)


def name_assumed(rows: Sequence[FormRow]) -> str:
    """The titles of what is only assumed, as the middle of a sentence; empty where nothing is."""
    titles = [row.title.partition(" (")[0].lower() for row in rows if row.is_assumed]
    return ", ".join(titles[:-1]) + (" and " if len(titles) > 1 else "") + titles[-1] if titles else ""


def read_assumed(rows: Sequence[FormRow]) -> dict[str, Any]:
    """What is only assumed, by field: a recipe holds it as comments."""
    return {row.field: _read(row.field, row.text) for row in rows if row.is_assumed and row.field and row.text}


def read_edits(edits: Mapping[str, Any]) -> dict[str, Any]:
    """What a person wrote, as arguments of `build_file_request`.

    Args:
        edits: by field, the text that stands in the form, or names from a label file; an empty one says nothing.

    Raises:
        ModelError: something is not written as it must be.
    """
    given: dict[str, Any] = {}
    for field, written in edits.items():
        if not isinstance(written, str):
            given[field] = written
        elif written.strip() and written != NUMBERED:
            given[field] = _read(field, written)
    return given


def _read(field: str, text: str) -> Any:
    if field in _NUMBERS:
        return read_numbers("standard deviation" if field == "std" else field, text)
    if field == "label_names":
        # A name may begin with a number: lines are taken as they are, in their order.
        lines = tuple(line.strip() for line in text.splitlines() if line.strip())
        return read_labels(text.encode()) if lines[0][0] in "{[" else lines
    if field in ("channels", "depth"):
        return _read_count(field, text)
    return text.strip()


def _read_count(field: str, text: str) -> int:
    if not text.strip().isdecimal():
        raise ModelError(f"The {field} is a whole number, not “{text.strip()}”.")
    return int(text)


def read_numbers(name: str, text: str) -> tuple[float, ...] | None:
    """Numbers with commas between; None for an empty text.

    Raises:
        ModelError: there is something else.
    """
    parts: Sequence[str] = text.replace(";", ",").split(",") if text.strip() else ()
    try:
        return tuple(float(part) for part in parts) or None
    except ValueError:
        raise ModelError(f"The {name} is written as numbers with commas between, e.g. 0.5, 0.5, 0.5.") from None


def _write(value: Any, field: str) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        if field == "label_names":
            return "\n".join(map(str, value))
        return ("x" if field in ("input_size", "resize_size") else ", ").join(
            f"{part:g}" if isinstance(part, float) else str(part) for part in value
        )
    return str(value)


LABEL_CHOICES = (NUMBERED, *KNOWN_SETS)
