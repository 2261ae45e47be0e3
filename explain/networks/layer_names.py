"""Names of layers as people write them: `layer4[-1]`, `model.layer4`, `features.-1`, `blocks.11.norm1`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from explain.errors import LayerError, make_printable
from explain.networks.layer import Layer

if TYPE_CHECKING:
    from torch import nn

_LONGEST = 200  # of a name; the longest of timm's have some 80 characters
_PART = re.compile(r"\.?([A-Za-z_]\w*|-?\d{1,6})|\[\s*(-?\d{1,6})\s*\]|\[\s*[\"']([\w-]+)[\"']\s*\]")
_VARIABLES = ("self", "model", "net", "network", "module", "m", "backbone", "encoder")
"""What the network is called in the code that a name comes from; taken off where the network has no such part."""


def find_layer(module: nn.Module, layers: Sequence[Layer], text: str) -> Layer:
    """The layer that is explained where a name points.

    A module that gives the very same tensor as a layer is that layer: `layer4.1` of a ResNet-18 is `layer4`.

    Args:
        module: the network.
        layers: those that can be explained.
        text: the name of a module, also with indices in brackets and from the end, and after the network's own name.

    Raises:
        LayerError: there is no such module, or it is not explained; the text says which to take instead.
    """
    by_name = {layer.name: layer for layer in layers}
    if text in by_name:
        return by_name[text]
    name = find_module_name(module, text)
    if name is None or name == "":
        known = {**by_name, **{alias: layer for layer in layers for alias in layer.aliases}}
        near = [known[n].name for n in get_close_matches(text[:_LONGEST], known, n=8, cutoff=0.4)]
        listed = list(dict.fromkeys(near))[:5] or list(by_name)[-5:]
        raise LayerError(
            f"There is no layer “{make_printable(text, _LONGEST)}” in this model. Nearest of those that can be "
            f"explained: {', '.join(listed)}; “auto” takes the best one."
        )
    for layer in layers:
        if name == layer.name or name in layer.aliases:
            return layer
    raise LayerError(_say_why_not(module, layers, name))


def find_module_name(module: nn.Module, text: str) -> str | None:
    """The dotted name of the module that a text points to; None where there is none.

    Indices count from the end where they are negative: `features[-1]`, `blocks.-1.norm1`.
    """
    parts = _split(text)
    while parts:
        name = _walk(module, parts)
        if name is not None or parts[0] not in _VARIABLES:
            return name
        parts = parts[1:]
    return None


def _split(text: str) -> list[str]:
    """The parts of a path; none where it is not written like one."""
    parts, at = [], 0
    text = text.strip()
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or len(text) > _LONGEST:
            return []
        parts.append(next(group for group in found.groups() if group is not None))
        at = found.end()
    return parts


def _walk(module: nn.Module, parts: Sequence[str]) -> str | None:
    """The dotted name that leads from a module along the parts."""
    names = []
    for part in parts:
        children = dict(module.named_children())
        if part not in children and re.fullmatch(r"-?\d+", part):
            index = int(part)
            if not -len(children) <= index < len(children):
                return None
            part = list(children)[index]
        if part not in children:
            return None
        names.append(part)
        module = children[part]
    return ".".join(names)


def _say_why_not(module: nn.Module, layers: Sequence[Layer], name: str) -> str:
    """Why a module that exists is not explained, and which layer to take instead."""
    kind = type(module.get_submodule(name)).__name__
    starts = f"“{name}” ({kind}) cannot be explained by itself"
    names = {layer.name: {layer.name, *layer.aliases} for layer in layers}
    around = [layer for layer, called in names.items() if any(name.startswith(f"{one}.") for one in called)]
    if around:
        best = max(around, key=len)
        return f"{starts}: it is a step on the way to “{best}”, whose output is what the scores see of it. Take {best}."
    inside = [layer for layer in names if layer.startswith(f"{name}.")]
    if inside:
        return f"{starts}: what is explained there is {_list(inside)}. Take {inside[-1]}."
    order = [known for known, _ in module.named_modules()]
    before = [layer for layer in names if order.index(layer) < order.index(name)]
    nearest = before[-1] if before else next(iter(names))
    return (
        f"{starts}. That can be done where all that the scores know of the picture passes through one grid of cells, "
        f"and of modules in a row one stands for all. The nearest {'before' if before else 'after'} it is {nearest}."
    )


def _list(names: Sequence[str]) -> str:
    """Some names in a phrase; of many, the last ones."""
    return ", ".join(names) if len(names) <= 4 else f"…, {', '.join(names[-3:])}"
