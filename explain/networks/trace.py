"""One pass without values: the shape of every module's output, the graph between them, and the grids they lie on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explain.networks.layer import Grid, Layer, Layout, fits
from explain.networks.output import first_tensor

if TYPE_CHECKING:
    from torch import Tensor, nn


_MOST_PREFIX_TOKENS = 16
_LAYOUTS: dict[tuple[int, bool], Layout] = {
    (2, True): "NCHW",
    (2, False): "NHWC",
    (3, True): "NCDHW",
    (3, False): "NDHWC",
}
"""By axes of space, and whether channels come before them."""


@dataclass(eq=False)
class Record:
    """What one module did during the traced pass."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]
    vertex: tuple[Any, int] | None
    calls: int = 1
    layer: Layer | None = None
    is_block: bool = False
    closes: bool = False  # the tensor is what a normalisation or an activation gave back

    @property
    def layout(self) -> Layout | None:
        """Order of the output's axes, where it is a grid."""
        return self.layer.layout if self.layer else None


def trace_network(
    module: nn.Module, channels: int, input_size: Sequence[int]
) -> tuple[list[Record], Tensor | None, tuple[Any, int]]:
    """Run the module once; returns its modules in the order they finished, the answer, and the input's graph vertex."""
    import torch

    def run(device: str | torch.device, tensors: dict[str, Tensor] | None) -> tuple[list[Record], Any, Any]:
        records: dict[str, Record] = {}

        def record(name: str, child: nn.Module, output: Any) -> None:
            tensor = first_tensor(output)
            if name in records:
                records[name].calls += 1
            elif tensor is not None:
                vertex = (tensor.grad_fn, tensor.output_nr) if tensor.grad_fn is not None else None
                records[name] = Record(name, child, tuple(tensor.shape), vertex)

        handles = [
            child.register_forward_hook(lambda m, _, out, name=name: record(name, m, out))
            for name, child in module.named_modules()
            if name
        ]
        try:
            with torch.inference_mode(False), torch.enable_grad():
                # A copy, because a network may work in place on what it is given.
                picture = torch.zeros(1, channels, *input_size, device=device, requires_grad=True).clone()
                if tensors is None:
                    output = module(picture)
                else:
                    output = torch.func.functional_call(module, tensors, (picture,), tie_weights=False)
        finally:
            for handle in handles:
                handle.remove()
        return list(records.values()), first_tensor(output), (picture.grad_fn, picture.output_nr)

    # Each tensor of each module once: where a module has two names, replacing it under both would leave it replaced.
    state = {
        f"{prefix}.{name}" if prefix else name: tensor
        for prefix, child in module.named_modules()
        for name, tensor in [*child._parameters.items(), *child._buffers.items()]
        if tensor is not None
    }
    try:
        return run("meta", {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()})
    except (RuntimeError, NotImplementedError):
        # Some networks look at values while they run, which the meta device has none of.
        return run(next((tensor.device for tensor in state.values()), torch.device("cpu")), None)


def find_paths(answer: Tensor, source: tuple[Any, int]) -> tuple[set[tuple[Any, int]], set[tuple[Any, int]]]:
    """The tensors on a path from the input to the answer, and those of them through which every path leads.

    In any topological order of the vertices that lie on a path from the input to the answer, a vertex is on all paths
    exactly when no edge leads over it.
    """
    order: list[tuple[Any, int]] = []  # inputs before what is made of them
    state: dict[tuple[Any, int], bool] = {}
    stack: list[tuple[tuple[Any, int], bool]] = [((answer.grad_fn, answer.output_nr), False)]
    parents: dict[tuple[Any, int], list[tuple[Any, int]]] = {}
    while stack:
        vertex, done = stack.pop()
        if done:
            order.append(vertex)
        elif vertex not in state and vertex[0] is not None:
            state[vertex] = True
            parents[vertex] = [] if vertex == source else [p for p in vertex[0].next_functions if p[0] is not None]
            stack.append((vertex, True))
            stack.extend((parent, False) for parent in parents[vertex])

    reached = {source}
    path = []
    for vertex in order:
        if vertex == source or any(parent in reached for parent in parents[vertex]):
            reached.add(vertex)
            path.append(vertex)
    position = {vertex: index for index, vertex in enumerate(path)}
    furthest = list(range(len(path)))  # the furthest vertex that reads this one
    for vertex in path:
        for parent in parents[vertex]:
            if parent in position:
                furthest[position[parent]] = max(furthest[position[parent]], position[vertex])
    cut, reach = set(), 0
    for index, vertex in enumerate(path):
        if reach <= index:
            cut.add(vertex)
        reach = max(reach, furthest[index])
    return set(path), cut


def read_grids(module: nn.Module, records: list[Record], input_size: Sequence[int]) -> None:
    """Give each record whose output is a grid over the input a `layer`."""
    from torch import nn

    grids: list[Grid] = []
    known = _known_prefix(module)
    for record in records:
        shape = record.shape
        whole = len(input_size) + 2  # axes of an output that keeps those of the input
        convolved = isinstance(record.module, (nn.Conv2d, nn.Conv3d))
        if convolved and len(shape) == whole and shape[0] == 1 and fits(shape[2:], input_size):
            grids.append(shape[2:])
        if len(shape) not in (3, whole) or shape[0] != 1:
            continue
        if len(shape) == whole:
            first = fits(shape[2:], input_size)
            layout: Layout = _LAYOUTS[len(input_size), first]
            grid: Grid = shape[2:] if first else shape[1:-1]
            width, prefix = shape[1] if first else shape[-1], 0
            if not fits(grid, input_size):
                continue
        else:
            layout, width = "NLC", shape[2]
            placed = _place_tokens(shape[1], grids, known, input_size)
            if placed is None:
                continue
            grid, prefix = placed
        if math.prod(grid) > 1:
            record.layer = Layer(record.name, grid, width, layout, prefix)


def _known_prefix(module: nn.Module) -> int | None:
    """How many tokens the model says it puts before those of the patches; None where it does not say."""
    backbone = getattr(module, "backbone", None)
    prompts = getattr(module, "prompts", None)
    if backbone is not None and prompts is not None:
        return int(prompts.shape[1]) + int(getattr(backbone, "num_prefix_tokens", 0))
    prefix = getattr(module, "num_prefix_tokens", None)
    return None if prefix is None else int(prefix)


def _place_tokens(
    count: int, grids: list[Grid], known: int | None, input_size: Sequence[int]
) -> tuple[Grid, int] | None:
    """The grid that `count` tokens lie on and how many come before it: the last convolution's grid that it fits."""
    prefixes = [*([known] if known is not None else []), *range(_MOST_PREFIX_TOKENS + 1)]
    for prefix in prefixes:
        for grid in reversed(grids):
            if math.prod(grid) > 1 and math.prod(grid) + prefix == count:
                return grid, prefix
    if len(input_size) != 2:
        return None
    for prefix in prefixes[:2]:
        rows = round(((count - prefix) * input_size[0] / input_size[1]) ** 0.5) if count > prefix else 0
        if rows > 1 and (count - prefix) % rows == 0 and fits((rows, (count - prefix) // rows), input_size):
            return (rows, (count - prefix) // rows), prefix
    return None
