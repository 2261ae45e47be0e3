"""Many people at once on one server: `python -m benchmarks.load --json FILE [--quick] [--code FOLDER]`.

Server and visitors have a core each; the machine must be quiet. The visitors (`benchmarks.visitors`) speak Streamlit's
protocol. They do not wait for each other, nor for their own last answer: a move is due 3 to 7 seconds after the last
was due, and late where it could not begin then. Beside them two real browsers move the same slider and measure paint.

- **touch**: fifty people move a slider on the maps of an example. **look**: twenty-five upload a picture of their own
  and take the last one away; the maps must be of that picture, and nobody else's may ever be among them.
- **fairness**: the slowest person's 95th percentile over the median person's, of the looks.
- **rss**: of the server's process: its growth from one visitor to the highest with fifty, and what it holds when the
  last has gone and `--rest` seconds have passed. What nobody touches is let go after a minute here, not after twenty,
  and a session without a browser ends then, not after fifteen.
- **wrong_maps**: eight threads ask one engine for pictures that differ in one pixel; each map is compared with the one
  that its picture has alone, bit for bit.
- **bytes_on_disk_after_uploads**: what the server wrote to disks while pictures of 5 MB were uploaded, and what lies in
  its temporary and its data folder then.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import os
import platform
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.browser import PROBE, await_maps, settle, take
from benchmarks.visitors import Moves, Visitor, follow
from tests.support.dashboard import ROOT, Server, launch_chromium

QUERY = "model=photo-cnn&verdicts=0"
SLIDER = "CF-CAM · Gaussian sigma"
THINK = (3.0, 7.0)  # seconds
SHARED = {
    "CAMSCOPE_SHARED": "yes",
    "CAMSCOPE_IDLE_PICTURES_SECONDS": "60",
    "CAMSCOPE_IDLE_CAPTURES_SECONDS": "60",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""How the server is set up: as for a department, and so that what it gives back is seen within minutes."""

Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write every measurement here")
    parser.add_argument("--quick", action="store_true", help="a trial of a minute and a half: fewer people, no figures")
    parser.add_argument("--code", type=Path, default=ROOT, help="the dashboard to measure, where it is not this one")
    parser.add_argument("--rest", type=float, help="seconds between the last visitor and the last look at the memory")
    parser.add_argument("--only-maps", action="store_true", help="only wrong_maps")
    arguments = parser.parse_args()
    if arguments.only_maps:
        record = {"figures": {"wrong_maps": count_wrong_maps(1_000 if arguments.quick else 100_000)}}
    else:
        record = measure(arguments.code.resolve(), arguments.quick, arguments.rest)
    print(json.dumps(record["figures"], indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1))


def measure(code: Path, quick: bool, rest: float | None) -> Figures:
    """Every measurement, with the figures made of them."""
    people = {"touch": 8, "look": 4} if quick else {"touch": 50, "look": 25}
    seconds = {"warm": 5.0, "touch": 10.0, "look": 10.0} if quick else {"warm": 20.0, "touch": 60.0, "look": 100.0}
    rest = rest if rest is not None else 5.0 if quick else 130.0
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    with serve(code, cores[-1]) as (server, folder):
        details: Figures = {}
        with Observers(server, sum(seconds.values()) + 2 * seconds["warm"] + 60) as observers:
            details["first_map_s"] = observers.first_map
            asyncio.run(arrive_and_leave(server.url))
            details["rss_mb"] = {"one": read_rss(server.process.pid)}
            with Peak(server.process.pid) as peak:
                with Cores(server.process.pid) as busy_touching:
                    touches = asyncio.run(touch(server.url, people["touch"], seconds["warm"], seconds["touch"]))
                with Cores(server.process.pid) as busy_looking:
                    looks = asyncio.run(look(server.url, people["look"], seconds["warm"], seconds["look"]))
            details["browsers"] = observers.stop()
        details["rss_mb"]["highest"] = peak.highest
        details["server_cores"] = {"touch": busy_touching.used, "look": busy_looking.used}
        with ThreadPoolExecutor(1) as pool:
            maps = pool.submit(count_wrong_maps, 1_000 if quick else 100_000)
            time.sleep(rest)
            details["rss_mb"]["after"] = read_rss(server.process.pid)
            details["disk"] = measure_disk(server, folder)
            details["hosts"] = sorted(peak.hosts)
            wrong = maps.result()
    for name, moves in (("touch", touches), ("look", looks)):
        details[name] = {"seconds": moves.seconds, "errors": moves.errors, "received": moves.received}
    return {"figures": summarise(details, wrong), "details": details, "machine": describe_machine(cores)}


