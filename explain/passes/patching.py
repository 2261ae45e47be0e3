"""Heads and MLPs of a vision transformer: what each adds to the tokens, and passes in which some of it is another's.

A head adds what the attention's projection makes of its own numbers alone, an MLP all that it gives. Whatever a block
does with that, it does to all heads the same, so that one head's share is changed at the projection's output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explain.errors import MethodError
from explain.networks.layer import Layer
from explain.networks.meaning import Outputs, read_answers
from explain.networks.output import read_scores
from explain.passes.tail import standing_in

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Part:
    """A head or an MLP.

    Attributes:
        block: the number of its block, from 0.
        head: its number in the block, from 0; None for the MLP.
        module: name of the module at whose output it is changed: the attention's projection, or the MLP.
        heads: how many heads the block has.
    """

    block: int
    head: int | None
    module: str
    heads: int

    @property
    def name(self) -> str:
        """As people call it."""
        return f"block {self.block}, " + ("MLP" if self.head is None else f"head {self.head}")


@dataclass(frozen=True, eq=False)
class Values:
    """What one pass of a picture left.

    Attributes:
        inputs: by the name of a projection, what the heads give it side by side, `(T, D)`.
        outputs: by the name of a projection or an MLP, what it gives, `(T, D)`.
        gradients: of the score of a class there, `(T, D)`; none where none was asked for.
    """

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]


def list_parts(module: nn.Module) -> tuple[Part, ...]:
    """The heads and the MLP of each block in turn; none of a network that has no such blocks."""
    from torch import nn

    parts: list[Part] = []
    blocks = 0
    for name, block in module.named_modules():
        attention, mlp = getattr(block, "attn", None), getattr(block, "mlp", None)
        heads, projection = getattr(attention, "num_heads", None), getattr(attention, "proj", None)
        if not isinstance(heads, int) or type(projection) is not nn.Linear or not isinstance(mlp, nn.Module):
            continue
        if projection.in_features % heads:
            continue
        parts += [Part(blocks, head, f"{name}.attn.proj", heads) for head in range(heads)]
        parts.append(Part(blocks, None, f"{name}.mlp", heads))
        blocks += 1
    return tuple(parts)


def read_values(
    module: nn.Module,
    picture: Tensor,
    parts: Sequence[Part],
    pick: Callable[[Tensor], Tensor] | None = None,
) -> Values:
    """Run the network once, and keep what its parts give.

    Args:
        module: in evaluation mode, frozen. Only one thread may run it at a time.
        picture: `(1, C, H, W)`.
        parts: see `list_parts`.
        pick: from the network's numbers `(1, outputs)` to the one that is differentiated; None for no gradients.

    Raises:
        MethodError: the tokens do not stay together from block to block.
    """
    import torch

    inputs: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def watch(name: str, is_projection: bool) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(_module: nn.Module, given: Any, output: Any) -> Any:
            if not isinstance(output, torch.Tensor) or output.ndim != 3 or len(output) != 1 or name in outputs:
                raise MethodError(
                    "The heads and MLPs of this model cannot be told apart: its tokens are not one row from block to "
                    "block. Change channels of a layer instead."
                )
            if is_projection:
                inputs[name] = given[0].detach()[0].clone()
            output = output.clone()
            if pick is not None and not output.requires_grad:
                output.requires_grad_(True)
            outputs[name] = output
            return output.clone()

        return hook

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(pick is not None))
        for name, is_projection in {part.module: part.head is not None for part in parts}.items():
            handle = module.get_submodule(name).register_forward_hook(watch(name, is_projection))
            stack.callback(handle.remove)
        scores = read_scores(module(picture.clone()), 1)
        gradients: Sequence[Tensor] = ()
        if pick is not None:
            kept = [*outputs.values()]
            gradients = torch.autograd.grad(pick(scores), kept, allow_unused=True, materialize_grads=True)
    return Values(
        inputs,
        {name: output.detach()[0] for name, output in outputs.items()},
        {name: gradient[0] for name, gradient in zip(outputs, gradients, strict=False)},
    )


def find_change(module: nn.Module, part: Part, own: Values, other: Values) -> Tensor:
    """What is added to the output of a part's module to make the part another picture's, `(T, D)`."""
    if part.head is None:
        return other.outputs[part.module] - own.outputs[part.module]
    projection: Any = module.get_submodule(part.module)
    weight: Tensor = projection.weight
    width = weight.shape[1] // part.heads
    columns = slice(part.head * width, (part.head + 1) * width)
    change: Tensor = (other.inputs[part.module] - own.inputs[part.module])[:, columns] @ weight[:, columns].T
    return change.detach()


def build_place(part: Part, own: Values) -> Layer:
    """The output of a part's module as a layer: its tokens in one row, those before the patches too."""
    tokens, width = own.outputs[part.module].shape
    return Layer(part.module, (1, tokens), width, "NLC")


def answer_with(module: nn.Module, picture: Tensor, other: Values, outputs: Outputs) -> Tensor:
    """What the network answers, `(answers,)`, where all its parts give what they give for another picture.

    Args:
        module: in evaluation mode. Only one thread may run it at a time.
        picture: `(1, C, H, W)`.
        other: what the parts give for the other picture.
        outputs: what the numbers mean that the network answers with.
    """
    import torch

    forwards = {module.get_submodule(name): _give(values) for name, values in other.outputs.items()}
    with torch.inference_mode(False), torch.no_grad(), standing_in(forwards):
        return read_answers(read_scores(module(picture.clone()), 1), outputs)[0]


def _give(values: Tensor) -> Callable[..., Tensor]:
    return lambda *_inputs, **_named: values[None].clone()
