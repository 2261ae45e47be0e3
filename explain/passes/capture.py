"""All that a method may use: what one look left of one picture, one layer and one class."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from explain.networks.layer import Layer
    from explain.networks.meaning import Outputs
    from explain.passes.attention import AttentionCapture
    from explain.passes.prompts import PromptCapture
    from explain.passes.runner import Runner

T = TypeVar("T")


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
class TrainedCapture:
    """What a second network makes of the features of several layers.

    Attributes:
        maps: of every class, `(classes, h, w)`, before the sigmoid.
        name: of the network.
        digest: of its weights.
        layers: whose features it read.
        warnings: sentences that a reader of its maps must know.
    """

    maps: Tensor
    name: str
    digest: str
    layers: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerCapture:
    """One picture, one layer, one class. Tensors are float32, on the device, without a graph.

    What only some methods need is there where it was declared, see `explain.methods.base.Needs`. A method takes it by
    `need_gradients` and the like, which give it or raise a `LookupError` that names the need not declared.

    Attributes:
        layer: where it was taken.
        target: index of the explained class, or other answer.
        logits: the score of each, `(answers,)`.
        activations: `(C, h, w)`; of a volume `(C, d, h, w)`, and so all that has places.
        gradients: of what the method differentiates there, `(C, h, w)`; None where no method asked.
        curvature: the Hessian of the same times the activations, `(C, h, w)`; None where no method asked.
        head: weights `(answers, C)` of a linear head right after a global average of this layer.
        attention: of every block of a transformer, with its gradients.
        prompts: for a model with Prompt-CAM prompts.
        trained: maps of all classes by attention that was trained for the model.
        runner: runs the network again, for methods that must.
        derived: values kept with the activations of this picture and layer; the class is not part of it.
        outputs: what the numbers mean that the network answers with.
        cell: how long a cell is along each axis of space, in one unit; None where all are as long.
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
    trained: TrainedCapture | None = None
    runner: Runner | None = None
    derived: Derived = field(default_factory=Derived)
    outputs: Outputs = "classes"
    cell: tuple[float, ...] | None = None

    @property
    def space(self) -> tuple[int, ...]:
        """The axes of space of `(C, h, w)`; of a volume's `(C, d, h, w)` all three."""
        return tuple(range(1, self.activations.ndim))

    def need_gradients(self) -> Tensor:
        """`gradients`, which the method declared."""
        return _hold(self.gradients, "gradients")

    def need_curvature(self) -> Tensor:
        """`curvature`, which the method declared."""
        return _hold(self.curvature, "curvature")

    def need_head(self) -> Tensor:
        """`head`, which the method declared."""
        return _hold(self.head, "head")

    def need_attention(self) -> AttentionCapture:
        """`attention`, which the method declared."""
        return _hold(self.attention, "attention")

    def need_prompts(self) -> PromptCapture:
        """`prompts`, which the method declared."""
        return _hold(self.prompts, "prompts")

    def need_trained(self) -> TrainedCapture:
        """`trained`, which the method declared as `trained attention`."""
        return _hold(self.trained, "trained attention")

    def need_runner(self) -> Runner:
        """`runner`, which the method declared."""
        return _hold(self.runner, "runner")


def _hold(value: T | None, need: str) -> T:
    if value is None:
        raise LookupError(f'This capture holds no {need}: add "{need}" to what the method needs, where it is declared.')
    return value
