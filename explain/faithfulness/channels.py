"""What single channels of a layer do to an answer, found by changing them and running what follows the layer.

A channel is set to its mean over some pictures, to zero, or to its values in another picture; or all others are. Zero
is out of the ordinary for a channel that never is zero, its mean is not. Beside that stands what Grad-CAM's weight says
of the channel: the weight times how far its activations change. The rank correlation of both is the verdict on the
weights at this layer. What one channel does through one of a later layer is a path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from explain.faithfulness.effects import Answered
from explain.maps.agreement import correlate_ranks
from explain.percent import write_change, write_decimals, write_percent

if TYPE_CHECKING:
    from torch import Tensor

    from explain.networks.layer import Layer
    from explain.passes.runner import Runner

Way = Literal["mean", "zero", "twin"]
"""What a channel is set to: its mean over pictures and places, zero, or its values in another picture."""

WAYS: dict[Way, str] = {"mean": "the mean", "zero": "zero", "twin": "the other picture"}
"""Each in words."""

ENDS = 8
"""Channels of either layer between which paths are looked at: the strongest."""

RANDOM_PATHS = 64
"""Pairs drawn by chance that a path must beat."""

BEATEN = 95.0
"""Per cent of them that it must beat."""


@dataclass(frozen=True, eq=False)
class Shift:
    """What the channels of a layer do to one number: the score of a class, or its probability. Above zero a channel
    speaks for the class.

    Attributes:
        removal: how far the number falls where the channel alone is set to something else, `(C,)`.
        alone: how far it rises where of channels so set only this one is as it was, `(C,)`.
        together: how far it falls with all of them set so.
    """

    removal: np.ndarray
    alone: np.ndarray
    together: float

    def as_data(self) -> dict[str, Any]:
        """Everything as numbers and lists, fit for JSON."""
        return {"removal": self.removal.tolist(), "alone": self.alone.tolist(), "together": self.together}


@dataclass(frozen=True, eq=False)
class Replaced:
    """What becomes of the answer where channels are set to something else.

    Attributes:
        score: of the class.
        probability: the same of its probability; None for a value, which has none.
        flips: by channel, the likeliest answer without it where that is another one.
        claims: how far the score would fall by Grad-CAM's weights, `(C,)`: the weight times the sum over places of what
            is taken from the channel. With channels at zero that is weight times mean activation times places, what
            the channel adds to Grad-CAM's map. Right where what follows the layer is linear.
    """

    score: Shift
    probability: Shift | None
    flips: Mapping[int, str]
    claims: np.ndarray

    @property
    def agreement(self) -> float:
        """Rank correlation of the claims and the score's `removal`, -1…1; NaN where one of both is constant."""
        return correlate_ranks(self.claims, self.score.removal)


