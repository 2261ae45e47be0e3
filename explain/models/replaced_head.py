"""A head that an author put in the place of the architecture's own, built from its weights' names and shapes.

What has no weights leaves no trace but a gap in the numbers of an `nn.Sequential`: a dropout does nothing once training
is over, and an activation is taken to be ReLU, which the notes say. What cannot be told is refused.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from explain.errors import ModelError
from explain.models.fitting import Fitted
from explain.models.replaced_pooling import find_pools

if TYPE_CHECKING:
    from torch import Tensor, nn

_COUNTER = "num_batches_tracked"
_MOST_LAYERS = 12
_DIRECTIONS = re.compile(
    r"(^|[._])(arc|cos|sphere|curricular|ada|mag)_?(face|margin|product|linear|fc)|(^|\.)(metric_fc|add_margin|am_softmax)"
    r"|^(weight|kernel|W)$",
    re.IGNORECASE,
)
"""Names of layers that compare directions: of a known loss, or a matrix that is a layer of nobody's."""


@dataclass(frozen=True, eq=False)
class Head:
    """What takes the place of a network's head.

    Attributes:
        path: of the module that is replaced; None where the architecture's own head takes the weights.
        tensors: all of the network's, the head's among them under their new names.
        num_classes: of the new head; None where the architecture's own head says it.
        layers: the new head, without weights yet.
        notes: sentences a person should read once.
        beside: what is left of what stood beside the network.
        pooling: path of the pooling before it, in whose place the maximum and the mean of each channel are taken.
    """

    path: str | None
    tensors: dict[str, Tensor]
    num_classes: int | None = None
    layers: nn.Module | None = None
    notes: tuple[str, ...] = ()
    beside: Mapping[str, Tensor] = field(default_factory=dict)
    pooling: str | None = None

    def put_into(self, module: nn.Module) -> None:
        """Put the layers in their place in a network; the weights are loaded later."""
        if self.path is not None and self.layers is not None:
            module.set_submodule(self.path, self.layers.eval())
        if self.pooling is not None:
            from explain.networks.pooling import MaxAndMean

            module.set_submodule(self.pooling, MaxAndMean())


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer with weights: its path in the file, and what it takes and gives."""

    path: str
    tensors: dict[str, Tensor]

    @property
    def weight(self) -> Tensor:
        return self.tensors["weight"]

    @property
    def is_dense(self) -> bool:
        return self.weight.ndim in (2, 4)

    @property
    def width_in(self) -> int:
        return int(self.weight.shape[1 if self.is_dense else 0])

    @property
    def width_out(self) -> int:
        return int(self.weight.shape[0])

    @property
    def index(self) -> int | None:
        """Its number in an `nn.Sequential`."""
        last = self.path.rpartition(".")[2]
        return int(last) if last.isdecimal() and len(last) < 4 else None


def rebuild_head(fitted: Fitted, outline: nn.Module, heads: tuple[str, ...], name: str) -> Head:
    """See which head the weights are of.

    Args:
        fitted: the file's tensors under the network's names.
        outline: the network with its own head.
        heads: paths of the layers that give its classes.
        name: what to call the file in an error.

    Raises:
        ModelError: there is a head that cannot be built from its weights, or none at all.
    """
    tensors, expected = fitted.tensors, outline.state_dict()
    own = Head(None, tensors, beside=fitted.beside)
    if len(heads) != 1:
        return own
    native = outline.get_submodule(heads[0])
    if not hasattr(native, "weight") or native.weight.ndim not in (2, 4):
        return own
    places = [heads[0]]
    while "." in places[-1]:
        places.append(places[-1].rpartition(".")[0])
    known = {child for child, _ in outline.named_children()} | set(expected)
    strangers = {
        key: tensor for key, tensor in tensors.items() if key not in expected and key.partition(".")[0] not in known
    }
    pool = {**fitted.beside, **strangers}
    directions = next((key for key, part in pool.items() if part.ndim == 2 and _DIRECTIONS.search(key)), None)
    if directions is not None:
        raise ModelError(
            f"“{name}” has a head that compares directions, as ArcFace and CosFace do ({directions}), and how it does "
            "cannot be told from its weights. In Python, give the network itself: "
            "Engine().explain(picture, model=network)."
        )
    inside = {key for key in tensors if key.startswith(f"{places[-1]}.")}
    wrong = {
        key
        for key in inside | {key for key in expected if key.startswith(f"{places[-1]}.")}
        if not _fits(key, tensors, expected, heads[0]) and not key.endswith(_COUNTER)
    }
    if inside and not wrong:
        return _stack(fitted, strangers, native, heads[0], name) or replace(
            own, notes=_note_activation(fitted, outline, heads[0])
        )
    if not inside:
        if not any(tensor.ndim in (2, 4) for tensor in pool.values()):
            raise ModelError(
                f"“{name}” holds no head: the weights that tell classes apart ({heads[0]}.weight) are missing. Choose "
                "a checkpoint of the whole classifier."
            )
        rest = {key: tensor for key, tensor in tensors.items() if key not in strangers}
        return _place(pool, rest, outline, places, name)
    place = next(p for p in places if all(key.startswith(f"{p}.") for key in wrong))
    pool = {key: tensor for key, tensor in tensors.items() if key.startswith(f"{place}.")}
    pool = pool or {**fitted.beside, **strangers}
    rest = {key: tensor for key, tensor in tensors.items() if key not in pool}
    made = _place(pool, rest, outline, [p for p in places if p == place or len(p) < len(place)], name)
    return replace(made, beside={key: tensor for key, tensor in fitted.beside.items() if key not in pool})


def _note_activation(fitted: Fitted, outline: nn.Module, head: str) -> tuple[str, ...]:
    """A sentence where the architecture has an activation after its head, and the head is an author's own."""
    weight, own = fitted.tensors[f"{head}.weight"], outline.state_dict()[f"{head}.weight"]
    parent, _, last = head.rpartition(".")
    parts = [*outline.get_submodule(parent).named_children()]
    after = [part for child, part in parts[[child for child, _ in parts].index(last) + 1 :]]
    active = next((part for part in after if type(part).__module__ == "torch.nn.modules.activation"), None)
    if active is None or weight.shape == own.shape:
        return ()
    return (
        f"A {type(active).__name__} follows this architecture's head, and is taken to follow this one. If it was left "
        "out, the scores are others: in Python, give the network itself.",
    )


