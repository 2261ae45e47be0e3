"""What trained attention's maps are worth beside those of other methods, on the same pictures kept back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from explain.faithfulness.baselines import draw_centre
from explain.faithfulness.changes import Changes, apply
from explain.faithfulness.likeness import find_likeness
from explain.faithfulness.measures import MEASURES, Examined, Figures
from explain.faithfulness.probe import find_allowed, find_shown, lay_on_cells
from explain.methods import get_method
from explain.methods.rise import RiseSettings
from explain.models.attention_report import AttentionReport, MapFigures
from explain.networks.meaning import find_probabilities
from explain.passes.capture import LayerCapture
from explain.passes.look import Ask, look_at
from explain.passes.runner import Runner
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare
from explain.training.attention_loss import make_reference, mask_pictures

if TYPE_CHECKING:
    from torch import Tensor

    from explain.datasets.dataset import Example
    from explain.networks.trained_attention import TrainedAttention
    from explain.passes.look import Look
    from explain.training.attention_fit import Frozen
    from explain.training.attention_recipe import Hidden

_OWN = "T-TAME"
_GRADIENT = ("grad-cam", "layer-cam")
_RISE = RiseSettings(masks=200)
_MEASURES = tuple(MEASURES[name] for name in ("average drop", "increase", "insertion", "deletion"))

Pairs = dict[str, tuple[np.ndarray, "np.ndarray | None"]]
"""By title, the map of the likeliest class and that of the least likely; None where that was not drawn."""


@dataclass(frozen=True)
class _Judged:
    """One picture.

    Attributes:
        figures: by title.
        likenesses: by title, where there is one.
        area: see `AttentionReport`.
        same: whether the class stays when it is masked.
    """

    figures: Mapping[str, Figures]
    likenesses: Mapping[str, float]
    area: float
    same: bool


def judge_attention(
    frozen: Frozen,
    model: TrainedAttention,
    examples: Sequence[Example],
    hidden: Hidden,
    tell: Callable[[int], None],
    stop_if_asked: Callable[[], None],
) -> AttentionReport:
    """Judge maps of some pictures, each of the class it is named as.

    Args:
        frozen: the classifier.
        model: the attention, in evaluation mode.
        examples: pictures that were not learnt from, at least one.
        hidden: what stands in for what a mask hides.
        tell: told how many pictures are judged.
        stop_if_asked: raises to stop; called before each picture.
    """
    judged = []
    for number, example in enumerate(examples, start=1):
        stop_if_asked()
        judged.append(_judge_one(frozen, model, example, hidden))
        tell(number)
    rows = [
        MapFigures(
            title=title,
            **{
                measure.name.replace(" ", "_"): float(np.mean([one.figures[title][measure.name] for one in judged]))
                for measure in _MEASURES
            },
            likeness=_average([one.likenesses[title] for one in judged if title in one.likenesses]),
        )
        for title in judged[0].figures
    ]
    return AttentionReport(
        own=rows[0],
        others=tuple(rows[1:]),
        pictures=len(judged),
        area=float(np.mean([one.area for one in judged])),
        same=100 * float(np.mean([one.same for one in judged])),
    )


def _average(likenesses: Sequence[float]) -> float | None:
    finite = [value for value in likenesses if np.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def _judge_one(frozen: Frozen, model: TrainedAttention, example: Example, hidden: Hidden) -> _Judged:
    picture = decode(example.data, example.name)
    prepared = prepare(picture, frozen.loaded.preprocessing)
    tensor = prepared.tensor.to(frozen.device)
    with torch.no_grad():
        features, _, labels = frozen.split(frozen.read(tensor))
        maps = model(features)
        mask = maps[:, labels].sigmoid()
        reference = make_reference(tensor, hidden, frozen.loaded.preprocessing)
        scores = frozen.name(mask_pictures(tensor, mask, reference))
    target, same = int(labels[0]), int(scores.argmax(1)) == int(labels[0])
    pairs = _draw(frozen, tensor, maps[0].cpu().numpy(), target)
    likenesses = {title: find_likeness(best, worst) for title, (best, worst) in pairs.items() if worst is not None}
    allowed = find_allowed(picture.size, prepared.box.spans)
    seed = int(example.digest[:8], 16)
    figures = measure_maps(frozen, tensor, {title: best for title, (best, _) in pairs.items()}, target, allowed, seed)
    return _Judged(figures, likenesses, float(mask.mean()), same)


def _draw(frozen: Frozen, picture: Tensor, own: np.ndarray, target: int) -> Pairs:
    """The maps of one picture: trained ones, then those of the other methods."""
    loaded = frozen.loaded
    layer = loaded.default_layer
    assert layer is not None
    with torch.no_grad():
        worst = int(frozen.name(picture)[0].argmin())
    asks = [Ask(target), Ask(worst)]
    (look,) = look_at(loaded.module, picture, [layer], asks, loaded.outputs)
    pairs: Pairs = {_OWN: (own[target] - own[target].min(), own[worst] - own[worst].min())}

    def capture(ask: Ask, look: Look = look) -> LayerCapture:
        assert ask.target is not None
        runner = Runner(loaded.module, picture, layer, ask.target, "logit", outputs=loaded.outputs)
        kept, gradients = look.activations[layer.name], look.gradients[layer.name, ask]
        return LayerCapture(layer, ask.target, look.logits, kept, gradients, runner=runner, outputs=loaded.outputs)

    with torch.no_grad():
        for name in _GRADIENT:
            method = get_method(name)
            best, other = (method.function(capture(ask), method.settings()).values.cpu().numpy() for ask in asks)
            pairs[method.title] = best, other
        rise = get_method("rise")
        pairs[rise.title] = rise.function(capture(asks[0]), _RISE).values.cpu().numpy(), None
    pairs["Centre"] = draw_centre(), draw_centre()  # one map for all classes
    return pairs


def measure_maps(
    frozen: Frozen, picture: Tensor, maps: Mapping[str, np.ndarray], target: int, allowed: np.ndarray, seed: int
) -> dict[str, Figures]:
    """Average drop, increase, insertion and deletion of maps of one picture, as they are measured elsewhere too.

    Args:
        frozen: the classifier.
        picture: its input, `(1, C, H, W)`.
        maps: by name, `(h, w)` each.
        target: the class.
        allowed: the cells that may be hidden, see `find_allowed`.
        seed: of the picture.
    """
    tested = {
        name: Examined(
            cells=lay_on_cells(values),
            shown=find_shown(values),
            allowed=allowed,
            seed=seed,
            target=target,
            outputs=frozen.loaded.outputs,
        )
        for name, values in maps.items()
    }
    scores: dict[str, float] = {}
    for changes in [changes for one in tested.values() for measure in _MEASURES for changes in measure.asks(one)]:
        new = [row for row, key in enumerate(changes.keys) if key not in scores]
        if not new:
            continue
        with torch.no_grad():
            answers = frozen.name(apply(picture, changes.take(new), seed)).double().cpu()
        chances = find_probabilities(answers, frozen.loaded.outputs)[:, target].tolist()
        scores |= {changes.keys[row]: chance for row, chance in zip(new, chances, strict=True)}

    def read(changes: Changes) -> np.ndarray:
        return np.array([scores[key] for key in changes.keys])

    # A map with nothing on it counts too: nothing is shown by it, and cells are hidden in an order drawn by lot.
    return {
        name: {measure.name: measure.function(one, *map(read, measure.asks(one))) for measure in _MEASURES}
        for name, one in tested.items()
    }
