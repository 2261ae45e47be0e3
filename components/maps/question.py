"""What Compare asks the engine, column by column."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from components.choices.caution import NO_CAUTIONS, Caution
from components.choices.combination import Combination
from components.choices.comparison import Comparison
from components.choices.mask import read_shown_masks
from components.choices.references import make_references_key
from components.choices.slice_in_view import find_stacks
from components.maps.rows import (
    GRID,
    Answered,
    Asked,
    Column,
    Failure,
    Loan,
    Outcome,
    list_class_columns,
    list_layer_columns,
)
from components.server.metrics import count_failure, timing_question
from components.session.work import Work
from explain.bundled.kinds import find_prompts_for
from explain.datasets.loose import LoosePicture
from explain.engine.explanation import Explanation, PictureExplanation
from explain.errors import Cancelled, ExplainError, PictureError
from explain.maps.fusion import fuse
from explain.methods import Settings, get_method
from explain.models.loaded import LoadedModel
from explain.passes.look import Score
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.engine.judging import Verdicts
    from explain.volumes.volume import Volume

_LIKELIEST = ("Likeliest class", "Second likeliest", "Third likeliest")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of the engine, but for the settings.

    Attributes:
        model: the model.
        pictures: a row each.
        layer: name of a layer, or `auto`.
        target: index of a class, or None for each picture's likeliest.
        methods: a column each.
        score: what of the class is differentiated.
        combination: further layers, and views.
        comparison: what the columns are.
        usable: the methods that work on the model.
        twin: a bundled model with prompts that knows the same classes, or the pictures; None where this one has some.
        cautions: what must be said before the answer, by the digest of the picture.
        references: pictures that those of the question are compared with, for this model alone.
        volume: the series that is open, where the model reads volumes: it is explained whole, and its maps are cut.
    """

    model: LoadedModel
    pictures: Sequence[Picture]
    layer: str
    target: int | None
    methods: Sequence[str]
    score: Score
    combination: Combination
    comparison: Comparison
    usable: Sequence[str]
    twin: str | None = None
    cautions: Mapping[str, Caution] = field(default_factory=lambda: NO_CAUTIONS)
    references: tuple[LoosePicture, ...] = ()
    volume: Volume | None = None

    @property
    def asked(self) -> Asked:
        """What all rows have in common."""
        # Of columns that are models, each answers for itself.
        cautions = NO_CAUTIONS if self.comparison.by == "models" else self.cautions
        stacks = find_stacks(self.pictures, GRID)
        masks = read_shown_masks() if self.comparison.by == "methods" else None
        return Asked(self.methods, self.usable, self.model.request.name, self.score, cautions, stacks, masks)

    @property
    def cannot(self) -> list[str]:
        """The methods chosen that the model cannot do."""
        return [name for name in self.methods if name not in self.usable]

    @property
    def lent(self) -> list[str]:
        """The methods chosen that may come from another model, which is only asked beside a bundled one: a person's own
        is compared with itself.
        """
        if self.comparison.by != "methods" or self.model.request.source != "bundled":
            return []
        return [name for name in self.cannot if "prompts" in get_method(name).needs]

    @property
    def can_be_judged(self) -> bool:
        """Whether verdicts can be had: of maps as they are, a column a method."""
        plain = (self.combination.fusion, self.combination.augmentation) == ("none", "none")
        return self.comparison.by == "methods" and plain and not self.combination.layers

    def make_key(self, settings: Mapping[str, Settings]) -> str:
        """A digest of everything the answer depends on."""
        parts = [
            self.model.fingerprint,
            self.model.outputs,
            self.layer,
            self.target,
            self.score,
            self.combination,
            self.comparison,
            make_references_key(self.references),
            *(picture.digest for picture in self.pictures),
        ]
        parts += [describe_method(self.model, name, settings[name]) for name in self.methods]
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def describe_method(model: LoadedModel, name: str, settings: Settings) -> str:
    """All that a method's maps depend on besides model, picture and class: what was trained for it, too, which another
    training may have replaced under the same name.
    """
    trained = ""
    if "trained attention" in get_method(name).needs:
        from explain.models.attention_library import find_attention  # with torch

        with suppress(ExplainError):  # the answer says what is wrong
            trained = find_attention(model, getattr(settings, "module", "")).digest
    return f"{name} {settings!r} {trained}"


