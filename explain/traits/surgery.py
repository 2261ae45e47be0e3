"""Surgery: change a region of a picture and see what a model makes of it, by any method; with class prompts also what
its heads do (Prompt-CAM's manipulation test).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from explain.engine.engine import Engine
from explain.engine.explanation import Prediction
from explain.maps.heatmap import Heatmap
from explain.methods import Settings
from explain.pictures.picture import Picture
from explain.progress import Progress
from explain.traits.traits import EyesView, look_with_eyes_of

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel
    from explain.models.request import ModelRequest
    from explain.passes.look import Score


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


@dataclass(frozen=True)
class Asked:
    """What is asked of a picture before and after a surgery.

    Attributes:
        methods: names of the methods whose maps are wanted.
        layer: where to look.
        target: index of the class; None for the likeliest before.
        settings: of the methods, by name.
        score: what of the class is differentiated.
        heads: how many heads of the class are looked at, where the model has class prompts.
    """

    methods: Sequence[str]
    layer: str = "auto"
    target: int | None = None
    settings: Mapping[str, Settings] = field(default_factory=dict)
    score: Score = "logit"
    heads: int = 3

    def of(self, target: int) -> Asked:
        """The same of a class that is known."""
        return replace(self, target=target)


@dataclass(frozen=True, eq=False)
class Reading:
    """What a model makes of a picture.

    Attributes:
        picture: it.
        target: index of the class in question.
        predictions: every answer of the model, likeliest first: by its prompts, where it has some.
        maps: of the methods asked for, those that there are.
        unavailable: by method name, why there is no map.
        eyes: what the heads of the class look at, where the model has class prompts.
    """

    picture: Picture
    target: int
    predictions: tuple[Prediction, ...]
    maps: tuple[Heatmap, ...]
    unavailable: Mapping[str, str]
    eyes: EyesView | None

    @property
    def answer(self) -> Prediction:
        """What the model says of the class in question."""
        return next(prediction for prediction in self.predictions if prediction.index == self.target)


def read_picture(
    engine: Engine,
    picture: Picture,
    model: LoadedModel,
    asked: Asked,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Reading:
    """Ask a model about a picture: its answers, the maps of some methods, and with class prompts its heads.

    Raises:
        ExplainError: the picture or the layer is refused.
    """
    eyes, target = None, asked.target
    if model.prompted is not None:
        eyes = look_with_eyes_of(engine, picture, model, ["auto" if target is None else target], asked.heads, cancel)
        target = eyes.classes[0].target
    entry = engine.explain(
        picture,
        model,
        [*asked.methods],
        asked.layer,
        "auto" if target is None else target,
        {name: settings for name, settings in asked.settings.items() if name in asked.methods},
        asked.score,
        progress=progress,
        cancel=cancel,
    ).pictures[0]
    answers = eyes.predictions if eyes is not None else engine.predict(picture, model, len(model.labels))
    return Reading(picture, entry.targets[0], answers, entry.maps, entry.unavailable, eyes)