def _fits(key: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], head: str) -> bool:
    """Whether a tensor is the network's own, whatever the number of classes. A head may do without a bias."""
    if key not in tensors:
        return key == f"{head}.bias"
    if key not in expected:
        return False
    found, wanted = tensors[key].shape, expected[key].shape
    return found == wanted or (key.startswith(f"{head}.") and found[1:] == wanted[1:])


def _place(
    pool: Mapping[str, Tensor], rest: dict[str, Tensor], outline: nn.Module, places: list[str], name: str
) -> Head:
    """Build a head from the tensors in `pool` and find the place where its first layer fits."""
    layers = _read_layers(pool, name)
    native = outline.get_submodule(places[0] if places else "")
    refusal = (
        f"“{name}” has another head than the architecture's, and how it works cannot be told from its weights "
        f"({', '.join(list(pool)[:4])}). In Python, give the network itself: Engine().explain(picture, model=network)."
    )
    for place in places:
        module = outline.get_submodule(place)
        width = _read_width(module)
        ordered = _order(layers, width) if width is not None else None
        if ordered is None:
            continue
        if len(ordered) == 1 and ordered[0].weight.shape[1:] == _first_dense(module).weight.shape[1:]:
            dense = [path for path, part in module.named_modules() if _is_dense(part)]
            if len(dense) == 1:
                path = ".".join(part for part in (place, dense[0]) if part)
                moved = {f"{path}.{key}": tensor for key, tensor in ordered[0].tensors.items()}
                kept = {key: tensor for key, tensor in rest.items() if not key.startswith(f"{path}.")}
                return Head(None, {**kept, **moved})
        built, renamed, words = _build(ordered, module)
        tensors = {**rest, **{f"{place}.{key}": tensor for key, tensor in renamed.items()}}
        return Head(place, tensors, ordered[-1].width_out, built, (words,))
    doubled = _double(layers, rest, outline, places)
    if doubled is not None:
        return doubled
    wide = next((layer for layer in layers if layer.is_dense), None)
    width = _read_width(native)
    if wide is not None and width is not None and _order(layers, wide.width_in) is not None:
        raise ModelError(
            f"“{name}” has a head that takes {wide.width_in:,} numbers ({wide.path}), and this architecture gives "
            f"{width:,}. Check the architecture, or give the network itself in Python: "
            "Engine().explain(picture, model=network)."
        )
    raise ModelError(refusal)


