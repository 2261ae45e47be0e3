"""Maps over one, two or three axes of space: enlarged along all of them, and multiplied by a weight a channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explain.errors import MethodError

if TYPE_CHECKING:
    from torch import Tensor

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def enlarge(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps `(n, C, …)`, of one to three axes of space, at the size `(n, C, *size)`: cells lie side by side and have
    their values in their middles.

    Raises:
        MethodError: there are more axes of space than that.
    """
    from torch.nn.functional import interpolate

    mode = _MODES.get(maps.ndim - 2)
    if mode is None:
        raise MethodError(f"A map of {maps.ndim - 2} axes cannot be enlarged. Give one of up to three.")
    return interpolate(maps, tuple(size), mode=mode)


def list_space(maps: Tensor, first: int = 1) -> tuple[int, ...]:
    """The axes of space of maps `(C, …)`, or `(n, C, …)` where the first of them is axis 2."""
    return tuple(range(first, maps.ndim))


def stand_before(weights: Tensor, maps: Tensor) -> Tensor:
    """Weights `(C,)` as they multiply maps `(C, …)`: `(C, 1, 1)` for a picture's."""
    return weights[(..., *[None] * (maps.ndim - 1))]
