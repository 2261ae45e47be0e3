"""What follows a layer, run alone.

torch.fx would cut the network in two, but it patches `nn.Module` for the whole process while it traces, and so would
break whatever other threads run meanwhile. Here the network's own code is replayed instead: every module that had ended
before the layer did answers at once with what it gave for the picture, and the layer itself with what it is told to.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from explain.errors import LayerError
from explain.networks.device import runs_out_of_memory
from explain.networks.output import first_tensor, read_scores, replace_first_tensor

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.networks.layer import Layer

Way = Literal["one", "many", "whole"]
"""How a tail is run.

- `one`: up to the layer the network sees one picture, from there on as many as there are changed outputs. The quickest.
- `many`: it is told of as many pictures from the start, for networks that ask early how many there are.
- `whole`: nothing is skipped, for networks in which neither gives the same scores.
"""

_ways: weakref.WeakKeyDictionary[nn.Module, dict[str, Way]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Tail:
    """What follows a layer, for one picture.

    Attributes:
        output: the layer's output for the picture, `(1, …)`, in its own layout; do not change it.
        way: see `Way`.
        passes: pictures sent through the network to make it.
    """

    output: Tensor
    way: Way
    passes: int
    _module: nn.Module
    _layer: Layer
    _picture: Tensor
    _recording: _Recording

    def run(self, outputs: Tensor) -> Tensor:
        """Scores `(n, classes)`, were these the layer's outputs `(n, …)`."""
        return _run(self._module, self._layer, self._picture, self._recording, outputs, self.way)


@dataclass(frozen=True, eq=False)
class _Recording:
    """One pass of one picture.

    Attributes:
        answers: of each module, what it gave in the calls that ended before the layer's, in their order. Of nested
            calls the outermost that does not hold the layer.
        output: all that the layer gave.
    """

    answers: Mapping[nn.Module, list[Any]]
    output: Any


def find_tail(module: nn.Module, layer: Layer, picture: Tensor) -> Tail:
    """Run the network once for a picture and give back what follows the layer.

    The first time for a layer, each way of running the tail is compared with the whole network on changed outputs of
    the layer, and the quickest that gives the same scores is kept.

    Args:
        module: in evaluation mode. Only one thread may run it at a time.
        layer: of which the network makes one call.
        picture: `(1, C, H, W)`.

    Raises:
        LayerError: the layer does not run, or gives no tensor.
    """
    recording = _record(module, layer, picture)
    output = first_tensor(recording.output)
    if output is None:
        raise LayerError(f"The layer “{layer.name}” gives no tensor. Choose another layer.")
    ways = _ways.setdefault(module, {})
    passes = 1
    if layer.name not in ways:
        ways[layer.name], tried = _choose_way(module, layer, picture, recording, output)
        passes += tried
    return Tail(output, ways[layer.name], passes, module, layer, picture, recording)


def _choose_way(
    module: nn.Module, layer: Layer, picture: Tensor, recording: _Recording, output: Tensor
) -> tuple[Way, int]:
    """The quickest way that gives the scores of the whole network, and how many pictures it took to find."""
    changed = output.repeat(2, *[1] * (output.ndim - 1))
    maps = layer.to_map(changed)
    maps[0, ::2] = 0  # two outputs that differ, so that a mix-up of pictures shows
    maps[1, 1::2] = 0
    expected = _run(module, layer, picture, recording, changed.clone(), "whole")
    passes = 2
    ways: tuple[Way, ...] = ("one", "many")
    for way in ways:
        passes += 2
        try:
            found = _run(module, layer, picture, recording, changed.clone(), way)
        except Exception as error:  # whatever a network does that cannot be replayed
            if runs_out_of_memory(error):
                raise
            continue
        if (found - expected).abs().max() <= 1e-3 * expected.abs().max():
            return way, passes
    return "whole", passes


def _run(module: nn.Module, layer: Layer, picture: Tensor, recording: _Recording, outputs: Tensor, way: Way) -> Tensor:
    count = len(outputs)
    here = module.get_submodule(layer.name)
    pictures = picture.clone() if way == "one" else picture.expand(count, *picture.shape[1:])
    if way == "whole":
        handle = here.register_forward_hook(lambda _module, _inputs, output: replace_first_tensor(output, outputs))
        try:
            return read_scores(module(pictures.clone()), count)
        finally:
            handle.remove()
    change = _copy if way == "one" else (lambda answer: _expand(answer, count))
    forwards: dict[nn.Module, Callable[..., Any]] = {
        other: _repeat(answers, other.forward, change) for other, answers in recording.answers.items()
    }
    forwards[here] = lambda *_inputs, **_named: replace_first_tensor(recording.output, outputs)
    with standing_in(forwards):
        return read_scores(module(pictures), count)


def _repeat(answers: list[Any], forward: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A module that gives recorded answers, each once and in order, and works by itself after the last."""
    remaining = iter(answers)
    nothing = object()

    def answer(*inputs: Any, **named: Any) -> Any:
        recorded = next(remaining, nothing)
        return forward(*inputs, **named) if recorded is nothing else change(recorded)

    return answer


@contextmanager
def standing_in(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Other functions in place of modules' own `forward`; afterwards, whatever happened, all is as it was.

    Only one thread may run these modules at a time.
    """
    own = {module: vars(module)["forward"] for module in forwards if "forward" in vars(module)}
    try:
        for module, forward in forwards.items():
            module.forward = forward
        yield
    finally:
        for module in forwards:
            vars(module).pop("forward", None)
            if module in own:
                module.forward = own[module]


def _record(module: nn.Module, layer: Layer, picture: Tensor) -> _Recording:
    here = module.get_submodule(layer.name)
    parts = layer.name.split(".")
    around = {module, *(module.get_submodule(".".join(parts[:depth])) for depth in range(1, len(parts)))}
    running: list[nn.Module] = []
    answers: dict[nn.Module, list[Any]] = {}
    outputs: list[Any] = []

    def begin(called: nn.Module, _inputs: Any) -> None:
        running.append(called)

    def end(called: nn.Module, _inputs: Any, output: Any) -> None:
        running.pop()
        if outputs:
            return
        if called is here:
            outputs.append(_copy(output))
        elif running and running[-1] in around:
            # A copy, because what comes next may work on it in place.
            answers.setdefault(called, []).append(_copy(output))

    with ExitStack() as stack:
        for other in module.modules():
            stack.callback(other.register_forward_pre_hook(begin).remove)
            stack.callback(other.register_forward_hook(end).remove)
        read_scores(module(picture.clone()), 1)
    if not outputs:
        raise LayerError(f"The layer “{layer.name}” does not run in this model. Choose another layer.")
    return _Recording(answers, outputs[0])


def _copy(answer: Any) -> Any:
    return _change_tensors(answer, lambda tensor: tensor.clone())


def _expand(answer: Any, count: int) -> Any:
    """One picture's answer as that of several pictures, without copying it."""
    return _change_tensors(
        answer,
        lambda tensor: tensor.expand(count, *tensor.shape[1:]) if tensor.ndim and len(tensor) == 1 else tensor,
    )


def _change_tensors(answer: Any, change: Callable[[Tensor], Tensor]) -> Any:
    import torch
    from torch.utils._pytree import tree_map

    return tree_map(lambda value: change(value) if isinstance(value, torch.Tensor) else value, answer)
