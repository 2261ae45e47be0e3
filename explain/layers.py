"""Layers whose output can be laid on the picture: which there are, on what grid, and how to turn tokens into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from explain.errors import LayerError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.models import LoadedModel

Layout = Literal["NCHW", "NHWC", "NLC"]

MOST_LAYERS = 30
"""A picker with more entries than this is no help; blocks in the middle of long stages are left out first."""

_MOST_PREFIX_TOKENS = 16
_LEAST_DEFAULT_GRID = 4


@dataclass(frozen=True)
class Layer:
    """A named module whose output is a grid of vectors over the model's input.

    Attributes:
        name: the module's dotted name in the model.
        grid: rows and columns of the output.
        channels: length of the vector at each cell.
        layout: order of the output's axes; `NLC` are tokens, row by row.
        prefix_tokens: tokens before those of the patches (class token, registers, prompts); `NLC` only.
    """

    name: str
    grid: tuple[int, int]
    channels: int
    layout: Layout
    prefix_tokens: int = 0

    def to_map(self, output: Any) -> Tensor:
        """The module's output, or the first tensor of several, as `(B, C, h, w)`; a view where it can be."""
        tensor = first_tensor(output)
        if tensor is None:
            raise LayerError(f"The layer “{self.name}” gives no tensor. Choose another layer.")
        if self.layout == "NHWC":
            tensor = tensor.permute(0, 3, 1, 2)
        elif self.layout == "NLC":
            patches = tensor[:, self.prefix_tokens :].transpose(1, 2)
            if patches.shape[2] != self.grid[0] * self.grid[1]:
                raise LayerError(
                    f"The layer “{self.name}” gave {patches.shape[2]} patch tokens where "
                    f"{self.grid[0]}×{self.grid[1]} were expected. Choose another layer."
                )
            tensor = patches.unflatten(2, self.grid)
        return tensor


def first_tensor(output: Any) -> Tensor | None:
    """The tensor a module gave back, or the first of several; None where there is none."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    values = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return next((found for value in values if (found := first_tensor(value)) is not None), None)


def find_layers(module: nn.Module, channels: int, input_size: tuple[int, int]) -> tuple[Layer, ...]:
    """The layers that can be explained, in the order in which they run.

    A layer counts when its output is a grid of more than one cell and when all that the answer knows of the picture
    passes through it: nothing goes around it by a skip connection or a parallel branch. In a transformer of tokens
    each block stands for the normalisation it begins with, because the last block's own output has no gradient at the
    patches where only the class token is read. Where a network parts into branches before it is half done, the blocks
    of its branches count too: each of them is explained as far as its own branch goes.

    Nothing is computed: one forward pass on torch's `meta` device gives every shape and the graph between them. The
    module is hooked meanwhile, so call this before it is shared.

    Args:
        module: the model in evaluation mode.
        channels: 1 or 3.
        input_size: height and width of its input.
    """
    records, answer, source = _trace(module, channels, input_size)
    if answer is None:
        return ()
    _read_grids(module, records, input_size)
    path, on_trunk = _find_paths(answer, source)
    trunk = [record for record in records if record.layer and record.calls == 1 and record.vertex in on_trunk]
    blocks, wraps = _find_blocks(trunk, records)
    innermost = {name for name in blocks if not any(other.startswith(f"{name}.") for other in blocks)}

    found: list[_Record] = []
    for same in _group_by_vertex(trunk):
        allowed = [r for r in same if r.name in blocks or not any(r.name.startswith(f"{b}.") for b in blocks | wraps)]
        if same[0].layout == "NLC":
            block = next((r for r in allowed if r.name in innermost), None)
            if block is not None:
                found.append(_first_norm(block, records))
        elif allowed and (chosen := _choose_name(allowed, trunk, blocks)) is not None:
            chosen.is_block = any(r.name in blocks for r in same)
            chosen.closes = any(_is_norm(r.module) or _is_activation(r.module) for r in same)
            found.append(chosen)
    found = _drop_unfinished(found)
    found = _drop_class_maps(found, answer)
    if _ends_early(found, records, path):
        found = sorted({*found, *_find_in_branches(records, path)}, key=records.index)
    found = _drop_reordered(found, on_trunk)
    return tuple(record.layer for record in _thin_out(found) if record.layer)


def default_layer(layers: Sequence[Layer]) -> Layer | None:
    """The layer explained unless another is asked for: the last whose grid still tells one place from another."""
    for layer in reversed(layers):
        if min(layer.grid) >= _LEAST_DEFAULT_GRID:
            return layer
    return layers[-1] if layers else None


def get_layer(model: LoadedModel, name: str = "auto") -> Layer:
    """The layer of that name, or the model's default for `auto`.

    Raises:
        LayerError: there is none; the text lists the nearest names.
    """
    if model.default_layer is None:
        raise LayerError(
            f"“{model.request.name}” has no layer whose output lies on the picture, so no map can be drawn for it. "
            "Choose a convolutional network or a vision transformer."
        )
    if name == "auto":
        return model.default_layer
    by_name = {layer.name: layer for layer in model.layers}
    if name not in by_name:
        near = get_close_matches(name, by_name, n=5, cutoff=0.4) or list(by_name)[-5:]
        raise LayerError(
            f"There is no layer “{name}” that can be explained. Nearest: {', '.join(near)}; “auto” takes the best one."
        )
    return by_name[name]


@dataclass(eq=False)
class _Record:
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
        return self.layer.layout if self.layer else None


def _trace(
    module: nn.Module, channels: int, input_size: tuple[int, int]
) -> tuple[list[_Record], Tensor | None, tuple[Any, int]]:
    """Run the module once; returns its modules in the order they finished, the answer, and the input's graph vertex."""
    import torch

    def run(device: str | torch.device, tensors: dict[str, Tensor] | None) -> tuple[list[_Record], Any, Any]:
        records: dict[str, _Record] = {}

        def record(name: str, child: nn.Module, output: Any) -> None:
            tensor = first_tensor(output)
            if name in records:
                records[name].calls += 1
            elif tensor is not None:
                vertex = (tensor.grad_fn, tensor.output_nr) if tensor.grad_fn is not None else None
                records[name] = _Record(name, child, tuple(tensor.shape), vertex)

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