def summarise(details: Figures, wrong: int) -> Figures:
    """The figures that have bars."""
    rss, browsers = details["rss_mb"], details["browsers"]
    by_person = [find_p95(taken) for taken in details["look"]["seconds"].values()]
    errors = details["touch"]["errors"] + details["look"]["errors"]
    return {
        "touch_50_p95_ms": 1000 * find_p95(join(details["touch"])),
        "look_25_p95_ms": 1000 * find_p95(join(details["look"])),
        "touch_painted_p95_ms": find_p95(browsers["painted_ms"]),
        "fairness": max(by_person) / statistics.median(by_person) if by_person else None,
        "rss_growth_mb_50_sessions": rss["highest"] - rss["one"],
        "rss_after_leaving_over_before": rss["after"] / rss["one"],
        "errors": len(errors) + browsers["errors"],
        "wrong_maps": wrong,
        "first_map_after_start_s": details["first_map_s"],
        "requests_to_other_hosts": browsers["elsewhere"] + len(details["hosts"]),
        "bytes_on_disk_after_uploads": sum(details["disk"].values()),
        "moves": {name: len(join(details[name])) for name in ("touch", "look")},
        "server_cores": details["server_cores"],
    }


def join(moves: Figures) -> list[float]:
    """All that was measured of a kind of move."""
    return [seconds for taken in moves["seconds"].values() for seconds in taken]


def find_p95(numbers: list[float]) -> float:
    """The 95th percentile; not a number of none."""
    return float(np.percentile(numbers, 95)) if numbers else float("nan")


# ---- the server


@contextlib.contextmanager
def serve(code: Path, core: int) -> Iterator[tuple[Server, Path]]:
    """A server of its own on a core of its own, with temporary and data folder on a disk of which the server has
    written nothing yet.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        folder = Path(place)
        log = Path("/dev/shm") / f"{folder.name}.log"  # which is no disk
        environment = dict(SHARED)
        for name, variable in (("temporary", "TMPDIR"), ("home", "CAMSCOPE_HOME")):
            (folder / name).mkdir()
            environment[variable] = str(folder / name)
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})
        try:
            server = Server(code / "app.py", log, root=code, environment=environment)
        finally:
            os.sched_setaffinity(0, before)
        try:
            server.wait()
            yield server, folder
        finally:
            server.stop()
            log.unlink()


def read_rss(pid: int) -> float:
    """MiB that a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def read_cpu(pid: int) -> float:
    """Seconds of a core that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_written(pid: int) -> int:
    """Bytes that a process has handed to disks, under whatever name or none; memory file systems do not count."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def list_hosts(pid: int) -> set[str]:
    """Addresses beyond this machine that a process is connected to."""
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            own.add(os.readlink(link))
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address = fields[2].partition(":")[0]
            loopback = address.endswith("0100007F") or address == "0" * 24 + "01000000"
            if f"socket:[{fields[9]}]" in own and address.strip("0") and not loopback:
                found.add(address)
    return found


class Cores:
    """How many cores a process used while entered, arrivals included."""

    def __init__(self, pid: int) -> None:
        self.used = 0.0
        self._pid = pid

    def __enter__(self) -> Cores:
        self._before = read_cpu(self._pid), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        spent, started = self._before
        self.used = (read_cpu(self._pid) - spent) / (time.perf_counter() - started)