def _double(layers: list[_Layer], rest: dict[str, Tensor], outline: nn.Module, places: list[str]) -> Head | None:
    """A head of fastai's, which takes the maximum of each channel and its mean; None where it is none, or the network
    has no pooling of its own to put another in place of.
    """
    pools = find_pools(outline)
    for place in places:
        module = outline.get_submodule(place)
        width = _read_width(module)
        ordered = None if width is None else _order(layers, 2 * width)
        # Two layers without weights, its pooling and a flattening, stand before its first.
        if ordered is None or len(pools) != 1 or layers[0].index != 2 or layers[0].is_dense:
            continue
        built, renamed, words = _build(ordered, module)
        note = "The maximum of each channel is taken beside its mean, as before fastai's heads."
        tensors = {**rest, **{f"{place}.{key}": tensor for key, tensor in renamed.items()}}
        return Head(place, tensors, ordered[-1].width_out, built, (words, note), pooling=pools[0])
    return None


def _stack(fitted: Fitted, strangers: dict[str, Tensor], native: Any, head: str, name: str) -> Head | None:
    """The architecture's whole classifier with more after it: `nn.Sequential(network, nn.Linear(1000, 2))`."""
    pool = {**fitted.beside, **strangers}
    width = int(fitted.tensors[f"{head}.weight"].shape[0])
    numbered = fitted.prefix[:-1].rpartition(".")
    first = int(numbered[2]) if numbered[2].isdecimal() else None
    siblings = {
        key: tensor
        for key, tensor in pool.items()
        if first is not None
        and key.startswith(numbered[0] + numbered[1])
        and key[len(numbered[0] + numbered[1]) :][0].isdecimal()
    }
    try:
        layers = _read_layers(siblings or pool, name) if pool else []
    except ModelError:
        layers = []
    ordered = _order(layers, width) if layers else None
    before = [layer for layer in layers if layer.index is not None and first is not None and layer.index < first]
    if siblings and (ordered is None or before):
        raise ModelError(
            f"“{name}” is this architecture with more layers before or after it ({next(iter(siblings))}), and they "
            "cannot be told from their weights. In Python, give the network itself: "
            "Engine().explain(picture, model=network)."
        )
    if ordered is None or len(ordered) != len(layers) or native.weight.ndim != 2:
        return None
    start = {
        part: fitted.tensors[f"{head}.{part}"] for part in ("weight", "bias") if f"{head}.{part}" in fitted.tensors
    }
    path = f"{numbered[0]}{numbered[1]}{first}" if siblings else head
    built, renamed, words = _build([_Layer(path, start), *ordered], native, joined=not siblings)
    kept = {k: v for k, v in fitted.tensors.items() if k not in strangers and not k.startswith(f"{head}.")}
    tensors = {**kept, **{f"{head}.{key}": tensor for key, tensor in renamed.items()}}
    left = {key: tensor for key, tensor in fitted.beside.items() if siblings and key not in siblings}
    return Head(head, tensors, ordered[-1].width_out, built, (words,), left)


def _read_layers(pool: Mapping[str, Tensor], name: str) -> list[_Layer]:
    """The layers that the tensors belong to, in the order of the file or of their numbers."""
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in pool.items():
        path, _, last = key.rpartition(".")
        groups.setdefault(path, {})[last] = tensor
    layers = []
    for path, parts in groups.items():
        weight, bias = parts.get("weight"), parts.get("bias")
        usual = set(parts) <= {"weight", "bias", "running_mean", "running_var", _COUNTER}
        sized = weight is not None and (bias is None or bias.shape == weight.shape[:1])
        plain = (
            sized
            and weight is not None
            and (
                weight.ndim == 2
                or (weight.ndim == 4 and weight.shape[2:].numel() == 1)
                or (weight.ndim == 1 and bias is not None and ("running_mean" in parts) == ("running_var" in parts))
            )
        )
        if not usual or not plain:
            raise ModelError(
                f"“{name}” has another head than the architecture's, with a layer ({path or next(iter(pool))}) that is "
                "neither linear nor a normalisation. In Python, give the network itself: "
                "Engine().explain(picture, model=network)."
            )
        layers.append(_Layer(path, parts))
    if len(layers) > _MOST_LAYERS:
        raise ModelError(f"“{name}” has a head of {len(layers)} layers that are not the architecture's. Check it.")
    paths = [layer.path.split(".") for layer in layers]
    common = 0
    while layers and all(len(path) > common + 1 and path[common] == paths[0][common] for path in paths):
        common += 1
    if all(part.isdecimal() and len(part) < 4 for path in paths for part in path[common:]):
        layers.sort(key=lambda layer: [int(part) for part in layer.path.split(".")[common:]])
    return layers


