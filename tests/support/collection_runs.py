"""Runs of collections, written without a network: pictures of noise with blobs for maps."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explain.collections.run_folder import MAPS, RESULTS, RunFolder
from explain.collections.source import Item
from explain.collections.tables import build_table, list_map_fields, list_result_fields
from tests.support.collection_worker import make_manifest, make_question

SIDE = 8

Draw = Callable[[int], np.ndarray]


def make_png(seed: int) -> bytes:
    """A small picture of noise."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (32, 48, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def list_digests(folder: Path, kind: str = "*") -> dict[str, str]:
    """The bytes of a run's Parquet files, each as its digest: all, or those whose names begin so."""
    files = sorted(folder.glob(f"{kind}.parquet"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def draw_blob(row: float, column: float, width: float = 1.0) -> np.ndarray:
    """A map `(SIDE, SIDE)` that is highest at a cell."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2)).astype(np.float32)


def write_run(
    folder: Path,
    count: int,
    tell: Callable[[int], dict[str, Any]] | None = None,
    draw: Draw | None = None,
    encode: Callable[[int], bytes] = make_png,
    size: tuple[int, int] = (32, 48),
    **asked: Any,
) -> RunFolder:
    """A run over `count` pictures beside it in `pictures`; every fifth is wrong, the last one failed.

    Args:
        folder: of the run.
        count: pictures.
        tell: what else is said of a picture, by its number.
        draw: its map.
        encode: its file.
        size: its height and width.
        asked: changes of the question.
    """
    source = folder.parent / "pictures"
    question = make_question(**{"methods": ("grad-cam",), **asked})
    run = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source.mkdir(exist_ok=True)
    run.begin(make_manifest(question, source))
    files = {f"{number:03}.png": encode(number) for number in range(count)}
    for name, data in files.items():
        (source / name).write_bytes(data)
    items = [Item(name, 0, len(data)) for name, data in files.items()]
    numbers = {item.id: number for number, item in enumerate(items)}
    for shard in run.plan(items, question):
        rows, maps = [], []
        for id in shard.ids:
            number = numbers[id]
            item = items[number]
            if number == count - 1:
                rows.append({"id": id, "uri": item.uri, "state": "failed", "error": "It is broken."})
                continue
            right = number % 5 != 0
            row = {
                "id": id,
                "uri": item.uri,
                "digest": hashlib.sha256(files[item.uri]).hexdigest(),
                "state": "done",
                "width": size[1],
                "height": size[0],
                "label": "cat" if number % 2 else "dog",
                "predicted": ("cat" if number % 2 else "dog") if right else "cat" if number % 2 == 0 else "dog",
                "target": "cat",
                "probability": 1 - number / 1000,
                "margin": None if number == 1 else number / 1000,
                "correct": right,
            }
            rows.append(row | (tell(number) if tell else {}))
            values = draw(number) if draw else draw_blob(number % SIDE, 3)
            middle, half = size[1] / 2, size[0] / 2
            box = [middle - half, 0.0, middle + half, float(size[0])]
            told = {"id": id, "grad_cam": values.astype(np.float16).ravel(), "grad_cam_box": box}
            maps.append(told | {"grad_cam_rows": len(values), "grad_cam_scale": 2.0})
        tables = {RESULTS: build_table(rows, list_result_fields(question))}
        run.write(shard, tables | {MAPS: build_table(maps, list_map_fields(question))})
    return run
