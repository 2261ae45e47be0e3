"""From the pictures of a shard to its tables: the one function that every way of running a collection calls.

What it gives depends on the pictures and the question alone: no time, no place and no order of events is in it, so that
the same shard is the same file, byte for byte, whoever writes it and after however many interruptions.
"""

from __future__ import annotations

import io
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL import Image

from explain.collections.ahead import do_ahead
from explain.collections.map_figures import find_agreement, find_figures, pack
from explain.collections.question import CollectionQuestion
from explain.collections.region_finder import RegionFinder, name_region
from explain.collections.run_folder import DEATHS, MAPS, RESULTS, THUMBNAILS
from explain.collections.source import Item
from explain.collections.tables import (
    THUMBNAIL_FIELDS,
    TOP,
    build_table,
    list_map_fields,
    list_result_fields,
    name_column,
)
from explain.datasets.given import GivenFile, UnreadableFile
from explain.errors import Cancelled, DeviceError, ExplainError
from explain.maps.region_share import mask_shares
from explain.pictures.decode import decode
from explain.pictures.naming import Names
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.engine.explanation import PictureExplanation
    from explain.models.loaded import LoadedModel

THUMBNAIL_SIDE = 96
"""Pixels of the longer side of a thumbnail."""

ROOM = 64 * 2**20
"""Bytes of decoded pictures that wait to be explained, and as many that are being opened meanwhile."""

_QUALITY = 80
_SCANS = (".dcm", ".dicom", ".nii", ".nii.gz")
DIED = f"The program ended {DEATHS} times while it worked on this picture, so it is not opened any more."
GONE = "It is not in the collection any more."

_log = logging.getLogger(__name__)


@dataclass
class Work:
    """What is needed for any shard of a run.

    Attributes:
        engine: with the model.
        loaded: the model.
        question: what is asked.
        items: by id, the pictures of the source.
        read: gives the bytes of one's file.
        fatal: ids of pictures that are not opened.
        tell: called with the id of each picture that is done.
        cancel: stops the work once set.
        readers: threads that open the next pictures while some are explained.
        regions: finds the regions whose shares are told.
    """

    engine: Engine
    loaded: LoadedModel
    question: CollectionQuestion
    items: Mapping[str, Item]
    read: Callable[[Item], bytes]
    fatal: frozenset[str] = frozenset()
    tell: Callable[[str], None] = lambda id: None
    cancel: threading.Event = field(default_factory=threading.Event)
    readers: int = 1
    regions: RegionFinder = field(default_factory=RegionFinder)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The model's classes by name; what several are called, and an index in digits, is among them too if free."""
        numbers = {str(index): index for index in range(len(self.loaded.labels))}
        return numbers | {label.casefold(): index for index, label in enumerate(self.loaded.labels)}


@dataclass
class _Row:
    """One picture on its way."""

    id: str
    told: dict[str, Any]
    picture: Picture | None = None
    maps: dict[str, Any] = field(default_factory=dict)
    thumbnail: bytes | None = None

    def fail(self, sentence: str) -> None:
        self.told |= {"state": "failed", "error": sentence}
        self.picture = None


def explain_shard(work: Work, ids: Sequence[str]) -> dict[str, pa.Table]:
    """Explain the pictures of a shard, as many at once as the engine's batch; one that fails is listed with its reason.

    Pictures are opened while others are explained. Some are explained one after another before any is written down:
    what a network needs and what tables need drive each other out of the processor's cache.

    Args:
        work: what is asked, and with what.
        ids: of the pictures, in order.

    Returns:
        By kind of file, its table: a row each in the results, and in the maps for each that could be explained.

    Raises:
        Cancelled: it was stopped; nothing is written of this shard.
        DeviceError: the device has too little memory.
    """
    rows: list[_Row] = []
    waiting: list[_Row] = []
    with closing(do_ahead(partial(_open, work), ids, _weigh, ROOM, work.readers)) as opened:
        for row in opened:
            if work.cancel.is_set():
                raise Cancelled("Stopped. What is written stays, and the same command goes on.")
            rows.append(row)
            if row.picture is None:
                work.tell(row.id)
                continue
            waiting.append(row)
            if len(waiting) % work.question.batch == 0 and sum(map(_weigh, waiting)) >= ROOM:
                _explain(work, waiting)
                waiting = []
    _explain(work, waiting)
    work.engine.forget()  # each picture is asked about once
    question = work.question
    tables = {
        RESULTS: build_table([row.told for row in rows], list_result_fields(question)),
        MAPS: build_table([row.maps for row in rows if row.maps], list_map_fields(question)),
    }
    if question.thumbnails != "none":
        kept = [{"id": row.id, "jpeg": row.thumbnail} for row in rows if row.thumbnail]
        tables[THUMBNAILS] = build_table(kept, THUMBNAIL_FIELDS)
    return tables


def _open(work: Work, id: str) -> _Row:
    """The picture of an id, or why there is none."""
    item = work.items.get(id)
    row = _Row(id, {"id": id, "state": "done"})
    if item is None:
        row.fail(GONE)
        return row
    hidden = hides_name(item, work.question.names)
    if not hidden:
        row.told |= {"uri": item.uri, "label": item.label or None, "group": item.group or None}
    if id in work.fatal:
        row.fail(DIED)
        return row
    try:
        data = work.read(item)
        if hides_name(item, work.question.names, data):  # its folders may be called after a patient too
            row.told = {"id": id, "state": "done"}
        row.picture = decode(data, "It", white=work.question.white)
    except (UnreadableFile, ExplainError) as error:
        row.fail(str(error).removeprefix("“It”: "))
    return row


