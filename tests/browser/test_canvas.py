"""Looking closer, in a real browser: linked zoom, crosshair, outlines, swipe, keys, sharpness, and what it costs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect

from explain.maps.region_share import region_share
from explain.maps.render import RenderSettings, format_number, mark_unseen, overlay, place, value_range
from explain.pictures.geometry import Box

HEIGHT, WIDTH = 240, 320
BOXES = {"crop": Box(40.0, 0.0, 280.0, 240.0), "whole": Box(0.0, 0.0, 320.0, 240.0)}
PANES = ("plain", "crop", "whole")

APP = """
from pathlib import Path

import numpy as np
import streamlit as st

from components.browser.canvas import Pane, Row, canvas
from explain.maps.render import RenderSettings
from explain.pictures.geometry import Box

st.set_page_config(layout="wide")
inputs = np.load(Path(__file__).with_name("inputs.npz"))
BOXES = {boxes}


@st.fragment
def show():
    strength = st.slider("strength", 1, 9, 1)
    panes = [
        Pane("plain", "Picture"),
        Pane("crop", "Grad-CAM", values=inputs["crop"] * strength, box=BOXES["crop"]),
        Pane("whole", "CF-CAM", values=inputs["whole"]),
    ]
    scan = np.repeat(inputs["scan"][..., None], 3, axis=2)
    rows = [
        Row("small", "cat.png", inputs["pixels"], "a" * 64, panes),
        Row("again", "cat.png", inputs["pixels"], "a" * 64, panes[1:]),
        Row("scan", "scan.png", scan, "c" * 64, [Pane("plain", "Picture"), panes[2]]),
    ]
    canvas(rows, RenderSettings(), key="canvas")


show()
"""


def decode(address: str) -> np.ndarray:
    """The pixels of a `data:` address, `(H, W, 3)`."""
    return cv2.imdecode(np.frombuffer(base64.b64decode(address.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    """A smooth picture, a scan of twelve million pixels with lines one pixel wide, and maps on both sides of zero."""
    rng = np.random.default_rng(1)
    pixels = cv2.resize(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), (WIDTH, HEIGHT))
    scan = np.full((3000, 4000), 90, dtype=np.uint8)
    scan[:, ::2] = 160
    maps = {"crop": rng.normal(0.2, 1, (7, 7)), "whole": rng.normal(0, 0.3, (5, 9))}
    return {"pixels": pixels, "scan": scan, **{name: values.astype(np.float32) for name, values in maps.items()}}


class Traffic(list[int]):
    """Sizes in bytes of what went over the page's web sockets, both ways."""

    def listen(self, socket: WebSocket) -> None:
        for direction in ("framesent", "framereceived"):
            socket.on(direction, lambda frame: self.append(len(frame)))


class Visit:
    """The page that all tests of this file share: opening one costs seconds."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.traffic = Traffic()
        self.files: list[str] = []
        page.on("websocket", self.traffic.listen)
        page.on("request", lambda request: re.search(r":\d+/media/", request.url) and self.files.append(request.url))
        self.grid = page.get_by_test_id("canvas-grid")

    def find(self, key: str, row: str = "small") -> Locator:
        return self.grid.locator(f"[data-row={row}] [data-pane={key}]")

    def canvas(self, key: str, row: str = "small") -> Locator:
        return self.find(key, row).locator("canvas[role=img]")

    def tool(self, name: str) -> Locator:
        return self.grid.locator(f".toolbar [data-tool={name}]")

    def setting(self, name: str) -> Locator:
        return self.grid.locator(f"[data-setting={name}]")

    def at(self, key: str, x: float, y: float, row: str = "small") -> tuple[float, float]:
        """A place of a pane, given as shares of its sides, on the page."""
        frame = self.canvas(key, row).bounding_box()
        assert frame is not None
        return frame["x"] + x * frame["width"], frame["y"] + y * frame["height"]

    def settle(self) -> None:
        """Wait until every pixel is computed."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        expect(self.grid).to_have_attribute("data-moving", "false")
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def view(self, key: str, row: str = "small") -> tuple[float, ...]:
        """Left, top, width and height of what a pane shows of the picture."""
        return tuple(map(float, (self.find(key, row).locator("svg.outline").get_attribute("viewBox") or "").split()))

    def pixels(self, key: str, row: str = "small", kind: str = "[role=img]") -> np.ndarray:
        """What a pane's canvas holds, `(H, W, 3)`."""
        png = self.find(key, row).locator(f"canvas{kind}").evaluate("canvas => canvas.toDataURL()")
        return decode(png)

    def share(self, key: str, row: str = "small") -> float:
        self.settle()
        return float(self.find(key, row).locator(".inside").get_attribute("data-share") or "nan")

    def region(self, key: str = "crop") -> list[tuple[float, float]]:
        """The outline on a pane."""
        self.settle()
        points = self.find(key).locator(".outline-dashes").get_attribute("points") or ""
        return [(float(x), float(y)) for x, y in (corner.split(",") for corner in points.split())]


