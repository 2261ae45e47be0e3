"""What is written of a run's measures: whole files, a row a picture, and what is left. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from explain.collections.measuring_question import MeasureQuestion
from explain.collections.run_folder import RunFolder, Shard
from explain.errors import ExplainError


def plan(folder: RunFolder, question: MeasureQuestion, ids: Sequence[str], per_shard: int) -> list[Shard]:
    """The shards of what is not measured yet, in the order of the pictures."""
    there = read_measured(folder, question, ["id"])["id"].to_pylist()
    known = set(there)
    left = [id for id in ids if id not in known]
    return [Shard.of(question, left[first : first + per_shard]) for first in range(0, len(left), per_shard)]


def read_measured(folder: RunFolder, question: MeasureQuestion, columns: list[str] | None = None) -> pa.Table:
    """All that is written of a question, a row a picture.

    Raises:
        ExplainError: a file is damaged.
    """
    fields = question.fields if columns is None else pa.schema([question.fields.field(name) for name in columns])
    try:
        files = sorted(folder.path.glob(f"{question.kind}-*.parquet"))
        # By `pq.read_table` it takes four times as long, and a page asks each time that it is drawn.
        read = (pq.ParquetFile(file).read(columns=fields.names).select(fields.names) for file in files)
        return pa.concat_tables([fields.empty_table(), *read])
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ExplainError(f"What was measured of this run is damaged: {error}. Delete {question.kind}-*.") from None


def count_measured(folder: RunFolder, questions: Sequence[MeasureQuestion], ids: Sequence[str]) -> int:
    """How many of some pictures are measured, each counted for each question."""
    wanted = set(ids)
    return sum(len(wanted.intersection(read_measured(folder, one, ["id"])["id"].to_pylist())) for one in questions)
