"""The process that measures the maps of a run: `python -m explain.collections.measuring`, started as its worker is.

What is hidden is hidden in the pictures, and the network asked again; maps are those that the run kept. What is written
depends on the pictures, the run's question and the measures alone, shard by shard, whole or not at all.
"""

from __future__ import annotations

import hashlib
import logging
import math
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pyarrow as pa

from explain.collections.gathered import Gathered, KeptMap
from explain.collections.map_figures import MOST_CELLS
from explain.collections.measured import plan
from explain.collections.measuring_question import (
    CENTRE,
    ENERGY,
    POINTING,
    RANDOM,
    MeasureOrder,
    MeasureQuestion,
    name_measure,
)
from explain.collections.opening import open_source
from explain.collections.run_folder import RunFolder
from explain.collections.shard import DIED, GONE
from explain.collections.source import Item, Source
from explain.collections.tables import build_table, name_column
from explain.collections.worker import Say, await_lock, begin_shard, end_shard, list_failures, serve
from explain.datasets.marked import Marked
from explain.errors import Cancelled, DeviceError, ExplainError
from explain.faithfulness.baselines import draw_centre
from explain.maps.region_share import mask_share
from explain.pictures.decode import decode
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.storage import check_folder, read_file

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.models.loaded import LoadedModel

MEASURER = (sys.executable, "-m", "explain.collections.measuring")
"""The process that measures."""

_BASELINES = {"random blobs": RANDOM, "centre": CENTRE}
_log = logging.getLogger(__name__)


@dataclass
class Measurer:
    """What is needed to measure any picture of a run.

    Attributes:
        run: the run.
        order: what is asked.
        cancel: stops the work once set.
    """

    run: Gathered
    order: MeasureOrder
    cancel: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The run's row of each picture."""
        return {id: row for row, id in enumerate(self.run.texts("id", range(len(self.run))))}

    @cached_property
    def source(self) -> Source:
        """Where the pictures lie.

        Raises:
            ExplainError: nobody knows, or there is nothing.
        """
        path = self.order.source or (Path(self.run.manifest.path) if self.run.manifest.path else None)
        if path is None:
            raise ExplainError("Where the pictures of this run lie was not kept. Name their source: --source PATH.")
        return open_source(path)

    @cached_property
    def items(self) -> Mapping[str, Item]:
        """By id, the pictures of the source."""
        return {item.id: item for item in self.source.items}

    @cached_property
    def model(self) -> tuple[Engine, LoadedModel]:
        """The engine and the run's model.

        Raises:
            ExplainError: it cannot be had, or is another by now.
        """
        from explain.engine.engine import Engine

        asked = self.run.manifest.question
        engine = Engine(batch=asked.batch)
        file = self.order.model_file
        loaded = engine.load(self.run.manifest.model, read_file(file) if file else None)
        if loaded.fingerprint != asked.fingerprint:
            raise ExplainError("The model is not the one that the run was made with: its weights are others.")
        return engine, loaded

    def open(self, id: str) -> Picture:
        """A picture, decoded as in the run.

        Raises:
            ExplainError: it cannot be read, or has changed since.
        """
        item = self.items.get(id)
        if item is None:
            raise ExplainError(GONE)
        data = self.source.read(item)
        if hashlib.sha256(data).hexdigest() != self.run.texts("digest", [self.rows[id]])[0]:
            raise ExplainError("The picture has changed since the run, so its maps do not belong to it.")
        return decode(data, "It", white=self.run.manifest.question.white)

    def find_maps(self, id: str) -> dict[str, KeptMap]:
        """The maps of a picture, by method, as the run kept them. One that was averaged to be kept is drawn again."""
        asked, row = self.run.manifest.question, self.rows[id]
        maps = {method: found[row] for method in asked.methods if (found := self.run.read_maps([row], method))}
        fine = [method for method, kept in maps.items() if max(kept.values.shape) >= MOST_CELLS]
        if fine:
            engine, loaded = self.model
            answer = engine.explain(
                self.open(id), loaded, fine, asked.layer, self.find_target(id), asked.settings, asked.score
            )
            maps |= {one.method: KeptMap(one.values, one.box) for one in answer.pictures[0].maps}
        return maps

    def find_target(self, id: str) -> int:
        """The index of the explained class."""
        engine, loaded = self.model
        asked = self.run.manifest.question.target
        if asked is not None:
            return asked
        (label,) = self.run.texts("target", [self.rows[id]])
        named = [index for index, other in enumerate(loaded.labels) if other == label]
        # Two classes may be called alike: the run explained the likeliest.
        return named[0] if len(named) == 1 else engine.predict(self.open(id), loaded)[0].index


def measure_on(order: MeasureOrder, say: Say, cancel: threading.Event) -> None:
    """Measure what is not measured yet; see `explain.collections.worker.work_on`.

    Raises:
        ExplainError: the folder is no run's or cannot be written, or what all pictures need cannot be had.
        Cancelled: it was stopped.
    """
    folder = RunFolder(check_folder(order.out))
    folder.read_manifest()
    say("loading", pictures=len(order.ids))
    lock = await_lock(folder)
    try:
        folder.clear_leftovers()
        work = Measurer(Gathered(folder.path), order, cancel)
        casualties = folder.read_casualties()
        parts = [
            (question, part)
            for question in order.questions
            for shard in plan(folder, question, order.ids, order.shard)
            for part in folder.list_parts(shard, question, casualties.halved)
        ]
        total, left = len(order.ids) * len(order.questions), sum(len(part.ids) for _, part in parts)
        for question in order.questions:
            folder.note(question.kind, question)
        if any(question.marked == "" for question, _ in parts):
            _ = work.items, work.model  # what all pictures need is refused once, and not picture by picture
        say("ready", total=total, done=total - left, notes=[], doing="Measuring")
        for question, part in parts:
            tell = begin_shard(part, say)
            table = measure_shard(work, question, part.ids, frozenset(casualties.fatal), tell)
            folder.write_measures(question.kind, part, table)
            end_shard(part, list_failures(table), say)
    finally:
        lock.close()
    say("done")


