"""What one look of the network at one picture leaves behind: all that a method may use."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from explain.errors import LayerError, ModelError, TargetError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.attention import AttentionCapture
    from explain.layers import Layer
    from explain.promptcam import PromptedViT
    from explain.runner import Runner

T = TypeVar("T")
Score = Literal["logit", "probability"]
"""What is differentiated: the class's logit, or its softmax probability."""

Precision = Literal["full", "half"]
"""Of a network's arithmetic: float32 throughout, or bfloat16 where torch's autocast finds it safe."""


class Derived:
    """Values worked out from a capture once and kept as long as it, such as the distances between its channels.

    A method stays a pure function: what it asks for here depends on the capture and the key alone.
    """

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}
        self._bytes = 0
        self._lock = threading.RLock()

    def get(self, key: Any, compute: Callable[[], T]) -> T:
        """The value kept under `key`, computed on first use. The key must name everything the value depends on."""
        with self._lock:
            if key not in self._values:
                self._values[key] = value = compute()
                self._bytes += count_bytes(value)
            return self._values[key]

    @property
    def bytes_kept(self) -> int:
        """Bytes of the tensors and arrays kept. Counted as they come: a slider asks after each of its moves."""
        return self._bytes


def count_bytes(value: Any) -> int:
    """Bytes of the tensors and arrays in a value, its containers and its fields."""
    parts: Iterable[Any]
    if isinstance(value, (tuple, list)):
        parts = value
    elif isinstance(value, Mapping):
        parts = value.values()
    else:
        parts = getattr(value, "__dict__", {}).values()
    return int(getattr(value, "nbytes", 0)) or sum(map(count_bytes, parts))


@dataclass(frozen=True)
class PromptCapture:
    """What the last block of a prompted ViT does with the prompt of one class.

    Attributes:
        attention: softmax attention of the class's prompt to the patch tokens, `(heads, h, w)`; a head is a "trait".
        ranking: heads from most to least important, by greedy blurring (Prompt-CAM, section 3.3).
        blurred_probabilities: probability of the class after each step of the greedy blurring, which starts with the
            least important head.
        alone_probabilities: by head, probability of the class when that head alone is blurred.
        top_probabilities: probability of the class when the most important head is blurred, the two most important, and
            so on to all of them.
        scores: the prompted model's scores `(C,)`.
    """

    attention: Tensor
    ranking: tuple[int, ...]
    blurred_probabilities: tuple[float, ...]
    alone_probabilities: tuple[float, ...]
    top_probabilities: tuple[float, ...]
    scores: Tensor


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
    """

    target: int | None = None
    score: Score = "logit"
    objective: Objective | None = None
    curvature: bool = False

    def of(self, target: int) -> Ask:
        """The same for that very class."""
        return replace(self, target=target)


@dataclass(frozen=True)
class LayerCapture:
    """One picture, one layer, one class. Tensors are float32, on the device, without a graph.

    Attributes:
        layer: where it was taken.
        target: index of the explained class.
        logits: `(classes,)`.
        activations: `(C, h, w)`.
        gradients: of what the method differentiates there, `(C, h, w)`; None where no method asked.
        curvature: the Hessian of the same times the activations, `(C, h, w)`; None where no method asked.
        head: weights `(classes, C)` of a linear head right after a global average of this layer.
        attention: of every block of a transformer, with its gradients.
        prompts: for a model with Prompt-CAM prompts.
        runner: runs the network again, for methods that must.
        derived: values kept with the activations of this picture and layer; the class is not part of it.
    """

    layer: Layer
    target: int
    logits: Tensor
    activations: Tensor
    gradients: Tensor | None = None
    curvature: Tensor | None = None
    head: Tensor | None = None
    attention: AttentionCapture | None = None
    prompts: PromptCapture | None = None
    runner: Runner | None = None
    derived: Derived = field(default_factory=Derived)


@dataclass(frozen=True)
class Look:
    """What one picture's forward pass left, and one backward pass for each ask.

    Attributes:
        logits: `(classes,)`.
        asks: what was differentiated, each with the class it came to.
        activations: by layer name, `(C, h, w)`.
        gradients: by layer name and ask, `(C, h, w)`.
        curvatures: the same, where asked.
    """

    logits: Tensor
    asks: tuple[Ask, ...]
    activations: dict[str, Tensor]
    gradients: dict[tuple[str, Ask], Tensor]
    curvatures: dict[tuple[str, Ask], Tensor]


def look_at(module: nn.Module, pictures: Tensor, layers: Sequence[Layer], asks: Sequence[Ask] = ()) -> tuple[Look, ...]:
    """Run the network once over all pictures and keep what the methods need.

    The graph starts at the output of the shallowest layer asked for, so that nothing before it is differentiated, and
    no parameter is. Without asks there is no graph at all.

    Args:
        module: in evaluation mode, frozen. Only one thread may look through it at a time.
        pictures: `(B, C, H, W)`.
        layers: where to look.
        asks: what to differentiate, for every picture.

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
            from explain.layers import first_tensor

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

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(bool(asks)))
        if any(ask.curvature for ask in asks):
            from torch.nn.attention import SDPBackend, sdpa_kernel

            # The fused attention kernels cannot be differentiated twice.
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        for layer in layers:
            handle = module.get_submodule(layer.name).register_forward_hook(watch(layer))
            stack.callback(handle.remove)
        # A copy, because autograd cannot keep what was made in the caller's inference mode.
        logits = read_scores(module(pictures.clone()), len(pictures))
        for layer in layers:
            if layer.name not in kept:
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
            gradients, curvatures = _differentiate(logits, [own[number] for own in resolved], tensors, keep=not last)
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
    return tuple(looks)


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


def _differentiate(
    logits: Tensor, asks: Sequence[Ask], tensors: Sequence[Tensor], keep: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Gradients, and curvatures where asked, of one ask a picture at each tensor. Pictures do not mix: each picture's
    scores depend on its own part of a tensor alone.
    """
    import torch

    scores = logits if asks[0].score == "logit" else logits.softmax(1)
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


def replace_first_tensor(output: Any, tensor: Tensor) -> Any:
    """`output` with its first tensor (see `first_tensor`) replaced, in the containers it came in."""
    import torch

    from explain.layers import first_tensor

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


def look_through_prompts(model: PromptedViT, picture: Tensor) -> PromptLook:
    """One forward pass of a prompted ViT, of whose last block only the prompts are run."""
    import torch

    with torch.inference_mode(False), torch.no_grad():
        tokens = model.enter_last_block(picture)
        return PromptLook(tokens[0], model.leave_last_block(tokens)[0].float())


@dataclass(frozen=True)
class PromptLook:
    """What a prompted ViT made of one picture: tokens entering its last block `(C + T, D)`, scores `(C,)`."""

    tokens: Tensor
    scores: Tensor


def capture_prompt(model: PromptedViT, look: PromptLook, target: int) -> PromptCapture:
    """The attention of one class's prompt in the last block and the ranking of its heads. No pass of the network."""
    import torch

    from explain.promptcam import attend, rank_heads

    with torch.inference_mode(False), torch.no_grad():
        row = attend(model, look.tokens, target)
        ranking = rank_heads(model, row, look.scores, target)
        rows, columns = model.grid
        attention = row.attention[:, -rows * columns :].reshape(-1, rows, columns).float().clone()
    return PromptCapture(attention, ranking.order, ranking.greedy, ranking.alone, ranking.top, look.scores)
