"""Where in a file sets of named tensors stand: under any name, in lists, one in another; and which are averages."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from explain.models.unpickling import NumberArray, StandIn

if TYPE_CHECKING:
    from torch import Tensor

_AVERAGES = re.compile(
    r"(^|[._\-])(?i:ema|swa|polyak|shadow|averaged?|avg)([._\-\d]|$)|(?i:ema_?(model|state|weights))|[a-z](Ema|EMA)([._\-A-Z]|$)"
)
_ROLES = re.compile(r"(^|[._])(student|teacher)([._]|$)")
_NOT_WEIGHTS = re.compile(r"optim|sched|scaler|^amp$|momentum|^loops$|^history$|grad|^loss|criterion|metric", re.I)
_PREFERRED = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params", "ema")
_COUNTED = ("running_mean", "running_var", "num_batches_tracked")
"""What batches are counted into and no optimizer trains."""

_MOST_NODES, _DEEPEST, _LONGEST_NAME = 200_000, 8, 1_000


@dataclass(frozen=True, eq=False)
class Weights:
    """One set of named tensors in a checkpoint.

    Attributes:
        path: where it stands, e.g. `state_dict_ema` or `ckpt.model`; empty where the file holds nothing else.
        tensors: by name; pruned and normalised ones put together, floats as float32 where `Checkpoint.choose` gave it.
        averaged: averaged over the training's last steps.
        versions: what `state_dict` says of its modules' versions, by the module's path.
        notes: sentences a person should read once.
    """

    path: str
    tensors: Mapping[str, Tensor]
    averaged: bool = False
    versions: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"“{self.path}”" if self.path else "at the top"


def find_sets(content: Any) -> tuple[Weights, ...]:
    """Every set of weights, the likeliest first: that of most tensors, under a usual name.

    Args:
        content: what was unpickled, or the tensors of a safetensors file.
    """
    found = _order(_follow_teachers(list(_split_averages(_walk(content)))))
    if found and not any(weights.averaged for weights in found):
        listed = _read_shadow(content, found[0])
        return (*found, listed) if listed is not None else found
    return found


def _walk(content: Any) -> Iterator[Weights]:
    """Every mapping of names to tensors, as deep as it stands."""
    import torch

    seen: set[int] = set()
    waiting: deque[tuple[Any, str, int]] = deque([(content, "", 0)])
    while waiting and len(seen) < _MOST_NODES:
        node, path, depth = waiting.popleft()
        if id(node) in seen or depth > _DEEPEST:
            continue
        seen.add(id(node))
        node = _name_pairs(node)
        if isinstance(node, Mapping):
            tensors = {}
            for key, value in node.items():
                if not isinstance(key, str) or len(key) > _LONGEST_NAME:
                    continue
                if isinstance(value, NumberArray):
                    value = value.read()
                if isinstance(value, torch.Tensor):
                    tensors[key] = value
            if tensors and not _NOT_WEIGHTS.search(path.rpartition(".")[2]):
                versions = getattr(node, "_metadata", None)
                yield Weights(
                    path, tensors, bool(_AVERAGES.search(path)), versions if isinstance(versions, Mapping) else None
                )
            inner = [(str(key)[:80], value) for key, value in node.items()]
        elif isinstance(node, (list, tuple)):
            inner = [(str(index), value) for index, value in enumerate(node[:1000])]
        else:
            continue
        for key, value in inner:
            if isinstance(value, (Mapping, list, tuple)) and not _NOT_WEIGHTS.search(key):
                waiting.append((value, f"{path}.{key}" if path else key, depth + 1))


def _name_pairs(node: Any) -> Any:
    """A list of names and tensors, as `list(state_dict.items())` gives it, as a mapping; all else as it came."""
    import torch

    pairs = isinstance(node, list) and all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], torch.Tensor)
        for pair in node
    )
    return dict(node) if pairs else node


def _split_averages(sets: Iterable[Weights]) -> Iterator[Weights]:
    """Averaged weights that stand among the others under a prefix of their own (`ema_model.`) become a set apart."""
    for weights in sets:
        inside: dict[str, dict[str, Tensor]] = {}
        rest: dict[str, Tensor] = {}
        for key, tensor in _restore_dots(weights.tensors).items():
            first, dot, _ = key.partition(".")
            is_apart = dot and (first in ("student", "teacher") or _AVERAGES.search(first))
            (inside.setdefault(first, {}) if is_apart else rest)[key] = tensor
        if set(inside) == {"student", "teacher"}:
            for first, tensors in inside.items():
                yield replace(weights, tensors=tensors, path=f"{weights.path}.{first}".lstrip("."))
            continue
        for first in {"student", "teacher"}.intersection(inside):
            rest |= inside.pop(first)
        tails = {tail for key in rest for tail in (key, *_list_tails(key))}
        copies = {
            first: tensors
            for first, tensors in inside.items()
            if sum(bool(tails.intersection(_list_tails(key))) for key in tensors) * 2 > len(tensors)
        }
        if not copies or len(copies) < len(inside):
            yield weights
            continue
        yield replace(weights, tensors=rest)
        for first, tensors in copies.items():
            yield replace(weights, tensors=tensors, averaged=True, path=f"{weights.path}.{first}".lstrip("."))


_FLAT = "model_ema."


def _restore_dots(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Averages whose names were written without their dots, as buffers have to be: `model_ema.layer10conv1weight`."""
    flat = [key for key in tensors if key.startswith(_FLAT) and "." not in key[len(_FLAT) :]]
    if len(flat) < 2:
        return tensors
    others = (tail for key in tensors if not key.startswith(_FLAT) for tail in (key, *_list_tails(key)))
    dotted = {tail.replace(".", ""): tail for tail in others}
    restored = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(_FLAT)
        if key not in flat:
            restored[key] = tensor
        elif name in dotted:  # what is not, counts the averaging
            restored[_FLAT + dotted[name]] = tensor
    return restored


