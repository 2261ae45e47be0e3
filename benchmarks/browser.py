"""How fast the dashboard answers a hand, in a real browser: `python -m benchmarks.browser [--json FILE] [--quick]`.

Server and browser share the machine, as on a laptop. Needs Playwright and a Chromium. What is measured:

- **first paint**: from the server's first answer until the page's heading stands. **first map**: from the start of the
  server's process until the first map is painted. Both in a browser without a cache; the disk's cache is as it is.
- **slider**: four pictures of 512 × 512 pixels with a CF-CAM map each, `photo-cnn`. From the release of sigma or eps,
  by pointer and by key, until all four maps have changed, and two frames more.
- **drag**: how often a second all four maps change while the sigma slider is dragged back and forth; and whether what
  stands there after the release is what the server gives for that value.
- **client**: one picture of 512 × 512 pixels with four maps. The work of each frame in which the grid changes, from the
  frame's start to when its scripts, style, layout and paint are done, while opacity, threshold, colour table, zoom, pan
  and crosshair are moved by hand; and what went over the wire meanwhile.
- **switch**: in the same grid, from the click on a class, a layer or a method that was shown before until every map
  that depends on it is new, and two frames more.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from explain.bundled.pictures import bundled_pictures
from tests.support.dashboard import Server, launch_chromium, serve_dashboard

SIDE = 512
PATIENCE = 120_000  # milliseconds
PROBE = Path(__file__).with_name("probe.js")
SLIDERS = {"sigma": "CF-CAM · Gaussian sigma", "eps": "CF-CAM · How unlike channels may be"}

Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write every measurement here")
    parser.add_argument("--quick", action="store_true", help="fewer repeats: a minute instead of three")
    arguments = parser.parse_args()
    details = measure(repeats=6 if arguments.quick else 25)
    figures = summarise(details)
    print(as_markdown(figures, details))
    if arguments.json:
        record = {"figures": figures, "details": details, "machine": describe_machine()}
        arguments.json.write_text(json.dumps(record, indent=1))


def measure(repeats: int) -> Figures:
    """Every measurement, each as the numbers it was taken from."""
    with launch_chromium() as browser, serve_dashboard() as dashboard:
        details = {"start": measure_start(browser, dashboard)}
        page = open_page(browser, dashboard.url, 1000, 2400)  # panes that are not on the screen are not painted
        show_four_pictures(page)
        details["slider"] = measure_sliders(page, repeats)
        details["drag"] = measure_drag(page, seconds=4)
        page.context.close()
        page = open_page(browser, dashboard.url, 1400, 1000)
        show_four_methods(page)
        details["client"] = measure_client(page)
        details["switch"] = measure_switches(page, repeats)
        page.context.close()
    return details


# ---- the page


def open_page(browser: Browser, url: str, width: int, height: int) -> Page:
    """The dashboard in a browser that has not seen it, with the first map of `photo-cnn` painted."""
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.add_init_script(path=PROBE)
    page.goto(f"{url}/?model=photo-cnn")
    await_maps(page, "grad-cam", 1)
    return page


def await_maps(page: Page, method: str, count: int) -> None:
    """Wait until the method's maps are painted and nothing more is under way."""
    page.wait_for_function(
        "([name, count]) => { const now = probe.look([name]).get(name);"
        " return now.length === count && probe.isPainted(now); }",
        arg=[method, count],
        timeout=PATIENCE,
    )
    settle(page)


def settle(page: Page) -> None:
    """Wait until the server has answered, and a moment more, as a person would."""
    page.evaluate("() => probe.rest()")
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE)


def make_pictures(count: int) -> list[tuple[str, bytes]]:
    """Example pictures cut to 512 × 512 pixels, as PNG files."""
    made = []
    for entry in bundled_pictures()[:count]:
        with Image.open(entry.path) as image:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.convert("RGB").crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
        buffer = io.BytesIO()
        square.save(buffer, "PNG")
        made.append((f"{entry.name}.png", buffer.getvalue()))
    return made


def upload(page: Page, count: int) -> None:
    files = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in make_pictures(count)]
    page.get_by_test_id("stFileUploader").first.locator("input[type=file]").set_input_files(files)


def press_method(page: Page, title: str, chosen: bool) -> None:
    """Choose one of the methods on the front, or give it up."""
    button = page.locator(".st-key-methods-front").get_by_role("button", name=title, exact=True)
    if (button.get_attribute("aria-pressed") == "true") != chosen:
        button.click()
        settle(page)


