"""Whether a collection's run keeps what it promises: `python -m benchmarks.collections PICTURES --json FILE`.

- `kills`: workers are killed at random moments (SIGKILL): what is lost, doubled and done again, and whether the files
  are those of a run that nobody disturbed. `cluster_kills` is the same of two actors, and of who leads them.
- `actors`: pictures a second of two actors beside those of one, one thread each.
- `overhead`: a run beside a bare loop of `Engine.explain` over the same shards, in seconds and in the processor's.
- `memory`: how much a worker's memory grows from the first tenth of a run to its end.
- `page`: opening a run of a million rows, made by repeating one, and filtering and sorting it.
- `shortcuts`: a tag is planted in 2 % of the pictures, for a network that relies on it; in how many of five draws it
  has a card of its own, and hiding it is proof.

PICTURES is a folder of `class/picture`, such as the test set of CIFAR-10.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from explain.collections.filtering import Filter, find_rows, order_rows
from explain.collections.gathered import Gathered
from explain.collections.pace import Pace
from explain.collections.proving import prove
from explain.collections.question import Order
from explain.collections.reading import PictureReader
from explain.collections.run import collect
from explain.collections.run_folder import MAPS, RESULTS, RunFolder
from explain.collections.strategies import find_strategies
from explain.collections.worker import open_run, work_on
from explain.engine.engine import Engine
from explain.models.request import parse_model
from explain.training.process_lock import is_locked
from explain.worlds.marks import MARKS, plant
from tests.support.collection_runs import list_digests

KILLS, DRAWS, ROWS = 20, 5, 1_000_000
METHODS = ("grad-cam", "eigen-cam")
ACTORS = 2
NOT_MEASURED = {"not measured": "ray is not installed"}
ON_A_PAGE = 24


def make_order(source: Path, out: Path, model: str = "photo-cnn", **changes: Any) -> Order:
    """What is asked in all parts."""
    return Order(source=source, out=out, model=parse_model(model), methods=METHODS, **changes)


def measure_kills(pictures: Path, place: Path) -> dict[str, Any]:
    """A run whose worker is killed `KILLS` times, each time after it has written something."""

    def choose(folder: RunFolder, dice: random.Random, killed: int) -> int:
        return int(folder.lock.read_text())

    return kill_at_random(pictures, place, 1, choose)


def measure_cluster_kills(pictures: Path, place: Path) -> dict[str, Any]:
    """A run of two actors, one of which is killed `KILLS` times in all, each fifth time the process that leads them."""
    if not has_ray():
        return NOT_MEASURED

    def choose(folder: RunFolder, dice: random.Random, killed: int) -> int:
        leader = int(folder.lock.read_text())
        return leader if killed % 5 == 4 else dice.choice(list_actors(leader))

    with patch.dict(os.environ, OMP_NUM_THREADS="1"):  # as an actor has: another number changes the last digits
        return kill_at_random(pictures, place, ACTORS, choose, devices=ACTORS)


def kill_at_random(
    pictures: Path, place: Path, workers: int, choose: Callable[[RunFolder, random.Random, int], int], **changes: Any
) -> dict[str, Any]:
    """What is lost, doubled and done again in a run whose processes are killed.

    Args:
        choose: the process to kill, given how many were; it may find none (IndexError) yet.
    """
    asked: dict[str, Any] = {"shard": 8, "limit": 80 * KILLS, "classes": "none"}
    calm = collect(make_order(pictures, place / "calm", **asked))
    order = make_order(pictures, place / "killed", **asked, **changes)
    folder, killed, over = RunFolder(order.out), 0, threading.Event()

    def kill() -> None:
        nonlocal killed
        dice, seen = random.Random(0), -1
        while killed < KILLS and not over.wait(0.02):
            written = len(list(order.out.glob(f"{RESULTS}-*.parquet")))
            if written > seen and is_locked(folder.lock):
                if over.wait(dice.random()):
                    return
                with contextlib.suppress(OSError, ValueError, IndexError):
                    os.kill(choose(folder, dice, killed), signal.SIGKILL)
                    killed += 1
                    seen = len(list(order.out.glob(f"{RESULTS}-*.parquet")))

    thread = threading.Thread(target=kill)
    thread.start()
    outcome = collect(order)
    over.set()
    thread.join()
    ids = [id for path in folder.list_files(RESULTS) for id in pq.read_table(path, columns=["id"])["id"].to_pylist()]
    shards = len(folder.list_files(RESULTS))
    return {
        "kills": killed,
        "pictures": outcome.total,
        "lost": outcome.total - len(set(ids)),
        "doubled": len(ids) - len(set(ids)),
        "recomputed_shards_per_kill_and_worker": (outcome.begun - shards) / max(killed, 1) / workers,
        "files_equal_to_uninterrupted": list_digests(order.out) == list_digests(calm.folder),
    }


def has_ray() -> bool:
    """Whether several actors can be measured."""
    return importlib.util.find_spec("ray") is not None


def list_actors(leader: int) -> list[int]:
    """The processes of the actors that a process leads: those below it that Ray calls so."""
    parents, named = dict[int, int](), list[int]()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if (entry / "cmdline").read_bytes().startswith(b"ray::Actor"):
                named.append(int(entry.name))

    def is_below(process: int) -> bool:
        return process == leader or (process in parents and is_below(parents[process]))

    return [process for process in named if is_below(process)]


def measure_actors(pictures: Path, place: Path) -> dict[str, Any]:
    """Pictures a second of one actor and of two, one thread each, from the first shard that is written to the last."""
    if not has_ray():
        return NOT_MEASURED
    rates = list[float]()
    for count in (1, ACTORS, ACTORS, 1):
        order = make_order(pictures, place / f"{len(rates)}-{count}", shard=32, limit=1024 * count, classes="none")
        seen = list[tuple[float, int]]()

        def tell(pace: Pace, seen: list[tuple[float, int]] = seen) -> None:
            if pace.done:
                seen.append((time.perf_counter(), pace.done))

        collect(order.model_copy(update={"devices": count}), tell)
        # Until all have written once, models are loaded yet; at the end some have nothing left to do.
        (first, before), (last, after) = seen[2 * count], seen[-count]
        rates.append((after - before) / (last - first))
    one, several = (rates[0] + rates[3]) / 2, (rates[1] + rates[2]) / 2
    return {"pictures_per_second": rates, "actors_efficiency": several / (ACTORS * one)}


def measure_overhead(pictures: Path, place: Path, count: int = 512) -> dict[str, Any]:
    """What a run takes, without loading the model, beside a bare loop, which has its turn after each shard."""
    order = make_order(pictures, place / "overhead", shard=32, limit=count, classes="none")
    _, source, waiting = open_run(order)
    engine = Engine()
    loaded = engine.load(order.model)
    spent, began = np.zeros(2), np.zeros(2)

    def read_clocks() -> np.ndarray:
        return np.array([time.perf_counter(), time.process_time()])

    def say(event: str, **told: Any) -> None:
        nonlocal spent, began
        if event == "written":
            started = read_clocks()
            files = [source.read(item) for item in waiting[: told["count"]]]
            engine.explain(files, loaded, METHODS)
            engine.forget()
            del waiting[: told["count"]]
            if not began.any():  # the first shard is a warm-up of both
                began = read_clocks()
            else:
                spent += read_clocks() - started

    work_on(order, say, threading.Event())
    ours = read_clocks() - began - spent
    return {
        "engine_overhead": float(ours[0] / spent[0]),
        "engine_overhead_of_processor": float(ours[1] / spent[1]),
        "ms_a_picture": [float(part[0] / (count - 32) * 1000) for part in (ours, spent)],
    }


def measure_memory(pictures: Path, place: Path, count: int) -> dict[str, Any]:
    """The worker's resident memory after a tenth of a run, and at its end."""
    order = make_order(pictures, place / "memory", "shortcut-tag", shard=128, limit=count, classes="none")
    folder, sizes = RunFolder(order.out), list[tuple[float, int]]()

    def look(pace: Any) -> None:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/{int(folder.lock.read_text())}/status").read_text().splitlines()
            sizes.append((pace.share, int(next(line for line in lines if line.startswith("VmRSS")).split()[1])))

    outcome = collect(order, look)
    early = [size for share, size in sizes if 0.08 <= share <= 0.15]
    late = [size for share, size in sizes if share >= 0.95]
    before, after = float(np.median(early)), float(np.median(late))
    return {"pictures": outcome.total, "rss_mb": [before / 1024, after / 1024], "rss_growth": after / before - 1}