def _order(layers: list[_Layer], width: int) -> list[_Layer] | None:
    """The layers one after the other, each taking what the one before it gives; None where they do not follow."""
    if all(layer.index is not None for layer in layers):
        chains = [layers]
    else:
        # By name nothing tells the order, and a safetensors file is sorted by name: sizes decide.
        left, at = list(layers), width
        chain: list[_Layer] = []
        while left:
            norms = [layer for layer in left if not layer.is_dense and layer.width_in == at]
            fitting = norms if chain and norms else [layer for layer in left if layer.width_in == at and layer.is_dense]
            following = fitting or norms
            if not following:
                break
            chain.append(following[0])
            left.remove(following[0])
            at = following[0].width_out
        chains = [layers, chain] if not left else [layers]
    for chain in chains:
        at = width
        for layer in chain:
            if layer.width_in != at:
                break
            at = layer.width_out
        else:
            if chain and any(layer.is_dense for layer in chain):
                return chain
    return None


def _build(layers: list[_Layer], native: nn.Module, joined: bool = False) -> tuple[nn.Module, dict[str, Tensor], str]:
    """The head as a sequence, its tensors under its names, and a sentence that says what was built.

    Args:
        layers: in their order.
        native: what stood there, whose own activations are kept where the numbers agree.
        joined: the first two are known to follow each other directly, for lack of a number in between.
    """
    from torch import nn

    parts: list[nn.Module] = []
    tensors: dict[str, Tensor] = {}
    words: list[str] = []
    assumed = False
    active = True
    flat = any(_is_conv(part) for part in native.modules()) and layers[0].weight.ndim == 2
    if flat:
        parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    for number, layer in enumerate(layers):
        before = layers[number - 1]
        apart = number and _has_gap(before, layer) and not (joined and number == 1)
        if apart and not active and any(later.is_dense for later in layers[number:]):
            found = _find_activation(native, before, layer)
            parts.append(found)
            words.append(type(found).__name__)
            assumed = active = True
        made = _make_layer(layer)
        tensors |= {f"{len(parts)}.{key}": tensor for key, tensor in layer.tensors.items()}
        parts.append(made)
        words.append(
            f"{type(made).__name__} {layer.width_in}→{layer.width_out}" if layer.is_dense else type(made).__name__
        )
        if layer.is_dense:
            active = False
    sentence = f"The head is not the architecture's own and was built from its weights: {', '.join(words)}."
    if assumed:
        sentence += (
            " Activations leave no trace in the weights, so those are assumed. Check the scores on a picture you know."
        )
    elif len([layer for layer in layers if layer.is_dense]) > 1:
        sentence += " No activation between them was found. Check the scores on a picture you know."
    return nn.Sequential(*parts), tensors, sentence


def _has_gap(before: _Layer, after: _Layer) -> bool:
    """Whether something without weights may stand between two layers."""
    if before.index is None or after.index is None or before.path.rpartition(".")[0] != after.path.rpartition(".")[0]:
        # Without numbers, a normalisation follows its layer at once, and an activation comes next.
        return after.is_dense
    return after.index - before.index > 1


def _find_activation(native: nn.Module, before: _Layer, after: _Layer) -> nn.Module:
    """The architecture's own where the layer before it is of its size, else ReLU."""
    from torch import nn

    children = dict(native.named_children())
    same = getattr(children.get(str(before.index)), "weight", None)
    if same is not None and same.shape == before.weight.shape:
        for index in range((before.index or 0) + 1, after.index or 0):
            own = children.get(str(index))
            if own is not None and type(own).__module__ == "torch.nn.modules.activation":
                return copy.deepcopy(own)
    return nn.ReLU()


def _make_layer(layer: _Layer) -> nn.Module:
    from torch import nn

    bias = "bias" in layer.tensors
    if layer.weight.ndim == 4:
        return nn.Conv2d(layer.width_in, layer.width_out, 1, bias=bias)
    if layer.weight.ndim == 2:
        return nn.Linear(layer.width_in, layer.width_out, bias=bias)
    return nn.BatchNorm1d(layer.width_in) if "running_mean" in layer.tensors else nn.LayerNorm(layer.width_in)


def _is_dense(module: nn.Module) -> bool:
    from torch import nn

    return isinstance(module, (nn.Linear, nn.Conv2d))


def _is_conv(module: nn.Module) -> bool:
    from torch import nn

    return isinstance(module, nn.Conv2d)


def _first_dense(module: nn.Module) -> Any:
    return next(part for part in module.modules() if _is_dense(part))


def _read_width(module: nn.Module) -> int | None:
    """How many numbers a module takes, by its first layer."""
    first = next((part for part in module.modules() if _is_dense(part)), None)
    return None if first is None else int(first.weight.shape[1])  # type: ignore[index]
