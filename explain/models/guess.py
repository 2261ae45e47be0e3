"""Which architecture a set of weights is of, told from the names and the shapes of its tensors alone.

Candidates are built on torch's meta device, which takes no memory, and given up as soon as they ask for parameters that
the file does not have: nearly all of them within their first layers.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from explain.errors import ModelError
from explain.models.architectures import (
    Architecture,
    Family,
    build_architecture,
    list_architectures,
    list_volume_architectures,
)
from explain.models.fitting import fit_to_network
from explain.models.hugging_face import rename_hugging_face
from explain.models.renamings import rename_dense_net, rename_monai, unwrap
from explain.networks.torchvision_operators import declare_missing_operators

if TYPE_CHECKING:
    from torch import Tensor, nn

Shape = tuple[int, ...]

_CLASSES = 1013
"""Of the candidates: a prime that no other axis of a network has, so that it marks the head."""

SURE, LIKELY = 0.995, 0.9
_MOST_CANDIDATES = 5
_MOST_TENSORS, _MOST_STRANGE = 6_000, 60
_BOOKKEEPING = re.compile(
    r"(num_batches_tracked|total_ops|total_params|relative_position_index|relative_coords_table|attn_mask|position_ids"
    r"|attention_bias_idxs|filt|rel_pos_idx)$"
)
_POSITIONS = re.compile(r"pos_emb|position|rel_pos|relative|rel_height|rel_width|attention_bias|height_rel|width_rel")
_SIDE_HEADS = ("aux1.", "aux2.", "AuxLogits.")

_FAMILIES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (r"layer1\.0\.conv1\.", ("resnet", "senet"), ("resnet", "resnext", "wide_resnet")),
    (
        r"layer1\.0\.conv[12]\.(0|bn0|conv|radix|convs?)\.|layer1\.0\.convs\.",
        ("resnest", "sknet", "tresnet", "res2net"),
        (),
    ),
    (r"denseblock1\.denselayer1\.", ("densenet",), ("densenet",)),
    (r"features\.(module\.)?0\.weight$", ("vgg",), ("vgg", "alexnet", "squeezenet")),
    (r"(inception3a|inception4a)\.branch1\.", (), ("googlenet",)),
    (r"Mixed_5b\.branch1x1\.", ("inception_v3",), ("inception",)),
    (r"features\.1\.(conv|block)\.0\.0\.", (), ("mobilenet",)),
    (r"features\.1\.0\.block\.", (), ("efficientnet", "convnext")),
    (r"layers\.8\.0\.layers\.0\.", (), ("mnasnet",)),
    (r"stage2\.0\.branch[12]\.", (), ("shufflenet",)),
    (r"trunk_output\.block1\.", (), ("regnet",)),
    (r"features\.1\.0\.attn\.", (), ("swin",)),
    (r"encoder\.layers\.encoder_layer_0\.", (), ("vit",)),
    (r"blocks\.0\.layers\.0\.layers\.MBconv\.", (), ("maxvit",)),
    (r"blocks\.0\.0\.(conv|bn|se)", ("efficientnet", "mobilenetv3", "ghostnet", "hardcorenas"), ()),
    (r"_blocks\.0\._depthwise_conv\.", ("efficientnet",), ()),
    (r"s1\.b1\.conv1\.", ("regnet",), ()),
    (r"stages\.0\.blocks\.0\.(conv_dw|gamma|mlp)", ("convnext",), ()),
    (r"layers\.0\.blocks\.0\.attn\.", ("swin_transformer", "swin_transformer_v2"), ()),
    (r"block1\.rep\.", ("xception", "xception_aligned"), ()),
    (r"stages\.0\.blocks\.0\.conv\.(conv|norm|pre_norm|bn)", ("maxxvit",), ()),
    (r"(^|\.)blocks\.0\.attn\.qkv\.weight$", ("vision_transformer", "deit", "beit", "vision_transformer_hybrid"), ()),
    (r"(^|\.)blocks\.0\.attn\.(q_proj|qkv|rel|rope)", ("eva", "beit"), ()),
    (r"(^|\.)blocks\.0\.mlp_tokens\.", ("mlp_mixer",), ()),
)
"""By names that only they have: timm's modules, and the beginnings of torchvision's names. The shapes decide later; a
network of none of these families is looked for among all.
"""

_SPECIAL = re.compile(
    r"^(tf_|deit|flexi|legacy_|test_|gluon|semi|ssl|mobileclip|eva|cait|sam)|blur|resnetaa|_aa|clip|siglip|dino|_gap|_reg\d"
    r"|rpn|gelu|_mci|pe_|intern|biomed|_ns|efficientnet_cc|minimal|convnext.*(clip|hnf|ols)|_abswin|_ms$|aligned|_rw"
)
"""Twins of the plain one: the same names and shapes, trained in another way or computing a little differently."""


@dataclass(frozen=True)
class Candidate:
    """An architecture that a file may be of.

    Attributes:
        architecture: `timm/NAME` or `torchvision/NAME`.
        share: of its tensors and the file's together, how many agree in name and shape.
        alike: others whose tensors have the same names and shapes, so that nothing tells them apart.
        prefix: what stands before its names in the file.
        heads: names of the head's tensors, the file's own where it has them.
        num_classes: told from the head; None where the file's head is another one, or there is none.
        channels: told from the stem.
        missing: names it has and the file lacks.
        extra: names the file has and it lacks.
    """

    architecture: str
    share: float
    alike: tuple[str, ...] = ()
    prefix: str = ""
    heads: tuple[str, ...] = ()
    num_classes: int | None = None
    channels: int | None = None
    missing: tuple[str, ...] = field(default=(), repr=False)
    extra: tuple[str, ...] = field(default=(), repr=False)


def guess_architecture(
    shapes: Mapping[str, Shape], named: str | None = None, prefer: Family = "torchvision"
) -> tuple[Candidate, ...]:
    """The architectures whose names and shapes agree most, best first; of twins the plain one stands for all.

    Args:
        shapes: by the file's names.
        named: what the file itself says it is, where it does: `resnet18`, `timm/resnet18`.
        prefer: the library whose name comes first where both have the same network.
    """
    return _guess(tuple(shapes.items()), named, prefer)


def is_sure(candidates: Sequence[Candidate]) -> bool:
    """Whether the first is good enough to be used without asking: next to all agrees, and no other comes close."""
    if not candidates or candidates[0].share < LIKELY:
        return False
    first = candidates[0]
    others = [other for other in candidates[1:] if _forget_size(other) != _forget_size(first)]
    return first.share >= SURE or not others or first.share - others[0].share > 0.01


def _forget_size(candidate: Candidate) -> str:
    """The name without the input size at its end: the same network at another size is no other network."""
    return re.sub(r"(_window\d+)?_\d+$", "", candidate.architecture)


@lru_cache(maxsize=32)
def _guess(items: tuple[tuple[str, Shape], ...], named: str | None, prefer: Family) -> tuple[Candidate, ...]:
    if not 2 <= len(items) <= _MOST_TENSORS:
        return ()
    given = dict(items)
    shapes = rename(given)
    first = list(_list_named(named))
    found = _compare_all(shapes, first)
    if _find_best(found) < SURE:
        family = [known for known in _list_family(shapes) if known not in first]
        found += _compare_all(shapes, family)
        if found and _find_best(found) < LIKELY:  # under the names of another library
            again = [_refit(given, candidate, outline) for candidate, outline in found]
            found = again if _find_best(again) >= LIKELY else found
        if _find_best(found) < LIKELY and not _holds_volumes(shapes):
            seen = {*first, *family}
            found += _compare_all(shapes, [known for known in _list_all() if known not in seen])
        if not found:  # a part of a network, whose family its names still tell
            found = _compare_all(shapes, [*first, *family], len(shapes))
        if _find_best(found) < SURE:
            found = [_refit(given, candidate, outline) for candidate, outline in found]
    return _group(found, [str(known) for known in first], prefer)


_Known = tuple[tuple[str, Shape], ...]
"""Names and shapes of an architecture, in order; twins have the same."""


def _find_best(found: list[tuple[Candidate, _Known]]) -> float:
    return max((candidate.share for candidate, _ in found), default=0.0)


def rename(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Names as timm and torchvision write them today: without PyTorch's wrappers and the names of other libraries."""
    from torch import nn

    tensors = unwrap(_outline_tensors(shapes))
    others = () if _holds_volumes(shapes) else (rename_monai,)  # whose networks of volumes keep their names
    for step in (rename_dense_net, *others, lambda given: rename_hugging_face(given, nn.Identity())):
        tensors = step(tensors) or tensors
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _outline_tensors(shapes: Mapping[str, Shape]) -> dict[str, Tensor]:
    """Tensors of these shapes that hold nothing."""
    import torch

    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def _refit(shapes: Mapping[str, Shape], candidate: Candidate, known: _Known) -> tuple[Candidate, _Known]:
    """The candidate again, after all that loading would do with the file's names for this very architecture."""
    family, _, name = candidate.architecture.partition("/")
    try:
        module = build_architecture(Architecture(cast(Family, family), name), _CLASSES, 3, None, "meta")
        fitted = fit_to_network(_outline_tensors(shapes), module)
    except Exception:  # a library's own renaming may want to see values, which there are none of
        return candidate, known
    inside = {key: tuple(tensor.shape) for key, tensor in fitted.tensors.items()}
    whole = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    again = compare(inside, whole, candidate.architecture)
    return (replace(again, prefix=fitted.prefix), known) if again.share > candidate.share else (candidate, known)