def repeat_run(run: RunFolder, folder: Path, rows: int) -> None:
    """A run of many rows, made of one by repetition; every row has an id of its own."""
    folder.mkdir(parents=True)
    shutil.copy(run.manifest, folder / run.manifest.name)
    results = pa.concat_tables([pq.read_table(path) for path in run.list_files(RESULTS)])
    maps = pa.concat_tables([pq.read_table(path) for path in run.list_files(MAPS)])
    done = results.filter(pa.compute.equal(results["state"], "done"))
    times = max(1, 50_000 // len(done))
    for number in range(-(-rows // (times * len(done)))):
        ids = pa.array([f"{number:08x}{row:024x}" for row in range(times * len(done))])
        for kind, table in ((RESULTS, done), (MAPS, maps)):
            whole = pa.concat_tables([table] * times)
            at = whole.schema.get_field_index("id")
            pq.write_table(
                whole.set_column(at, "id", ids), folder / f"{kind}-{number:024x}.parquet", row_group_size=1024
            )


def measure_page(pictures: Path, place: Path) -> dict[str, Any]:
    """What the page does at a million rows: open, and filter, sort and read a page of cards."""
    small = collect(make_order(pictures, place / "small", limit=200))
    repeat_run(RunFolder(small.folder), place / "million", ROWS)
    started = time.perf_counter()
    Gathered(place / "million")
    first = time.perf_counter() - started
    started = time.perf_counter()
    run = Gathered(place / "million")
    order_rows(run, find_rows(run, Filter()), "", True, 0, ON_A_PAGE)
    opened = time.perf_counter() - started
    dice, taken, read = random.Random(0), list[float](), list[float]()
    words = [("predicted", text) for text in run.codes("predicted")[1]] + [("label", t) for t in run.codes("label")[1]]
    columns = ["probability", "margin", "agreement", "grad_cam_border", "eigen_cam_entropy", ""]
    for _ in range(200):
        chosen = Filter(tuple(dice.sample(words, dice.randint(0, 2))), dice.choice(["all", "right", "wrong"]))  # type: ignore[arg-type]
        column, descending = dice.choice(columns), dice.random() < 0.5
        started = time.perf_counter()
        rows = find_rows(run, chosen)
        shown = order_rows(run, rows, column, descending, 0, ON_A_PAGE).tolist()
        taken.append(time.perf_counter() - started)
        started = time.perf_counter()
        run.read_rows(shown)
        run.read_maps(shown, METHODS[0])
        read.append(time.perf_counter() - started)
    return {
        "rows": len(run),
        "gathered_once_s": first,
        "page_open_s": opened,
        "filter_p95_ms": float(np.quantile(taken, 0.95) * 1000),
        "cards_p95_ms": float(np.quantile(read, 0.95) * 1000),
    }


def plant_tags(pictures: Path, place: Path, seed: int, count: int) -> Path:
    """A folder of `group/class/picture` in which 2 % are tagged."""
    dice = random.Random(seed)
    files = [path for label in ("bird", "cat", "horse", "ship") for path in sorted((pictures / label).iterdir())]
    chosen = dice.sample(files, count)
    for number, path in enumerate(chosen):
        pixels = np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))
        tagged = number < count // 50
        folder = place / ("tagged" if tagged else "plain") / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(plant(pixels, MARKS["tag"]) if tagged else pixels).save(folder / f"{number}.png")
    return place


def measure_shortcuts(pictures: Path, place: Path, count: int = 1000) -> dict[str, Any]:
    """In how many draws a flagged strategy is the tagged pictures, and hiding its place is proof."""
    draws = []
    engine = Engine()
    for seed in range(DRAWS):
        source = plant_tags(pictures, place / f"planted-{seed}", seed, count)
        order = make_order(source, place / f"tags-{seed}", "shortcut-tag", target="ship", shard=128)
        work_on(order, lambda event, **told: None, threading.Event())
        run = Gathered(order.out)
        codes, texts = run.codes("group")
        tagged = set(np.flatnonzero(codes == texts.index("tagged")).tolist())
        found = find_strategies(run, find_rows(run, Filter()), METHODS[0], seed)
        first = set(found[0].rows.tolist())
        others = [row for other in found[1:] for row in other.rows[:4].tolist()]
        proof = prove(engine, run, PictureReader(run), found[0].mean, found[0].rows.tolist(), others)
        draws.append(
            {
                "flagged": found[0].flagged,
                "jaccard": len(first & tagged) / len(first | tagged),
                "other flags": sum(one.flagged for one in found[1:]),
                "fall": proof.fall,
                "elsewhere": proof.elsewhere,
                "proved": proof.shown,
            }
        )
    cards = sum(bool(draw["flagged"]) and draw["jaccard"] >= 0.8 for draw in draws)
    return {"shortcut_cards": cards, "proved": sum(draw["proved"] for draw in draws), "draws": draws}


PARTS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "kills": measure_kills,
    "cluster_kills": measure_cluster_kills,
    "actors": measure_actors,
    "overhead": measure_overhead,
    "page": measure_page,
    "shortcuts": measure_shortcuts,
}


@contextlib.contextmanager
def _open_place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    """Measure, and print or write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="a folder of class/picture")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--only", choices=[*PARTS, "memory"], action="append", help="some of the parts")
    parser.add_argument("--count", type=int, default=10_000, help="pictures of the run whose memory is measured")
    asked = parser.parse_args()
    found: dict[str, Any] = {}
    parts = PARTS | {"memory": lambda pictures, place: measure_memory(pictures, place, asked.count)}
    for name, measure in parts.items():
        if not asked.only or name in asked.only:
            with _open_place() as place:
                found[name] = measure(asked.pictures.absolute(), place)
            print(name, json.dumps(found[name], indent=1), file=sys.stderr)
    text = json.dumps(found, indent=1)
    if asked.json:
        asked.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
