"""How a setting is declared: once, with its bounds, unit and help, from which slider, flag, key and docs follow.

And what is said of a value that its declaration refuses.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explain.errors import ExplainError

S = TypeVar("S", bound=BaseModel)


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
    least: float | None = None,
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
        least: in place of `step`, for a setting that matters by its magnitude: its slider is logarithmic from here on,
            and begins with `low`.
        advanced: it starts folded away in the dashboard.
    """
    return Field(
        default,
        title=label,
        description=help,
        ge=low,
        le=high,
        json_schema_extra={"unit": unit, "step": step, "least": least, "advanced": advanced},
    )


_ROUND = (10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 25, 28, 30, 35, 40, 45, 50, 55, 60, 70, 80, 90)
"""The values of a decade, in tenths."""


def list_values(field: Mapping[str, Any], marked: bool = False) -> list[float]:
    """The values that a logarithmic slider offers, ascending. Every other within the bounds is allowed too.

    Args:
        field: what the schema says of a setting that was declared with `least`.
        marked: only those that are written below the slider: both ends, and two of each decade.
    """
    low, least, high = float(field["minimum"]), float(field["least"]), float(field["maximum"])
    decades = range(math.floor(math.log10(least)) - 1, math.ceil(math.log10(high)))
    # By division, so that they are the very numbers that people write.
    values = [tenths * 10**decade if decade >= 0 else tenths / 10**-decade for decade in decades for tenths in _ROUND]
    within = [float(value) for value in values if least <= value <= high]
    if marked:
        within = [value for value in within if f"{value:e}".startswith(("1.000", "3.000"))]
    return sorted({low, *within, high})


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


PREFIX = "CAMSCOPE_"
"""Of the variables that set something; the rest is the setting's name in capitals."""


def read_environment(
    kind: type[S],
    environment: Mapping[str, str] = os.environ,
    error: type[ExplainError] = ExplainError,
    takes: Mapping[str, str] = MappingProxyType({}),
) -> S:
    """The settings that the environment sets, and the defaults of the others; an empty variable sets nothing.

    Args:
        kind: where they are declared.
        environment: variables by their names.
        error: what to raise.
        takes: by setting, what it takes, in words; left out, pydantic's own are said.

    Raises:
        ExplainError: or the given kind of it: a variable has a value that it cannot have.
    """
    given = {name: environment.get(PREFIX + name.upper(), "").strip() for name in kind.model_fields}
    try:
        return kind.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as refused:
        refusal = read_refusal(refused)
        taken = takes.get(refusal.field)
        why = f". It takes {taken}." if taken else f": {refusal.reason}. Change it, or leave it out."
        variable = PREFIX + refusal.field.upper()
        raise error(f"{variable} cannot be “{given[refusal.field]}”{why}") from None


def describe_values(settings: Settings) -> list[str]:
    """The settings as `name value`, as on the command line: those that are always visible, and of the advanced ones
    what is not as it was at first.
    """
    described = []
    for name, field in type(settings).model_json_schema().get("properties", {}).items():
        value = getattr(settings, name)
        if not field.get("advanced") or value != field["default"]:
            described.append(f"{name} {_write(value)}")
    return described


def _write(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:g}"