@pytest.fixture(scope="module")
def shared_visit(
    chromium: Browser,
    serve: Callable[[Path | str], str],
    inputs: dict[str, np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Visit]:
    folder = tmp_path_factory.mktemp("closer")
    np.savez(folder / "inputs.npz", **inputs)
    (folder / "app.py").write_text(APP.format(boxes=BOXES), encoding="utf-8")
    context = chromium.new_context(viewport={"width": 1400, "height": 1000}, has_touch=True)
    visit = Visit(context.new_page())
    visit.page.goto(serve(folder / "app.py"))
    expect(visit.grid).not_to_have_attribute("data-version", "0")
    expect(visit.grid.locator(".loading")).to_have_count(0)
    if visit.tool("more").is_visible():
        visit.tool("more").click()
    yield visit
    context.close()


@pytest.fixture
def visit(shared_visit: Visit) -> Visit:
    """The page as it was at first."""
    shared_visit.tool("clear").click()
    shared_visit.tool("reset").click()
    for name in ("box", "lasso"):
        if shared_visit.tool(name).get_attribute("aria-pressed") == "true":
            shared_visit.tool(name).click()
    shared_visit.canvas("plain").scroll_into_view_if_needed()
    shared_visit.settle()
    shared_visit.page.wait_for_timeout(300)
    return shared_visit


def test_the_wheel_zooms_all_panes_of_a_picture_and_every_pixel_is_right(
    visit: Visit, inputs: dict[str, np.ndarray]
) -> None:
    before = len(visit.traffic)
    visit.page.mouse.move(*visit.at("crop", 0.4, 0.3))
    visit.page.mouse.wheel(0, -600)
    visit.settle()
    left, top, width, height = visit.view("crop")
    assert width == pytest.approx(WIDTH * np.exp(-600 * 0.0016), rel=1e-3)
    assert (left + 0.4 * width, top + 0.3 * height) == pytest.approx((0.4 * WIDTH, 0.3 * HEIGHT), abs=1)
    assert {visit.view(key) for key in PANES} | {visit.view("crop", "again")} == {(left, top, width, height)}
    assert visit.view("plain", "scan") in {(), (0, 0, 4000, 3000)}
    ground = visit.pixels("plain")
    for key in ("crop", "whole"):
        scale_x, scale_y = ground.shape[1] / width, ground.shape[0] / height
        box = BOXES[key]
        upper_left = ((box.left - left) * scale_x, (box.top - top) * scale_y)
        placed = Box(*upper_left, (box.right - left) * scale_x, (box.bottom - top) * scale_y)
        low, high = value_range([inputs[key]], signed=False)
        expected = overlay(ground, inputs[key], placed, low, high, RenderSettings()).astype(int)
        seen = ~np.isnan(place(inputs[key], placed, ground.shape[:2]))
        assert seen.mean() > 0.5
        assert np.abs(visit.pixels(key) - expected)[seen].max() <= 1, key
    assert visit.traffic[before:] == []


def test_a_scroll_down_over_a_whole_picture_scrolls_the_page(visit: Visit) -> None:
    visit.page.mouse.move(*visit.at("crop", 0.5, 0.5))
    visit.page.mouse.wheel(0, 120)
    visit.page.wait_for_function("() => document.querySelector('[data-testid=stMain]').scrollTop > 0")
    assert visit.view("crop") == (0, 0, WIDTH, HEIGHT)


def test_in_motion_a_pane_looks_as_it_does_at_rest(visit: Visit) -> None:
    visit.grid.evaluate(
        """grid => { window.caught = null;
            const canvas = grid.querySelector("[data-row=small] [data-pane=crop] canvas[role=img]");
            const look = () => {
                if (grid.dataset.moving === "true") window.caught = canvas.toDataURL();
                else requestAnimationFrame(look);
            };
            look();
        }"""
    )
    visit.page.mouse.move(*visit.at("crop", 0.2, 0.5))
    for _ in range(10):  # on a busy machine the motion may be over before the next frame
        visit.page.mouse.wheel(0, -300)
        visit.settle()
        if caught := visit.page.evaluate("window.caught"):
            break
        visit.canvas("crop").dblclick()
        visit.settle()
    moving = decode(caught).astype(int)
    settled = visit.pixels("crop").astype(int)
    assert moving.shape == settled.shape
    assert 0 < np.abs(moving - settled).mean() < 4


def test_a_drag_pans_and_a_double_click_shows_the_whole_picture(visit: Visit) -> None:
    visit.canvas("whole").focus()
    visit.page.keyboard.press("+")
    visit.page.keyboard.press("+")
    visit.settle()
    left, top, width, _ = visit.view("whole")
    assert width == pytest.approx(WIDTH / 2.25)
    frame = visit.canvas("whole").bounding_box()
    assert frame is not None
    visit.page.mouse.move(*visit.at("whole", 0.5, 0.5))
    visit.page.mouse.down()
    visit.page.mouse.move(*visit.at("whole", 0.6, 0.45), steps=3)
    visit.page.mouse.up()
    visit.settle()
    assert visit.view("crop")[:2] == pytest.approx((left - 0.1 * width, top + 0.05 * HEIGHT / 2.25), abs=1)
    visit.canvas("crop").dblclick()
    visit.settle()
    assert visit.view("whole") == (0, 0, WIDTH, HEIGHT)


def test_two_fingers_zoom(visit: Visit) -> None:
    session = visit.page.context.new_cdp_session(visit.page)
    first, second = visit.at("crop", 0.4, 0.5), visit.at("crop", 0.6, 0.5)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        described = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": described})

    touch("touchStart", first)
    touch("touchStart", first, second)
    for step in range(1, 6):
        apart = 20 * step
        touch("touchMove", (first[0] - apart, first[1]), (second[0] + apart, second[1]))
    touch("touchEnd")
    visit.settle()
    fingers = second[0] - first[0]
    assert WIDTH / visit.view("crop")[2] == pytest.approx((fingers + 200) / fingers, rel=0.05)
    assert visit.view("plain") == visit.view("crop")


def test_the_crosshair_is_at_one_place_in_all_panes_and_reads_their_values(
    visit: Visit, inputs: dict[str, np.ndarray]
) -> None:
    before = len(visit.traffic)
    visit.page.mouse.move(*visit.at("plain", 0.5, 0.5))
    visit.page.mouse.wheel(0, -500)
    visit.settle()
    visit.page.mouse.move(*visit.at("plain", 0.7, 0.4))
    places = []
    for key, row in [*((key, "small") for key in PANES), ("crop", "again")]:
        frame, across = visit.canvas(key, row).bounding_box(), visit.find(key, row).locator(".across").bounding_box()
        down = visit.find(key, row).locator(".down").bounding_box()
        assert frame is not None and across is not None and down is not None
        # Rows of another number of panes have panes of another size: compare as shares of the widest pane's pixels.
        places.append(((down["x"] - frame["x"]) / frame["width"], (across["y"] - frame["y"]) / frame["height"]))
    widest = 600
    assert np.ptp(np.array(places), axis=0).max() * widest <= 1
    x, y = map(int, re.findall(r"\d+", visit.find("plain").locator(".readout").inner_text()))
    for key in ("crop", "whole"):
        value = place(np.maximum(inputs[key], 0), BOXES[key], (HEIGHT, WIDTH))[y, x]
        expect(visit.find(key).locator(".readout")).to_have_text(format_number(float(value)))
        expect(visit.find(key).locator(".tick")).to_be_visible()
    assert visit.traffic[before:] == []


def test_threshold_and_contours_cost_no_traffic(visit: Visit, inputs: dict[str, np.ndarray]) -> None:
    before = len(visit.traffic)
    visit.setting("threshold").fill("0.4")
    visit.settle()
    low, high = value_range([inputs["whole"]], signed=False)
    level = (place(np.maximum(inputs["whole"], 0), BOXES["whole"], (HEIGHT, WIDTH)) - low) / (high - low)
    coloured = overlay(inputs["pixels"], inputs["whole"], BOXES["whole"], low, high, RenderSettings()).astype(int)
    shown = visit.pixels("whole").astype(int)
    for part, expected in ((level < 0.399, inputs["pixels"]), (level > 0.401, coloured)):
        assert part.mean() > 0.03
        assert np.abs(shown - expected)[part].max() <= 1
    visit.setting("threshold").fill("0")
    visit.setting("style").select_option("contours")
    visit.settle()
    np.testing.assert_array_equal(visit.pixels("whole"), inputs["pixels"])
    unseen = np.isnan(place(inputs["crop"], BOXES["crop"], (HEIGHT, WIDTH)))
    np.testing.assert_array_equal(visit.pixels("crop")[unseen], mark_unseen(inputs["pixels"])[unseen])
    lines = visit.find("whole").locator("path.line")
    expect(lines).to_have_count(4)
    for number, strength in enumerate((0.2, 0.4, 0.6, 0.8)):
        points = np.array(re.findall(r"[ML](\S+) ([^ML]+)", lines.nth(number).get_attribute("d") or ""), dtype=float)
        x, y = (points - 0.5).round().astype(int).clip(0, (WIDTH - 1, HEIGHT - 1)).T
        assert len(points) > 10
        assert np.abs(level[y, x] - strength).max() < 0.05
    visit.tool("reset").click()
    expect(visit.setting("style")).to_have_value("auto")
    expect(lines).to_have_count(0)
    visit.settle()
    assert np.abs(visit.pixels("whole") - coloured).max() <= 1
    assert visit.traffic[before:] == []


def test_a_box_is_in_all_panes_and_its_shares_equal_the_servers(visit: Visit, inputs: dict[str, np.ndarray]) -> None:
    before = len(visit.traffic)
    visit.tool("box").click()
    visit.page.mouse.move(*visit.at("crop", 0.2, 0.1))
    visit.page.mouse.down()
    visit.page.mouse.move(*visit.at("crop", 0.55, 0.8), steps=4)
    visit.page.mouse.up()
    region = visit.region()
    np.testing.assert_allclose(region[0], (0.2 * WIDTH, 0.1 * HEIGHT), atol=1)
    np.testing.assert_allclose(region[2], (0.55 * WIDTH, 0.8 * HEIGHT), atol=1)
    for key in PANES:
        assert visit.region(key) == region
    for key, row in (("crop", "small"), ("whole", "small"), ("crop", "again")):
        expected = region_share(inputs[key], BOXES[key], (HEIGHT, WIDTH), region)
        assert visit.share(key, row) == pytest.approx(expected, abs=0.005)
        expect(visit.find(key, row).locator(".inside")).to_have_text(
            re.compile(r"^\d+ % of the map inside, peak (inside|outside, at the)")
        )
    expect(visit.find("plain").locator(".inside")).to_have_text(re.compile("Outlined: 2[45] % of the picture"))
    # The peak's ring lies where the map is highest.
    row, column = np.unravel_index(inputs["whole"].argmax(), inputs["whole"].shape)
    ring, frame = visit.find("whole").locator(".peak").bounding_box(), visit.canvas("whole").bounding_box()
    assert ring is not None and frame is not None
    share = (ring["x"] + ring["width"] / 2 - frame["x"]) / frame["width"]
    assert share == pytest.approx((column + 0.5) / inputs["whole"].shape[1], abs=0.01)
    assert (ring["y"] + ring["height"] / 2 - frame["y"]) / frame["height"] == pytest.approx((row + 0.5) / 5, abs=0.01)
    visit.tool("clear").click()
    assert visit.region() == []
    expect(visit.find("crop").locator(".inside")).to_be_hidden()
    assert visit.traffic[before:] == []


def test_a_lasso_counts_as_the_server_does(visit: Visit, inputs: dict[str, np.ndarray]) -> None:
    visit.tool("lasso").click()
    visit.page.mouse.move(*visit.at("whole", 0.3, 0.2))
    visit.page.mouse.down()
    for x, y in ((0.8, 0.3), (0.5, 0.5), (0.9, 0.9), (0.2, 0.7)):
        visit.page.mouse.move(*visit.at("whole", x, y), steps=3)
    visit.page.mouse.up()
    region = visit.region()
    assert len(region) > 10
    for key in ("crop", "whole"):
        assert visit.share(key) == pytest.approx(
            region_share(inputs[key], BOXES[key], (HEIGHT, WIDTH), region), abs=0.005
        )


def test_outlines_by_keyboard(visit: Visit, inputs: dict[str, np.ndarray]) -> None:
    press = visit.page.keyboard.press
    visit.canvas("crop").focus()
    press("b")
    first = np.array(visit.region())
    np.testing.assert_allclose(first.mean(axis=0), (WIDTH / 2, HEIGHT / 2), atol=1)
    press("ArrowRight")
    moved = np.array(visit.region())
    np.testing.assert_allclose(moved - first, np.broadcast_to((WIDTH / 50, 0), (4, 2)), atol=1e-6)
    press("Shift+ArrowDown")
    sized = np.array(visit.region())
    np.testing.assert_allclose(sized - moved, [(0, 0), (0, 0), (0, WIDTH / 50), (0, WIDTH / 50)], atol=1e-6)
    press("Enter")
    assert visit.tool("box").get_attribute("aria-pressed") == "false"
    expected = region_share(inputs["crop"], BOXES["crop"], (HEIGHT, WIDTH), [tuple(c) for c in sized])
    assert visit.share("crop") == pytest.approx(expected, abs=0.005)
    press("c")
    assert visit.region() == []
    press("l")
    for keys in (("Space",), ("ArrowRight",) * 4 + ("Space",), ("ArrowDown",) * 4 + ("Space",), ("Enter",)):
        for key in keys:
            press(key)
    np.testing.assert_allclose(np.diff(np.array(visit.region()), axis=0), [(32, 0), (0, 32)])
    press("b")
    press("Escape")
    assert len(visit.region()) == 3, "Escape drops the box that was begun"
    expect(visit.grid.get_by_role("status")).to_have_text(re.compile(r"Grad-CAM: [\d.]+ % of the map inside"))
    press("c")


def test_keys_zoom_pan_swipe_enlarge_and_list_themselves(visit: Visit, inputs: dict[str, np.ndarray]) -> None:
    before = len(visit.traffic)
    press = visit.page.keyboard.press
    visit.canvas("crop").focus()
    press("+")
    press("ArrowRight")
    press("ArrowDown")
    visit.settle()
    left, top, width, height = visit.view("whole")
    assert left > (WIDTH - width) / 2 + 1 and top > (HEIGHT - height) / 2 + 1
    press("-")
    press("-")
    visit.settle()
    assert visit.view("whole") == (0, 0, WIDTH, HEIGHT)
    press("+")
    press("0")
    visit.settle()
    assert visit.view("whole") == (0, 0, WIDTH, HEIGHT)

    press("s")
    divider = visit.find("crop").get_by_role("slider", name="Swipe between picture and map")
    expect(divider).to_have_attribute("aria-valuenow", "50")
    np.testing.assert_array_equal(visit.pixels("crop", kind=".plain"), inputs["pixels"])
    divider.press("ArrowLeft")
    expect(visit.find("whole").get_by_role("slider")).to_have_attribute("aria-valuenow", "48")
    visit.page.mouse.move(*visit.at("crop", 0.48, 0.5))
    visit.page.mouse.down()
    visit.page.mouse.move(*visit.at("crop", 0.25, 0.5), steps=3)
    visit.page.mouse.up()
    expect(divider).to_have_attribute("aria-valuenow", "25")
    clip = visit.find("whole").locator("canvas.plain").evaluate("canvas => getComputedStyle(canvas).clipPath")
    assert "75%" in clip or "100% - 25%" in clip
    visit.canvas("crop").focus()
    press("s")
    expect(divider).to_have_count(0)

    press("f")
    expect(visit.find("whole")).to_be_hidden()
    large = visit.canvas("crop").bounding_box()
    assert large is not None and large["height"] > 500
    press("Escape")
    expect(visit.find("whole")).to_be_visible()

    press("?")
    sheet = visit.grid.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    for key in ("Arrow keys", "Escape", "b", "l", "c", "f", "s", "0", "?"):
        expect(sheet.locator("dt").get_by_text(key, exact=True).first).to_be_visible()
    press("Escape")
    expect(sheet).to_be_hidden()
    assert visit.traffic[before:] == []


def test_an_update_does_not_send_the_script_again(visit: Visit) -> None:
    before, files = len(visit.traffic), len(visit.files)
    version = visit.find("crop").get_attribute("data-version") or ""
    visit.page.get_by_role("slider", name="strength").press("ArrowRight")
    expect(visit.find("crop")).not_to_have_attribute("data-version", version)
    visit.page.wait_for_timeout(300)
    assert 0 < sum(visit.traffic[before:]) < 12_000
    assert len(visit.files) == files
    assert len([address for address in visit.files if not address.endswith(".png")]) == 1, "the script, once"


def test_twelve_million_pixels_are_sharp_once_zoomed_in(visit: Visit) -> None:
    row = visit.grid.locator("[data-row=scan]")
    visit.canvas("plain", "scan").scroll_into_view_if_needed()
    visit.page.wait_for_timeout(300)
    expect(row).to_contain_text("Shown at 2048 × 1536 of its 4000 × 3000 pixels")
    files = len(visit.files)
    visit.canvas("plain", "scan").focus()
    for _ in range(10):
        visit.page.keyboard.press("+")
    expect(row).not_to_contain_text("4000 × 3000")
    visit.settle()
    assert len(visit.files) == files + 1
    _, _, width, _ = visit.view("plain", "scan")
    held = visit.pixels("plain", "scan")[10, :, 0].astype(int)
    assert held.shape[0] / width > 3, "a pixel of the picture is several of the screen"
    stripes = np.flatnonzero(np.diff((held > 125).astype(int)))
    assert np.ptp(held) > 40
    assert np.diff(stripes).mean() == pytest.approx(held.shape[0] / width, rel=0.02)
    visit.page.keyboard.press("0")
    visit.settle()


@pytest.mark.parametrize("width", [800, 390])
def test_a_small_screen_has_every_tool(visit: Visit, width: int) -> None:
    try:
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.wait_for_timeout(200)
        if visit.tool("more").get_attribute("aria-expanded") == "false":
            visit.tool("more").click()
        for name in ("zoom-in", "zoom-out", "box", "lasso", "clear", "swipe", "reset", "keys"):
            frame = visit.tool(name).bounding_box()
            assert frame is not None
            assert frame["x"] >= 0 and frame["x"] + frame["width"] <= width
            assert min(frame["width"], frame["height"]) >= 24
    finally:
        visit.page.set_viewport_size({"width": 1400, "height": 1000})


def test_what_a_pane_says_to_those_who_do_not_see_it(visit: Visit) -> None:
    label = visit.canvas("whole").get_attribute("aria-label") or ""
    assert re.fullmatch(r"CF-CAM, strongest at the [a-z ]+, \d+ % from the left and \d+ % from the top\.", label)
    assert json.loads(visit.canvas("whole").evaluate("canvas => JSON.stringify(canvas.tabIndex)")) == 0
    expect(visit.find("whole").get_by_role("button", name="Full screen: CF-CAM")).to_be_visible()