def _list_named(named: str | None) -> list[Architecture]:
    """What the file says it is, in the library that has it; both where both do."""
    if not named:
        return []
    family, slash, name = named.strip().partition("/")
    name = name if slash else family
    found = []
    for known in cast("tuple[Family, ...]", ("torchvision", "timm")):
        names = [*list_architectures(known), *list_volume_architectures(known)]
        if (not slash or family == known) and name.partition(".")[0] in names:
            found.append(Architecture(known, name.partition(".")[0]))
    return found


def _list_family(shapes: Mapping[str, Shape]) -> list[Architecture]:
    """The members of every family that has names like these."""
    if _holds_volumes(shapes):
        families: tuple[Family, ...] = ("torchvision", "monai")
        return [Architecture(family, name) for family in families for name in list_volume_architectures(family)]
    declare_missing_operators()
    import timm

    text = "\n".join(shapes)
    timm_names: set[str] = set()
    others: set[str] = set()
    for marker, modules, beginnings in _FAMILIES:
        if re.search(marker, text, re.MULTILINE):
            for module in modules:
                timm_names |= set(timm.list_models(module=module))
            others |= {n for n in list_architectures("torchvision") if n.startswith(beginnings or ("-",))}
    return [
        *(Architecture("torchvision", name) for name in sorted(others)),
        *(Architecture("timm", name) for name in sorted(timm_names)),
    ]


