"""Networks that were trained without classes (MoCo, SimCLR, BYOL, SwAV, DINO …): what they end in is no classifier."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from explain.errors import ModelError
from explain.models.fitting import Fitted

if TYPE_CHECKING:
    from torch import Tensor

_BRANCHES = (
    (re.compile(r"(^|\.)(encoder_k|momentum_encoder)\.|(^|\.)queue_ptr$"), "MoCo"),
    (re.compile(r"(^|\.)(online|target)_(encoder|network|net|projector|predictor)\."), "BYOL"),
    (re.compile(r"(^|\.)prototypes\d*\."), "SwAV"),
    (re.compile(r"(^|\.)head\.last_layer\."), "DINO"),
)
"""Names that only such a training has, and its name."""

_PREDICTOR = re.compile(r"(^|\.)(predictor|prediction_head|prediction_mlp)\.")
_PROJECTION = re.compile(r"(^|\.)(projector|projection_head|projection_mlp|proj_head|contrastive_head)\.")


def leave_out_projections(fitted: Fitted, heads: tuple[str, ...], name: str) -> Fitted:
    """The tensors without the layers that bring features together and are thrown away after such a training.

    Args:
        fitted: the file's tensors under the network's names.
        heads: paths of the layers that give its classes.
        name: what to call the file in an error.

    Raises:
        ModelError: nothing is left that tells classes apart.
    """
    names = [*fitted.tensors, *fitted.beside, fitted.prefix]
    kind = next((kind for mark, kind in _BRANCHES if any(map(mark.search, names))), None)
    if kind is None and _gives_what_it_takes([fitted.tensors, fitted.beside]):
        kind = "SimSiam or BYOL"
    if kind is not None:
        raise ModelError(_say(name, f"as {kind} does"))
    left = replace(
        fitted,
        tensors={key: tensor for key, tensor in fitted.tensors.items() if not _PROJECTION.search(key)},
        beside={key: tensor for key, tensor in fitted.beside.items() if not _PROJECTION.search(key)},
    )
    if len(left.tensors) + len(left.beside) == len(fitted.tensors) + len(fitted.beside):
        return fitted
    roots = tuple(f"{head.partition('.')[0]}." for head in heads)
    if any(key.startswith(roots) for key in left.tensors) or any(tensor.ndim == 2 for tensor in left.beside.values()):
        return left
    raise ModelError(_say(name, "by comparing pictures with each other"))


def _say(name: str, how: str) -> str:
    return (
        f"“{name}” holds a network that was trained without classes, {how}: its last layers make features and name "
        "nothing. Train a classifier on it, and give that one's weights."
    )


def _gives_what_it_takes(places: Iterable[dict[str, Tensor]]) -> bool:
    """Whether there is a predictor of features from features: as many numbers come out as go in, and not at once."""
    for tensors in places:
        layers = [tensor for key, tensor in tensors.items() if _PREDICTOR.search(key) and tensor.ndim == 2]
        if len(layers) > 1 and layers[0].shape[1] == layers[-1].shape[0]:
            return True
    return False
