"""One of several that work on a collection side by side: an engine of its own, on a device of its own.

`explain.collections.cluster` starts it in a process of its own, on this computer or another; nothing here knows how. It
is told which pictures, never their pixels: it reads them, explains them and writes the shard's files by itself. What it
answers is plain data, so that nothing of the library needs to be understood on the way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import cached_property
from typing import Any

from explain.collections.opening import open_source
from explain.collections.question import Order
from explain.collections.region_finder import find_regions
from explain.collections.run_folder import RunFolder, Shard
from explain.collections.shard import Work
from explain.collections.source import Item
from explain.collections.worker import count_readers, prepare, write_shard
from explain.errors import ExplainError

_log = logging.getLogger(__name__)


class Actor:
    """Explains shards.

    Args:
        order: what is asked, as JSON.
    """

    def __init__(self, order: str) -> None:
        self._order = Order.model_validate_json(order)
        self._folder = RunFolder(self._order.out)

    @cached_property
    def _prepared(self) -> tuple[Work, str, Sequence[str]]:
        source = open_source(self._order.source, self._order.classes, remote=True)
        engine, loaded, manifest, notes = prepare(self._order, self._folder, source)
        work = Work(
            engine,
            loaded,
            manifest.question,
            {},
            source.read,
            readers=count_readers(engine, source),
            regions=find_regions(self._order.regions, source),
        )
        return work, manifest.model_dump_json(), notes

    def prepare(self) -> dict[str, Any]:
        """Load the model.

        Returns:
            `manifest` as JSON, and `notes`; or `refused`, a sentence.
        """

        def work() -> dict[str, Any]:
            _, manifest, notes = self._prepared
            return {"manifest": manifest, "notes": list(notes)}

        return _answer(work)

    def explain(self, name: str, ids: Sequence[str], items: Sequence[tuple[Any, ...]], fatal: bool) -> dict[str, Any]:
        """Explain a shard and write its files.

        Args:
            name: the shard's.
            ids: of its pictures.
            items: those of them that the source holds, as tuples.
            fatal: they are not opened any more: workers died on them.

        Returns:
            `failed`: for each picture that failed, why, in a sentence; or `refused`, a sentence.
        """

        def work() -> dict[str, Any]:
            held = self._prepared[0]
            held.items = {item.id: item for item in (Item(*told) for told in items)}
            held.fatal = frozenset(ids) if fatal else frozenset()
            return {"failed": write_shard(held, self._folder, Shard(name, tuple(ids)))}

        return _answer(work)


def list_items(items: Mapping[str, Item], ids: Sequence[str]) -> list[tuple[Any, ...]]:
    """The pictures of a shard that are still there, as an actor is told of them."""
    return [astuple(items[id]) for id in ids if id in items]


def _answer(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What some work answers; what it refuses is a sentence."""
    try:
        return work()
    except ExplainError as error:
        return {"refused": str(error)}
    except Exception as error:
        _log.exception("A worker could not go on")
        return {"refused": f"The run ended by a fault of CAMscope ({type(error).__name__}: {error})."}
