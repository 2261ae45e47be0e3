"""What a class or a channel wants to see: the real pictures that it answers to most, and drawings that raise it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explain.engine.facets import CLEAR, FEWEST_PICTURES
from explain.percent import write_percent
from explain.pictures.geometry import Box

if TYPE_CHECKING:
    from explain.pictures.picture import Picture

CAUTION = "What raises the score, not what is in your picture."
"""Belongs to every drawing."""

_GREY = 128.0


@dataclass(frozen=True)
class Goal:
    """What is to rise.

    Attributes:
        name: in words, e.g. `“ship”` or `channel 12 of stages.1`.
        target: index of the class whose score it is; None for a layer's channel.
        layer: name of the layer where cells are looked at, and whose channel it is.
        direction: weight of each channel; of one channel, 1 at its place. None for a class.
    """

    name: str
    target: int | None
    layer: str
    direction: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """What the model makes of a whole picture, real or drawn.

    Attributes:
        score: the class's score; of a channel, its mean over the cells.
        probability: of the class; None for a channel, and for a model that answers with a value.
        likeliest: the likeliest answer.
        chance: its probability; None for a value.
    """

    score: float
    probability: float | None
    likeliest: str
    chance: float | None

    def describe(self) -> str:
        """The number that is compared, in a word or two: the probability, or else the score."""
        return f"{self.score:.2f}" if self.probability is None else write_percent(self.probability, 1)


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A real picture that the goal answers to.

    Attributes:
        picture: it.
        cell: row and column of its highest cell, at the goal's layer.
        value: of that cell: what it adds to the class's score by HiRes-CAM, or the channel's activation.
        place: the cell grown by half a cell on each side, in the picture's pixels. What the cell can see is larger, and
            how much of that it uses nobody knows.
        answer: to the whole picture.
    """

    picture: Picture
    cell: tuple[int, int]
    value: float
    place: Box
    answer: Answer

    @property
    def crop(self) -> np.ndarray:
        """The place, `(h, w, 3)` uint8."""
        pixels: np.ndarray = self.picture.pixels[self.place.slices]
        return pixels


@dataclass(frozen=True, eq=False)
class Facet:
    """Real pictures of one sort that the goal answers to.

    Attributes:
        exemplars: those nearest to the sort's middle, at most 15, the nearest first.
        count: pictures of this sort.
        mean: of the exemplars as the model sees them, `(h, w, C)` float32 in 0…1: where a drawing of it starts.
    """

    exemplars: tuple[Exemplar, ...]
    count: int
    mean: np.ndarray


@dataclass(frozen=True, eq=False)
class Exemplars:
    """The real pictures that a goal answers to.

    Attributes:
        goal: what was asked.
        best: those it answers to most, one place of each, the highest first.
        looked_at: how many were looked at.
        answering: of how many the goal is the likeliest class; of a channel, how many reach half of the highest cell.
        facets: the sorts that those are of; one where they are of one sort; none where none answers.
        silhouette: of the best sorting into several, −1…1; None where there are too few to sort.
        left_out: pictures that the model does not take.
    """

    goal: Goal
    best: tuple[Exemplar, ...]
    looked_at: int
    answering: int
    facets: tuple[Facet, ...]
    silhouette: float | None
    left_out: int = 0

    @property
    def sentence(self) -> str:
        """Of how many sorts they are, with the number that says so."""
        of = f"{self.answering} of {self.looked_at} pictures answer to {self.goal.name}"
        if self.silhouette is None:
            return f"{of}: too few to tell facets, which takes {FEWEST_PICTURES}."
        clear = f"best silhouette {self.silhouette:.2f}, {CLEAR} is needed"
        if len(self.facets) == 1:
            return f"{of}, in one facet ({clear})."
        return f"{of}, in {len(self.facets)} facets ({clear})."

    def as_data(self) -> dict[str, Any]:
        """Everything but pixels as numbers, strings, lists and dictionaries, fit for JSON."""
        return {
            "goal": self.goal.name,
            "best": [_describe_exemplar(one) for one in self.best],
            "looked_at": self.looked_at,
            "answering": self.answering,
            "facets": [
                {"count": facet.count, "nearest": [one.picture.name for one in facet.exemplars]}
                for facet in self.facets
            ],
            "silhouette": self.silhouette,
            "left_out": self.left_out,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture drawn so that a goal rises.

    Attributes:
        goal: what was to rise.
        pixels: `(h, w, 3)` uint8.
        alpha: which pixels did work, `(h, w)` float32 in 0…1; see `Climb.alpha`.
        answer: to the whole drawing.
        curve: the goal's mean over the crops at each step that was made.
        steps: how many were asked for.
    """

    goal: Goal
    pixels: np.ndarray
    alpha: np.ndarray
    answer: Answer
    curve: tuple[float, ...]
    steps: int

    @property
    def score(self) -> float:
        """Of the whole drawing; see `Answer`."""
        return self.answer.score

    @property
    def probability(self) -> float | None:
        """Of the class for the whole drawing; None for a channel or a value."""
        return self.answer.probability

    @property
    def worked(self) -> np.ndarray:
        """The drawing where it did work, and grey elsewhere, `(h, w, 3)` uint8."""
        alpha = self.alpha[..., None]
        faded: np.ndarray = (self.pixels * alpha + _GREY * (1 - alpha)).round().astype(np.uint8)
        return faded

    @property
    def is_whole(self) -> bool:
        """Whether all steps were made."""
        return len(self.curve) >= self.steps

    def write_sentence(self, best: Exemplar | None = None) -> str:
        """What the model makes of it, beside the best real picture."""
        answer, told = self.answer, "" if self.is_whole else f" Stopped after {len(self.curve)} of {self.steps} steps."
        if answer.probability is None:
            text = f"In the drawing {self.goal.name} is {answer.score:.2f}"
        else:
            text = f"The model gives the drawing {answer.describe()} for {self.goal.name}"
        if best is not None:
            text += f", the best real picture {best.answer.describe()}"
        chance = "" if answer.chance is None else f" ({write_percent(answer.chance, 1)})"
        text += f". Its likeliest answer is “{answer.likeliest}”{chance}."
        if len({*self.curve}) == 1:
            text += " No step changed anything: where the drawing starts, nothing raises this."
        return text + told

    def as_data(self) -> dict[str, Any]:
        """Everything but pixels, fit for JSON."""
        return {
            "goal": self.goal.name,
            **vars(self.answer),
            "curve": list(self.curve),
            "steps": self.steps,
            "sentence": self.write_sentence(),
            "caution": CAUTION,
        }


def _describe_exemplar(one: Exemplar) -> dict[str, Any]:
    return {
        "picture": one.picture.name,
        "sha256": one.picture.digest,
        "cell": list(one.cell),
        "value": one.value,
        "place": [*one.place],
        **vars(one.answer),
    }