@dataclass(frozen=True, eq=False)
class Channels:
    """What the channels of one layer do.

    Attributes:
        whole: the answer to the picture as it is.
        layer: name of the layer.
        weights: Grad-CAM's, the mean of the score's gradient over the places, `(C,)`.
        maps: the activations, `(C, h, w)` float32.
        replaced: what becomes of the answer, by what channels are set to.
        pictures: over how many pictures the mean was taken.
        notes: what must be known to read the numbers, in sentences.
    """

    whole: Answered
    layer: str
    weights: np.ndarray
    maps: np.ndarray
    replaced: Mapping[Way, Replaced]
    pictures: int
    notes: tuple[str, ...] = ()

    @property
    def activations(self) -> np.ndarray:
        """Mean of each channel over the places, `(C,)`."""
        means: np.ndarray = self.maps.reshape(len(self.maps), -1).mean(1, dtype=np.float64)
        return means

    @property
    def usual(self) -> Way:
        """What channels are set to where nobody says: their mean; of one picture alone that may well do nothing, and
        it is zero.
        """
        return choose_usual(self.pictures)

    def rank(self, way: Way | None = None) -> np.ndarray:
        """The channels, the one whose removal changes the score most first, `(C,)`."""
        order: np.ndarray = np.argsort(-np.abs(self.replaced[way or self.usual].score.removal), kind="stable")
        return order

    @property
    def sentence(self) -> str:
        """What came out, in two or three sentences."""
        first = self.replaced[self.usual]
        channel = int(self.rank()[0])
        at = "its mean" if self.usual == "mean" else "zero"
        text = (
            f"Of the {len(self.weights)} channels of “{self.layer}”, number {channel} does most: with it at {at} the "
            f"score of “{self.whole.label}” changes by {write_change(-first.score.removal[channel], 3)}"
        )
        if first.probability is not None and self.whole.probability is not None:
            left = self.whole.probability - float(first.probability.removal[channel])
            text += f", its probability from {write_percent(self.whole.probability, 1)} to {write_percent(left, 1)}"
        flip = first.flips.get(channel)
        text += f", and the decision flips to “{flip}”." if flip else "."
        orders = ", ".join(
            f"{write_decimals(one.agreement, 2)} with {WAYS[way]} instead"
            for way, one in self.replaced.items()
            if np.isfinite(one.agreement)
        )
        if not orders:
            return f"{text} Grad-CAM's weights cannot be compared with that: one of both is the same for all channels."
        return f"{text} Rank correlation of what Grad-CAM's weights say of the channels with what they do: {orders}."

    def as_data(self) -> dict[str, Any]:
        """Everything as numbers, strings, lists and dictionaries, fit for JSON."""
        return {
            **asdict(self.whole),
            "layer": self.layer,
            "sentence": self.sentence,
            "pictures": self.pictures,
            "gradcam_weights": self.weights.tolist(),
            "mean_activations": self.activations.tolist(),
            "set_to": {
                way: {
                    "score": one.score.as_data(),
                    "probability": None if one.probability is None else one.probability.as_data(),
                    "flips": {str(channel): label for channel, label in one.flips.items()},
                    "gradcam_claims": one.claims.tolist(),
                    "agreement": one.agreement if np.isfinite(one.agreement) else None,
                }
                for way, one in self.replaced.items()
            },
            "notes": list(self.notes),
        }


