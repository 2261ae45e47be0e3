"""A file's names to a network's: prefixes, wrappers and the names of other libraries and versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from explain.models.checkpoint import fit_names
from explain.models.renamings import list_renamings, rename_as_timm, unwrap
from explain.models.request import ModelRequest

if TYPE_CHECKING:
    from torch import Tensor, nn

_RECOMPUTED = re.compile(
    r"(^|\.)(attn_mask|relative_position_index|relative_coords_table|rel_pos_idx|rel_pos_index|position_ids|n_averaged"
    r"|total_ops|total_params|attention_bias_idxs|attention_offsets)$"
)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A file's tensors under the names of a network.

    Attributes:
        tensors: those that belong to it, a head or a stem that was changed among them.
        beside: what stands beside it, by the file's names.
        prefix: what was taken off.
    """

    tensors: dict[str, Tensor]
    beside: dict[str, Tensor]
    prefix: str


def fit_to_network(tensors: Mapping[str, Tensor], outline: nn.Module) -> Fitted:
    """Find the prefix and the renaming under which most names and shapes are the network's.

    Args:
        tensors: by the file's names.
        outline: the network with any number of classes; it may be on the `meta` device.
    """
    expected = outline.state_dict()
    plain = unwrap(tensors)
    namings: list[Mapping[str, Tensor]] = [tensors, plain]
    for rename in list_renamings(outline):
        renamed = rename(plain)
        if renamed is not None:
            namings.append(renamed)
    best, best_score = None, -1
    for naming in namings:
        fit = fit_names(naming, expected)
        beside = {key: naming[key] for key in fit.left_out}
        fitted = Fitted(fit.tensors, beside, fit.prefix)
        as_timm = rename_as_timm(fitted.tensors, outline)
        for option in (fitted, Fitted(as_timm, beside, fit.prefix) if as_timm is not None else None):
            score = _count_fitting(option.tensors, expected) if option is not None else -1
            if option is not None and score > best_score:
                best, best_score = option, score
    assert best is not None
    return _drop_recomputed(_fetch_missing(best, expected), expected)


def _count_fitting(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> int:
    """A point for each name that the network knows, and two more where the shape is right too."""
    return sum(1 + 2 * (tensor.shape == expected[key].shape) for key, tensor in tensors.items() if key in expected)


def _fetch_missing(fitted: Fitted, expected: Mapping[str, Tensor]) -> Fitted:
    """A part that an author took out of the network and kept beside it under the same name, such as a classifier."""
    tensors, beside = dict(fitted.tensors), dict(fitted.beside)
    for name in expected:
        if name in tensors:
            continue
        found = [key for key in beside if key == name or key.endswith(f".{name}")]
        if len(found) == 1 and beside[found[0]].ndim == expected[name].ndim:
            tensors[name] = beside.pop(found[0])
    return Fitted(tensors, beside, fitted.prefix)


def _drop_recomputed(fitted: Fitted, expected: Mapping[str, Tensor]) -> Fitted:
    """Leave out what older versions saved and what follows from the network's form."""

    def keep(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: tensor for key, tensor in tensors.items() if key in expected or not _RECOMPUTED.search(key)}

    return Fitted(keep(fitted.tensors), keep(fitted.beside), fitted.prefix)


def find_pooling(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """How a vision transformer of timm sums its tokens up, where its last normalisation tells that it is another way.

    Args:
        tensors: under the network's names.
        expected: the network's, built with its own way.
    """
    if "fc_norm.weight" in tensors and "fc_norm.weight" not in expected and "norm.weight" in expected:
        return "avg"
    if "norm.weight" in tensors and "norm.weight" not in expected and "fc_norm.weight" in expected:
        return "token" if "fc_norm.weight" not in tensors else None
    return None


def take_normalisation(fitted: Fitted, request: ModelRequest) -> tuple[Fitted, ModelRequest, list[str]]:
    """A layer in front of the network that takes a mean off and divides by a deviation is the preprocessing.

    Args:
        fitted: the file's tensors.
        request: what it says of mean and deviation goes before.

    Returns:
        The tensors without that layer's, the request with its numbers, and a sentence.
    """
    for place in (fitted.beside, fitted.tensors):
        for key, mean in place.items():
            other = re.sub(r"mean$", "std", key)
            std = place.get(other)
            if not re.search(r"(^|[._])mean$", key) or std is None or not mean.numel() == std.numel() in (1, 3):
                continue
            rest = {name: tensor for name, tensor in place.items() if name not in (key, other)}
            fitted = replace(fitted, beside=rest) if place is fitted.beside else replace(fitted, tensors=rest)
            if request.mean is not None or request.std is not None:
                return fitted, request, []
            numbers = {"mean": tuple(mean.flatten().tolist()), "std": tuple(std.flatten().tolist())}
            note = f"The network normalises its input itself ({key}, {other}); those numbers were used in its place."
            return fitted, request.model_copy(update=numbers), [note]
    return fitted, request, []
