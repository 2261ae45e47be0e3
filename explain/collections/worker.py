"""The process that explains a collection: `python -m explain.collections.worker`, started by `run`.

It reads its order, a line of JSON, from its input, and says how far it is in lines of JSON on its output. When its
input ends, whoever started it is gone or wants it to stop: it ends too, and what is written stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from explain.collections.gathered import Gathered
from explain.collections.opening import open_source
from explain.collections.question import CollectionQuestion, Order, RunManifest
from explain.collections.region_finder import find_regions
from explain.collections.remote import RemotePath
from explain.collections.run_folder import RESULTS, RunFolder, Shard
from explain.collections.shard import Work, explain_shard
from explain.collections.source import Item, Source
from explain.errors import Cancelled, ExplainError, MethodError
from explain.storage import check_folder, make_folder, read_file
from explain.training.process_lock import take_lock

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.models.loaded import LoadedModel

Say = Callable[..., None]
"""Says something to whoever started the process: an event, and what belongs to it."""

SHARD_ON_CPU, SHARD_ON_GPU = 32, 256
"""Pictures that are written together: half a minute's work, more or less."""

NICE = "nice"
_NICENESS = 10
_READERS = 4
_SECONDS_TO_WAIT = 10.0  # for the lock of a process that was told to end
_SECONDS_BETWEEN_WORDS = 0.5


def work_on(order: Order, say: Say, cancel: threading.Event) -> None:
    """Explain what is not written yet of a collection.

    Args:
        order: what is asked.
        say: told `ready` with how many pictures there are and how many are done, `at` with the shard that is begun,
            `far` with how many are done in it, `written`, and at last `done`.
        cancel: stops it once set.

    Raises:
        ExplainError: the source or the model cannot be opened, the folder holds another run or cannot be written.
        Cancelled: it was stopped.
    """
    folder, source, chosen = open_run(order)
    say("loading", pictures=len(chosen))
    engine, loaded, manifest, notes = prepare(order, folder, source)
    with holding_run(folder, manifest, chosen) as undone:
        say("ready", total=undone.total, done=undone.done, notes=notes)
        work = Work(
            engine,
            loaded,
            manifest.question,
            {item.id: item for item in source.items},
            source.read,
            frozenset(undone.fatal),
            cancel=cancel,
            readers=count_readers(engine, source),
            regions=find_regions(order.regions, source),
        )
        for part in undone.parts:
            _write(work, folder, part, say)
    say("done")


def open_run(order: Order) -> tuple[RunFolder, Source, list[Item]]:
    """The folder of a run, its source, and the pictures that are asked for. Nothing is written.

    Raises:
        ExplainError: the source cannot be opened, or nothing can be written to the folder.
    """
    folder = RunFolder(check_folder(order.out))
    source = open_source(order.source, order.classes, remote=True)
    return folder, source, _choose(source, order)


@dataclass(frozen=True)
class Undone:
    """What is left to do of a run.

    Attributes:
        parts: shards, or parts of them, that are not written yet.
        total: pictures of the run.
        fatal: ids of pictures that are not opened.
    """

    parts: Sequence[Shard]
    total: int
    fatal: Sequence[str]

    @property
    def done(self) -> int:
        """Pictures that are written."""
        return self.total - sum(len(part.ids) for part in self.parts)


@contextlib.contextmanager
def holding_run(folder: RunFolder, manifest: RunManifest, chosen: Sequence[Item]) -> Iterator[Undone]:
    """Hold a run's folder, and say what is left to do; once that is done, the run is gathered for whoever opens it.

    Args:
        folder: the folder.
        manifest: what is asked.
        chosen: the pictures.

    Raises:
        ExplainError: the folder holds another run, another process holds it, or it cannot be written.
    """
    question = manifest.question
    make_folder(folder.path)
    lock = await_lock(folder)
    try:
        folder.begin(manifest)
        casualties = folder.read_casualties()
        shards = folder.plan(chosen, question)
        parts = [part for shard in shards for part in folder.list_parts(shard, question, casualties.halved)]
        undone = [part for part in parts if not folder.is_done(part)]
        yield Undone(undone, sum(len(part.ids) for part in parts), casualties.fatal)
        if undone:
            Gathered(folder.path)  # so that whoever opens the run next need not wait for it
    finally:
        lock.close()


def count_readers(engine: Engine, source: Source) -> int:
    """Threads that open pictures: several where they must keep up with a GPU, or wait for a network."""
    if isinstance(source.path, RemotePath):
        return _READERS
    return 1 if engine.device == "cpu" else min(_READERS, os.cpu_count() or 1)


def prepare(order: Order, folder: RunFolder, source: Source) -> tuple[Engine, LoadedModel, RunManifest, Sequence[str]]:
    """The engine, the model, what the manifest says of the run, and sentences on what is left out of it.

    Raises:
        ExplainError: the model cannot be had, or nothing can be asked of it like that.
    """
    from explain.engine.engine import Engine
    from explain.report.manifest import find_versions

    begun = folder.read_manifest() if folder.manifest.exists() else None
    held = begun.question if begun else None
    # Another batch, or another number of threads, may change the last digits, so that a run keeps those it began with.
    if begun and "torch threads" in begun.versions:
        import torch

        torch.set_num_threads(int(begun.versions["torch threads"]))
    engine = Engine(batch=held.batch if held else None)
    loaded = engine.load(order.model, read_file(order.model_file) if order.model_file else None)
    question, notes = _complete(order, engine, loaded, held)
    regions = find_regions(order.regions, source)
    question = question.model_copy(update={"regions": regions.names, "marked": regions.digest})
    manifest = RunManifest(
        question=question,
        digest=question.digest,
        model=loaded.request,
        labels=loaded.labels,
        source=source.kind,
        path=None if question.names == "hidden" else str(source.path),
        versions=find_versions(engine.description),
    )
    return engine, loaded, manifest, notes


