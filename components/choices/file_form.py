"""The form that understands a file, as plain data: what was found, why, and what a person may write in its place.

Streamlit draws it elsewhere; nothing here knows of it, nor of torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from explain.errors import ModelError
from explain.models.label_file import read_labels
from explain.networks.meaning import MEANINGS
from explain.pictures.geometry import Framing, Interpolation

if TYPE_CHECKING:
    from explain.models.inspection import Inspection

Kind = Literal["said", "text", "numbers", "choice", "lines"]
"""How a row is shown: as words alone, a line of text, numbers with commas between, one of several, or some lines."""

_NUMBERS = ("mean", "std")
_CHOICES = {
    "fit": get_args(Framing),
    "interpolation": get_args(Interpolation),
    "weights": ("averaged", "raw"),
    "labels": ("imagenet", "cifar10"),
    "outputs": tuple(MEANINGS),
}
_TITLES = {"resize": "Resize before the crop", "std": "Standard deviation", "fit": "Pictures of another shape"}


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
    """

    title: str
    found: str
    reason: str
    kind: Kind = "said"
    field: str | None = None
    text: str = ""
    options: tuple[str, ...] = ()
    is_assumed: bool = False


def list_rows(inspection: Inspection) -> list[FormRow]:
    """The rows of the form for a file, in the order in which a person would ask."""
    rows = []
    for finding in inspection.findings:
        title = _TITLES.get(finding.subject, finding.subject[0].upper() + finding.subject[1:])
        if finding.field is None:
            rows.append(FormRow(title, finding.found, finding.reason))
            continue
        kind: Kind = "text"
        options: tuple[str, ...] = _CHOICES.get(finding.field, ())
        if finding.field == "architecture":
            kind, options = "choice", _list_architectures(inspection, finding.value)
        elif options:
            kind = "choice"
        elif finding.field in _NUMBERS:
            kind = "numbers"
        elif finding.field == "label_names":
            kind = "lines"
        text = _write(finding.value, finding.field)
        rows.append(
            FormRow(title, finding.found, finding.reason, kind, finding.field, text, options, finding.is_assumed)
        )
    return rows


def read_rows(rows: Sequence[FormRow], texts: Mapping[str, str]) -> dict[str, Any]:
    """What a person left or wrote, as arguments of `build_file_request`. What is only assumed and was left is left out.

    Args:
        rows: as they were shown.
        texts: by field, what stands in the form now; a row without one was left as it was.

    Raises:
        ModelError: something is not written as it must be.
    """
    given: dict[str, Any] = {}
    for row in rows:
        if row.field is None:
            continue
        text = texts.get(row.field, row.text)
        if not text.strip() or (row.is_assumed and text == row.text):
            continue
        given[row.field] = _read(row, text)
    return given


def _read(row: FormRow, text: str) -> Any:
    if row.kind == "numbers":
        try:
            return tuple(float(part) for part in text.replace(";", ",").split(","))
        except ValueError:
            raise ModelError(
                f"The {row.title.lower()} is written as numbers with commas between, e.g. 0.5, 0.5, 0.5."
            ) from None
    if row.kind == "lines":
        return read_labels(text.encode())
    if row.field == "channels":
        try:
            return int(text)
        except ValueError:
            raise ModelError("The channels are a whole number: 1 for grey, 3 for colour.") from None
    return text.strip()


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


def _list_architectures(inspection: Inspection, chosen: str) -> tuple[str, ...]:
    """The one in use, those that look the same, and the next candidates."""
    names = [chosen]
    for candidate in inspection.candidates:
        names += [candidate.architecture, *candidate.alike]
    return tuple(dict.fromkeys(names))
