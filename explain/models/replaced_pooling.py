"""A pooling that an author put in the place of the architecture's average, told from what it learnt."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from explain.errors import ModelError
from explain.models.fitting import Fitted

if TYPE_CHECKING:
    from torch import nn

_EXPONENT = re.compile(r"(?:^|\.)(\w*(?:pool|gem)\w*)\.p$", re.IGNORECASE)
_KINDS = ("AdaptiveAvgPool2d", "SelectAdaptivePool2d")


def find_pools(network: nn.Module) -> list[str]:
    """Paths of the modules that average the last grid; none where the network does it without a module."""
    return [path for path, part in network.named_modules() if type(part).__name__ in _KINDS and "." not in path]


def take_power(fitted: Fitted, outline: nn.Module, name: str) -> tuple[Fitted, str | None]:
    """The exponent of a generalised mean (GeM) under the name of the pooling whose place it takes.

    Args:
        fitted: the file's tensors under the network's names.
        outline: the network with its own pooling.
        name: what to call the file in an error.

    Returns:
        The tensors with the exponent among the network's, and the path of the pooling; None where there is no exponent.

    Raises:
        ModelError: there is one, but the network has no pooling in whose place it could stand.
    """
    found = [(place, key) for place in (fitted.tensors, fitted.beside) for key in place if _EXPONENT.search(key)]
    found = [(place, key) for place, key in found if place[key].numel() == 1]
    if not found:
        return fitted, None
    place, key = found[0]
    pools = find_pools(outline)
    if len(found) > 1 or len(pools) != 1:
        raise ModelError(
            f"“{name}” pools by a generalised mean (GeM, {key}), and where cannot be told in this architecture. In "
            "Python, give the network itself: Engine().explain(picture, model=network)."
        )
    exponent = place[key].reshape(1)
    tensors = {other: tensor for other, tensor in fitted.tensors.items() if other != key}
    beside = {other: tensor for other, tensor in fitted.beside.items() if other != key}
    return replace(fitted, tensors={**tensors, f"{pools[0]}.p": exponent}, beside=beside), pools[0]


def note_power(pool: str | None) -> list[str]:
    """A sentence on the pooling that was built."""
    if pool is None:
        return []
    return [f"The file holds the exponent of a generalised mean (GeM), which was built in place of “{pool}”."]
