"""What must hold over a long day: nobody sees another's map, memory stays, a cut line and a bad model cost nothing."""

from __future__ import annotations

import base64
import contextlib
import io
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.engine.question import DEFAULT_METHODS
from explain.maps.render import RenderSettings, overlay, value_range
from explain.pictures.decode import decode as decode_picture
from tests.support.dashboard import await_condition

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180_000  # milliseconds: no test of speed, and the machine may be busy
SIGMA, EPS = "CF-CAM · Gaussian sigma", "CF-CAM · How unlike channels may be"
MOVES = 5  # of a slider by both persons at once
WARM_UP = 25  # moves before memory counts: what is loaded once and kept
LONG = 500  # moves by which memory must not grow

# Notes every picture that a pane of the grid is ever painted with, whose it is said to be, and of what.
WATCH = """() => {
    const seen = new Map();
    window.seen = [];
    const grids = () => [...document.querySelectorAll(".st-key-grid *")]
        .map(element => element.shadowRoot?.querySelector("[data-testid=canvas-grid]")).filter(Boolean);
    const look = () => {
        for (const grid of grids()) for (const pane of grid.querySelectorAll("[data-pane]")) {
            const canvas = pane.querySelector("canvas[role=img]");
            const label = pane.closest("[data-row]").querySelector(".row-label").textContent;
            const key = [pane.dataset.version, label, canvas.getAttribute("aria-label")].join();
            if (pane.dataset.version === "0" || seen.get(pane) === key) continue;
            seen.set(pane, key);
            if (pane.querySelector(".message").hidden)
                window.seen.push([label, pane.dataset.pane, canvas.getAttribute("aria-label"), canvas.toDataURL()]);
        }
        requestAnimationFrame(look);
    };
    look();
}"""


