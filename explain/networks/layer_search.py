"""Which layers of a network can be explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from explain.networks.layer import Grid, Layer, default_layer
from explain.networks.trace import Record, find_paths, read_grids, trace_network

if TYPE_CHECKING:
    from torch import Tensor, nn


MOST_LAYERS = 30
"""A picker with more entries than this is no help; blocks in the middle of long stages are left out first."""


def find_layers(module: nn.Module, channels: int, input_size: Sequence[int]) -> tuple[Layer, ...]:
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
        input_size: height and width of its input; depth first where it takes volumes.
    """
    records, answer, source = trace_network(module, channels, input_size)
    if answer is None:
        return ()
    read_grids(module, records, input_size)
    path, on_trunk = find_paths(answer, source)
    trunk = [record for record in records if record.layer and record.calls == 1 and record.vertex in on_trunk]
    blocks, wraps = _find_blocks(trunk, records)
    innermost = {name for name in blocks if not any(other.startswith(f"{name}.") for other in blocks)}

    found: list[Record] = []
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
    return tuple(_name_aliases(record, records) for record in _thin_out(found))


def _name_aliases(record: Record, records: list[Record]) -> Layer:
    """The record's layer, with the names of all modules that gave the very same tensor."""
    assert record.layer is not None
    same = (r.name for r in records if r.vertex == record.vertex is not None and r.calls == 1 and r is not record)
    return replace(record.layer, aliases=tuple(same))


def _find_blocks(trunk: list[Record], records: list[Record]) -> tuple[set[str], set[str]]:
    """Names of the trunk's blocks and stages, and of wraps: what holds one weighted layer, and patch embeddings.

    A block is a module with a `forward` of its own and two or more weighted layers inside. Only layers that work on a
    grid count, or a channel gate (squeeze and excite) would pass for a block; in a block of tokens, only those that
    work on tokens, or a patch embedding would.
    """
    from torch import nn

    weighted = [r for r in records if r.layer and isinstance(r.module, (nn.Conv2d, nn.Conv3d, nn.Linear))]
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


def _ends_early(found: list[Record], records: list[Record], path: set[tuple[Any, int]]) -> bool:
    """Whether most of the work on a grid is done after the layer that would be the default."""
    best = default_layer([record.layer for record in found if record.layer])
    if best is None:
        return True
    done = next(index for index, record in enumerate(records) if record.name == best.name)
    after = [index > done for index in _weighing(records, path)]
    return sum(after) > len(after) / 2


def _weighing(records: list[Record], path: set[tuple[Any, int]]) -> list[int]:
    """Positions of the weighted layers that work on a grid of use for a map."""
    from torch import nn

    return [
        index
        for index, record in enumerate(records)
        if record.layer
        and isinstance(record.module, (nn.Conv2d, nn.Conv3d, nn.Linear))
        and record.layer.tells_places_apart
        and record.vertex in path
    ]


def _find_in_branches(records: list[Record], path: set[tuple[Any, int]]) -> list[Record]:
    """The innermost blocks of all branches: tokens stand for the normalisation they begin with, as on the trunk.

    A block may take and give several tensors. It is then known by what is done inside it, and stands for the first
    normalisation on each grid.
    """
    from torch import nn

    plain = {kind.forward for kind in (nn.Sequential, nn.ModuleList, nn.ModuleDict)}
    weighted = [records[index].name for index in _weighing(records, path)]
    usable = [record for record in records if record.layer and record.calls == 1 and record.vertex in path]
    chosen: dict[str, list[Record]] = {}  # inner blocks finish before what holds them
    for record in records:
        inside = f"{record.name}."
        is_block = type(record.module).forward not in plain and sum(name.startswith(inside) for name in weighted) >= 2
        if not is_block or any(name.startswith(inside) for name in chosen):
            continue
        norms: dict[Grid, Record] = {}
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


def _group_by_vertex(trunk: list[Record]) -> list[list[Record]]:
    """Records that give the very same tensor, in the order in which the tensors come to be."""
    groups: dict[Any, list[Record]] = {}
    for record in trunk:
        groups.setdefault(record.vertex, []).append(record)
    return list(groups.values())


def _choose_name(same: list[Record], trunk: list[Record], blocks: set[str]) -> Record | None:
    """Of modules that give the same tensor, the shortest name that is one stage, block or weighted layer.

    `layer4` says more than `layer4.1`, but `features` says less than `features.12`: a container counts only where all
    its layers share one grid. Pools, reshapes and the like are no layers of their own.
    """
    from torch import nn

    def is_one_stage(record: Record) -> bool:
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


def _first_norm(block: Record, records: list[Record]) -> Record:
    """The normalisation a transformer block begins with, or the block itself where it begins with none."""
    inside = (r for r in records if r.name.startswith(f"{block.name}.") and r.shape == block.shape and r.calls == 1)
    first = next(inside, None)
    return first if first is not None and first.layer and _is_norm(first.module) else block


def _drop_unfinished(found: list[Record]) -> list[Record]:
    """Leave out what is only a step between two layers of one size.

    That is a bare convolution before the normalisation, activation or block that goes on from it, a normalisation
    before its activation, and a normalisation between a block and what follows.
    """

    def size(record: Record | None) -> tuple[Grid, int] | None:
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


def _drop_reordered(found: list[Record], on_trunk: set[tuple[Any, int]]) -> list[Record]:
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


def _drop_class_maps(found: list[Record], answer: Tensor) -> list[Record]:
    """Leave out the class scores of each place at the end of a fully convolutional head (SqueezeNet)."""
    kept = list(found)
    while len(kept) > 1:
        last = kept[-1]
        if last.layout not in ("NCHW", "NCDHW") or last.layer is None or last.is_block:
            break
        if last.layer.channels != answer.shape[-1]:
            break
        kept.pop()
    return kept


def _thin_out(found: list[Record]) -> list[Record]:
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
