"""Backward passes that are not the plain gradient: guided backpropagation, and a score split among biases."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from explain.errors import MethodError
from explain.networks.output import first_tensor, read_scores

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")
Pick = Callable[["Tensor"], "Tensor"]
"""From logits `(n, classes)` to the score of the explained class, `(n,)`."""


def guide(module: nn.Module, picture: Tensor, pick: Pick) -> Tensor:
    """Guided backpropagation to the picture, `(C, H, W)`: every ReLU hands down only what is positive.

    A ReLU that knows nothing of the picture, such as one in the network that makes Swin V2's position bias, has
    nothing to hand down.

    Args:
        module: in evaluation mode, frozen. Only one thread may run it at a time.
        picture: `(1, C, H, W)`.
        pick: see `Pick`.

    Raises:
        MethodError: fewer than half of the network's activation functions are ReLU modules.
    """
    import torch

    def watch(_part: nn.Module, _inputs: Any, output: Tensor) -> None:
        # Registered before anything can work on the tensor in place, and so of the tensor as it was.
        if output.requires_grad:
            output.register_hook(lambda gradient: gradient.clamp(min=0))

    _need_relus(module)
    with ExitStack() as stack:
        for part in module.modules():
            if isinstance(part, torch.nn.ReLU):
                stack.callback(part.register_forward_hook(watch).remove)
        own = picture.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            score = pick(read_scores(module(own.clone()), 1))[0]
            if not score.requires_grad:
                return torch.zeros_like(own)[0].float()
            (gradient,) = torch.autograd.grad(score, [own], allow_unused=True, materialize_grads=True)
    return gradient[0].float()


def _need_relus(module: nn.Module) -> None:
    from torch import nn

    relus = sum(isinstance(part, nn.ReLU) for part in module.modules())
    others = sum(_is_other_activation(part) for part in module.modules())
    if relus < max(1, others):
        what = "has no ReLU layers" if not relus else f"has {relus} ReLU layers beside {others} other activations"
        raise MethodError(
            f"Guided backpropagation changes what ReLUs hand back, and this model {what}, so the picture would not be "
            "what the name says. Choose Integrated Gradients, or a network with ReLUs."
        )


def _is_other_activation(part: nn.Module) -> bool:
    from torch import nn

    defined_by_torch = type(part).__module__ == "torch.nn.modules.activation"
    by_timm = type(part).__module__.startswith("timm.layers.activations")
    outside = (nn.ReLU, nn.MultiheadAttention, nn.Sigmoid, nn.Softmax, nn.LogSoftmax)  # gates and answers
    return (defined_by_torch or by_timm) and not isinstance(part, outside)


@dataclass(frozen=True)
class Contribution:
    """A part of the score.

    Attributes:
        values: what adds up to it, `(C, h, w)`, or in another shape where the network keeps no places.
        spatial: whether it has places.
    """

    values: Tensor
    spatial: bool


def split_score(
    module: nn.Module, picture: Tensor, pick: Pick, keep: Callable[[Contribution], T]
) -> tuple[float, list[T]]:
    """Split a score into what the picture and each bias contribute, by one pass forward and one back.

    The score of a network that is linear piece by piece is `∇_x f · x + Σ ∇_b f · b`: Srinivas and Fleuret, "Full-
    Gradient Representation for Neural Network Visualization", NeurIPS 2019, arXiv 1905.00780, proposition 1. The bias
    of a batch normalisation that is no longer trained is `b - w·mean / sqrt(var + eps)`.

    Args:
        module: in evaluation mode, frozen. Only one thread may run it at a time.
        picture: `(1, C, H, W)`.
        pick: see `Pick`.
        keep: makes of each contribution, as it comes, what is kept of it.

    Returns:
        The score; what was kept, of the picture first, then of the biases in the order of the pass back.

    Raises:
        MethodError: the network normalises by what it sees, so that its score is no such sum.
    """
    import torch

    _need_fixed_norms(module)
    kept: list[T] = []

    def watch(output: Any, bias: Tensor, axis: int) -> None:
        tensor = first_tensor(output)
        if tensor is None or not tensor.requires_grad:
            return
        shape = [1] * tensor.ndim
        shape[axis] = -1
        along = bias.detach().reshape(shape)

        def collect(gradient: Tensor) -> None:
            values = (gradient * along)[0].float()
            kept.append(keep(Contribution(values, spatial=values.ndim == picture.ndim - 1 and axis == 1)))

        # Registered before anything can work on the tensor in place, and so of the tensor as it was.
        tensor.register_hook(collect)

    with ExitStack() as stack:
        for part in module.modules():
            bias = _find_bias(part)
            if bias is None:
                continue
            axis = -1 if isinstance(part, torch.nn.Linear) else 1
            inner = next(part.children(), None)
            if inner is None:
                hook = part.register_forward_hook(
                    lambda _part, _inputs, output, bias=bias, axis=axis: watch(output, bias, axis)
                )
            else:  # timm's normalisations that hold their activation
                hook = inner.register_forward_pre_hook(
                    lambda _part, inputs, bias=bias, axis=axis: watch(inputs, bias, axis)
                )
            stack.callback(hook.remove)
        own = picture.detach().clone().requires_grad_(True)
        with torch.enable_grad():
            score = pick(read_scores(module(own.clone()), 1))[0]
            if score.requires_grad:
                (gradient,) = torch.autograd.grad(score, [own], allow_unused=True, materialize_grads=True)
            else:
                gradient = torch.zeros_like(own)
    values = (gradient * own.detach())[0].float()
    return float(score.detach()), [keep(Contribution(values, spatial=True)), *kept]


def _find_bias(part: nn.Module) -> Tensor | None:
    """What a module adds to each channel, `(C,)`; None for one that adds nothing."""
    import torch
    from torch import nn

    bias = getattr(part, "bias", None)
    if isinstance(part, nn.modules.batchnorm._BatchNorm):
        mean, variance = part.running_mean, part.running_var
        assert mean is not None and variance is not None
        scale = torch.rsqrt(variance + part.eps)
        if part.weight is not None:
            scale = scale * part.weight
        shift = -mean * scale
        return shift if bias is None else shift + bias
    return bias if isinstance(part, (nn.modules.conv._ConvNd, nn.Linear)) else None


def _need_fixed_norms(module: nn.Module) -> None:
    from torch import nn

    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            fixed = part.running_mean is not None and part.running_var is not None
        else:
            holds_others = any(isinstance(inner, (nn.modules.conv._ConvNd, nn.Linear)) for inner in part.modules())
            fixed = holds_others or "Norm" not in type(part).__name__
        if not fixed:
            raise MethodError(
                "FullGrad splits a score among the biases of a network that is linear piece by piece, and this model "
                f"normalises by what it sees ({type(part).__name__}). Choose Integrated Gradients, or a network with "
                "batch normalisation."
            )