def show_four_pictures(page: Page) -> None:
    """Four rows of picture and CF-CAM map."""
    for title in ("Grad-CAM", "Eigen-CAM", "Prompt-CAM"):
        press_method(page, title, chosen=False)
    upload(page, 4)
    await_maps(page, "cf-cam", 4)


def show_four_methods(page: Page) -> None:
    """One row of picture and four maps."""
    upload(page, 1)
    await_maps(page, "cf-cam", 1)
    choose_four_methods(page)


def choose_four_methods(page: Page) -> None:
    """Beside the first three methods of the front also HiRes-CAM."""
    press_method(page, "Prompt-CAM", chosen=False)
    page.get_by_role("button", name=re.compile(r"^(apps )?All \d+ methods")).click()
    page.get_by_role("button", name="HiRes-CAM", exact=True).click()
    await_maps(page, "hires-cam", 1)
    page.keyboard.press("Escape")
    settle(page)


# ---- what is measured


def measure_start(browser: Browser, dashboard: Server) -> Figures:
    """Seconds to the first paint and to the first map of a process that has just begun."""
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.add_init_script(path=PROBE)
    page.goto(dashboard.url, wait_until="commit")
    page.locator("h1").wait_for(timeout=PATIENCE)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    painted = time.perf_counter()
    page.wait_for_function("() => probe.isPainted(probe.look(['grad-cam']).get('grad-cam'))", timeout=PATIENCE)
    mapped = time.perf_counter()
    page.context.close()
    return {
        "server_s": dashboard.answered - dashboard.started,
        "first_paint_s": painted - dashboard.answered,
        "first_map_s": mapped - dashboard.started,
    }


def take(page: Page, kind: str, methods: Sequence[str], act: Callable[[], None]) -> Figures | None:
    """Do something, and measure until the maps of these methods have changed; None where one stayed as it was."""
    page.evaluate("([kind, methods]) => probe.arm(kind, methods)", [kind, list(methods)])
    act()
    taken = page.evaluate("() => probe.waitForIt()")
    settle(page)
    return taken


def measure_sliders(page: Page, repeats: int) -> Figures:
    """Milliseconds from the release of a slider to four new maps, by slider and by what moved it."""
    measured: Figures = {}
    page.locator(".st-key-grid [data-pane=cf-cam] [data-tool=settings]").first.click()
    settle(page)
    generator = np.random.default_rng(0)
    for name, label in SLIDERS.items():
        slider = page.get_by_role("slider", name=label)
        places = generator.permutation(np.linspace(0.04, 0.96, repeats + 2))
        released = [take(page, "pointerup", ["cf-cam"], partial(click_track, page, slider, at)) for at in places]
        slider.press("Home")
        settle(page)
        pressed = []
        for number in range(repeats + 2):
            key = "PageUp" if number % 10 < 5 else "PageDown"
            pressed.append(take(page, "keydown", ["cf-cam"], partial(slider.press, key)))
        # The first two moves find caches cold that later ones find warm: they are a person's first, not their every.
        measured[f"{name}_pointer"], measured[f"{name}_key"] = released[2:], pressed[2:]
    return measured


def click_track(page: Page, slider: Locator, share: float) -> None:
    """Press and release the pointer at a place of the slider's track."""
    x, y = find_place(slider, share)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.up()


def find_place(slider: Locator, share: float) -> tuple[float, float]:
    """A place of the slider's track on the page; `share` goes from 0 at its start to 1 at its end."""
    left, width, y = slider.evaluate(
        """input => {
            const track = input.closest("[role=group]").firstElementChild;
            const thumb = [...track.children].find(child => child.contains(input)).getBoundingClientRect();
            const { left, width } = track.getBoundingClientRect();
            return [left, width, thumb.top + thumb.height / 2];
        }"""
    )
    return left + share * width, y


def measure_drag(page: Page, seconds: float) -> Figures:
    """Updates while the sigma slider is dragged back and forth, and whether the last is the server's answer."""
    slider = page.get_by_role("slider", name=SLIDERS["sigma"])
    start, y = find_place(slider, 0)
    end, _ = find_place(slider, 1)
    page.mouse.move(start + 0.2 * (end - start), y)
    page.mouse.down()
    settle(page)
    page.evaluate("() => probe.follow('cf-cam')")
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        page.mouse.move(start + (0.5 + 0.4 * math.sin(elapsed * 2.5)) * (end - start), y)
    taken = page.evaluate("() => probe.stop()")
    lasted = time.perf_counter() - started
    page.mouse.up()
    settle(page)
    dragged = read_pixels(page)
    for key in ("ArrowRight", "ArrowLeft"):
        slider.press(key)
        settle(page)
    return {
        "updates": len(taken["updates"]),
        "seconds": lasted,
        "bytes": taken["bytes"],
        "last_is_the_servers": dragged == read_pixels(page),
    }


