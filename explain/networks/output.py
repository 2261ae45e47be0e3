"""What a module gave back: its first tensor, and a network's scores."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from explain.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor


def first_tensor(output: Any) -> Tensor | None:
    """The tensor a module gave back, or the first of several; None where there is none."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    values = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return next((found for value in values if (found := first_tensor(value)) is not None), None)


def read_scores(output: Any, count: int) -> Tensor:
    """A network's answer for `count` pictures as finite scores `(count, classes)`, float32.

    Raises:
        ModelError: it is something else.
    """
    import torch

    if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != count:
        raise ModelError("This model does not answer with one score for each class, so it cannot be explained.")
    logits = output.float()
    if not torch.isfinite(logits).all():
        raise ModelError("This model's scores are not numbers: its weights are damaged or do not fit.")
    return logits


def replace_first_tensor(output: Any, tensor: Tensor) -> Any:
    """`output` with its first tensor (see `first_tensor`) replaced, in the containers it came in."""
    import torch

    if isinstance(output, torch.Tensor):
        return tensor
    if isinstance(output, dict):
        replaced = copy.copy(output)
        key = next(key for key, value in output.items() if first_tensor(value) is not None)
        replaced[key] = replace_first_tensor(output[key], tensor)
        return replaced
    values = list(output)
    first = next(index for index, value in enumerate(values) if first_tensor(value) is not None)
    values[first] = replace_first_tensor(values[first], tensor)
    return type(output)(*values) if hasattr(output, "_fields") else type(output)(values)
