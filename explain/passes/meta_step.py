"""A network as it would be after one step of training for a class on the very picture that is explained.

What changes between the two says more of the class than a map of the network as it is: meta-saliency, Rebuffi et al.,
"There and Back Again: Revisiting Backpropagation Saliency Methods", CVPR 2020, arXiv 2004.02866, section 4. The network
itself keeps its weights: the step makes others, which stand in for one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.errors import MethodError
from explain.networks.meaning import Outputs, read_answers
from explain.networks.output import read_scores
from explain.passes.count import Passes
from explain.passes.look import Ask, Look, look_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from explain.networks.layer import Layer

PASSES = Passes(forward=2, backward=2)
"""What `look_after_step` takes: one pass to learn from, and one to look."""


def look_after_step(
    module: nn.Module, picture: Tensor, layers: Sequence[Layer], ask: Ask, outputs: Outputs = "classes"
) -> Look:
    """A look at a picture by the network as it would be after the ask's step.

    Args:
        module: in evaluation mode, frozen. Only one thread may run it at a time.
        picture: `(1, C, H, W)`.
        layers: where to look.
        ask: what to differentiate, of a class that is known.
        outputs: what the numbers mean that the network answers with.

    Raises:
        MethodError: the model answers with a value, or the step breaks it.
    """
    import torch

    assert ask.target is not None
    weights = take_step(module, picture, ask.target, ask.step, outputs)
    if not all(torch.isfinite(values).all() for values in weights.values()):
        raise MethodError(f"A training step of {ask.step:g} makes weights that are no numbers. Take a shorter one.")
    (look,) = look_at(module, picture, layers, (ask,), outputs, weights=weights)
    return look


def take_step(
    module: nn.Module, picture: Tensor, target: int, length: float, outputs: Outputs = "classes"
) -> dict[str, Tensor]:
    """The weights after one step against the gradient of the class's cross-entropy, by their names: `θ − λ ∇_θ CE`.
    The module's own are left alone.

    Args:
        module: in evaluation mode. Only one thread may run it at a time.
        picture: `(1, C, H, W)`.
        target: the class, or other answer.
        length: the step's λ.
        outputs: what the numbers mean that the network answers with.

    Raises:
        MethodError: the model answers with a value, which is no class to train for.
    """
    import torch
    from torch.nn import functional

    if outputs == "value":
        raise MethodError("A training step is taken for a class, and this model answers with a value. Set it to 0.")
    with torch.inference_mode(False), torch.enable_grad():
        # Detached, they share the module's memory, which nothing here writes to.
        own = {name: values.detach().requires_grad_(True) for name, values in module.named_parameters()}
        answered = torch.func.functional_call(module, own, (picture.clone(),))
        answers = read_answers(read_scores(answered, 1), outputs)[0]
        if outputs == "classes":
            loss = functional.cross_entropy(answers, torch.tensor(target, device=answers.device))
        else:
            loss = functional.softplus(-answers[target])  # the cross-entropy of one answer's sigmoid
        gradients = torch.autograd.grad(loss, [*own.values()], allow_unused=True, materialize_grads=True)
    with torch.inference_mode(False), torch.no_grad():
        return {
            name: values.detach() - length * gradient
            for (name, values), gradient in zip(own.items(), gradients, strict=True)
        }