def _find_paths(answer: Tensor, source: tuple[Any, int]) -> tuple[set[tuple[Any, int]], set[tuple[Any, int]]]:
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


def _read_grids(module: nn.Module, records: list[_Record], input_size: tuple[int, int]) -> None:
    """Give each record whose output is a grid over the input a `layer`."""
    from torch import nn

    grids: list[tuple[int, int]] = []
    known = _known_prefix(module)
    for record in records:
        shape = record.shape
        if isinstance(record.module, nn.Conv2d) and len(shape) == 4 and shape[0] == 1 and _fits(shape[2:], input_size):
            grids.append((shape[2], shape[3]))
        if len(shape) not in (3, 4) or shape[0] != 1:
            continue
        if len(shape) == 4:
            layout: Layout = "NCHW" if _fits(shape[2:], input_size) else "NHWC"
            grid, width, prefix = (shape[2:], shape[1], 0) if layout == "NCHW" else (shape[1:3], shape[3], 0)
            if not _fits(grid, input_size):
                continue
        else:
            layout, width = "NLC", shape[2]
            placed = _place_tokens(shape[1], grids, known, input_size)
            if placed is None:
                continue
            grid, prefix = placed
        if grid[0] * grid[1] > 1:
            record.layer = Layer(record.name, (grid[0], grid[1]), width, layout, prefix)


def _known_prefix(module: nn.Module) -> int | None:
    """How many tokens the model says it puts before those of the patches; None where it does not say."""
    backbone = getattr(module, "backbone", None)
    prompts = getattr(module, "prompts", None)
    if backbone is not None and prompts is not None:
        return int(prompts.shape[1]) + int(getattr(backbone, "num_prefix_tokens", 0))
    prefix = getattr(module, "num_prefix_tokens", None)
    return None if prefix is None else int(prefix)


def _fits(grid: tuple[int, ...], input_size: tuple[int, int]) -> bool:
    """Whether a grid has the input's shape, up to one cell lost or won at a border, and is no finer than the input."""
    (rows, columns), (height, width) = grid, input_size
    return rows <= height and columns <= width and abs(rows * width - columns * height) <= max(height, width)


