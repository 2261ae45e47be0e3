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
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from explain.collections.gathered import Gathered
from explain.collections.opening import open_source
from explain.collections.question import CollectionQuestion, Order, RunManifest
from explain.collections.region_finder import find_regions
from explain.collections.run_folder import RunFolder, Shard
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
    folder = RunFolder(check_folder(order.out))
    source = open_source(order.source, order.classes)
    chosen = _choose(source, order)
    say("loading", pictures=len(chosen))
    engine, loaded, manifest, notes = prepare(order, folder, source)
    question = manifest.question
    make_folder(folder.path)
    lock = _await_lock(folder)
    try:
        folder.begin(manifest)
        shards = folder.plan(chosen, question)
        casualties = folder.read_casualties()
        parts = [part for shard in shards for part in folder.list_parts(shard, question, casualties.halved)]
        undone = [part for part in parts if not folder.is_done(part)]
        total, left = (sum(len(part.ids) for part in some) for some in (parts, undone))
        say("ready", total=total, done=total - left, notes=notes)
        work = Work(
            engine,
            loaded,
            question,
            {item.id: item for item in source.items},
            source.read,
            frozenset(casualties.fatal),
            cancel=cancel,
            regions=find_regions(order.regions, source),
        )
        for part in undone:
            _write(work, folder, part, say)
        if undone:
            Gathered(folder.path)  # so that whoever opens the run next need not wait for it to be gathered
    finally:
        lock.close()
    say("done")


def prepare(order: Order, folder: RunFolder, source: Source) -> tuple[Engine, LoadedModel, RunManifest, Sequence[str]]:
    """The engine, the model, what the manifest says of the run, and sentences on what is left out of it.

    Raises:
        ExplainError: the model cannot be had, or nothing can be asked of it like that.
    """
    from explain.engine.engine import Engine
    from explain.report.manifest import find_versions

    held = folder.read_manifest().question if folder.manifest.exists() else None
    # Another batch may change the last digits, so that a run keeps the one it began with, on whichever device.
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
    """Explain one shard and write it."""
    say("at", shard=part.name, ids=part.ids if len(part.ids) == 1 else [], count=len(part.ids))
    finished, said = 0, time.monotonic()

    def count(_: str) -> None:
        nonlocal finished, said
        finished += 1
        if time.monotonic() > said + _SECONDS_BETWEEN_WORDS:
            said = time.monotonic()
            say("far", count=finished)

    work.tell = count
    tables = explain_shard(work, part.ids)
    folder.write(part, tables)
    states = tables["results"]["state"].to_pylist()
    failed = [error for error in tables["results"]["error"].to_pylist() if error]
    say("written", count=len(states), failed=failed)


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


def _await_lock(folder: RunFolder) -> BinaryIO:
    """Hold the run; one that was killed lets go of it at once, one that was told to end a little later.

    Raises:
        ExplainError: another process works on it.
    """
    until = time.monotonic() + _SECONDS_TO_WAIT
    while (lock := take_lock(folder.lock)) is None:
        if time.monotonic() > until:
            raise ExplainError(f"Another process works on the run in {folder.path}. Wait for it, or end it.")
    return lock


def main() -> None:
    """Do what the line on the input says, until the input ends; with `nice` after everything else."""
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

    order = Order.model_validate_json(sys.stdin.readline())

    def listen() -> None:
        while sys.stdin.readline():
            pass
        cancel.set()

    threading.Thread(target=listen, daemon=True, name="collection-input").start()
    try:
        work_on(order, say, cancel)
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
