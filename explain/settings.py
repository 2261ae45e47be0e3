"""How a setting is declared: once, with its bounds, unit and help, from which slider, flag, key and docs follow.

And what is said of a value that its declaration refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Settings(BaseModel):
    """A method's settings. The field's bounds, default, label, unit and help drive slider, flag, cache key and docs."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def setting(
    default: Any,
    label: str,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    advanced: bool = False,
) -> Any:
    """Declare one setting.

    Args:
        default: its value where nothing is given.
        label: its name, as people read it.
        help: what it does, in a sentence.
        unit: of its value, where it has one.
        low: the least value allowed.
        high: the largest value allowed.
        step: from one value of a slider to the next.
        advanced: it starts folded away in the dashboard.
    """
    return Field(
        default,
        title=label,
        description=help,
        ge=low,
        le=high,
        json_schema_extra={"unit": unit, "step": step, "advanced": advanced},
    )


@dataclass(frozen=True)
class Refusal:
    """What a declaration has against a value.

    Attributes:
        field: the refused field, by the name it is declared under; empty where everything was refused at once.
        path: the same, down to the part that is wrong, e.g. `maps.0.layer`.
        given: the value.
        reason: why, as the end of a sentence, without its full stop.
    """

    field: str
    path: str
    given: Any
    reason: str


def read_refusal(error: ValidationError) -> Refusal:
    """The first thing that pydantic refused; a person mends one after the other.

    Args:
        error: of any pydantic model, not of `Settings` alone.
    """
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    return Refusal(path[0] if path else "", ".".join(path), first["input"], first["msg"].lower())
