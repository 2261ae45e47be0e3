"""A collection's worker without a network, which dies where a picture's name says so; and pictures for it.

`once-…` kills it the first time, `torn-…` too, but after half of the shard's files are written; `deadly-…` each time;
at `wait-…` it waits until it is told to stop.
"""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from explain.collections import worker
from explain.collections.question import CollectionQuestion, Order, RunManifest
from explain.collections.run_folder import MAPS, RESULTS, RunFolder
from explain.collections.shard import DIED, Work
from explain.collections.source import Source
from explain.collections.tables import build_table, list_map_fields, list_result_fields
from explain.errors import Cancelled
from explain.models.request import ModelRequest

STUB = (sys.executable, "-m", "tests.support.collection_worker")
"""What starts it."""


def make_question(**changes: Any) -> CollectionQuestion:
    """A question that is complete."""
    told: dict[str, Any] = {
        "fingerprint": "0",
        "outputs": "classes",
        "methods": ("grad-cam",),
        "settings": {"grad-cam": {}},
        "layer": "layer4",
        "target": None,
        "score": "logit",
        "verdicts": False,
        "white": None,
        "thumbnails": "none",
        "names": "auto",
        "precision": "float32",
        "batch": 1,
        "shard": 4,
    }
    return CollectionQuestion(**{**told, **changes})


def make_manifest(question: CollectionQuestion, path: Path | None = None) -> RunManifest:
    """A manifest of that question."""
    return RunManifest(
        question=question,
        digest=question.digest,
        model=ModelRequest(source="bundled", name="photo-cnn"),
        labels=("cat", "dog"),
        source="folder",
        path=None if path is None else str(path),
        versions={},
    )


def prepare(order: Order, folder: RunFolder, source: Source) -> tuple[Any, Any, RunManifest, Sequence[str]]:
    """In place of the worker's own, which loads a network."""
    question = make_question(shard=order.shard or 4)
    return SimpleNamespace(device="cpu"), SimpleNamespace(labels=()), make_manifest(question, source.path), []


def explain_shard(work: Work, ids: Sequence[str]) -> dict[str, pa.Table]:
    """In place of the worker's own: a row for each picture, unless it dies."""
    rows = []
    for id in ids:
        name = work.items[id].uri
        kind, marker = name.partition("-")[0], Path(os.environ["MARKERS"]) / name
        if kind == "deadly" and id not in work.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind in ("once", "torn") and not marker.exists():
            marker.touch()
            if kind == "torn":
                torn = build_table([{"id": id}], list_map_fields(work.question))
                RunFolder(Path(os.environ["RUN"])).write(worker.Shard.of(work.question, ids), {MAPS: torn})
                (Path(os.environ["RUN"]) / ".left.part").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "wait":
            marker.touch()
            work.cancel.wait()
            raise Cancelled("Stopped.")
        fatal = id in work.fatal
        rows.append({"id": id, "uri": name, "state": "failed" if fatal else "done", "error": DIED if fatal else None})
        work.tell(id)
    return {
        RESULTS: build_table(rows, list_result_fields(work.question)),
        MAPS: build_table([{"id": id} for id in ids], list_map_fields(work.question)),
    }


if __name__ == "__main__":
    worker.prepare, worker.explain_shard = prepare, explain_shard
    worker.main()