class Peak:
    """The most memory that a process held while entered, and where it was connected to."""

    def __init__(self, pid: int) -> None:
        self.highest = 0.0
        self.hosts: set[str] = set()
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.highest = max(self.highest, read_rss(self._pid))
            self.hosts |= list_hosts(self._pid)


def measure_disk(server: Server, folder: Path) -> dict[str, int]:
    """Bytes written while three pictures of 5 MB are uploaded, and bytes that lie in folders then."""
    before = read_written(server.process.pid)

    async def upload() -> None:
        visitor = Visitor(server.url, QUERY)
        await visitor.arrive()
        for number in range(3):
            await visitor.upload(f"{number}.png", make_picture(number, side=1300, kind=".png"))
        await visitor.leave()

    asyncio.run(upload())
    left = sum(file.stat().st_size for name in ("temporary", "home") for file in (folder / name).rglob("*.*"))
    return {"written": read_written(server.process.pid) - before, "left": left}


# ---- the visitors


async def arrive_and_leave(url: str) -> None:
    """One visitor, so that everything has been loaded once."""
    visitor = Visitor(url, QUERY)
    await visitor.arrive()
    await visitor.upload("first.jpg", make_picture(10**6))
    await visitor.leave()


async def touch(url: str, people: int, warm: float, seconds: float) -> Moves:
    """Many move a slider."""
    loop, moves, dice = asyncio.get_running_loop(), Moves(), random.Random(0)
    visitors = [Visitor(url, QUERY) for _ in range(people)]
    begun = loop.time()
    await asyncio.gather(*(visitor.arrive() for visitor in visitors))
    start = max(begun + 5.0, loop.time())

    def act(visitor: Visitor) -> Any:
        return lambda: visitor.move(SLIDER, dice.randrange(2, 40) / 10)

    await asyncio.gather(
        *(
            follow(number, plan(dice, start, warm + seconds), start + warm, act(visitor), moves)
            for number, visitor in enumerate(visitors)
        )
    )
    await asyncio.gather(*(visitor.leave() for visitor in visitors))
    return moves


async def look(url: str, people: int, warm: float, seconds: float) -> Moves:
    """Many upload pictures of their own, and see only these."""
    loop, moves, dice = asyncio.get_running_loop(), Moves(), random.Random(1)
    visitors = [Visitor(url, QUERY) for _ in range(people)]
    await asyncio.gather(*(visitor.arrive() for visitor in visitors))
    planned = [plan(dice, 0.0, warm + seconds) for _ in visitors]
    owners: dict[str, int] = {}
    pictures: list[list[bytes]] = []
    for number, due in enumerate(planned):
        pictures.append([make_picture(1000 * number + turn) for turn in range(len(due))])
        owners |= {find_digest(picture): number for picture in pictures[-1]}
    start = loop.time() + 1.0  # now that all pictures are made, which takes a while

    async def follow_one(number: int, visitor: Visitor) -> None:
        mine = iter(pictures[number])
        last = [b""]

        async def act() -> Any:
            before, last[0] = last[0], next(mine)
            answer = await visitor.upload("picture.jpg", last[0], find_digest(before) if before else "")
            if find_digest(last[0]) not in answer.grids:
                moves.errors.append("a picture's maps did not come")
            others = [digest for digest, owner in owners.items() if owner != number and digest in answer.grids]
            moves.errors.extend("another's picture" for _ in others)
            return answer

        await follow(number, [start + at for at in planned[number]], start + warm, act, moves)

    await asyncio.gather(*(follow_one(number, visitor) for number, visitor in enumerate(visitors)))
    await asyncio.gather(*(visitor.leave() for visitor in visitors))
    return moves


def plan(dice: random.Random, start: float, seconds: float) -> list[float]:
    """When one person's moves are due."""
    due, at = [], start + dice.uniform(0, THINK[1])
    while at < start + seconds:
        due.append(at)
        at += dice.uniform(*THINK)
    return due