def _place_tokens(
    count: int, grids: list[tuple[int, int]], known: int | None, input_size: tuple[int, int]
) -> tuple[tuple[int, int], int] | None:
    """The grid that `count` tokens lie on and how many come before it: the last convolution's grid that it fits."""
    prefixes = [*([known] if known is not None else []), *range(_MOST_PREFIX_TOKENS + 1)]
    for prefix in prefixes:
        for grid in reversed(grids):
            if grid[0] * grid[1] > 1 and grid[0] * grid[1] + prefix == count:
                return grid, prefix
    for prefix in prefixes[:2]:
        rows = round(((count - prefix) * input_size[0] / input_size[1]) ** 0.5) if count > prefix else 0
        if rows > 1 and (count - prefix) % rows == 0 and _fits((rows, (count - prefix) // rows), input_size):
            return (rows, (count - prefix) // rows), prefix
    return None


def _find_blocks(trunk: list[_Record], records: list[_Record]) -> tuple[set[str], set[str]]:
    """Names of the trunk's blocks and stages, and of wraps: what holds one weighted layer, and patch embeddings.

    A block is a module with a `forward` of its own and two or more weighted layers inside. Only layers that work on a
    grid count, or a channel gate (squeeze and excite) would pass for a block; in a block of tokens, only those that
    work on tokens, or a patch embedding would.
    """
    from torch import nn

    weighted = [r for r in records if r.layer and isinstance(r.module, (nn.Conv2d, nn.Linear))]
    plain = {kind.forward for kind in (nn.Sequential, nn.ModuleList, nn.ModuleDict)}
    blocks, wraps = set(), set()
    for record in trunk:
        inside = [r for r in weighted if r.name.startswith(f"{record.name}.")]
        if record.layout == "NLC":
            inside = [r for r in inside if r.layout == "NLC"]
        if len(inside) >= 2 and type(record.module).forward not in plain:
            blocks.add(record.name)
        elif len(inside) == 1 and type(record.module) not in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
            wraps.add(record.name)
        elif record.layout == "NLC" and type(record.module).forward not in plain:
            wraps.add(record.name)  # a patch embedding
    return blocks, wraps


def _ends_early(found: list[_Record], records: list[_Record], path: set[tuple[Any, int]]) -> bool:
    """Whether most of the work on a grid is done after the layer that would be the default."""
    best = default_layer([record.layer for record in found if record.layer])
    if best is None:
        return True
    done = next(index for index, record in enumerate(records) if record.name == best.name)
    after = [index > done for index in _weighing(records, path)]
    return sum(after) > len(after) / 2


def _weighing(records: list[_Record], path: set[tuple[Any, int]]) -> list[int]:
    """Positions of the weighted layers that work on a grid of use for a map."""
    from torch import nn

    return [
        index
        for index, record in enumerate(records)
        if record.layer
        and isinstance(record.module, (nn.Conv2d, nn.Linear))
        and min(record.layer.grid) >= _LEAST_DEFAULT_GRID
        and record.vertex in path
    ]


def _find_in_branches(records: list[_Record], path: set[tuple[Any, int]]) -> list[_Record]:
    """The innermost blocks of all branches: tokens stand for the normalisation they begin with, as on the trunk.

    A block may take and give several tensors. It is then known by what is done inside it, and stands for the first
    normalisation on each grid.
    """
    from torch import nn

    plain = {kind.forward for kind in (nn.Sequential, nn.ModuleList, nn.ModuleDict)}
    weighted = [records[index].name for index in _weighing(records, path)]
    usable = [record for record in records if record.layer and record.calls == 1 and record.vertex in path]
    chosen: dict[str, list[_Record]] = {}  # inner blocks finish before what holds them
    for record in records:
        inside = f"{record.name}."
        is_block = type(record.module).forward not in plain and sum(name.startswith(inside) for name in weighted) >= 2
        if not is_block or any(name.startswith(inside) for name in chosen):
            continue
        norms: dict[tuple[int, int], _Record] = {}
        for inner in usable:
            if inner.layer and inner.layout == "NLC" and inner.name.startswith(inside) and _is_norm(inner.module):
                first = norms.setdefault(inner.layer.grid, inner)
                # The stream with the class token is the one that is read, whatever feeds it.
                if first.layer and inner.layer.prefix_tokens > first.layer.prefix_tokens:
                    norms[inner.layer.grid] = inner
        if norms:
            chosen[record.name] = list(norms.values())
        elif record in usable and record.layout != "NLC":
            chosen[record.name] = [record]
    return [record for several in chosen.values() for record in several]


def _group_by_vertex(trunk: list[_Record]) -> list[list[_Record]]:
    """Records that give the very same tensor, in the order in which the tensors come to be."""
    groups: dict[Any, list[_Record]] = {}
    for record in trunk:
        groups.setdefault(record.vertex, []).append(record)
    return list(groups.values())


def _choose_name(same: list[_Record], trunk: list[_Record], blocks: set[str]) -> _Record | None:
    """Of modules that give the same tensor, the shortest name that is one stage, block or weighted layer.

    `layer4` says more than `layer4.1`, but `features` says less than `features.12`: a container counts only where all
    its layers share one grid. Pools, reshapes and the like are no layers of their own.
    """
    from torch import nn

    def is_one_stage(record: _Record) -> bool:
        assert record.layer is not None
        inside = [r for r in trunk if r.name.startswith(f"{record.name}.") and r.layer]
        if record.name in blocks:
            inside = [r for r in inside if r.name in blocks]
        return all(r.layer.grid == record.layer.grid for r in inside if r.layer)

    pooled = any(_is_pool(r.module) for r in same)
    usable = [
        r
        for r in same
        if not _is_passive(r.module) and not (pooled and isinstance(r.module, nn.Sequential)) and is_one_stage(r)
    ]
    return min(usable, key=lambda r: (r.name.count("."), len(r.name)), default=None)


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _is_pool(module: nn.Module) -> bool:
    return _is_leaf(module) and "Pool" in type(module).__name__


def _is_activation(module: nn.Module) -> bool:
    return _is_leaf(module) and "activation" in type(module).__module__.rsplit(".", 1)[-1]


def _is_norm(module: nn.Module) -> bool:
    return any("Norm" in kind.__name__ for kind in type(module).__mro__) and next(module.parameters(), None) is not None


def _is_passive(module: nn.Module) -> bool:
    """A leaf that neither weighs nor bends: pool, dropout, identity, permute, flatten …"""
    return _is_leaf(module) and not _is_activation(module) and next(module.parameters(), None) is None


def _first_norm(block: _Record, records: list[_Record]) -> _Record:
    """The normalisation a transformer block begins with, or the block itself where it begins with none."""
    inside = (r for r in records if r.name.startswith(f"{block.name}.") and r.shape == block.shape and r.calls == 1)
    first = next(inside, None)
    return first if first is not None and first.layer and _is_norm(first.module) else block


def _drop_unfinished(found: list[_Record]) -> list[_Record]:
    """Leave out what is only a step between two layers of one size.

    That is a bare convolution before the normalisation, activation or block that goes on from it, a normalisation
    before its activation, and a normalisation between a block and what follows.
    """

    def size(record: _Record | None) -> tuple[tuple[int, int], int] | None:
        return (record.layer.grid, record.layer.channels) if record and record.layer else None

    kept = []
    for before, record, after in zip([None, *found], found, [*found[1:], None], strict=False):
        if not record.is_block and after is not None:
            is_bare = record.layout != "NLC" and not record.closes and size(after) == size(record)
            is_activated = _is_norm(record.module) and after.closes and size(after) == size(record)
            is_between = _is_norm(record.module) and before is not None and before.is_block
            if is_bare or (is_activated and not after.is_block) or (is_between and size(before) == size(record)):
                continue
        kept.append(record)
    return kept


def _drop_reordered(found: list[_Record], on_trunk: set[tuple[Any, int]]) -> list[_Record]:
    """Leave out tokens that do not lie row by row, because the network laid them out window by window (Hiera).

    A permutation of five axes or more that nothing goes around parts the picture into windows. Each pooling inside the
    windows undoes one, so that the coarsest tokens lie row by row again.
    """
    tokens = [record.layer.grid for record in found if record.layer and record.layout == "NLC"]
    is_parted = any(len(getattr(node, "_saved_dims", ())) >= 5 for node, _ in on_trunk if "Permute" in node.name())
    if not tokens or not is_parted:
        return found
    coarsest = min(tokens)
    return [r for r in found if r.layer and (r.layout != "NLC" or r.layer.grid == coarsest)]


def _drop_class_maps(found: list[_Record], answer: Tensor) -> list[_Record]:
    """Leave out the class scores of each place at the end of a fully convolutional head (SqueezeNet)."""
    kept = list(found)
    while len(kept) > 1:
        last = kept[-1]
        if last.layout != "NCHW" or last.layer is None or last.layer.channels != answer.shape[-1] or last.is_block:
            break
        kept.pop()
    return kept


def _thin_out(found: list[_Record]) -> list[_Record]:
    """At most `MOST_LAYERS`: the last of each grid and width always, the others evenly."""
    if len(found) <= MOST_LAYERS:
        return found
    keys = [(r.layer.grid, r.layer.channels) if r.layer else None for r in found]
    ends = [i for i, key in enumerate(keys) if i + 1 == len(keys) or keys[i + 1] != key]
    ends = ends[-MOST_LAYERS:]
    others = [i for i in range(len(found)) if i not in set(ends)]
    room = MOST_LAYERS - len(ends)
    chosen = {others[(i * len(others)) // room] for i in range(room)} if room else set()
    return [record for i, record in enumerate(found) if i in chosen | set(ends)]
