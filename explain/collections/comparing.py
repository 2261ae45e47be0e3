"""A comparison of a run's methods from its order to its figures: what is asked, measured in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explain.collections.filtering import Filter, find_rows
from explain.collections.gathered import Gathered
from explain.collections.measuring import MEASURER
from explain.collections.measuring_question import (
    DEFAULT_MEASURES,
    PER_SHARD,
    MeasureOrder,
    MeasureQuestion,
    Sample,
    ask_measures,
    ask_regions,
    choose_regions,
    draw_sample,
)
from explain.collections.run import Outcome, Tell, drive
from explain.collections.source import find_path
from explain.datasets.regions import Regions
from explain.errors import ExplainError


@dataclass(frozen=True, eq=False)
class Asked:
    """A comparison that can be measured.

    Attributes:
        sample: the pictures.
        questions: what is measured.
        order: what the process is told.
    """

    sample: Sample
    questions: tuple[MeasureQuestion, ...]
    order: MeasureOrder


def ask_comparison(
    run: Gathered,
    measures: Sequence[str] = DEFAULT_MEASURES,
    regions: Regions | None = None,
    tolerance: float = 0.0,
    limit: int | None = None,
    seed: int = 0,
    rows: np.ndarray | None = None,
    source: Path | None = None,
    model_file: Path | None = None,
    shard: int | None = None,
) -> Asked:
    """What is to be measured of a run.

    Args:
        run: the run.
        measures: names of `MEASURABLE`; none where only regions and verdicts are asked about.
        regions: where maps should point.
        tolerance: pixels by which they may point beside.
        limit: how many pictures at most, drawn by the seed; left out, all.
        seed: of that draw, and of the bootstrap's.
        rows: those to draw from; left out, all that were explained.
        source: where the pictures lie now; left out, where the run found them.
        model_file: the model's checkpoint, where it came from a file.
        shard: pictures that are written together.

    Raises:
        ExplainError: in a sentence, what cannot be asked.
    """
    sample = draw_sample(run, find_rows(run, Filter()) if rows is None else rows, limit, seed)
    questions = [ask_measures(run, measures)] if measures else []
    chosen = {}
    if regions is not None:
        questions.append(ask_regions(run, regions, tolerance))
        chosen = choose_regions(run, sample, regions, questions[-1].by_class)
        if not chosen:
            raise ExplainError(
                "None of the pictures has a region in this file. It names a picture by its path in the collection, its "
                "SHA-256, or its file's name, and where a region is called like a class it counts for that class alone."
            )
    if not questions and not run.manifest.question.verdicts:
        raise ExplainError("Name a measure, or give regions: the run has no verdicts.")
    if run.manifest.model.source == "file" and measures and model_file is None:
        raise ExplainError("The model of this run came from a file. Name it: --model-file PATH.")
    order = MeasureOrder(
        out=find_path(run.folder.path),
        source=None if source is None else find_path(source),
        model_file=None if model_file is None else find_path(model_file),
        questions=tuple(questions),
        ids=sample.ids,
        regions=chosen,
        shard=shard or PER_SHARD,
    )
    return Asked(sample, tuple(questions), order)


def measure(
    asked: Asked, tell: Tell = lambda pace: None, cancel: threading.Event | None = None, nice: bool = False
) -> Outcome | None:
    """Measure what is not measured yet, in a process of its own; None where nothing is to be. What is measured stays,
    whatever is killed and when, and the next call goes on. The arguments are those of `collect`.

    Raises:
        ExplainError, Cancelled: as `collect`.
    """
    return drive(asked.order, tell, cancel, MEASURER, nice) if asked.questions else None