def list_columns(question: Question, outcomes: Sequence[Outcome]) -> list[tuple[Picture, list[Column]]]:
    """The columns of each picture where they are layers or classes."""
    columns = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            columns.append((outcome.picture, [Column("failed", "", "", outcome, {}, outcome.sentence)]))
        elif question.comparison.by == "layers":
            columns.append((outcome.picture, list_layer_columns(outcome, question.model.request.name, question.cannot)))
        elif question.comparison.by == "classes":
            columns.append((outcome.picture, list_class_columns(outcome, question.model.request.name, question.cannot)))
    return columns


def name_columns(question: Question) -> dict[str, str]:
    """What may be subtracted: every column by key, with the name a person knows it by."""
    comparison = question.comparison
    if comparison.by == "methods":
        return {name: get_method(name).title for name in question.usable}
    if comparison.by != "classes":
        return {name: name for name in comparison.names}
    labels = [question.model.labels[int(name)] for name in comparison.names]
    return {str(rank): label for rank, label in enumerate(labels or _LIKELIEST[: len(question.model.labels)])}


def answer(engine: Engine, question: Question, settings: Mapping[str, Settings], work: Work) -> Answered:
    """Ask the engine about every picture, and another model for what this one cannot do."""
    with timing_question(len(question.pictures), len(question.methods)):
        outcomes = explain(engine, question, settings, work)
    return Answered(tuple(outcomes), _borrow(engine, question, outcomes, settings, work))


def _borrow(
    engine: Engine, question: Question, outcomes: Sequence[Outcome], settings: Mapping[str, Settings], work: Work
) -> dict[str, Loan]:
    """By picture, the maps of a bundled model with class prompts that knows the class explained, by its name or kind.

    Where none does there is no loan: a map of a class that nobody asked for would be no answer.
    """
    loans = {}
    for outcome in outcomes if question.lent else ():
        found = None if isinstance(outcome, Failure) else find_prompts_for(outcome.labels[0])
        if found is None:
            continue
        name, label = found
        model = engine.load(name)
        part = replace(
            question,
            model=model,
            pictures=[outcome.picture],
            layer="auto",
            target=model.labels.index(label),
            methods=question.lent,
            references=(),
            combination=Combination(augmentation=question.combination.augmentation),
            usable=question.lent,
        )
        (lent,) = explain(engine, part, settings, work)
        if isinstance(lent, PictureExplanation):
            loans[outcome.picture.digest] = Loan(name, lent)
    return loans


def judge(
    engine: Engine, question: Question, answered: Answered, settings: Mapping[str, Settings], work: Work[None]
) -> Iterator[tuple[str, Verdicts]]:
    """Have the maps of every picture judged, and those that another model lends.

    Yields:
        A picture's digest and the verdicts on its maps, again and again as more is known.
    """
    for outcome in answered.outcomes:
        if isinstance(outcome, Failure):
            continue
        picture, digest = outcome.picture, outcome.picture.digest
        own: Verdicts = {}
        asked = (question.model, question.usable, question.layer, outcome.targets[0], settings, question.score)
        judging: Iterator[Verdicts] = iter(())
        if question.volume is not None and picture.section is not None:
            judging = engine.judge_volume(question.volume, *asked, cancel=work.cancel)
        elif question.usable:
            judging = engine.judge(picture, *asked, cancel=work.cancel)
        for own in judging:
            yield digest, own
        loan = answered.loans.get(digest)
        if loan is not None:
            lent = (question.lent, "auto", loan.entry.targets[0], settings, question.score)
            for more in engine.judge(picture, loan.model, *lent, cancel=work.cancel):
                yield digest, {**own, **more}


def gather(question: Question, answered: Answered, device: str) -> Explanation | None:
    """All that the model in use answered, as one; None where that is nothing, or where columns are models."""
    explained = tuple(outcome for outcome in answered.outcomes if isinstance(outcome, PictureExplanation))
    if not explained:
        return None
    combination = question.combination
    return Explanation(question.model, explained, question.score, combination.fusion, combination.augmentation, device)


