"""The look that all methods share: one forward pass, and one backward pass for each thing that is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from explain.errors import LayerError, TargetError
from explain.networks.meaning import Outputs, find_probabilities, read_answers
from explain.networks.output import first_tensor, read_scores, replace_first_tensor

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.networks.layer import Layer

Score = Literal["logit", "probability"]
"""What is differentiated: the class's logit, or its probability, which `Outputs` says how to make."""

PassPrecision = Literal["full", "half"]
"""Of a network's arithmetic: float32 throughout, or bfloat16 where torch's autocast finds it safe."""


class Objective(Protocol):
    """What a method differentiates in place of the score of its class. Frozen and hashable: equal ones share a pass."""

    def __call__(self, scores: Tensor, target: int) -> Tensor:
        """From a picture's scores `(classes,)` and the explained class to one number, differentiable."""
        ...


@dataclass(frozen=True)
class Ask:
    """What is differentiated in one backward pass.

    Attributes:
        target: the class; None for the likeliest of each picture.
        score: see `Score`.
        objective: made of the scores, in place of the target's own.
        curvature: also take the product of the Hessian and the activations.
        step: of a network that was first trained by one step of this length for the class; see
            `explain.passes.meta_step`. 0 for the network as it is.
    """

    target: int | None = None
    score: Score = "logit"
    objective: Objective | None = None
    curvature: bool = False
    step: float = 0.0

    def of(self, target: int) -> Ask:
        """The same for that very class."""
        return replace(self, target=target)


def choose_scores(numbers: Tensor, score: Score, outputs: Outputs) -> Tensor:
    """From what a network answers with, `(n, outputs)`, to what is explained of each of its answers, `(n, answers)`.

    Raises:
        ModelError: the probability is asked for, and a value has none.
    """
    answers = read_answers(numbers, outputs)
    return answers if score == "logit" else find_probabilities(answers, outputs)


@dataclass(frozen=True)
class Look:
    """What one picture's forward pass left, and one backward pass for each ask.

    Attributes:
        logits: the score of each class, or of each other answer, `(answers,)`.
        asks: what was differentiated, each with the class it came to.
        activations: by layer name, `(C, h, w)`.
        gradients: by layer name and ask, `(C, h, w)`.
        curvatures: the same, where asked.
        statistics: by the name of a layer that was only to be described, mean and standard deviation of each channel
            over the cells, `(2, C)`.
    """

    logits: Tensor
    asks: tuple[Ask, ...]
    activations: dict[str, Tensor]
    gradients: dict[tuple[str, Ask], Tensor]
    curvatures: dict[tuple[str, Ask], Tensor]
    statistics: dict[str, Tensor] = field(default_factory=dict)


def look_at(
    module: nn.Module,
    pictures: Tensor,
    layers: Sequence[Layer],
    asks: Sequence[Ask] = (),
    outputs: Outputs = "classes",
    described: Sequence[Layer] = (),
    weights: Mapping[str, Tensor] | None = None,
    beside: Sequence[Layer] = (),
) -> tuple[Look, ...]:
    """Run the network once over all pictures and keep what the methods need.

    The graph starts at the output of the shallowest layer asked for, so that nothing before it is differentiated, and
    no parameter is. Without asks there is no graph at all.

    Args:
        module: in evaluation mode, frozen. Only one thread may look through it at a time.
        pictures: `(B, C, H, W)`.
        layers: where to look.
        asks: what to differentiate, for every picture.
        outputs: what the numbers mean that the network answers with.
        described: layers of which only `Look.statistics` are kept; one that does not run has none.
        weights: by their names, that stand in for the network's own in this pass alone.
        beside: layers of which the activations are kept, and never a gradient; the graph does not begin for them.

    Returns:
        A look for each picture.

    Raises:
        ModelError: the network does not answer with finite scores of shape `(B, classes)`.
        LayerError: a layer does not run, or gives no tensor.
        TargetError: a class that does not exist.
    """
    import torch

    kept: dict[str, Tensor] = {}

    def watch(layer: Layer) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            tensor = first_tensor(output)
            if tensor is None:
                raise LayerError(f"The layer “{layer.name}” gives no tensor. Choose another layer.")
            # Copies on both sides, because whoever holds the output, or what the layer handed through, may work on it
            # in place, and must not reach what is kept.
            tensor = tensor.clone()
            if asks and not tensor.requires_grad:
                tensor.requires_grad_(True)
            kept[layer.name] = tensor
            return replace_first_tensor(output, tensor.clone()) if asks else output

        return hook

    statistics: dict[str, Tensor] = {}

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(bool(asks)))
        for layer in described:
            handle = module.get_submodule(layer.name).register_forward_hook(_describe(layer, statistics))
            stack.callback(handle.remove)
        features: dict[str, Tensor] = {}
        for layer in beside:
            handle = module.get_submodule(layer.name).register_forward_hook(_keep(layer, features))
            stack.callback(handle.remove)
        if any(ask.curvature for ask in asks):
            from torch.nn.attention import SDPBackend, sdpa_kernel

            # The fused attention kernels cannot be differentiated twice.
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        for layer in layers:
            handle = module.get_submodule(layer.name).register_forward_hook(watch(layer))
            stack.callback(handle.remove)
        # A copy, because autograd cannot keep what was made in the caller's inference mode.
        inputs = pictures.clone()
        answered = module(inputs) if weights is None else torch.func.functional_call(module, dict(weights), (inputs,))
        logits = read_answers(read_scores(answered, len(pictures)), outputs)
        for layer in (*layers, *beside):
            if layer.name not in kept and layer.name not in features:
                raise LayerError(f"The layer “{layer.name}” does not run in this model. Choose another layer.")
        likeliest = logits.argmax(1).tolist()
        for ask in asks:
            if ask.target is not None and not 0 <= ask.target < logits.shape[1]:
                raise TargetError(
                    f"There is no class {ask.target}: this model knows classes 0 to {logits.shape[1] - 1}."
                )
        resolved = [[ask if ask.target is not None else ask.of(best) for ask in asks] for best in likeliest]
        looks = [Look(logits[row].detach(), tuple(own), {}, {}, {}) for row, own in enumerate(resolved)]
        tensors = [kept[layer.name] for layer in layers]
        for number in range(len(asks)):
            last = number + 1 == len(asks)
            own = [asked[number] for asked in resolved]
            scores = logits if own[0].score == "logit" else find_probabilities(logits, outputs)
            gradients, curvatures = _differentiate(scores, own, tensors, keep=not last)
            for index, layer in enumerate(layers):
                maps = layer.to_map(gradients[index])
                for row, look in enumerate(looks):
                    look.gradients[layer.name, look.asks[number]] = _take(maps, row)
                    if curvatures:
                        look.curvatures[layer.name, look.asks[number]] = _take(layer.to_map(curvatures[index]), row)
        for layer, tensor in zip(layers, tensors, strict=True):
            maps = layer.to_map(tensor)
            for row, look in enumerate(looks):
                look.activations[layer.name] = _take(maps, row)
        for name, maps in features.items():
            for row, look in enumerate(looks):
                look.activations.setdefault(name, _take(maps, row))
        for name, values in statistics.items():
            for row, look in enumerate(looks):
                look.statistics[name] = values[row]
    return tuple(looks)


