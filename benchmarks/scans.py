"""How fast a series of scans is opened, explained and scrolled: `python -m benchmarks.scans [--json FILE] [--quick]`.

The series is made here: a CT of a head that is none, 140 slices of 512 × 512 pixels of 16 bits, one file each, on the
disk. The model is `photo-cnn`, loaded and warm. Each figure is the median of several runs after one that does not
count, but where it says otherwise.

- **open_series_s**: from the folder to the list of series in it; headers are read, every file is hashed.
- **first_slice_explained_s**: from the folder to the maps of the middle slice by three methods; nothing is remembered.
- **stack_slices_per_s**: all slices by three methods of one pass, Grad-CAM, Eigen-CAM and CF-CAM.
- **peak_mb**: what 300 such slices take at most beyond the process with the model loaded, from the folder until all
  are explained: files, numbers and answers. In a process of its own; the run that does not count is of 8 slices.
- **scroll_frame_ms**, **window_frame_ms**: in a real browser, on the explained series: the work of a frame in which the
  wheel goes to the next slice, or the window is dragged, from its start until scripts, style, layout and paint are
  done. Of many frames the 95th of a hundred.
- **slider_p50_ms**: there too: from the release of eps or sigma until CF-CAM's map of the slice in view has changed,
  and two frames more; see `benchmarks.browser`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect

from benchmarks.browser import (
    PATIENCE,
    Figures,
    await_maps,
    describe_machine,
    find_percentile,
    find_point,
    measure_sliders,
    open_page,
    press_method,
    settle,
)
from benchmarks.timing import find_peak
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.volumes.reading import read_volumes
from explain.volumes.volume import Volume
from tests.support.dashboard import launch_chromium, serve_dashboard
from tests.support.dicom_files import make_series, write

COUNT, MANY, FEW, SIDE = 140, 300, 8, 512
MODEL, METHODS = "photo-cnn", ("grad-cam", "eigen-cam", "cf-cam")
BARS = {
    "open_series_s": "≤ 1",
    "first_slice_explained_s": "≤ 3",
    "scroll_frame_ms": "≤ 20",
    "window_frame_ms": "≤ 20",
    "slider_p50_ms": "≤ 150",
    "stack_slices_per_s": "",
    "peak_mb": "≤ 1500",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write every measurement here")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--peak", nargs=2, type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print(measure_peak(*arguments.peak))
        return
    repeats = 2 if arguments.quick else 5
    with tempfile.TemporaryDirectory() as place:
        folders = {count: write_series(Path(place) / str(count), count) for count in (COUNT, MANY, FEW)}
        details = measure_library(folders[COUNT], repeats)
        details["peak_mb"] = ask_for_peak(folders[FEW], folders[MANY])
        details |= measure_browser(folders[COUNT], 4 * repeats)
    figures = summarise(details)
    print(as_markdown(figures))
    if arguments.json:
        record = {"figures": figures, "details": details, "machine": describe_machine()}
        arguments.json.write_text(json.dumps(record, indent=1))


# ---- the series


def write_series(folder: Path, count: int) -> Path:
    """A skull with soft tissue and a denser ball in it, and noise, so that no two slices are alike."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    down, across = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    numbers = np.empty((count, SIDE, SIDE), np.int16)
    for at in range(count):
        height = 2 * at / (count - 1) - 1
        far = np.hypot(across / 0.7, down / 0.85) / np.sqrt(max(1 - 0.8 * height**2, 0.1))
        values = np.select([far < 0.9, far < 1], [30, 1000], -1000).astype(float)
        values[np.hypot(np.hypot(across - 0.2, down + 0.1), height) < 0.25] = 70
        numbers[at] = values + rng.normal(0, 15, (SIDE, SIDE)) + 1024
    elements = {"WindowCenter": 40, "WindowWidth": 80, "RescaleSlope": 1, "RescaleIntercept": -1024}
    for at, ds in enumerate(make_series(numbers, [(0, 0, 1.0 * at) for at in range(count)], **elements)):
        (folder / f"{at:03}.dcm").write_bytes(write(ds))
    return folder


def open_series(folder: Path) -> Volume:
    return read_volumes([folder]).series[0].open()


# ---- without a browser


def take_seconds(run: Callable[[], object], repeats: int) -> list[float]:
    """How long each of several runs took, after one that does not count."""
    taken = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return taken[1:]