def measure_shard(
    work: Measurer,
    question: MeasureQuestion,
    ids: Sequence[str],
    fatal: frozenset[str] = frozenset(),
    tell: Callable[[str], None] = lambda id: None,
) -> pa.Table:
    """Measure some pictures' maps; one that cannot be measured is listed with its reason.

    Args:
        work: the run, and what is needed.
        question: what is measured.
        ids: of the pictures.
        fatal: those that workers died on.
        tell: called with the id of each that is done.

    Raises:
        Cancelled: it was stopped; nothing is written of this shard.
        DeviceError: the device has too little memory.
    """
    rows: list[dict[str, Any]] = []
    for id in ids:
        if work.cancel.is_set():
            raise Cancelled("Stopped. What is measured stays, and the same command goes on.")
        told: dict[str, Any] = {"id": id, "state": "done"}
        try:
            if id in fatal:
                raise ExplainError(DIED)
            told |= (_measure_inside if question.marked else _measure_hidden)(work, question, id)
        except (Cancelled, DeviceError):
            raise
        except ExplainError as error:
            told |= {"state": "failed", "error": str(error).removeprefix("“It”: ")}
        except Exception as error:
            _log.exception("The maps of a picture could not be measured")
            told |= {"state": "failed", "error": f"It could not be measured ({type(error).__name__})."}
        rows.append(told)
        tell(id)
    return build_table(rows, question.fields)


def _measure_hidden(work: Measurer, question: MeasureQuestion, id: str) -> dict[str, float | None]:
    """The figures of what is hidden, or shown, by a picture's maps; None of a map that is blank."""
    engine, loaded = work.model
    picture = work.open(id)
    maps = {method: kept.values for method, kept in work.find_maps(id).items()}
    if not maps:
        raise ExplainError("It has no map that could be kept.")
    rows = engine.measure_maps(picture, loaded, maps, work.find_target(id), question.measures, work.cancel)
    engine.forget()  # each picture is asked about once
    return {
        name_measure(_BASELINES.get(row.name, row.name), measure): None if math.isnan(value) else value
        for row in rows
        for measure, value in row.figures.items()
        if measure in question.measures
    }


def _measure_inside(work: Measurer, question: MeasureQuestion, id: str) -> dict[str, float | None]:
    """Whether maps point into a picture's region, and what share of them lies inside. What of the region the model did
    not see does not count.
    """
    marked = work.order.regions.get(id)
    if not marked:
        raise ExplainError("It has no region of the explained class." if question.by_class else "It has no region.")
    (told,) = work.run.read_rows([work.rows[id]])
    size = int(str(told["height"])), int(str(told["width"]))
    maps = work.find_maps(id)
    if not maps:
        raise ExplainError("It has no map that could be kept.")
    lies = next(iter(maps.values())).box
    region, near, seen = _draw(marked, size, lies, question.tolerance)
    middle = lies.find_middle((0, 0), (1, 1))
    found: dict[str, float | None] = {
        name_measure(CENTRE, POINTING): float(_is_on(near, middle)),
        name_measure(CENTRE, ENERGY): mask_share(draw_centre(), lies, region),
        # Of a point, or a map, that may be anywhere: what is expected.
        name_measure(RANDOM, POINTING): float(near.sum() / seen.sum()),
        name_measure(RANDOM, ENERGY): float(region.sum() / seen.sum()),
    }
    for method, kept in maps.items():
        x, y = (told[name_column(method, f"peak_{axis}")] for axis in "xy")
        if x is not None and y is not None:
            peak = float(str(x)) * size[1], float(str(y)) * size[0]
            found[name_measure(method, POINTING)] = float(_is_on(near, peak))
            found[name_measure(method, ENERGY)] = mask_share(kept.values, kept.box, region)
    return found


def _draw(
    marked: Sequence[Marked], size: tuple[int, int], lies: Box, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a picture, each `(H, W)` bool: the region as far as it was seen, what is as near to it as is tolerated, and
    what the model saw.
    """
    seen = np.zeros(size, bool)
    seen[lies.clipped(size).slices] = True
    region: np.ndarray = np.logical_or.reduce([one.draw(size) for one in marked]) & seen
    if not region.any():
        raise ExplainError("Its region lies outside of what the model saw.")
    if tolerance == 0:
        return region, region, seen
    away = cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return region, (away <= tolerance) & seen, seen


def _is_on(mask: np.ndarray, point: tuple[float, float]) -> bool:
    """Whether a point (x, y) of a picture lies on a mask."""
    column, row = (min(max(math.floor(at), 0), side - 1) for at, side in zip(point, mask.shape[::-1], strict=True))
    return bool(mask[row, column])


def main() -> None:
    """Measure what the line on the input asks for."""
    serve(lambda line, say, cancel: measure_on(MeasureOrder.model_validate_json(line), say, cancel))


if __name__ == "__main__":
    main()