def encode(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def decode(address: str) -> np.ndarray:
    """The pixels of a `data:` address, `(H, W, 3)`."""
    return cv2.imdecode(np.frombuffer(base64.b64decode(address.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(f"{url}/?model=photo-cnn&verdicts=0")
        self.await_row(bundled_pictures()[0].title)

    def pane(self, name: str) -> Locator:
        return self.page.locator(f'.st-key-grid [data-pane="{name}"]')

    def slider(self, label: str) -> Locator:
        """A slider of CF-CAM, whose settings open under its pane's title, and close where the pane goes."""
        slider = self.page.get_by_role("slider", name=label)
        if not slider.count():
            self.pane("cf-cam").locator("[data-tool=settings]").click()
        return slider

    def await_row(self, label: str) -> None:
        """Wait until the only row is this picture's, and its CF-CAM map is painted."""
        expect(self.page.locator(".st-key-grid .row-label")).to_have_text([label], timeout=PATIENCE)
        self.await_map()

    def await_map(self) -> None:
        expect(self.pane("cf-cam")).to_have_attribute("data-version", re.compile("[1-9]"), timeout=PATIENCE)
        self.settle()

    def settle(self) -> None:
        expect(self.page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE)

    def upload(self, name: str, data: bytes) -> None:
        field = self.page.get_by_test_id("stFileUploader").filter(has_text="Upload pictures")
        field.locator("input[type=file]").set_input_files([{"name": name, "mimeType": "image/png", "buffer": data}])

    def choose_model(self, name: str) -> None:
        self.page.get_by_role("combobox", name="Bundled model").click()
        self.page.get_by_role("option", name=name).click()

    def read_pixels(self, name: str) -> str:
        return self.pane(name).locator("canvas[role=img]").evaluate("canvas => canvas.toDataURL()")

    def press(self, slider: Locator, key: str) -> None:
        """Move a slider by a key, and wait until the grid has been given what follows from it."""
        grid = self.page.locator(".st-key-grid").get_by_test_id("canvas-grid")
        version = grid.get_attribute("data-version") or ""
        slider.press(key)
        expect(grid).not_to_have_attribute("data-version", version, timeout=PATIENCE)


@pytest.fixture
def meet(chromium: Browser) -> Iterator[Callable[[str], Person]]:
    """Let somebody open the dashboard, by its address."""
    contexts = []

    def arrive(url: str) -> Person:
        contexts.append(chromium.new_context(viewport={"width": 1400, "height": 1000}))
        return Person(contexts[-1].new_page(), url)

    yield arrive
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    """Two pictures that look nothing alike, as files."""
    from skimage.data import astronaut, chelsea

    return {"one.png": encode(chelsea()), "two.png": encode(astronaut()[:360, :, ::-1])}


def draw_all(data: bytes, name: str, model: str, sigmas: list[float]) -> dict[str, list[np.ndarray]]:
    """By method, what this picture's pane may show: the map for each sigma, drawn by the server's own renderer."""
    engine = Engine()
    picture = decode_picture(data, name)
    drawn: dict[str, list[np.ndarray]] = {}
    for number, sigma in enumerate(sigmas):
        methods = ("cf-cam",) if number else DEFAULT_METHODS  # the others do not hang on it
        (made,) = engine.explain(picture, model, methods, settings={"cf-cam": {"sigma": sigma}}).pictures
        maps = list(made.maps)
        if made.unavailable:  # lent by the model that knows the same classes, and has prompts for them
            maps += engine.explain(picture, "photo-vit", "prompt-cam", target=made.labels[0]).pictures[0].maps
        for heatmap in maps:
            low, high = value_range([heatmap.values], signed=False)
            pixels = overlay(picture.pixels, heatmap.values, heatmap.box, low, high, RenderSettings())
            drawn.setdefault(heatmap.method, []).append(pixels)
    return drawn


def is_one_of(address: str, drawn: list[np.ndarray]) -> bool:
    """Whether the pixels are those of one of the drawings, but for rounding."""
    shown = decode(address).astype(int)
    return any(shown.shape == other.shape and np.abs(shown - other).max() <= 1 for other in drawn)


def test_two_persons_at_once_never_see_each_others_map(
    meet: Callable[[str], Person], app_url: str, pictures: dict[str, bytes]
) -> None:
    """Every map that either is ever shown is one that an engine of its own makes of that person's picture and model."""
    one, two = persons = [meet(app_url) for _ in range(2)]
    for person in persons:
        person.page.evaluate(WATCH)
    # At the same time: two pictures nobody has looked at, by one model.
    for person, (name, data) in zip(persons, pictures.items(), strict=True):
        person.upload(name, data)
    for person, name in zip(persons, pictures, strict=True):
        person.await_row(name)
    # One moves a slider while the other changes the model, then both move theirs.
    two.choose_model("photo-vit")
    for _ in range(MOVES):
        one.slider(SIGMA).press("ArrowRight")
    expect(two.pane("prompt-cam").locator(".pane-time")).not_to_be_empty(timeout=PATIENCE)
    two.await_map()
    for _ in range(MOVES):
        one.slider(SIGMA).press("ArrowRight")
        two.slider(SIGMA).press("ArrowLeft")

    sigmas = {
        1: [round(1 + n / 10, 1) for n in range(2 * MOVES + 1)],
        -1: [round(1 - n / 10, 1) for n in range(MOVES + 1)],
    }
    first, second = pictures
    expected = {
        (first, "photo-cnn"): draw_all(pictures[first], first, "photo-cnn", sigmas[1]),
        (second, "photo-cnn"): draw_all(pictures[second], second, "photo-cnn", [1.0]),
        (second, "photo-vit"): draw_all(pictures[second], second, "photo-vit", sigmas[-1]),
    }
    last = {first: expected[first, "photo-cnn"]["cf-cam"][-1], second: expected[second, "photo-vit"]["cf-cam"][-1]}
    for person, name in zip(persons, pictures, strict=True):
        await_condition(
            person.page, lambda person=person, name=name: is_one_of(person.read_pixels("cf-cam"), [last[name]])
        )

    for person, own in zip(persons, pictures, strict=True):
        seen = [entry for entry in person.page.evaluate("window.seen") if entry[0] != bundled_pictures()[0].title]
        assert {label for label, *_ in seen} == {own}
        assert all(own in alt for _, _, alt, _ in seen)
        maps = [(method, address) for _, method, _, address in seen if method != "picture"]
        assert {method for method, _ in maps} >= {"grad-cam", "eigen-cam", "cf-cam"}
        assert sum(method == "cf-cam" for method, _ in maps) >= 2  # the first and the last; on a quick machine more
        allowed: dict[str, list[np.ndarray]] = {}
        for (name, _), drawn in expected.items():
            if name == own:
                for method, drawings in drawn.items():
                    allowed.setdefault(method, []).extend(drawings)
        strangers = [method for method, address in maps if not is_one_of(address, allowed[method])]
        assert strangers == [], own


def read_memory(pid: int) -> float:
    """Resident memory of a process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


@pytest.mark.skipif(sys.platform != "linux", reason="Memory is read where Linux shows it.")
@pytest.mark.slow
def test_moving_sliders_costs_no_memory(meet: Callable[[str], Person], app_url: str, servers: dict[Path, Any]) -> None:
    """Each move is to values never seen before, so that nothing that is kept for each goes unnoticed."""
    person = meet(app_url)
    server = servers[ROOT / "app.py"].process.pid
    sigma, eps = person.slider(SIGMA), person.slider(EPS)
    sigma.press("Home")
    person.settle()

    def move(count: int, start: int) -> None:
        for number in range(start, start + count):
            if number % 45 == 44:
                person.press(eps, "ArrowRight")
            else:
                person.press(sigma, "ArrowRight" if number // 45 % 2 == 0 else "ArrowLeft")

    move(WARM_UP, 0)
    before = read_memory(server)
    move(LONG, WARM_UP)
    after = read_memory(server)
    assert after < 1.05 * before, f"{before:.0f} MiB became {after:.0f} MiB by {LONG} moves"


class Line:
    """What browser and server talk over, for a test to cut."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.server = (parts.hostname, parts.port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.ends: list[socket.socket] = []
        self.whole = True
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and let none through."""
        self.whole = False
        for end in self.ends:
            _shut(end)
        self.ends.clear()

    def mend(self) -> None:
        self.whole = True

    def close(self) -> None:
        self.cut()
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                browser, _ = self.listener.accept()
                if not self.whole:
                    browser.close()
                    continue
                server = socket.create_connection(self.server)
                self.ends += [browser, server]
                for pair in ((browser, server), (server, browser)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        _shut(source)
        _shut(sink)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def line(app_url: str) -> Iterator[Line]:
    line = Line(app_url)
    yield line
    line.close()


def read_view(person: Person) -> dict[str, Any]:
    """Everything a person has set, and what is shown for it."""
    grid = person.page.locator(".st-key-grid").get_by_test_id("canvas-grid")
    return {
        "row": grid.locator(".row-label").all_inner_texts(),
        "class": grid.locator(".choice[aria-pressed=true]").all_inner_texts(),
        "layer": person.page.get_by_role("combobox", name="Layer").input_value(),
        "sliders": [person.slider(label).input_value() for label in (SIGMA, EPS)],
        "opacity": grid.locator("[data-setting=opacity]").input_value(),
        "zoom": grid.locator("[data-pane=cf-cam] svg.outline").get_attribute("viewBox"),
        "maps": [person.read_pixels(name) for name in ("grad-cam", "eigen-cam", "cf-cam")],
    }


def test_a_cut_line_comes_back_to_the_same_view(meet: Callable[[str], Person], line: Line) -> None:
    person = meet(line.url)
    page, grid = person.page, person.page.locator(".st-key-grid").get_by_test_id("canvas-grid")
    # Two classes are in it, so that the map of the second is not blank and moves with the slider.
    shown = next(picture for picture in bundled_pictures() if picture.name == "cat-and-dog")
    person.upload("one.png", shown.path.read_bytes())
    person.await_row("one.png")
    choice = grid.locator(".choice").nth(1)
    choice.click()
    expect(choice).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    for _ in range(3):
        person.press(person.slider(SIGMA), "ArrowRight")
    grid.locator("[data-setting=opacity]").fill("0.3")
    grid.locator("[data-tool=zoom-in]").click()
    expect(grid).to_have_attribute("data-moving", "false")
    page.locator("h1").click()
    person.settle()
    page.wait_for_timeout(300)
    before = read_view(person)

    app = page.get_by_test_id("stApp")
    connected = "data-test-connection-state"
    expect(app).to_have_attribute(connected, "CONNECTED")
    line.cut()
    expect(app).not_to_have_attribute(connected, "CONNECTED", timeout=PATIENCE)
    page.wait_for_timeout(1000)
    assert page.locator("[data-row]").count() == 1
    line.mend()
    expect(app).to_have_attribute(connected, "CONNECTED", timeout=PATIENCE)
    person.settle()
    await_condition(page, lambda: read_view(person) == before)

    person.press(person.slider(SIGMA), "ArrowRight")
    await_condition(page, lambda: person.read_pixels("cf-cam") != before["maps"][2])
    assert page.get_by_role("alert").count() == 0


def test_a_model_that_fails_leaves_the_page_usable(
    meet: Callable[[str], Person], app_url: str, pictures: dict[str, bytes]
) -> None:
    from safetensors.numpy import save

    person = meet(app_url)
    page = person.page
    maps = [person.read_pixels(name) for name in ("grad-cam", "cf-cam")]
    page.get_by_role("radio", name="File").or_(page.get_by_role("button", name="File", exact=True)).first.click()
    field = page.get_by_test_id("stFileUploader").filter(has_text="Checkpoint").locator("input[type=file]")
    wrong = save({"somewhere.weight": np.zeros((3, 3), dtype=np.float32)})
    for name, data in (("noise.safetensors", b"no weights at all"), ("wrong.safetensors", wrong)):
        field.set_input_files([{"name": name, "mimeType": "application/octet-stream", "buffer": data}])
        expect(page.get_by_role("alert").filter(has_text=f"“{name}”")).to_be_visible(timeout=PATIENCE)
        person.settle()
        assert "Traceback" not in page.locator("body").inner_text()
        assert [person.read_pixels(name) for name in ("grad-cam", "cf-cam")] == maps, "what was in use stays"
    # The pictures and the other models are still there.
    person.upload("one.png", pictures["one.png"])
    person.await_row("one.png")
    page.get_by_role("radio", name="Bundled").or_(page.get_by_role("button", name="Bundled", exact=True)).first.click()
    expect(page.get_by_role("alert")).to_have_count(0, timeout=PATIENCE)
    await_condition(page, lambda: [person.read_pixels(name) for name in ("grad-cam", "cf-cam")] != maps)
