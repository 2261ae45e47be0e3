"""Maps of attention that was trained for a model, and whether a picture is like those that it learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from explain.engine.memory import Seen
from explain.engine.question import Question
from explain.errors import PictureError
from explain.faithfulness.unlike import Known, unpack_known
from explain.models.attention_library import LIBRARY, AttentionCard, load_attention, load_known
from explain.passes.capture import TrainedCapture
from explain.passes.look import find_statistics

if TYPE_CHECKING:
    from torch import Tensor

UNLIKE = "This picture is unlike those that the attention learnt from; its map means little."

_KEPT = 4


def see_trained(seen: Seen, question: Question) -> TrainedCapture:
    """The maps of all classes by trained attention, made once for a picture, as is whether it is unlike the known.

    Raises:
        ModelError: there is no such attention, or its file is damaged.
    """
    import torch

    card = question.attention
    assert card is not None
    features = {layer.name: seen.activations[layer.name][None] for layer in question.beside}
    device = next(iter(features.values())).device

    def attend() -> Tensor:
        module = load_attention(card.name, card.digest)
        with torch.inference_mode(False), torch.no_grad(), torch.autocast(device.type, enabled=False):
            return module.to(device)([feature.clone() for feature in features.values()])[0]

    derived = seen.derived[question.beside[0].name]
    maps = derived.get(("trained attention", card.digest), attend)
    warnings = card.report.list_warnings()
    if derived.get(("trained attention", card.digest, "unlike"), lambda: is_unlike(card, features)):
        warnings.insert(0, UNLIKE)
    return TrainedCapture(maps, card.name, card.digest, card.layers, tuple(warnings))


def is_unlike(card: AttentionCard, features: Mapping[str, Tensor]) -> bool:
    """Whether a picture's features are unlike those of the pictures that attention learnt from; False where it is not
    known what those are like.

    Args:
        card: of the attention.
        features: by the name of the layer, `(1, C, h, w)`.

    Raises:
        ModelError: its file is damaged.
    """
    try:
        known = _find_known(card.name, card.digest, card.layers)
        statistics = {name: find_statistics(maps).cpu().numpy() for name, maps in features.items()}
        return known is not None and known.judge(statistics).unlike
    except PictureError:  # what the network gave is not finite, which is said of the map
        return False
    except (KeyError, TypeError, ValueError):
        raise LIBRARY.refuse_damaged(card.name) from None


@lru_cache(maxsize=_KEPT)
def _find_known(name: str, digest: str, layers: tuple[str, ...]) -> Known | None:
    packed = {key: tensor.numpy() for key, tensor in load_known(name, digest).items()}
    return unpack_known(packed, layers, "") if packed else None
