"""How a setting is declared: once, with its bounds, unit and help, from which slider, flag, key and docs follow."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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
    """Declare one setting. `low` and `high` are inclusive; `advanced` ones start folded away in the dashboard."""
    return Field(
        default,
        title=label,
        description=help,
        ge=low,
        le=high,
        json_schema_extra={"unit": unit, "step": step, "advanced": advanced},
    )