def _follow_teachers(sets: list[Weights]) -> list[Weights]:
    """Of a student and a teacher, the teacher is the student's average where both are the same network; where they are
    not, the student is what was trained.
    """
    found = {role.group(2): weights for weights in sets if (role := _ROLES.search(weights.path))}
    student, teacher = found.get("student"), found.get("teacher")
    if student is None or teacher is None:
        return sets
    if _outline(student) != _outline(teacher):
        return [weights for weights in sets if weights is not teacher]
    return [replace(weights, averaged=True) if weights is teacher else weights for weights in sets]


def _outline(weights: Weights) -> set[tuple[str, tuple[int, ...]]]:
    """Names without what stands before them, and shapes."""
    start = re.compile(r"^((student|teacher|module)\.)+")
    return {(start.sub("", key), tuple(tensor.shape)) for key, tensor in weights.tensors.items()}


def _read_shadow(content: Any, raw: Weights) -> Weights | None:
    """Averages kept as a list, in the order of what is trained, without names (`shadow_params` of torch_ema)."""
    import torch

    for node in content.values() if isinstance(content, Mapping) else ():
        given = node.get("shadow_params") if isinstance(node, Mapping) else None
        if not isinstance(given, list) or not all(isinstance(part, torch.Tensor) for part in given):
            continue
        names = [key for key in raw.tensors if not key.endswith(_COUNTED)]
        if [raw.tensors[key].shape for key in names] == [part.shape for part in given]:
            return Weights("shadow_params", dict(zip(names, given, strict=True)), True, raw.versions)
    return None


def _list_tails(key: str) -> list[str]:
    """A name without its first part, without its first two, and so on, down to two parts."""
    parts = key.split(".")
    return [".".join(parts[depth:]) for depth in range(1, len(parts) - 1)]


def _order(sets: Iterable[Weights]) -> tuple[Weights, ...]:
    """The likeliest first: with most tensors, under a usual name. What has far fewer tensors is no network."""

    def rank(weights: Weights) -> tuple[int, int]:
        last = weights.path.rpartition(".")[2]
        return -len(weights.tensors), _PREFERRED.index(last) if last in _PREFERRED else len(_PREFERRED)

    found = sorted(sets, key=rank)
    most = len(found[0].tensors) if found else 0
    return tuple(weights for weights in found if not weights.averaged or len(weights.tensors) * 3 >= most)


def complete_average(averaged: Weights, raw: Weights) -> Weights:
    """Averages are often kept of what is trained alone: statistics of batches are then those of the last step."""
    firsts = Counter(f"{key.partition('.')[0]}." for key in raw.tensors)
    own = _shared_start(averaged)
    names = [
        {own * bool(start) + key[len(start) :]: tensor for key, tensor in raw.tensors.items() if key.startswith(start)}
        for start in ("", *(first for first, _ in firsts.most_common(2)))
    ]
    named = max(names, key=lambda tensors: len(tensors.keys() & averaged.tensors.keys()))
    missing = {key: tensor for key, tensor in named.items() if key not in averaged.tensors}
    if missing and len(named) - len(missing) == len(averaged.tensors):
        return replace(averaged, tensors={**averaged.tensors, **missing})
    return averaged


def _shared_start(weights: Weights) -> str:
    """The first part of all its names; empty where they differ in it."""
    firsts = {key.partition(".")[0] for key in weights.tensors}
    return f"{firsts.pop()}." if len(firsts) == 1 else ""


def find_whole_model(content: Any) -> tuple[str, int] | None:
    """The class of the object that holds most tensors, and how many: a whole model that was pickled."""
    import torch

    best: tuple[str, int] | None = None
    waiting = [(content, "", 0)]
    count: dict[str, int] = {}
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_NODES:
        node, owner, depth = waiting.pop()
        if isinstance(node, torch.Tensor):
            if owner:
                count[owner] = count.get(owner, 0) + 1
            continue
        if id(node) in seen or depth > 60:
            continue
        seen.add(id(node))
        if isinstance(node, StandIn):
            is_network = isinstance(node.state, Mapping) and "_modules" in node.state
            owner = owner or (node.origin if is_network else "")
            inner = [node.state, *node.given]
        elif isinstance(node, Mapping):
            inner = list(node.values())
        elif isinstance(node, (list, tuple)):
            inner = list(node)
        else:
            continue
        waiting += [(value, owner, depth + 1) for value in inner]
    if count:
        origin = max(count, key=lambda owner: count[owner])
        best = origin, count[origin]
    return best