def measure_library(folder: Path, repeats: int) -> Figures:
    """Seconds of every run, by figure."""
    engine = Engine()
    engine.explain(bundled_pictures()[0].path, MODEL, METHODS)
    volume = open_series(folder)

    def explain_first() -> None:
        engine.forget()
        opened = open_series(folder)
        engine.explain(opened.slice(opened.count() // 2), MODEL, METHODS)

    def explain_all() -> None:
        engine.forget()
        assert sum(1 for _ in engine.explain_stack(volume, MODEL, METHODS)) == COUNT

    return {
        "open_series_s": take_seconds(lambda: read_volumes([folder]), repeats),
        "first_slice_explained_s": take_seconds(explain_first, repeats),
        "stack_s": take_seconds(explain_all, max(repeats // 2, 1)),
    }


def ask_for_peak(few: Path, many: Path) -> float | None:
    """See `measure_peak`, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scans", "--peak", str(few), str(many)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    return None if said == "None" else float(said)


def measure_peak(few: Path, many: Path) -> float | None:
    """MiB for the large series beyond the model, after the small one, which does not count."""
    engine = Engine()
    folders = iter([few, many])

    def run() -> None:
        for answer in engine.explain_stack(open_series(next(folders)), MODEL, METHODS):
            assert not answer.problem
        engine.forget()

    return find_peak(run)


# ---- in the browser


def measure_browser(folder: Path, repeats: int) -> Figures:
    """The work of frames, and milliseconds after sliders, on the series, all slices of which are explained."""
    with launch_chromium() as browser, serve_dashboard() as dashboard:
        page = open_page(browser, dashboard.url, 1400, 1000)
        for title in ("Eigen-CAM", "Prompt-CAM"):
            press_method(page, title, chosen=False)
        explain_series(page, folder)
        page.get_by_role("heading", level=1).scroll_into_view_if_needed()  # the button lay below
        details = {"scroll": measure_scrolling(page, repeats), "window": measure_windowing(page, repeats)}
        details["slider"] = measure_sliders(page, repeats)
        page.context.close()
    return details


def explain_series(page: Page, folder: Path) -> None:
    """Upload a series, and have all of its slices explained."""
    page.get_by_test_id("stFileUploader").first.locator("input[type=file]").set_input_files(sorted(folder.iterdir()))
    row = page.locator(".st-key-grid .row")
    expect(row).to_have_attribute("data-slice", str(COUNT // 2), timeout=PATIENCE)
    await_maps(page, "cf-cam", 1)
    page.locator(".st-key-stack-begin button").click()
    expect(page.locator(".st-key-stack-csv")).to_be_visible(timeout=PATIENCE)
    settle(page)


def record(page: Page, move: Callable[[], None]) -> Figures:
    """The work of the frames in which the grid changes while the hand moves."""
    page.evaluate("() => probe.record()")
    move()
    taken = page.evaluate("() => probe.stop()")
    settle(page)
    return taken


def measure_scrolling(page: Page, repeats: int) -> Figures:
    """Up and down through the slices around the one in view, wheel by wheel."""
    canvas = page.locator(".st-key-grid [data-pane=picture] canvas[role=img]")
    page.mouse.move(*find_point(canvas, 0.5, 0.5))

    def scroll() -> None:
        for delta in [100] * 6 + [-100] * 12 + [100] * 6:
            page.mouse.wheel(0, delta)

    record(page, scroll)
    return join([record(page, scroll) for _ in range(repeats)])


def measure_windowing(page: Page, repeats: int) -> Figures:
    """The window dragged to and fro, with the right button."""
    canvas = page.locator(".st-key-grid [data-pane=picture] canvas[role=img]")

    def drag() -> None:
        page.mouse.move(*find_point(canvas, 0.4, 0.4))
        page.mouse.down(button="right")
        page.mouse.move(*find_point(canvas, 0.7, 0.6), steps=20)
        page.mouse.move(*find_point(canvas, 0.4, 0.4), steps=20)
        page.mouse.up(button="right")

    record(page, drag)
    return join([record(page, drag) for _ in range(repeats)])


def join(taken: Sequence[Figures]) -> Figures:
    """Several records as one."""
    return {"work": [work for one in taken for work in one["work"]], "bytes": sum(one["bytes"] for one in taken)}


# ---- what it comes to


def summarise(details: Figures) -> dict[str, Any]:
    """The figures, each as it is said above."""
    released = details["slider"]["sigma_pointer"] + details["slider"]["eps_pointer"]
    return {
        "open_series_s": statistics.median(details["open_series_s"]),
        "first_slice_explained_s": statistics.median(details["first_slice_explained_s"]),
        "scroll_frame_ms": float(np.percentile(details["scroll"]["work"], 95)),
        "window_frame_ms": float(np.percentile(details["window"]["work"], 95)),
        "slider_p50_ms": find_percentile(released, 50),
        "stack_slices_per_s": COUNT / statistics.median(details["stack_s"]),
        "peak_mb": details["peak_mb"],
    }


def as_markdown(figures: dict[str, Any]) -> str:
    """A Markdown table."""
    say = partial("{:.4g}".format)
    lines = ["| figure | bar | measured |", "|---|---|---|"]
    lines += [
        f"| {name} | {bar} | {'' if figures[name] is None else say(figures[name])} |" for name, bar in BARS.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