def _describe(layer: Layer, statistics: dict[str, Tensor]) -> Callable[[nn.Module, Any, Any], None]:
    """A hook that keeps a layer's statistics."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        statistics[layer.name] = find_statistics(layer.to_map(output).detach())

    return hook


def find_statistics(maps: Tensor) -> Tensor:
    """Mean and standard deviation of each channel over the cells, `(B, 2, C)`, of `(B, C, h, w)`."""
    import torch

    cells = maps.float().flatten(2)
    return torch.stack([cells.mean(2), cells.std(2, unbiased=False)], 1)


def _keep(layer: Layer, features: dict[str, Tensor]) -> Callable[[nn.Module, Any, Any], None]:
    """A hook that keeps what a layer gives, `(B, C, h, w)`, without a graph."""

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        # A copy, because what follows may work on it in place.
        features[layer.name] = layer.to_map(output).detach().clone()

    return hook


def _differentiate(
    scores: Tensor, asks: Sequence[Ask], tensors: Sequence[Tensor], keep: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients, and curvatures where asked, of one ask a picture at each tensor. Pictures do not mix: each picture's
    scores depend on its own part of a tensor alone.
    """
    import torch

    if not scores.requires_grad:  # no layer asked for has a part in the scores
        zeros = [torch.zeros_like(tensor) for tensor in tensors]
        return zeros, zeros if asks[0].curvature else []
    total = torch.stack([_value(scores[row], ask) for row, ask in enumerate(asks)]).sum()
    curvature = asks[0].curvature
    gradients = torch.autograd.grad(
        total,
        tensors,
        retain_graph=keep or curvature,
        create_graph=curvature,
        allow_unused=True,
        materialize_grads=True,
    )
    if not curvature:
        return list(gradients), []
    curvatures = []
    for index, (gradient, tensor) in enumerate(zip(gradients, tensors, strict=True)):
        if not gradient.requires_grad:  # what follows the layer is linear there
            curvatures.append(torch.zeros_like(tensor))
            continue
        (product,) = torch.autograd.grad(
            (gradient * tensor.detach()).sum(),
            [tensor],
            retain_graph=keep or index + 1 < len(tensors),
            allow_unused=True,
            materialize_grads=True,
        )
        curvatures.append(product)
    return [gradient.detach() for gradient in gradients], curvatures


def _value(scores: Tensor, ask: Ask) -> Tensor:
    assert ask.target is not None
    return scores[ask.target] if ask.objective is None else ask.objective(scores, ask.target)


def _take(maps: Tensor, row: int) -> Tensor:
    """One picture's `(C, h, w)` of `(B, C, h, w)`, float32, without a graph, in memory of its own."""
    return maps[row].detach().float().contiguous().clone()