def _write(work: Work, folder: RunFolder, part: Shard, say: Say) -> None:
    """Explain one shard and write it, and say so."""
    work.tell = begin_shard(part, say)
    end_shard(part, write_shard(work, folder, part), say)


def begin_shard(part: Shard, say: Say) -> Callable[[str], None]:
    """Say that a shard is begun; what is given back is called with the id of each picture that is done, and says so now
    and then.
    """
    say("at", shard=part.name, ids=part.ids if len(part.ids) == 1 else [], count=len(part.ids))
    finished, said = 0, time.monotonic()

    def count(_: str) -> None:
        nonlocal finished, said
        finished += 1
        if time.monotonic() > said + _SECONDS_BETWEEN_WORDS:
            said = time.monotonic()
            say("far", count=finished)

    return count


def write_shard(work: Work, folder: RunFolder, part: Shard) -> list[str]:
    """Explain one shard and write it.

    Returns:
        For each picture that failed, why, in a sentence.

    Raises:
        ExplainError: see `explain_shard`; or the folder cannot be written.
    """
    tables = explain_shard(work, part.ids)
    folder.write(part, tables)
    return list_failures(tables[RESULTS])


def list_failures(rows: pa.Table) -> list[str]:
    """For each row's picture that failed, why, in a sentence."""
    return [error for error in rows["error"].to_pylist() if error]


def end_shard(part: Shard, failed: list[str], say: Say) -> None:
    """Say that a shard's rows are written, and for each picture that failed why."""
    say("written", count=len(part.ids), failed=failed)


def _choose(source: Source, order: Order) -> list[Item]:
    """The pictures that are asked for: all, or some drawn by the seed."""
    items = list(source.items)
    if order.limit is None or order.limit >= len(items):
        return items
    return sorted(random.Random(order.seed).sample(items, order.limit), key=lambda item: (item.uri, item.offset))


def _complete(
    order: Order, engine: Engine, loaded: LoadedModel, held: CollectionQuestion | None
) -> tuple[CollectionQuestion, list[str]]:
    """The question with everything that was left open, and sentences on what is left out of it."""
    from explain.engine.question import build_question

    asked = build_question(loaded, order.methods, order.layer, order.target, order.settings, order.score)
    notes = list(asked.unavailable.values())
    if not asked.methods:
        raise MethodError(notes[0])
    names = tuple(method.name for method in asked.methods)
    question = CollectionQuestion(
        fingerprint=loaded.fingerprint,
        outputs=loaded.outputs,
        methods=names,
        settings={name: asked.settings[name].model_dump(mode="json") for name in names},
        layer=asked.layers[0].name,
        target=asked.targets[0],
        score=order.score,
        verdicts=order.verdicts,
        white=order.white,
        thumbnails=order.thumbnails,
        names=order.names,
        precision=engine.precision,
        batch=engine.batch,
        shard=order.shard or (held.shard if held else SHARD_ON_CPU if engine.device == "cpu" else SHARD_ON_GPU),
    )
    return question, notes


def await_lock(folder: RunFolder) -> BinaryIO:
    """Hold the run; one that was killed lets go of it at once, one that was told to end a little later.

    Raises:
        ExplainError: another process works on it.
    """
    until = time.monotonic() + _SECONDS_TO_WAIT
    while (lock := take_lock(folder.lock)) is None:
        if time.monotonic() > until:
            raise ExplainError(f"Another process works on the run in {folder.path}. Wait for it, or end it.")
    return lock


def main(work: Callable[[Order, Say, threading.Event], None] = work_on) -> None:
    """Explain the collection that the line on the input asks for.

    Args:
        work: what does it: here, or on a cluster.
    """
    serve(lambda line, say, cancel: work(Order.model_validate_json(line), say, cancel))


def serve(work: Callable[[str, Say, threading.Event], None]) -> None:
    """Do what the line on the input says, until the input ends; with `nice` after everything else.

    Args:
        work: given the line, and as `work_on` what it says things by and what stops it.
    """
    if sys.argv[1:] == [NICE] and hasattr(os, "nice"):
        os.nice(_NICENESS)
    # What a library prints must not be taken for what is said here.
    voice = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    cancel = threading.Event()

    def say(event: str, **told: Any) -> None:
        try:
            voice.write(json.dumps({"event": event, **told}) + "\n")
        except BrokenPipeError:  # nobody listens any more
            cancel.set()

    line = sys.stdin.readline()

    def listen() -> None:
        while sys.stdin.readline():
            pass
        cancel.set()

    threading.Thread(target=listen, daemon=True, name="collection-input").start()
    try:
        work(line, say, cancel)
    except Cancelled:
        say("cancelled")
    except ExplainError as error:
        say("refused", sentence=str(error))
    except Exception as error:  # a person looks at a sentence, not at this process
        traceback.print_exc()
        say("refused", sentence=f"The run ended by a fault of CAMscope ({type(error).__name__}: {error}).")
    with contextlib.suppress(BrokenPipeError):
        voice.flush()
    os._exit(0)  # a thread still waits for input that never comes


if __name__ == "__main__":
    main()
