"""What the prompts of some classes look at in one picture: each class's traits, ranked, and what sets two apart.

A trait is one attention head of the last block, as the prompt of the class looks through it (Prompt-CAM, section 3.3).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from explain.engine.engine import Engine
from explain.engine.explanation import Prediction
from explain.errors import MethodError
from explain.maps.figure import FigurePane, FigureRow, figure
from explain.maps.heatmap import find_peak
from explain.maps.render import RenderSettings, value_range
from explain.percent import write_percent
from explain.pictures.geometry import Box, find_box
from explain.pictures.picture import Picture, freeze

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel
    from explain.models.request import ModelRequest
    from explain.passes.prompts import HeadRanking, PromptCapture

ALIKE = 0.5
"""Two attention maps that correlate by at least this are said to look at the same places."""


@dataclass(frozen=True, eq=False)
class Trait:
    """One head of the last block, as one class's prompt looks through it.

    Attributes:
        head: its number in the block, from 0.
        rank: 1 for the class's most important head.
        values: softmax attention of the prompt to the patches, `(h, w)` float32; with what goes to other tokens it sums
            to 1.
        peak: where that is highest, x and y in the picture's pixels.
        blurred_probability: the class's probability, 0…1, when this head alone is blurred.
    """

    head: int
    rank: int
    values: np.ndarray
    peak: tuple[float, float]
    blurred_probability: float


@dataclass(frozen=True, eq=False)
class ClassView:
    """One picture through the eyes of one class. Probabilities are 0…1, over all classes of the model.

    Attributes:
        target: index of the class.
        label: its name.
        score: the prompted model's score, before the softmax.
        probability: with nothing blurred.
        ranking: which of the heads matter.
        traits: the first of its order, most important first.
        attention: of every head, by its number, `(heads, h, w)` float32, read-only.
    """

    target: int
    label: str
    score: float
    probability: float
    ranking: HeadRanking
    traits: tuple[Trait, ...]
    attention: np.ndarray

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of the shown traits' maps, `(h, w)`: Prompt-CAM's map of the class."""
        return np.stack([trait.values for trait in self.traits]).mean(0)

    @property
    def without_traits(self) -> float:
        """The probability when all the shown traits are blurred."""
        return self.ranking.most_first[len(self.traits) - 1]


@dataclass(frozen=True, eq=False)
class EyesView:
    """One picture through the eyes of several classes.

    Attributes:
        box: the rectangle of the picture, in its pixels, over which every map lies.
        scores: of all classes, before the softmax, `(C,)` float64.
        probabilities: softmax of the scores, `(C,)` float64.
        predictions: all classes, likeliest first.
        classes: those asked, in the order asked.
    """

    box: Box
    scores: np.ndarray
    probabilities: np.ndarray
    predictions: tuple[Prediction, ...]
    classes: tuple[ClassView, ...]

    def as_data(self) -> dict[str, Any]:
        """Everything as numbers, strings, lists and dictionaries, fit for JSON."""
        return {"box": list(self.box), "scores": self.list_scores(), "classes": [_describe(c) for c in self.classes]}

    def list_scores(self) -> list[dict[str, Any]]:
        """The picture's score and probability under every class, likeliest first, as plain data."""
        return [
            {
                "index": prediction.index,
                "label": prediction.label,
                "score": float(self.scores[prediction.index]),
                "probability": prediction.probability,
            }
            for prediction in self.predictions
        ]


@dataclass(frozen=True, eq=False)
class Counterpart:
    """A trait of one class and the trait of another that looks at the most similar places.

    Attributes:
        trait: of the one class.
        closest: of the other, among those shown.
        correlation: of their maps over all patches (Pearson), −1…1; 0 where one of them is flat.
        found: whether the correlation reaches the limit. It compares places: two prompts may look at one place for
            different reasons, and a trait without a counterpart may still have one among the heads not shown.
    """

    trait: Trait
    closest: Trait
    correlation: float
    found: bool


@dataclass(frozen=True, eq=False)
class Comparison:
    """What one class looks at in a picture and another does not.

    Attributes:
        difference: mean map of the one's shown traits minus that of the other, `(h, w)`: above zero where the one looks
            more, below where the other does.
        counterparts: one for each shown trait of the one class, most important first.
    """

    difference: np.ndarray
    counterparts: tuple[Counterpart, ...]

    @property
    def own(self) -> tuple[Trait, ...]:
        """The traits that the other class has no counterpart of."""
        return tuple(pair.trait for pair in self.counterparts if not pair.found)


