"""What a method is: a pure function from a capture and its settings to a map, declared once together with both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from explain.errors import MethodError

if TYPE_CHECKING:
    from torch import Tensor

    from explain.capture import LayerCapture

Needs = Literal["activations", "gradients", "prompts"]


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


@dataclass(frozen=True)
class MethodResult:
    """What a method gives back.

    Attributes:
        values: the map `(h, w)` at the layer's resolution, float32, signed, not normalised, no ReLU.
        warnings: sentences a reader must know about this very map.
        details: what is worth showing beside the map (clusters, heads …): plain numbers, strings and arrays.
    """

    values: Tensor
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """One explanation method, as everything else in CAMscope sees it.

    Attributes:
        name: key on the command line and in links, e.g. `grad-cam`.
        title: the field's name for it, e.g. `Grad-CAM`.
        sentence: one line, what the map shows.
        paper: authors, title, year, identifier.
        needs: what the capture must hold: `activations`, `gradients` (these imply activations) or `prompts`.
        class_agnostic: the map does not depend on the class.
        settings: the pydantic model of its settings.
        function: `(capture, settings) -> MethodResult`.
        presets: named settings, e.g. `published`.
    """

    name: str
    title: str
    sentence: str
    paper: str
    needs: Needs
    class_agnostic: bool
    settings: type[Settings]
    function: Callable[[LayerCapture, Any], MethodResult]
    presets: Mapping[str, Settings] = field(default_factory=dict)


_METHODS: dict[str, Method] = {}


def method(
    *,
    name: str,
    title: str,
    sentence: str,
    paper: str,
    needs: Needs,
    class_agnostic: bool = False,
    settings: type[Settings] = Settings,
    presets: Mapping[str, Settings] | None = None,
) -> Callable[[Callable[[LayerCapture, Any], MethodResult]], Callable[[LayerCapture, Any], MethodResult]]:
    """Register the decorated function as a method. Order of registration is the order shown."""

    def register(function: Callable[[LayerCapture, Any], MethodResult]) -> Callable[[LayerCapture, Any], MethodResult]:
        _METHODS[name] = Method(name, title, sentence, paper, needs, class_agnostic, settings, function, presets or {})
        return function

    return register


def all_methods() -> dict[str, Method]:
    """Every registered method by name, in the order shown."""
    return dict(_METHODS)


def get_method(name: str) -> Method:
    """The method of that name; an unknown one is a `MethodError` that lists the known."""
    try:
        return _METHODS[name]
    except KeyError:
        raise MethodError(f"There is no method “{name}”. Known methods: {', '.join(_METHODS)}.") from None
