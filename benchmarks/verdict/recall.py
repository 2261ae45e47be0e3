"""What a network was last shown, for methods made up for a benchmark: a method is given what the network makes of a
picture, and not the picture.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from explain.networks.output import read_scores

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel
    from explain.passes.capture import LayerCapture

_KEPT = 2000


class Recall:
    """Remembers a network's inputs by its answers to them.

    Args:
        loaded: the network, watched from now on.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._outputs = loaded.outputs
        self._shown: OrderedDict[bytes, Tensor] = OrderedDict()
        loaded.module.register_forward_hook(self._remember)

    def picture_of(self, capture: LayerCapture) -> Tensor:
        """The model's input `(1, C, H, W)` that a capture is of."""
        return self._shown[_name(capture.logits)][None]

    def _remember(self, _module: Any, inputs: tuple[Tensor, ...], output: Any) -> None:
        pictures = inputs[0].detach()
        for picture, scores in zip(pictures, read_scores(output, len(pictures)).detach(), strict=True):
            self._shown[_name(scores)] = picture.clone()
        while len(self._shown) > _KEPT:
            self._shown.popitem(last=False)


def _name(scores: Tensor) -> bytes:
    return scores.float().cpu().contiguous().numpy().tobytes()
