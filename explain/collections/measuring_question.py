"""What is measured of a run's maps, of which of its pictures, and how the columns are called. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from explain.collections.gathered import Gathered
from explain.collections.tables import name_column
from explain.datasets.marked import Marked
from explain.datasets.regions import Regions, find_name, list_names
from explain.errors import ExplainError
from explain.faithfulness.measures import MEASURES
from explain.methods import get_method

DEFAULT_MEASURES = ("insertion", "deletion", "road")
MEASURABLE = tuple(name for name, measure in MEASURES.items() if measure.of_map_alone)
"""What can be measured of maps that were kept."""

POINTING, ENERGY = "pointing", "energy"
"""What is measured where regions are given."""

CENTRE, RANDOM = "centre", "random"
"""The maps of no meaning beside those of methods."""

PER_SHARD = 16
"""Pictures whose measures are written together: some ten seconds' work on a CPU."""

_RULES = 2
"""By which the figures are found; those found by others cannot be compared."""


class MeasureQuestion(BaseModel):
    """All that decides what is written of a picture's maps.

    Attributes:
        run: digest of the question of the run.
        methods: whose maps are measured.
        measures: names of measures of `MEASURABLE`; or `pointing` and `energy`, of which other files are.
        settings: by measure, what was chosen.
        marked: digest of the regions.
        by_class: a picture's regions are those called like its explained class, and not all.
        tolerance: pixels by which a map may point beside a region.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    methods: tuple[str, ...]
    measures: tuple[str, ...]
    settings: dict[str, dict[str, Any]] = {}
    marked: str = ""
    by_class: bool = False
    tolerance: float = 0.0
    rules: int = _RULES

    @property
    def digest(self) -> str:
        """What it goes by: SHA-256 of itself as JSON, hexadecimal."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    @property
    def kind(self) -> str:
        """How its files' names begin: `measures-` and the first digits of its digest."""
        return f"measures-{self.digest[:8]}"

    @property
    def rows(self) -> tuple[str, ...]:
        """Whose maps have figures: methods, then what means nothing."""
        return (*self.methods, CENTRE, RANDOM)

    @property
    def fields(self) -> pa.Schema:
        """The columns of its files."""
        columns = [name_measure(row, measure) for measure in self.measures for row in self.rows]
        texts = [(name, pa.string()) for name in ("id", "state", "error")]
        return pa.schema([*texts, *((column, pa.float64()) for column in columns)])


class MeasureOrder(BaseModel):
    """What the process that measures is told.

    Attributes:
        out: the run's folder.
        source: where its pictures lie now; left out, where the run found them.
        model_file: where the model's checkpoint lies, if it came from a file.
        questions: what is measured.
        ids: of the pictures, in the order drawn.
        regions: by id, the regions of those that have some.
        shard: pictures that are written together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path
    source: Path | None = None
    model_file: Path | None = None
    questions: tuple[MeasureQuestion, ...]
    ids: tuple[str, ...]
    regions: dict[str, tuple[Marked, ...]] = {}
    shard: int = Field(default=PER_SHARD, ge=1, le=4096)


@dataclass(frozen=True, eq=False)
class Sample:
    """Pictures that are measured.

    Attributes:
        rows: of the run, in the order drawn.
        ids: of them.
        total: how many they were drawn from.
        seed: of the draw.
    """

    rows: np.ndarray
    ids: tuple[str, ...]
    total: int
    seed: int

    @property
    def sentence(self) -> str:
        """Which pictures they are."""
        if len(self.ids) == self.total:
            return f"All {self.total:,} explained pictures."
        return f"{len(self.ids):,} of {self.total:,} explained pictures, drawn by seed {self.seed}."


def draw_sample(run: Gathered, rows: np.ndarray, limit: int | None, seed: int) -> Sample:
    """Draw pictures by the digests of the seed and their ids: a larger sample of the same seed holds the smaller one.

    Args:
        run: the run.
        rows: those to draw from.
        limit: how many at most; all where left out.
        seed: of the draw.

    Raises:
        ExplainError: there is none.
    """
    if not len(rows):
        raise ExplainError("No picture of this run was explained, so there is nothing to measure.")
    ids = run.texts("id", rows)
    lots = [hashlib.sha256(f"{seed}\n{id}".encode()).digest() for id in ids]
    order = sorted(range(len(ids)), key=lots.__getitem__)[:limit]
    return Sample(np.asarray(rows)[order], tuple(ids[number] for number in order), len(ids), seed)


def ask_measures(run: Gathered, measures: Sequence[str]) -> MeasureQuestion:
    """The question of what hiding does.

    Raises:
        ExplainError: there is no such measure, or it cannot be found of this model's answers.
    """
    if unknown := [name for name in measures if name not in MEASURABLE]:
        raise ExplainError(f"“{unknown[0]}” cannot be measured of a run's maps. Choose of: {', '.join(MEASURABLE)}.")
    asked = run.manifest.question
    if asked.outputs == "value" and (of_classes := [name for name in measures if not MEASURES[name].of_value]):
        raise ExplainError(f"“{of_classes[0]}” is of a probability, and this model answers with a value. Leave it out.")
    names = tuple(name for name in MEASURES if name in measures)
    settings = {name: dict(MEASURES[name].settings) for name in names}
    return MeasureQuestion(run=asked.digest, methods=asked.methods, measures=names, settings=settings)


def ask_regions(run: Gathered, regions: Regions, tolerance: float = 0.0) -> MeasureQuestion:
    """The question of what lies inside regions. Where any is called like a class of the model, those of a picture are
    the ones called like its explained class; else all.

    Raises:
        ExplainError: the tolerance is below zero.
    """
    if not tolerance >= 0:
        raise ExplainError(f"A map cannot point {tolerance:g} pixels beside a region: give 0 or more.")
    asked, labels = run.manifest.question, {label.casefold() for label in run.manifest.labels}
    return MeasureQuestion(
        run=asked.digest,
        methods=asked.methods,
        measures=(POINTING, ENERGY),
        marked=regions.digest,
        by_class=any(name.casefold() in labels for name in regions.names),
        tolerance=tolerance,
    )


def choose_regions(run: Gathered, sample: Sample, regions: Regions, by_class: bool) -> dict[str, tuple[Marked, ...]]:
    """By id, the regions of the sample's pictures that have some; see `ask_regions`."""
    every = range(len(run))
    known = Counter(map(find_name, run.texts("uri", every)))
    uris, digests, targets = (run.texts(column, sample.rows) for column in ("uri", "digest", "target"))
    found: dict[str, tuple[Marked, ...]] = {}
    for id, uri, digest, target in zip(sample.ids, uris, digests, targets, strict=True):
        some = regions.find(list_names(uri, digest, known))
        if by_class:
            some = tuple(one for one in some if one.label.casefold() == target.casefold())
        if some:
            found[id] = some
    return found


def name_measure(row: str, measure: str) -> str:
    """The column of a figure: `grad_cam_insertion`, `centre_average_drop`."""
    return name_column(row, measure.replace(" ", "_"))


_TITLES: Mapping[str, str] = {CENTRE: "Centre", RANDOM: "Random"}


def title_row(row: str) -> str:
    """A row as people read it."""
    return _TITLES.get(row) or get_method(row).title