def hides_name(item: Item, names: Names, data: bytes = b"") -> bool:
    """Whether a picture's path, and what its folders say, stay out of what is written: scans' do unless they are asked.

    Args:
        item: the picture.
        names: whose stay out.
        data: its bytes, once they are read.
    """
    if names != "auto":
        return names == "hidden"
    name = item.uri.rpartition("/")[2]
    # A file without a picture's name in a folder of such may be a scan that cannot be read.
    unnamed = item.length >= 0 and not GivenFile((name or "x",), bytes).looks_like_picture
    if unnamed or name.lower().endswith(_SCANS):
        return True
    from explain.pictures.dicom import is_dicom  # loads pydicom, which takes half a second

    return bool(data) and is_dicom(data)


def _weigh(row: _Row) -> int:
    """Bytes of a row's picture."""
    return 0 if row.picture is None else row.picture.pixels.nbytes


def _explain(work: Work, rows: Sequence[_Row]) -> None:
    """Explain some pictures, a batch at a time, and write down what was answered."""
    batch = work.question.batch
    answered = [
        pair for first in range(0, len(rows), batch) for pair in _explain_together(work, rows[first : first + batch])
    ]
    for row, entry in answered:
        try:
            _fill(work, row, entry)
        except Exception as error:
            _refuse(row, error)
        row.picture = None  # nothing of it is held while the others are explained


def _explain_together(work: Work, rows: Sequence[_Row]) -> list[tuple[_Row, PictureExplanation]]:
    """What is answered of pictures that go through the network at once; where one of them stands in the way, of each by
    itself.
    """
    question = work.question
    try:
        answer = work.engine.explain(
            [row.picture for row in rows if row.picture is not None],
            work.loaded,
            question.methods,
            question.layer,
            "auto" if question.target is None else question.target,
            question.settings,
            question.score,
            cancel=work.cancel,
            verdicts=question.verdicts,
        )
    except (Cancelled, DeviceError):
        raise
    except Exception as error:
        if len(rows) > 1:
            return [pair for row in rows for pair in _explain_together(work, [row])]
        _refuse(rows[0], error)
        work.tell(rows[0].id)
        return []
    for row in rows:
        work.tell(row.id)
    return list(zip(rows, answer.pictures, strict=True))


def _refuse(row: _Row, error: Exception) -> None:
    """List a picture that could not be explained."""
    if not isinstance(error, ExplainError):
        _log.exception("A picture could not be explained", exc_info=error)
    told = str(error) if isinstance(error, ExplainError) else f"It could not be explained ({type(error).__name__})."
    row.fail(told)


def _fill(work: Work, row: _Row, entry: PictureExplanation) -> None:
    """Write down what was answered of one picture."""
    question, picture = work.question, entry.picture
    first, *others = entry.predictions
    values = [one.score if one.probability is None else one.probability for one in entry.predictions]
    known = work.numbers.get((row.told.get("label") or "").casefold())
    row.told |= {
        "digest": picture.source or picture.digest,
        "width": picture.size[1],
        "height": picture.size[0],
        "predicted": first.label,
        "probability": first.probability,
        "margin": _subtract(values[0], values[1]) if others else None,
        "top_labels": [one.label for one in entry.predictions[:TOP]],
        "top_values": values[:TOP],
        "correct": None if known is None or question.outputs not in ("classes", "logit") else known == first.index,
        "target": entry.labels[0],
        "unlike": entry.unlike.value,
        "agreement": _drop_nan(find_agreement(entry.maps)),
    }
    row.maps = {"id": row.id}
    masks = work.regions.find(work.items[row.id], picture) if question.regions else {}
    for heatmap in entry.maps:
        figures = asdict(find_figures(heatmap, picture.size))
        row.told |= {name_column(heatmap.method, name): _drop_nan(value) for name, value in figures.items()}
        if question.verdicts and heatmap.key in entry.verdicts:
            row.told[name_column(heatmap.method, "verdict")] = entry.verdicts[heatmap.key].words[0]
        if masks:
            shares = mask_shares(heatmap.values, heatmap.box, [*masks.values()])
            row.told |= {
                name_column(heatmap.method, name_region(region)): share
                for region, share in zip(masks, shares, strict=True)
            }
        if np.isfinite(heatmap.values).all():
            packed, scale = pack(heatmap.values)
            row.maps |= {
                name_column(heatmap.method): packed.ravel(),
                name_column(heatmap.method, "rows"): len(packed),
                name_column(heatmap.method, "scale"): scale,
                name_column(heatmap.method, "box"): [float(edge) for edge in heatmap.box],
            }
    scan = picture.kind == "scan"
    if question.thumbnails == "all" or (question.thumbnails == "photographs" and not scan):
        row.thumbnail = _shrink(picture.pixels)


def _subtract(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _drop_nan(value: Any) -> Any:
    """None for a number that is none: a table has a null there, which sorts last and counts in no mean."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _shrink(pixels: np.ndarray) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
