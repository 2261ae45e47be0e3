"""What one look of the network at one picture leaves behind: all that a method may use."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from explain.errors import LayerError, ModelError, TargetError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.layers import Layer
    from explain.promptcam import PromptedViT

T = TypeVar("T")
Score = Literal["logit", "probability"]
"""What is differentiated: the class's logit, or its softmax probability."""


class Derived:
    """Values worked out from a capture once and kept as long as it, such as the distances between its channels.

    A method stays a pure function: what it asks for here depends on the capture and the key alone.
    """

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}
        self._lock = threading.RLock()

    def get(self, key: Any, compute: Callable[[], T]) -> T:
        """The value kept under `key`, computed on first use. The key must name everything the value depends on."""
        with self._lock:
            if key not in self._values:
                self._values[key] = compute()
            return self._values[key]

    def count_bytes(self) -> int:
        """Bytes of the tensors and arrays kept."""
        with self._lock:
            return count_bytes(self._values)


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
        scores: the prompted model's scores `(C,)`.
    """

    attention: Tensor
    ranking: tuple[int, ...]
    blurred_probabilities: tuple[float, ...]
    scores: Tensor


@dataclass(frozen=True)
class LayerCapture:
    """One picture, one layer, one class. Tensors are float32, on the device, without a graph.

    Attributes:
        layer: where it was taken.
        target: index of the explained class.
        logits: `(classes,)`.
        activations: `(C, h, w)`.
        gradients: of the target's logit there, `(C, h, w)`; None where no method asked.
        prompts: for a model with Prompt-CAM prompts.
        derived: values kept with the activations of this picture and layer; the class is not part of it.
    """

    layer: Layer
    target: int
    logits: Tensor
    activations: Tensor
    gradients: Tensor | None = None
    prompts: PromptCapture | None = None
    derived: Derived = field(default_factory=Derived)


@dataclass(frozen=True)
class Look:
    """One forward pass of one picture, and one backward pass for each class asked for.

    Attributes:
        logits: `(classes,)`.
        targets: the classes that were explained.
        activations: by layer name, `(C, h, w)`.
        gradients: by layer name and class, `(C, h, w)`.
    """

    logits: Tensor
    targets: tuple[int, ...]
    activations: dict[str, Tensor]
    gradients: dict[tuple[str, int], Tensor]


def look_at(
    module: nn.Module,
    picture: Tensor,
    layers: Sequence[Layer],
    targets: Sequence[int | None],
    score: Score = "logit",
) -> Look:
    """Run the network once and keep what the methods need.

    The graph starts at the output of the shallowest layer asked for, so that nothing before it is differentiated, and
    no parameter is. With no targets there is no graph at all.

    Args:
        module: in evaluation mode, frozen. Only one thread may look through it at a time.
        picture: `(1, C, H, W)`.
        layers: where to look.
        targets: classes to differentiate; None stands for the likeliest.
        score: see `Score`.

    Raises:
        ModelError: the network does not answer with finite scores of shape `(1, classes)`.
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
            if targets and not tensor.requires_grad:
                tensor.requires_grad_(True)
            kept[layer.name] = tensor
            return _replace_first_tensor(output, tensor.clone()) if targets else output

        return hook

    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(bool(targets)))
        for layer in layers:
            handle = module.get_submodule(layer.name).register_forward_hook(watch(layer))
            stack.callback(handle.remove)
        # A copy, because autograd cannot keep what was made in the caller's inference mode.
        output = module(picture.clone())
        if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != 1:
            raise ModelError("This model does not answer with one score for each class, so it cannot be explained.")
        logits = output[0].float()
        if not torch.isfinite(logits).all():
            raise ModelError("This model's scores are not numbers: its weights are damaged or do not fit.")
        for layer in layers:
            if layer.name not in kept:
                raise LayerError(f"The layer “{layer.name}” does not run in this model. Choose another layer.")
        resolved = [int(logits.argmax()) if target is None else target for target in targets]
        for target in resolved:
            if not 0 <= target < len(logits):
                raise TargetError(f"There is no class {target}: this model knows classes 0 to {len(logits) - 1}.")
        scores = logits if score == "logit" else logits.softmax(0)
        gradients = {}
        for index, target in enumerate(resolved):
            tensors = [kept[layer.name] for layer in layers]
            if scores.requires_grad:
                found = torch.autograd.grad(
                    scores[target],
                    tensors,
                    retain_graph=index + 1 < len(resolved),
                    allow_unused=True,
                    materialize_grads=True,
                )
            else:  # no layer asked for has a part in the scores
                found = tuple(torch.zeros_like(tensor) for tensor in tensors)
            for layer, gradient in zip(layers, found, strict=True):
                gradients[layer.name, target] = _take_map(layer, gradient)
        activations = {layer.name: _take_map(layer, kept[layer.name]) for layer in layers}
    return Look(logits.detach(), tuple(resolved), activations, gradients)


def _take_map(layer: Layer, tensor: Tensor) -> Tensor:
    """The only picture's `(C, h, w)`, float32, without a graph, in memory of its own."""
    return layer.to_map(tensor.detach())[0].float().contiguous().clone()


def _replace_first_tensor(output: Any, tensor: Tensor) -> Any:
    """`output` with its first tensor (see `first_tensor`) replaced, in the containers it came in."""
    import torch

    from explain.layers import first_tensor

    if isinstance(output, torch.Tensor):
        return tensor
    if isinstance(output, dict):
        replaced = copy.copy(output)
        key = next(key for key, value in output.items() if first_tensor(value) is not None)
        replaced[key] = _replace_first_tensor(output[key], tensor)
        return replaced
    values = list(output)
    first = next(index for index, value in enumerate(values) if first_tensor(value) is not None)
    values[first] = _replace_first_tensor(values[first], tensor)
    return type(output)(*values) if hasattr(output, "_fields") else type(output)(values)


def look_through_prompts(model: PromptedViT, picture: Tensor) -> PromptLook:
    """One forward pass of a prompted ViT up to its last block, which is then run for the prompts."""
    import torch

    with torch.inference_mode(False), torch.no_grad():
        tokens = model.enter_last_block(picture)
        scores = model.score_prompts(model.backbone.blocks[-1](tokens)[:, : model.num_classes])
        return PromptLook(tokens[0], scores[0].float())


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
        ranking, probabilities = rank_heads(model, row, look.scores, target)
        rows, columns = model.grid
        attention = row.attention[:, -rows * columns :].reshape(-1, rows, columns).float().clone()
    return PromptCapture(attention, tuple(ranking), tuple(probabilities), look.scores)