def read_pixels(page: Page) -> list[str]:
    """What the CF-CAM panes hold."""
    return page.evaluate("() => probe.findPanes('cf-cam').map(e => e.querySelector('canvas[role=img]').toDataURL())")


def measure_client(page: Page) -> Figures:
    """The work of each frame, the time between frames, and the bytes, by what is moved."""
    grid = page.locator(".st-key-grid").get_by_test_id("canvas-grid")
    first = grid.locator("[data-pane=grad-cam] canvas[role=img]")
    if not grid.locator("[data-setting=threshold]").is_visible():
        grid.locator("[data-tool=more]").click()

    def drag(locator: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
        page.mouse.move(*find_point(locator, *start))
        page.mouse.down()
        page.mouse.move(*find_point(locator, *end), steps=50)
        page.mouse.up()

    def slide(name: str) -> None:
        control = grid.locator(f"[data-setting={name}]")
        drag(control, (0.1, 0.5), (0.9, 0.5))
        drag(control, (0.9, 0.5), (0.4, 0.5))

    def change_tables() -> None:
        table = grid.locator("[data-setting=colour_table]")
        names = table.locator("option").evaluate_all("options => options.map(option => option.value)")
        for name in [*names, *names, names[0]]:
            table.select_option(name)

    def zoom() -> None:
        page.mouse.move(*find_point(first, 0.4, 0.4))
        for delta in [-60] * 25 + [60] * 12:
            page.mouse.wheel(0, delta)

    moves: dict[str, Callable[[], None]] = {
        "opacity": lambda: slide("opacity"),
        "threshold": lambda: slide("threshold"),
        "colour table": change_tables,
        "zoom": zoom,
        "pan": lambda: drag(first, (0.7, 0.7), (0.3, 0.3)),
        "crosshair": lambda: page.mouse.move(*find_point(first, 0.8, 0.3), steps=60),
    }
    measured: Figures = {}
    resting = 0
    for name, move in moves.items():
        page.evaluate("() => probe.record()")
        move()
        page.wait_for_timeout(200)  # a picture in motion is computed to the last pixel once it has settled
        measured[name] = page.evaluate("() => probe.stop()")
        if name in ("zoom", "pan", "crosshair"):
            measured[name]["apart_px"] = find_distance(page)
        # Not part of the move: once the hand rests, Python is told how the maps are shown, for address and files.
        page.evaluate("() => probe.record()")
        page.wait_for_timeout(1500)
        resting += page.evaluate("() => probe.stop()")["bytes"]
    measured["resting"] = {"bytes": resting}
    return measured


def find_point(locator: Locator, x: float, y: float) -> tuple[float, float]:
    """A place of an element on the page; `x` and `y` are shares of its sides."""
    frame = locator.bounding_box()
    assert frame is not None
    return frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]


def find_distance(page: Page) -> float:
    """How far apart, in CSS pixels, the crosshairs of all panes are, each measured from its pane's corner."""
    places = page.evaluate(
        """() => [...probe.findGrid().querySelectorAll("[data-pane]")].map(pane => {
            const frame = pane.querySelector("canvas[role=img]").getBoundingClientRect();
            const [down, across] = [".down", ".across"].map(n => pane.querySelector(n).getBoundingClientRect());
            return [down.left - frame.left, across.top - frame.top];
        })"""
    )
    return float(np.ptp(np.array(places), axis=0).max())