@dataclass(frozen=True, eq=False)
class Paths:
    """What channels of one layer do through channels of a later one: how far the score falls where the later channel
    has the values that it takes with the earlier one at its mean (zero, see `Channels.usual`), and all else as it was.

    Attributes:
        label: of the class.
        layers: names of the earlier and the later layer.
        sources: the earlier layer's strongest channels, `(n,)`.
        sinks: the later layer's, `(m,)`.
        effects: of each path, `(n, m)`.
        random: of pairs drawn from all channels of both layers.
    """

    label: str
    layers: tuple[str, str]
    sources: np.ndarray
    sinks: np.ndarray
    effects: np.ndarray
    random: np.ndarray

    @property
    def threshold(self) -> float:
        """What a path must do to beat the random pairs; see `BEATEN`."""
        return float(np.percentile(np.abs(self.random), BEATEN))

    @property
    def drawn(self) -> np.ndarray:
        """Which paths do, `(n, m)` bool."""
        beyond: np.ndarray = np.abs(self.effects) > self.threshold
        return beyond

    @property
    def sentence(self) -> str:
        """What came out, in a sentence or two."""
        earlier, later = self.layers
        count, size = int(self.drawn.sum()), self.effects.size
        if not count:
            return (
                f"No path from the strongest channels of “{earlier}” to those of “{later}” does more than {BEATEN:g} % "
                f"of {len(self.random)} random pairs."
            )
        at = np.unravel_index(int(np.abs(self.effects).argmax()), self.effects.shape)
        return (
            f"{count} of {size} paths from “{earlier}” to “{later}” do more than {BEATEN:g} % of {len(self.random)} "
            f"random pairs ({self.threshold:.3f}). The strongest, from channel {self.sources[at[0]]} through channel "
            f"{self.sinks[at[1]]}, changes the score of “{self.label}” by {write_change(-self.effects[at], 3)}."
        )

    def as_data(self) -> dict[str, Any]:
        """Everything as numbers, strings, lists and dictionaries, fit for JSON."""
        lists = {name: value.tolist() for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return {
            "label": self.label,
            "layers": list(self.layers),
            **lists,
            "threshold": self.threshold,
            "drawn": self.drawn.tolist(),
            "sentence": self.sentence,
        }


def choose_usual(pictures: int) -> Way:
    """See `Channels.usual`; of so many pictures."""
    return "mean" if pictures > 1 else "zero"


def remove_each(runner: Runner, instead: Tensor) -> np.ndarray:
    """What the network answers with each channel of the runner's layer set to something else, `(C + 1, answers)`
    float64; the last row is as it was.

    Args:
        runner: of the picture, at the layer.
        instead: what channels are set to, `(C, h, w)` or `(C, 1, 1)`.
    """

    def change(maps: Tensor, rows: range) -> None:
        for row, channel in enumerate(rows):
            if channel < len(instead):
                maps[row, channel] = instead[channel].to(maps)

    return _ask(runner, change, len(instead) + 1)


def keep_each(runner: Runner, instead: Tensor) -> np.ndarray:
    """The same with every channel but one set to something else; in the last row all are."""

    def change(maps: Tensor, rows: range) -> None:
        kept = [maps[row, channel].clone() if channel < len(instead) else None for row, channel in enumerate(rows)]
        maps[:] = instead.to(maps)
        for row, (channel, own) in enumerate(zip(rows, kept, strict=True)):
            if own is not None:
                maps[row, channel] = own

    return _ask(runner, change, len(instead) + 1)


def find_shift(removed: np.ndarray, kept: np.ndarray) -> Shift:
    """What channels do to one number, of the rows of `remove_each` and `keep_each`, `(C + 1,)` each."""
    return Shift(removed[-1] - removed[:-1], kept[:-1] - kept[-1], float(removed[-1] - kept[-1]))


def draw_pairs(channels: tuple[int, int], seed: int, count: int = RANDOM_PATHS) -> np.ndarray:
    """Pairs of a channel of an earlier layer and one of a later, each as likely as any other, `(count, 2)`.

    Args:
        channels: how many the layers have.
        seed: of the draw.
        count: how many pairs.
    """
    return np.random.default_rng(seed).integers(0, channels, (count, 2))


def follow_paths(earlier: Runner, later: Runner, pairs: np.ndarray, instead: Tensor) -> np.ndarray:
    """What the network answers where only the path of each pair is changed, `(n + 1, answers)` float64; in the last
    row nothing is.

    Args:
        earlier: runs what follows the earlier layer.
        later: likewise, of the later layer.
        pairs: a channel of the earlier and one of the later layer, `(n, 2)`.
        instead: what channels of the earlier layer are set to, `(C, h, w)` or `(C, 1, 1)`.
    """
    values = _find_values(earlier, later.layer, pairs, instead)

    def change(maps: Tensor, rows: range) -> None:
        for row, number in enumerate(rows):
            if number < len(pairs):
                maps[row, int(pairs[number, 1])] = values[number].to(maps)

    return _ask(later, change, len(pairs) + 1)


def _find_values(earlier: Runner, later: Layer, pairs: np.ndarray, instead: Tensor) -> Sequence[Tensor]:
    """By pair, what the later channel becomes with the earlier one set to something else, `(h, w)`."""
    sources = sorted({int(source) for source in pairs[:, 0]})

    def change(maps: Tensor, rows: range) -> None:
        for row, number in enumerate(rows):
            maps[row, sources[number]] = instead[sources[number]].to(maps)

    found: dict[tuple[int, int], Tensor] = {}
    start = 0
    for maps in earlier.maps_after(later, change, len(sources)):
        for source, sink in {(int(a), int(b)) for a, b in pairs}:
            if 0 <= (row := sources.index(source) - start) < len(maps):
                found[source, sink] = maps[row, sink].clone()
        start += len(maps)
    return [found[int(source), int(sink)] for source, sink in pairs]


def _ask(runner: Runner, change: Any, count: int) -> np.ndarray:
    answers: np.ndarray = runner.answers_after(change, count).cpu().numpy().astype(np.float64)
    return answers