def explain(engine: Engine, question: Question, settings: Mapping[str, Settings], work: Work) -> list[Outcome]:
    """Ask the engine picture by picture: one that fails costs a sentence in its row, and nothing else."""
    outcomes: list[Outcome] = []
    for done, picture in enumerate(question.pictures):

        def report(share: float, text: str, done: int = done) -> None:
            work.report(text, (done + share) / len(question.pictures))

        try:
            if question.volume is not None and picture.section is not None:
                outcomes.append(_explain_whole(engine, question, picture, settings, report, work))
                continue
            explanation = engine.explain(
                picture,
                question.model,
                question.methods,
                _choose_layers(question),
                _choose_targets(engine, question, picture),
                settings,
                question.score,
                "none" if question.comparison.by == "layers" else question.combination.fusion,
                question.combination.augmentation,
                progress=report,
                cancel=work.cancel,
                references=question.references or None,
            )
            outcomes.append(explanation.pictures[0])
        except Cancelled:
            raise
        except ExplainError as error:
            count_failure(error)
            outcomes.append(Failure(picture, str(error)))
        except Exception as error:
            count_failure(error)
            _log.exception("A picture could not be explained")
            outcomes.append(Failure(picture, "This picture could not be explained. The reason is in the server's log."))
    return outcomes


def _explain_whole(
    engine: Engine,
    question: Question,
    picture: Picture,
    settings: Mapping[str, Settings],
    report: Callable[[float, str], None],
    work: Work,
) -> PictureExplanation:
    """The answer to the series that a slice is of, cut there. What is known of it is not run again.

    Raises:
        ExplainError: it cannot be explained, or changed views are asked for.
    """
    assert question.volume is not None
    if question.combination.augmentation != "none":
        raise PictureError("A volume is explained as it is. Choose no changed views.")
    target = ["auto" if question.target is None else question.target]
    if question.comparison.by == "classes" and question.comparison.names:
        target = [int(name) for name in question.comparison.names]
    layers = _choose_layers(question)
    whole = engine.explain_volume(
        question.volume,
        question.model,
        question.methods,
        layers,
        target,
        settings,
        question.score,
        progress=report,
        cancel=work.cancel,
    )
    entry = whole.lay_on(picture)
    fused = question.combination.fusion != "none" and question.comparison.by != "layers"
    depths = [layer.name for layer in question.model.layers]
    return replace(entry, maps=fuse(entry.maps, question.combination.fusion, depths)) if fused else entry


def _choose_layers(question: Question) -> tuple[str, ...]:
    if question.comparison.by == "layers":
        return question.comparison.names
    return (question.layer, *question.combination.layers)


def _choose_targets(engine: Engine, question: Question, picture: Picture) -> Sequence[int | str]:
    if question.comparison.by == "classes":
        likeliest = [prediction.index for prediction in engine.predict(picture, question.model, 3)]
        return [int(name) for name in question.comparison.names] or likeliest
    return ["auto" if question.target is None else question.target]


def explain_models(
    engine: Engine, question: Question, settings: Mapping[str, Settings], work: Work
) -> list[dict[str, Outcome]]:
    """Ask several models about every picture, each at its best layer. A class that a model does not know by name gives
    way to its likeliest.
    """
    found: list[dict[str, Outcome]] = [{} for _ in question.pictures]
    label = None if question.target is None else question.model.labels[question.target]
    for number, name in enumerate(question.comparison.names):
        if name == question.model.request.name:
            part = replace(question, comparison=Comparison())
        else:
            model = engine.load(name)
            target = model.labels.index(label) if label in model.labels else None
            at = model.default_layer.name if model.default_layer is not None else "auto"
            part = replace(
                question,
                model=model,
                layer=at,
                target=target,
                combination=Combination(),
                comparison=Comparison(),
                references=(),
            )
        work.report(name, number / len(question.comparison.names))
        for outcomes, outcome in zip(found, explain(engine, part, settings, work), strict=True):
            outcomes[name] = outcome
    return found
