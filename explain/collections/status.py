"""How far a run is, read from its folder alone. Imports no torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from explain.collections.question import RunManifest
from explain.collections.run_folder import RESULTS, RunFolder
from explain.collections.source import find_path
from explain.errors import ExplainError
from explain.training.process_lock import is_locked


@dataclass(frozen=True)
class Status:
    """How a run stands.

    Attributes:
        manifest: what was asked.
        total: pictures that belong to it.
        written: of them, those that are over, failed ones too.
        failures: why pictures failed, in sentences, and how many each holds for.
        is_at_work: whether a process works on it now.
    """

    manifest: RunManifest
    total: int
    written: int
    failures: Counter[str]
    is_at_work: bool

    @property
    def failed(self) -> int:
        """Pictures that could not be explained."""
        return sum(self.failures.values())


def read_status(path: Path) -> Status:
    """How the run in a folder stands.

    Raises:
        ExplainError: there is no run, or it is damaged or of a newer CAMscope.
    """
    folder = RunFolder(find_path(path))
    manifest = folder.read_manifest()
    written, failures = 0, Counter[str]()
    try:
        total = pq.read_metadata(folder.index).num_rows if folder.index.exists() else 0
        for file in folder.list_files(RESULTS):
            errors = pq.read_table(file, columns=["error"])["error"]
            written += len(errors)
            failures.update(pc.drop_null(errors).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise ExplainError(f"The run in {path} is damaged: {error}.") from None
    return Status(manifest, total, written, failures, is_locked(folder.lock))