def make_picture(seed: int, side: int = 375, kind: str = ".jpg") -> bytes:
    """A picture's file, of 110 KB where nothing else is said; like all others at first sight."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (side * 4 // 3, side), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    pixels += generator.integers(-30, 30, pixels.shape, dtype=np.int16)
    pixels[:8, :8] = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
    quality = [cv2.IMWRITE_JPEG_QUALITY, 82] if kind == ".jpg" else []
    return cv2.imencode(kind, pixels.clip(0, 255).astype(np.uint8), quality)[1].tobytes()


def find_digest(data: bytes) -> str:
    """What the dashboard calls a picture by."""
    return hashlib.sha256(data).hexdigest()


# ---- the browsers


class Observers:
    """Two browsers in a process of their own, on the visitors' core.

    Args:
        server: which they open, the first as soon as it answers.
        seconds: how long they watch, at most.

    Attributes:
        first_map: seconds from the start of the server's process to the first map painted.
    """

    def __init__(self, server: Server, seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=observe, args=(server.url, server.started, seconds, theirs), daemon=True)

    def __enter__(self) -> Observers:
        self._process.start()
        self.first_map: float = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()

    def stop(self) -> Figures:
        """What they saw."""
        self._pipe.send("stop")
        found: Figures = self._pipe.recv()
        return found


def observe(url: str, started: float, seconds: float, pipe: Any) -> None:
    """Two people with a real browser, who move a slider by its keys."""
    elsewhere: list[str] = []
    painted: list[float] = []
    errors = 0
    with launch_chromium() as browser:
        pages = []
        for number in range(2):
            page = browser.new_context(viewport={"width": 1000, "height": 1200}).new_page()
            page.add_init_script(path=PROBE)
            page.on(
                "request",
                lambda request: (
                    request.url.startswith((url, "blob:", "data:", url.replace("http", "ws")))
                    or elsewhere.append(request.url)
                ),
            )
            page.goto(f"{url}/?{QUERY}")
            await_maps(page, "cf-cam", 1)
            if number == 0:
                pipe.send(time.perf_counter() - started)
            page.locator(".st-key-grid [data-pane=cf-cam] [data-tool=settings]").first.click()
            settle(page)
            pages.append((page, page.get_by_role("slider", name=SLIDER)))
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end and not pipe.poll(2.5):
            page, slider = pages[number % 2]
            key = "PageUp" if number % 8 < 4 else "PageDown"
            try:
                taken = take(page, "keydown", ["cf-cam"], partial(slider.press, key))
            except Exception:
                taken, errors = None, errors + 1
            if taken is not None:
                painted.append(taken["ms"])
            number += 1
    pipe.send({"painted_ms": painted, "elsewhere": len(elsewhere), "errors": errors})


# ---- the engine alone


def count_wrong_maps(requests: int, threads: int = 8, kinds: int = 64) -> int:
    """How many of so many requests for pictures that differ in one pixel get another map than the picture has alone."""
    from explain.engine.engine import Engine
    from tests.support.engine import build_model, encode

    model = build_model("cnn")
    pixels = np.random.default_rng(5).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    pictures = []
    for number in range(kinds):
        changed = pixels.copy()
        changed[10, 10] = number * 3, 255 - number * 3, number
        pictures.append(encode(changed, f"{number}.png"))

    def ask(engine: Engine, number: int) -> bytes:
        explained = engine.explain(pictures[number], model, ["grad-cam"])
        return explained.pictures[0].maps[0].values.tobytes()

    expected = [ask(Engine("cpu"), number) for number in range(kinds)]
    assert len(set(expected)) == kinds
    engine = Engine("cpu", capture_bytes=2 * 2**20)  # room for half of them: the others are forgotten again and again

    def work(seed: int) -> int:
        dice = random.Random(seed)
        numbers = (dice.randrange(kinds) for _ in range(requests // threads))
        return sum(ask(engine, number) != expected[number] for number in numbers)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(threads)))


def describe_machine(cores: list[int]) -> Figures:
    """What the figures hold for."""
    return {"processor": platform.processor() or platform.machine(), "cores": len(cores), "load": os.getloadavg()}


if __name__ == "__main__":
    main()