def _holds_volumes(shapes: Mapping[str, Shape]) -> bool:
    """Whether there are convolutions over three axes of space, so that it is no network of pictures."""
    return any(len(shape) == 5 for shape in shapes.values())


def _list_all() -> Iterable[Architecture]:
    for family in cast("tuple[Family, ...]", ("torchvision", "timm")):
        yield from (Architecture(family, name) for name in list_architectures(family))


Outline = dict[str, Shape]


def _compare_all(
    shapes: Mapping[str, Shape], candidates: Iterable[Architecture], allowed: int | None = None
) -> list[tuple[Candidate, _Known]]:
    """The candidates of whose parameters no more than allowed are not the file's, compared with it."""
    found = []
    allowed = min(8 + len(shapes) // 12, _MOST_STRANGE) if allowed is None else allowed
    for architecture in candidates:
        outline = _outline(architecture, shapes, allowed)
        if outline is not None:
            key = tuple(sorted((name, shape) for name, shape in outline.items() if not _BOOKKEEPING.search(name)))
            found.append((compare(shapes, outline, str(architecture)), key))
    return found


def compare(shapes: Mapping[str, Shape], outline: Mapping[str, Shape], architecture: str) -> Candidate:
    """How far a file's tensors agree with an architecture's, and what follows for its head and its stem.

    Args:
        shapes: of the file, by name.
        outline: of the architecture, built with `_CLASSES` classes.
        architecture: its name.
    """
    prefix = _find_prefix(shapes, outline)
    inside = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
    inside = _follow_pooling(inside, outline)
    heads = [name for name, shape in outline.items() if shape and shape[0] == _CLASSES]
    roots = tuple({name.partition(".")[0] + "." for name in heads})
    fits = [name for name in heads if _is_head(inside.get(name), outline[name])]
    num_classes = inside[fits[0]][0] if fits and len(fits) == len(heads) else None
    same = total = 0.0
    channels = None
    missing = []
    for name, wanted in outline.items():
        if _BOOKKEEPING.search(name):
            continue
        given = inside.get(name)
        weight = 0.1 if num_classes is None and name.startswith(roots) else 1.0
        total += weight
        if given == wanted or (name in heads and name in fits):
            same += weight
        elif given is None:
            missing.append(name)
        elif channels is None and _is_stem(given, wanted):
            same, channels = same + weight, max(given[1] * 3 // wanted[1], 1)
        elif _POSITIONS.search(name):
            same += 0.5 * weight
    extra = [
        name
        for name in inside
        if name not in outline and not _BOOKKEEPING.search(name) and not name.startswith(_SIDE_HEADS)
    ]
    strange = [name for name in extra if not (num_classes is None and name.startswith(roots))]
    share = same / max(total + len(strange), 1.0)
    return Candidate(
        architecture,
        round(share, 4),
        prefix=prefix,
        heads=tuple(fits or heads),
        num_classes=num_classes,
        channels=channels if channels is not None else _count_channels(inside, outline),
        missing=tuple(missing),
        extra=tuple(extra),
    )


def _follow_pooling(inside: dict[str, Shape], outline: Mapping[str, Shape]) -> dict[str, Shape]:
    """A vision transformer calls its last normalisation by another name when it averages: it is the same network."""
    for theirs, ours in (("fc_norm", "norm"), ("norm", "fc_norm")):
        other, own = f"{theirs}.weight", f"{ours}.weight"
        if other in inside and other not in outline and own in outline and own not in inside:
            return {re.sub(rf"^{theirs}\.", f"{ours}.", name): shape for name, shape in inside.items()}
    return inside


def _is_head(given: Shape | None, wanted: Shape) -> bool:
    return given is not None and len(given) == len(wanted) and given[1:] == wanted[1:]


def _is_stem(given: Shape, wanted: Shape) -> bool:
    """A first convolution of other channels: its second axis alone differs."""
    return (
        len(given) == len(wanted) in (4, 5)
        and wanted[1] % 3 == 0
        and wanted[1] <= 48
        and given[0] == wanted[0]
        and given[2:] == wanted[2:]
    )


def _count_channels(inside: Mapping[str, Shape], outline: Mapping[str, Shape]) -> int | None:
    """Three, where a convolution of three channels stands in the file as it does in the architecture."""
    for name, shape in outline.items():
        if len(shape) in (4, 5) and shape[1] == 3 and inside.get(name) == shape:
            return 3
    return None


def _find_prefix(shapes: Mapping[str, Shape], outline: Mapping[str, Shape]) -> str:
    """What to take off the file's names so that most of the architecture's are found."""
    found: Counter[str] = Counter({"": 0})
    for name in shapes:
        start = 0
        while True:
            if name[start:] in outline:
                found[name[:start]] += 1
            start = name.find(".", start) + 1
            if not start:
                break
    return min(found, key=lambda prefix: (-found[prefix], len(prefix)))


def _group(found: list[tuple[Candidate, _Known]], named: list[str], prefer: Family) -> tuple[Candidate, ...]:
    """One candidate for those whose outlines are the same, ranked."""

    def plainness(candidate: Candidate) -> tuple[bool, bool, bool, int, str]:
        family, _, name = candidate.architecture.partition("/")
        special = _SPECIAL.search(name) is not None
        return candidate.architecture not in named, special, family != prefer, len(name), name

    groups: dict[_Known, list[Candidate]] = {}
    for candidate, outline in found:
        groups.setdefault(outline, []).append(candidate)
    leaders = []
    for twins in groups.values():
        # Their names are the same, but a file of another library's names may belong to one of them alone.
        first, *rest = sorted(twins, key=lambda twin: (-twin.share, plainness(twin)))
        leaders.append(replace(first, alike=tuple(twin.architecture for twin in rest)))
    leaders.sort(key=lambda candidate: (-candidate.share, plainness(candidate)))
    return tuple(candidate for candidate in leaders if candidate.share > 0.3)[:_MOST_CANDIDATES]


class _GivenUp(BaseException):
    """The network being built is not the one looked for. No `Exception`, so that no builder takes it for its own."""


_outlines: dict[str, tuple[Outline, Counter[Shape]]] = {}
"""By name, an architecture's tensors, and the shapes of the parameters that were registered while it was built."""

_given_up: dict[tuple[frozenset[tuple[Shape, int]], int], set[str]] = {}
"""By the shapes of a file, however it names them, and what was allowed, what it is not."""

_MOST_OUTLINES, _MOST_GIVEN_UP = 400, 16


def _outline(architecture: Architecture, shapes: Mapping[str, Shape], allowed: int) -> Outline | None:
    """Names and shapes of an architecture; None as soon as more of its parameters than allowed are not the file's.

    Args:
        architecture: which.
        shapes: the file's.
        allowed: how many may be of other shapes: a head, a stem, position tables.
    """
    if str(architecture) in _outlines:
        # By the same rule as below: what is answered must not depend on which files were looked at before.
        known, parameters = _outlines[str(architecture)]
        return known if (parameters - Counter(shapes.values())).total() <= allowed else None
    from torch.nn.modules.module import register_module_parameter_registration_hook

    left = Counter(shapes.values())
    key = (frozenset(left.items()), allowed)
    if key not in _given_up and len(_given_up) >= _MOST_GIVEN_UP:
        _given_up.clear()
    refused = _given_up.setdefault(key, set())
    if str(architecture) in refused:
        return None
    mine = threading.get_ident()
    strange = 0
    registered: Counter[Shape] = Counter()

    def watch(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal strange
        # The hook is every thread's, and others build networks of their own.
        if parameter is None or threading.get_ident() != mine:
            return
        shape = tuple(parameter.shape)
        registered[shape] += 1
        if left[shape] > 0:
            left[shape] -= 1
        else:
            strange += 1
            if strange > allowed:
                raise _GivenUp

    handle = register_module_parameter_registration_hook(watch)
    try:
        module = build_architecture(architecture, _CLASSES, 3, None, "meta")
    except (_GivenUp, ModelError):
        refused.add(str(architecture))
        return None
    finally:
        handle.remove()
    outline = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    if len(_outlines) < _MOST_OUTLINES:
        _outlines[str(architecture)] = (outline, registered)
    return outline