def look_with_eyes_of(
    engine: Engine,
    picture: Picture,
    model: str | ModelRequest | LoadedModel,
    classes: Sequence[int | str] = ("auto",),
    traits: int = 4,
    cancel: threading.Event | None = None,
) -> EyesView:
    """Look at a picture through the prompts of some classes.

    One pass of the network for a picture, however many classes are asked; none for one the engine has seen.

    Args:
        engine: runs the network and remembers.
        picture: the picture.
        model: one with class prompts.
        classes: indices or labels; `auto` is the likeliest by the prompts.
        traits: how many heads to show of each class; a network with fewer shows all it has.
        cancel: when set, work stops with `Cancelled`.

    Raises:
        MethodError: the model has no class prompts, or no trait is asked for.
        TargetError: there is no such class.
    """
    if traits < 1:
        raise MethodError("Ask for at least one trait.")
    loaded = engine.load(model)
    captures = engine.ask_prompts(picture, loaded, classes, cancel)
    box = find_box(picture.size, loaded.preprocessing)
    first = next(iter(captures.values()))
    scores = first.scores.cpu().double().numpy()
    shifted = np.exp(scores - scores.max())
    probabilities = shifted / shifted.sum()
    order = np.argsort(-scores, kind="stable")
    return EyesView(
        box=box,
        scores=freeze(scores),
        probabilities=freeze(probabilities),
        predictions=tuple(
            Prediction(int(i), loaded.labels[i], float(probabilities[i]), float(scores[i])) for i in order
        ),
        classes=tuple(
            _view_class(capture, target, loaded.labels[target], float(probabilities[target]), box, traits)
            for target, capture in captures.items()
        ),
    )


def compare_classes(one: ClassView, other: ClassView, alike: float = ALIKE) -> Comparison:
    """What one class looks at in a picture that another does not.

    Args:
        one: the class in question.
        other: what it is compared with, on the same picture.
        alike: the correlation from which on two maps count as looking at the same places.
    """
    counterparts = []
    for trait in one.traits:
        correlations = [_correlate(trait.values, candidate.values) for candidate in other.traits]
        best = int(np.argmax(correlations))
        found = correlations[best] >= alike
        counterparts.append(Counterpart(trait, other.traits[best], correlations[best], found))
    return Comparison(freeze(one.mean - other.mean), tuple(counterparts))


def encode_figure(picture: Picture, view: EyesView, settings: RenderSettings | None = None, title: str = "") -> bytes:
    """The view as one PNG: a row a class, the picture and then a pane a trait. With two classes or more each trait says
    whether the first other class has a counterpart of it.
    """
    return figure([_build_row(picture, view, seen) for seen in view.classes], settings or RenderSettings(), title)


def encode_maps(view: EyesView) -> bytes:
    """The attention of every head as NPZ: by class index, `(heads, h, w)` float32."""
    buffer = io.BytesIO()
    maps: dict[str, Any] = {str(seen.target): seen.attention for seen in view.classes}
    np.savez_compressed(buffer, allow_pickle=False, **maps)
    return buffer.getvalue()


def _view_class(
    capture: PromptCapture, target: int, label: str, probability: float, box: Box, traits: int
) -> ClassView:
    attention = freeze(capture.attention.cpu().numpy())
    shown = tuple(
        Trait(head, rank, attention[head], find_peak(attention[head], box), capture.ranking.alone[head])
        for rank, head in enumerate(capture.ranking.order[:traits], start=1)
    )
    return ClassView(
        target=target,
        label=label,
        score=float(capture.scores[target]),
        probability=probability,
        ranking=capture.ranking,
        traits=shown,
        attention=attention,
    )


def _describe(seen: ClassView) -> dict[str, Any]:
    return {
        "index": seen.target,
        "label": seen.label,
        "score": seen.score,
        "probability": seen.probability,
        "ranking": list(seen.ranking.order),
        "alone": list(seen.ranking.alone),
        # These two begin with nothing blurred.
        "curve": [seen.probability, *seen.ranking.least_first],
        "without_top": [seen.probability, *seen.ranking.most_first],
        "traits": [
            {
                "head": trait.head,
                "rank": trait.rank,
                "peak": list(trait.peak),
                "blurred_probability": trait.blurred_probability,
                "attention": trait.values.tolist(),
            }
            for trait in seen.traits
        ],
    }


def _build_row(picture: Picture, view: EyesView, seen: ClassView) -> FigureRow:
    others = [other for other in view.classes if other is not seen]
    pairs = {pair.trait.head: pair for pair in compare_classes(seen, others[0]).counterparts} if others else {}
    best = ", ".join(p.describe(0) for p in view.predictions[:3])
    whole = write_percent(seen.probability, 1)
    panes = [FigurePane("Picture", best, picture.pixels)]
    for trait in seen.traits:
        pair = pairs.get(trait.head)
        note = ""
        if pair is not None and not pair.found:
            note = (
                f"No counterpart among the traits of {others[0].label}: the closest correlates {pair.correlation:.2f}."
            )
        low, high = value_range([trait.values], signed=False)
        panes.append(
            FigurePane(
                f"Trait {trait.rank}: head {trait.head + 1}",
                f"Without it {whole} becomes {write_percent(trait.blurred_probability, 1)}",
                picture.pixels,
                trait.values,
                view.box,
                low,
                high,
                note,
            )
        )
    together = f"Without these {len(seen.traits)} heads: {write_percent(seen.without_traits, 1)}"
    return FigureRow(f"{picture.name} through the eyes of {seen.label}: {whole}. {together}", panes)


def _correlate(one: np.ndarray, other: np.ndarray) -> float:
    a, b = (values.astype(np.float64).ravel() - values.mean(dtype=np.float64) for values in (one, other))
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0
