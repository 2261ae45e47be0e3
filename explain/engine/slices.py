"""What a model answers for the slices of a stack, one after the other, and what that is along the stack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from explain.engine.explanation import PictureExplanation, Prediction
from explain.faithfulness.unlike import NOT_MEASURED, Unlikeness
from explain.maps.heatmap import FAINT, Heatmap
from explain.maps.render import find_ends, value_range
from explain.methods import get_method
from explain.networks.meaning import Outputs
from explain.pictures.picture import Picture


@dataclass(frozen=True, eq=False)
class SliceAnswer:
    """What a model answers for one slice. Its class is that of the whole stack.

    Attributes:
        index: which slice of its plane, from 0.
        target: index of the class explained, the same for all slices.
        label: its name.
        probability: of that class on this slice, 0…1; None for a value, which has none, and where there is a problem.
        score: what the network said of it; None where there is a problem.
        predictions: the likeliest classes of this slice, which may be others; none where there is a problem.
        layer: name of the explained layer.
        maps: by method; without what else a method found out, which is many times as large.
        unavailable: by method, the sentence why it has no map.
        outputs: what the predictions are; see `PictureExplanation`.
        caution: a sentence where the model never saw a picture like this one; see `PictureExplanation`.
        unlike: how unlike the pictures it is that the model learned from.
        problem: why the slice could not be explained, in a sentence; empty where it could.
        remembered: nothing was run for this answer.
    """

    index: int
    target: int
    label: str
    probability: float | None = None
    score: float | None = None
    predictions: tuple[Prediction, ...] = ()
    layer: str = ""
    maps: Mapping[str, Heatmap] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    outputs: Outputs = "classes"
    caution: str = ""
    unlike: Unlikeness = NOT_MEASURED
    problem: str = ""
    remembered: bool = False

    def lay_on(self, picture: Picture) -> PictureExplanation:
        """The same as the answer to one picture, which is the slice."""
        return PictureExplanation(
            picture=picture,
            predictions=self.predictions,
            prompt_predictions=(),
            targets=(self.target,),
            labels=(self.label,),
            layers=(self.layer,),
            maps=tuple(self.maps.values()),
            unavailable=self.unavailable,
            outputs=self.outputs,
            caution=self.caution,
            unlike=self.unlike,
        )


@dataclass(frozen=True)
class Course:
    """How the maps of one method go along a stack. All of them are measured by one scale.

    Attributes:
        strengths: by slice, the sum of what is above zero in its map, as a share of the strongest slice's, 0…1.
        blank: slices whose map shows nothing, as nothing in it is above zero.
        faint: slices whose highest value is nearly nothing beside the stack's.
        ends: lowest and highest value of all slices.
    """

    strengths: Mapping[int, float]
    blank: frozenset[int]
    faint: frozenset[int]
    ends: tuple[float, float]

    def find_range(self, signed: bool) -> tuple[float, float]:
        """Values of the first and the last colour, for all slices; see `explain.maps.render.value_range`."""
        return value_range([np.array(self.ends)], signed)


def order_slices(there: Iterable[int], first: int) -> list[int]:
    """Slices in the order in which they are explained: the nearest to `first` before others, of two the later one."""
    return sorted(there, key=lambda at: (abs(at - first), at < first))


def follow_maps(answers: Sequence[SliceAnswer], method: str) -> Course | None:
    """How the maps of a method go along the stack; None where it has none.

    Args:
        answers: of the slices explained so far, in any order.
        method: its name.
    """
    found = {answer.index: answer.maps[method].values for answer in answers if method in answer.maps}
    values = {at: one for at, one in found.items() if np.isfinite(one).all()}
    if not values:
        return None
    sums = {at: float(np.maximum(one, 0).sum(dtype=np.float64)) for at, one in values.items()}
    peaks = {at: float(one.max()) for at, one in values.items()}
    strongest, highest = max(sums.values()), max(peaks.values())
    return Course(
        strengths={at: sums[at] / strongest if strongest > 0 else 0.0 for at in sorted(sums)},
        blank=frozenset({at for at, peak in peaks.items() if peak <= 0} | (found.keys() - values.keys())),
        faint=frozenset(at for at, peak in peaks.items() if 0 < peak < FAINT * highest),
        ends=find_ends([*values.values()], get_method(method).painting),
    )
