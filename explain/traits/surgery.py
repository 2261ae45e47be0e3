"""Trait surgery: change a region of a picture and see what the classes make of it (Prompt-CAM's manipulation test)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explain.engine.engine import Engine
from explain.pictures.picture import Picture
from explain.traits.traits import EyesView, look_with_eyes_of

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel
    from explain.models.request import ModelRequest


@dataclass(frozen=True, eq=False)
class Answer:
    """What the classes say before and after a surgery.

    Attributes:
        before: the picture as it was.
        after: as it is now; the same classes in the same order, each with a ranking of its own.
    """

    before: EyesView
    after: EyesView

    @property
    def flipped(self) -> bool:
        """Whether the likeliest class is another one now."""
        return self.before.predictions[0].index != self.after.predictions[0].index

    def as_data(self) -> dict[str, Any]:
        """Everything as numbers, strings, lists and dictionaries, fit for JSON."""
        return {"flipped": self.flipped, "before": self.before.as_data(), "after": self.after.as_data()}


def answer_surgery(
    engine: Engine,
    before: Picture,
    after: Picture,
    model: str | ModelRequest | LoadedModel,
    classes: Sequence[int | str] = ("auto",),
    traits: int = 4,
    cancel: threading.Event | None = None,
) -> Answer:
    """Scores, probabilities and maps of some classes before and after a surgery. `auto` is the likeliest class before;
    see `explain.traits.traits.look_with_eyes_of`.
    """
    first = look_with_eyes_of(engine, before, model, classes, traits, cancel)
    same = [seen.target for seen in first.classes]
    return Answer(first, look_with_eyes_of(engine, after, model, same, traits, cancel))
