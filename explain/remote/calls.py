"""What may be asked of an engine elsewhere: a closed table of its methods, and what each of their arguments may be.

An argument is written by `write_argument` where it is asked, and read by what `ARGUMENTS` declares where it is
answered: a name is never a path there, and what no method takes is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from pydantic import BaseModel, InstanceOf, TypeAdapter, ValidationError

from explain.engine.channels import ChannelMeter
from explain.engine.effects import Remover
from explain.engine.engine import Engine
from explain.engine.patching import Patcher
from explain.engine.visualisation import Visualiser
from explain.engine.whole_volumes import VolumeExplainer
from explain.errors import ExplainError, MethodError
from explain.maps.fusion import Fusion
from explain.methods import Method, get_method
from explain.passes.look import Score
from explain.pictures.augmentation import Augmentation
from explain.pictures.picture import Picture
from explain.settings import read_refusal
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume
from explain.volumes.windows import Window

_Picture = InstanceOf[Picture]
_Array = InstanceOf[np.ndarray]
_Names = str | tuple[str, ...]
_Target = int | str | tuple[int | str, ...] | None

_MOST = 4096
"""Regions, directions and the like: the engine bounds them further."""

ARGUMENTS: Mapping[str, Any] = {
    "picture": _Picture,
    "twin": _Picture | None,
    "pictures": _Picture | tuple[_Picture, ...],
    "beside": tuple[_Picture, ...],
    "references": tuple[_Picture, ...] | None,
    "volume": InstanceOf[Volume],
    "methods": _Names,
    "method": str,
    "layer": _Names,
    "layers": tuple[str, str],
    "target": _Target,
    "targets": tuple[int | str, ...],
    "settings": dict[str, Any] | None,
    "score": Score,
    "fusion": Fusion,
    "augmentation": Augmentation,
    "verdicts": bool,
    "measures": tuple[str, ...] | None,
    "top": int,
    "regions": dict[str, _Array | tuple[float, ...] | tuple[tuple[float, float], ...]],
    "plane": Plane,
    "window": str | InstanceOf[Window] | None,
    "invert": bool,
    "first": int | None,
    "channel": int | tuple[float, ...] | _Array | None,
    "start": _Array | None,
    "seed": int,
    "most": int,
    "maps": tuple[float, ...],
    "count": int,
}
"""What each argument may be, whichever method takes it."""


@dataclass(frozen=True)
class Call:
    """A method of the engine.

    Attributes:
        method: as it is declared: says which arguments there are, and what they are where they are left out.
        streams: it gives answers one after the other.
        adapt: makes of the arguments what the method takes.
    """

    method: Callable[..., Any]
    streams: bool = False
    adapt: Callable[[dict[str, Any]], dict[str, Any]] = dict

    def bind(self, args: tuple[Any, ...], told: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by their names; of those left out, none."""
        given = inspect.signature(self.method).bind(None, *args, **told).arguments
        return {name: value for name, value in given.items() if name != "self"}

    @property
    def parameters(self) -> set[str]:
        """Names of all arguments."""
        return set(inspect.signature(self.method).parameters)

    @property
    def takes(self) -> set[str]:
        """Names of the arguments that cross."""
        return self.parameters & ARGUMENTS.keys()


@dataclass(frozen=True)
class _Took:
    """Of a map, how long it took."""

    seconds: float


def _name_settings(told: dict[str, Any]) -> dict[str, Any]:
    """With a method's settings as the method has them."""
    if told.get("settings") is None:
        return told
    try:
        chosen = get_method(str(told.get("method", "grad-cam"))).settings.model_validate(told["settings"])
    except ValidationError as error:
        refusal = read_refusal(error)
        raise MethodError(f"{told.get('method')} does not take {refusal.path}: {refusal.reason}.") from None
    return told | {"settings": chosen}


def _find_method(told: dict[str, Any]) -> dict[str, Any]:
    return _name_settings(told) | {"method": get_method(told["method"])}


def _lay_times(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"maps": tuple(_Took(seconds) for seconds in told["maps"])}


CALLS: Mapping[str, Call] = {
    "predict": Call(Engine.predict),
    "explain": Call(Engine.explain),
    "explain_stack": Call(Engine.explain_stack, streams=True),
    "explain_volume": Call(VolumeExplainer.explain),
    "judge": Call(Engine.judge, streams=True),
    "judge_volume": Call(VolumeExplainer.judge, streams=True),
    "measure": Call(Engine.measure),
    "measure_volume": Call(VolumeExplainer.measure),
    "measure_effects": Call(Remover.measure),
    "measure_channels": Call(ChannelMeter.measure),
    "measure_paths": Call(ChannelMeter.trace),
    "measure_patches": Call(Patcher.measure),
    "find_exemplars": Call(Visualiser.find_exemplars),
    "draw": Call(Visualiser.draw),
    "capture": Call(Engine.capture, adapt=_name_settings),
    "ask_prompts": Call(Engine.ask_prompts),
    "estimate_seconds": Call(Engine.estimate_seconds, adapt=_find_method),
    "estimate_verdicts": Call(Engine.estimate_verdicts),
    "estimate_stack": Call(Engine.estimate_stack, adapt=_lay_times),
}
"""By what they go by, all methods of an engine that may be asked from elsewhere."""


def write_argument(name: str, value: Any) -> Any:
    """An argument as it crosses, to be written by a `Writer`."""
    if name == "method" and isinstance(value, Method):
        return value.name
    if name == "maps":
        return tuple(float(one.seconds) for one in value)
    if name == "settings" and isinstance(value, Mapping):
        return {key: _write_settings(one) for key, one in value.items()}
    if isinstance(value, BaseModel):
        return _write_settings(value)
    if isinstance(value, list):
        return tuple(value)
    return value


def read_arguments(call: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, checked.

    Raises:
        ExplainError: there is no such call, or it takes no such arguments.
    """
    if call not in CALLS:
        raise ExplainError(f"An engine cannot be asked for “{call[:40]}”. It may be of another version of CAMscope.")
    for name, value in given.items():
        if name not in CALLS[call].takes or not _fits(name, value):
            raise ExplainError(f"This is no question for an engine: {call} does not take this {name[:40]}.")
    return CALLS[call].adapt(dict(given))


def _write_settings(chosen: Any) -> Any:
    return chosen.model_dump(mode="json") if isinstance(chosen, BaseModel) else chosen


def _fits(name: str, value: Any) -> bool:
    """Whether an argument is of the kind that it must be."""
    try:
        _make_adapter(name).validate_python(value, strict=True)
    except ValidationError:
        return False
    return not isinstance(value, (tuple, dict)) or len(value) <= _MOST


@cache
def _make_adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(ARGUMENTS[name])