def measure_switches(page: Page, repeats: int) -> Figures:
    """Milliseconds from a click to the new maps, for what was shown before."""
    maps = ["grad-cam", "eigen-cam", "cf-cam", "hires-cam"]
    by_class = [name for name in maps if name != "eigen-cam"]  # which ignores the class
    choices = page.locator(".st-key-grid [data-pane=picture] .choice")
    classes = [take(page, "pointerup", by_class, choices.nth(n % 3).click) for n in range(1, repeats + 4)]
    layers = []
    box = page.get_by_role("combobox", name="Layer")
    for number in range(repeats + 3):
        box.click()
        option = page.get_by_role("option").nth((3, 5, 4)[number % 3])
        option.wait_for()
        layers.append(take(page, "pointerup", maps, option.click))
    eigen = page.locator(".st-key-methods-front").get_by_role("button", name="Eigen-CAM", exact=True)
    methods = []
    for _ in range(repeats):
        eigen.click()
        page.wait_for_function("() => probe.findPanes('eigen-cam').length === 0")
        settle(page)
        methods.append(take(page, "pointerup", ["eigen-cam"], eigen.click))
    # The first three of each are looks for the first time.
    return {"class": classes[3:], "layer": layers[3:], "method": methods}


# ---- what it comes to


def find_percentile(taken: Sequence[Figures | None], share: float, key: str = "ms") -> float:
    """A percentile over those that changed all maps."""
    values = [entry[key] for entry in taken if entry is not None]
    return float(np.percentile(values, share)) if values else float("nan")


def summarise(details: Figures) -> dict[str, float]:
    """The figures that have a bar."""
    released = details["slider"]["sigma_pointer"] + details["slider"]["eps_pointer"]
    client = {name: entry for name, entry in details["client"].items() if name != "resting"}
    return {
        "slider_p50_ms": find_percentile(released, 50),
        "slider_p95_ms": find_percentile(released, 95),
        "drag_updates_per_s": details["drag"]["updates"] / details["drag"]["seconds"],
        "client_frame_ms": max(float(np.percentile(entry["work"], 95)) for entry in client.values()),
        "client_bytes": sum(entry["bytes"] for entry in client.values()),
        "switch_cached_p50_ms": max(find_percentile(taken, 50) for taken in details["switch"].values()),
        "first_paint_s": details["start"]["first_paint_s"],
        "first_map_s": details["start"]["first_map_s"],
    }


def as_markdown(figures: dict[str, float], details: Figures) -> str:
    """All of it as Markdown tables."""
    lines = ["| figure | bar | measured |", "|---|---|---|"]
    bars = {
        "slider_p50_ms": "≤ 150",
        "slider_p95_ms": "≤ 300",
        "drag_updates_per_s": "≥ 8",
        "client_frame_ms": "≤ 16, p95 of the slowest",
        "client_bytes": "0",
        "switch_cached_p50_ms": "≤ 250, of the slowest",
        "first_paint_s": "≤ 3",
        "first_map_s": "≤ 20",
    }
    lines += [f"| {name} | {bar} | {figures[name]:.4g} |" for name, bar in bars.items()]
    lines += ["", "| from … to new maps | p50 ms | p95 ms | to send | to answer | to paint | bytes | moved nothing |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for kind in ("slider", "switch"):
        for name, taken in details[kind].items():
            parts = [find_percentile(taken, 50, key) for key in ("toSend", "toAnswer", "toPaint", "bytes")]
            cells = [find_percentile(taken, 50), find_percentile(taken, 95), *parts]
            lines.append(f"| {name} | {' | '.join(f'{c:.0f}' for c in cells)} | {taken.count(None)} |")
    lines += ["", "| moved by hand | work p50 ms | work p95 ms | gap p50 ms | frames | bytes | panes apart px |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, entry in details["client"].items():
        if name == "resting":
            continue
        work, gaps = entry["work"], entry["gaps"] or [0]
        cells = [np.percentile(work, 50), np.percentile(work, 95), np.percentile(gaps, 50)]
        apart = f"{entry['apart_px']:.2f}" if "apart_px" in entry else ""
        lines.append(f"| {name} | {' | '.join(f'{c:.1f}' for c in cells)} | {len(work)} | {entry['bytes']} | {apart} |")
    drag = details["drag"]
    live = "" if drag["updates"] else " Sliders are not yet live."
    lines += [
        "",
        f"Dragging for {drag['seconds']:.1f} s: {drag['updates']} updates, {drag['bytes']} bytes. The last map is "
        f"{'' if drag['last_is_the_servers'] else 'NOT '}the server's.{live}",
        "After each move, once the hand rests, the grid sends its view: in all "
        f"{details['client']['resting']['bytes']} bytes.",
    ]
    return "\n".join(lines)


def describe_machine() -> Figures:
    """What it was measured on."""
    return {"cores": os.cpu_count(), "load": os.getloadavg()[0], "system": platform.platform()}


if __name__ == "__main__":
    main()
