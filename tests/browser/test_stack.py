"""A series of scans on Compare, in a real browser: scrolled and windowed, right to the pixel, and without names."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, Response, WebSocket, expect

from components.browser.canvas.stack import AHEAD, _write_window
from explain.volumes.reading import read_volumes
from explain.volumes.volume import Volume
from explain.volumes.windows import Window
from tests.browser.test_canvas import decode
from tests.explain.volumes.test_reading import pack
from tests.support.dashboard import ROOT
from tests.support.dicom_files import SECRETS, make_series, write

COUNT, SIDE, MISSING, FIRST = 40, 48, 30, 20
PATIENCE = 180_000
WINDOWS = (
    Window("Plain", 40, 300),
    Window("Narrow", 40, 1),
    Window("Exact", 10.5, 200, "LINEAR_EXACT"),
    Window("Soft", 0, 250, "SIGMOID"),
    Window("Table", 0, 0, table=(tuple(float(x) for x in np.linspace(0, 1, 600) ** 2), -300.0)),
)
FOLLOW_UP = {"SeriesInstanceUID": "1.2.826.0.1.77", "RescaleSlope": 1, "RescaleIntercept": -24}


def scan() -> list[bytes]:
    """A CT of forty slices, of which one is missing: a block in a room, soft at the edges, in every slice elsewhere."""
    rng = np.random.default_rng(3)
    numbers = rng.integers(-1024, 1400, (COUNT, SIDE, SIDE), dtype=np.int16)
    numbers[:, 12:30, 16:40] = 40
    elements = {"WindowCenter": 100, "WindowWidth": 700, "VOILUTFunction": "SIGMOID", "PixelPaddingValue": -1024}
    series = make_series(numbers, RescaleSlope=1, RescaleIntercept=-24, **elements)
    return [write(ds) for at, ds in enumerate(series) if at != MISSING]


_COUNTING = """
window.sent = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (...given) { window.sent += 1; return send.apply(this, given); };
"""


class Visit:
    """The page that all tests of this file share."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.files: dict[str, bytes] = {}
        self.sockets: list[str | bytes] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("response", self.keep)
        page.on("websocket", self.listen)
        page.add_init_script(_COUNTING)
        self.rows = page.locator(".st-key-grid .row")
        self.row = self.rows.first

    def keep(self, response: Response) -> None:
        if "/media/" in response.url and response.ok:
            self.files[response.url] = response.body()

    def listen(self, socket: WebSocket) -> None:
        # By a function of one's own: Playwright writes on what it calls, which a list's `append` does not take.
        socket.on("framereceived", lambda frame: self.sockets.append(frame))

    def count_sent(self) -> int:
        """How often the page has told the server something."""
        return int(self.page.evaluate("() => window.sent"))

    def pane(self, key: str = "picture") -> Locator:
        return self.row.locator(f"[data-pane={key}]")

    def canvas(self, key: str = "picture") -> Locator:
        return self.pane(key).locator("canvas[role=img]")

    def expect_slice(self, index: int) -> None:
        expect(self.row).to_have_attribute("data-slice", str(index), timeout=PATIENCE)
        expect(self.row).not_to_have_class(re.compile(r"\bloading\b"), timeout=PATIENCE)

    def expect_maps(self) -> None:
        """Wait until the page explains what is in view."""
        expect(self.row).not_to_have_class(re.compile(r"\belsewhere\b"), timeout=PATIENCE)
        expect(self.pane("grad-cam").locator(".awaited")).to_be_hidden()

    def settle(self) -> None:
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def pixels(self) -> np.ndarray:
        self.settle()
        return decode(self.canvas().evaluate("canvas => canvas.toDataURL()"))

    def check(self, volume: Volume, index: int, window: str, invert: bool = False) -> None:
        """What the picture's pane shows is what the server draws, to a level."""
        expected = volume.slice(index, window=window, invert=invert).pixels
        assert np.abs(self.pixels().astype(int) - expected).max() <= 1


@pytest.fixture(scope="module")
def volume() -> Volume:
    return read_volumes([pack(scan())]).series[0].open()


@pytest.fixture(scope="module")
def visit(chromium: Browser, serve: Callable[[Path | str], str]) -> Iterator[Visit]:
    context = chromium.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
    visit = Visit(context.new_page())
    visit.page.goto(f"{serve('app.py')}/?model=photo-cnn&method=grad-cam&verdicts=0")
    expect(visit.pane("grad-cam")).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
    field = visit.page.get_by_test_id("stFileUploader").first.locator("input[type=file]")
    field.set_input_files([{"name": "Doe^Jane 19600229.zip", "mimeType": "", "buffer": pack(scan())}])
    visit.expect_slice(FIRST)
    visit.expect_maps()
    yield visit
    context.close()


@pytest.fixture(scope="module")
def blank(chromium: Browser) -> Iterator[Page]:
    """A page of nothing, in which parts of the script can be asked."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("kind", ["int16", "uint16", "float32"])
@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: f"{window.name} {window.width:g}")
def test_a_window_makes_the_same_greys_as_the_server(blank: Page, window: Window, kind: str) -> None:
    rng = np.random.default_rng(5)
    low = 0 if kind == "uint16" else -400
    stored = rng.integers(low, 400, (1, 20, 30)).astype(kind)
    one = np.ones(1)
    stack = Volume("x", stored, 1.7 * one, -33.3 * one, one > 0, "d", inverted=one < 0, padding=(-5.0, 3.0))
    folder = ROOT / "components" / "browser" / "canvas"
    script = "const SHARED = { tables: {}, shades: 2 };\n" + "".join(
        (folder / part).read_text(encoding="utf-8") for part in ("arithmetic.js", "slices.js")
    )
    asked = """([script, described, window, inverted, numbers]) => new Function(
        "described", "window", "inverted", "numbers",
        script + `
        const held = new TYPES[described.type](numbers);
        const out = new Uint32Array(held.length);
        new Lens(described, window, inverted, [-5, 3]).draw(out, held);
        return [...out].map((pixel) => pixel & 255);`,
    )(described, window, inverted, numbers)"""
    described = {"type": kind, "slope": 1.7, "intercept": -33.3, "turned": False}
    for inverted in (False, True):
        given = [script, described, _write_window(window), inverted, stored.ravel().tolist()]
        found = np.array(blank.evaluate(asked, given)).reshape(20, 30)
        expected = stack.slice(0, window=window, invert=inverted).pixels[..., 0]
        assert np.abs(found - expected).max() <= 1 and (found == expected).mean() > 0.98


def test_a_slice_has_its_sides_its_scale_and_its_values(visit: Visit, volume: Volume) -> None:
    sides = [visit.pane().locator(f".side.{side}").inner_text() for side in ("top", "right", "bottom", "left")]
    assert tuple(sides) == volume.name_edges() == ("A", "L", "P", "R")
    expect(visit.pane().locator(".length")).to_have_text("5 mm")
    visit.check(volume, FIRST, "The file's window")
    assert len([address for address in visit.files if address.endswith(".gz")]) <= 2 * AHEAD + 1
    visit.canvas().hover(position={"x": 0, "y": 0})
    frame = visit.canvas().bounding_box()
    assert frame is not None
    visit.page.mouse.move(frame["x"] + 20.5 / SIDE * frame["width"], frame["y"] + 14.5 / SIDE * frame["height"])
    expect(visit.pane().locator(".readout")).to_have_text("16 HU · L 10.0  P 7.0  H 100.0 mm")
    place = volume.geometry.locate((FIRST, 14, 20)) if volume.geometry is not None else ()
    assert place == (10, 7, 100)


def test_the_wheel_and_keys_go_through_slices_at_once_and_maps_follow(visit: Visit, volume: Volume) -> None:
    visit.canvas().focus()
    version = visit.pane("grad-cam").get_attribute("data-version")
    awaited = visit.pane("grad-cam").locator(".awaited")
    # On a busy machine it may have gone again by the time it is looked for.
    awaited.evaluate(
        """element => {
            element.told = [];
            const observer = new MutationObserver(() => element.told.push(element.textContent));
            observer.observe(element, { childList: true, characterData: true, subtree: true });
        }"""
    )
    for key, index in (("ArrowDown", 21), ("ArrowDown", 22), ("ArrowUp", 21)):
        visit.page.keyboard.press(key)
        visit.expect_slice(index)
    visit.check(volume, 21, "The file's window")
    assert "Map comes when you stop" in awaited.evaluate("element => element.told")
    assert visit.canvas().get_attribute("aria-label") == (
        "Picture. Slice 22 of 40, window The file's window, centre 100, width 700."
    )
    assert float(visit.page.get_by_test_id("canvas-grid").get_attribute("data-scroll-frame-ms") or 0) > 0
    visit.expect_maps()
    expect(visit.page.locator(".st-key-grid p[role=status]")).to_contain_text(
        "Slice 22 of 40, window The file's window"
    )
    expect(visit.pane("grad-cam")).not_to_have_attribute("data-version", version or "")
    expect(visit.row.locator(".row-label")).to_have_text("CT, 40 slices, no. 22")
    visit.canvas().hover()
    visit.page.mouse.wheel(0, 100)
    visit.expect_slice(22)
    visit.page.keyboard.press("Home")
    visit.expect_slice(0)  # further than what was sent ahead: it is asked for
    visit.check(volume, 0, "The file's window")
    visit.expect_maps()
    zoom = visit.page.locator(".st-key-grid .zoom")
    visit.page.keyboard.down("Control")
    visit.page.mouse.wheel(0, -100)
    visit.page.keyboard.up("Control")
    expect(zoom).not_to_have_text("1.0×")
    visit.expect_slice(0)
    visit.canvas().dblclick()
    expect(zoom).to_have_text("1.0×")


def test_a_box_has_sides_in_millimetres(visit: Visit) -> None:
    frame = visit.canvas().bounding_box()
    assert frame is not None
    visit.canvas().focus()
    visit.page.keyboard.press("b")
    visit.page.mouse.move(frame["x"] + 0.25 * frame["width"], frame["y"] + 0.25 * frame["height"])
    visit.page.mouse.down()
    visit.page.mouse.move(frame["x"] + 0.75 * frame["width"], frame["y"] + 0.5 * frame["height"], steps=2)
    visit.page.mouse.up()
    expect(visit.pane().locator(".inside")).to_have_text(
        re.compile(r"^Outlined: 1[23] % of the picture, 12.0 × 6.0 mm$")
    )
    visit.page.keyboard.press("Escape")
    visit.page.keyboard.press("Delete")
    expect(visit.pane().locator(".inside")).to_be_hidden()


def test_a_missing_slice_is_said_and_not_explained(visit: Visit) -> None:
    slider = visit.row.locator("[data-stack=slice]")
    slider.fill(str(MISSING + 1))
    visit.expect_slice(MISSING)
    expect(visit.pane().locator(".gap-text")).to_have_text("Slice 31 is not in the series")
    expect(visit.pane().locator(".gaps i")).to_have_count(1)
    slider.fill(str(FIRST + 1))
    visit.expect_slice(FIRST)
    expect(visit.pane().locator(".gap-text")).to_be_hidden()
    visit.expect_maps()


def test_windows_are_dragged_chosen_and_inverted(visit: Visit, volume: Volume) -> None:
    levels = visit.row.locator(".levels")
    expect(levels).to_have_text("C 100  W 700 HU")
    frame = visit.canvas().bounding_box()
    assert frame is not None
    x, y = frame["x"] + 50, frame["y"] + 50
    visit.page.mouse.move(x, y)
    visit.page.mouse.down(button="right")
    visit.page.mouse.move(x + 25, y - 10, steps=2)
    expect(levels).to_have_text("C 72  W 770 HU")
    visit.check(volume, FIRST, "72/770")
    visit.page.mouse.up(button="right")
    assert float(visit.page.get_by_test_id("canvas-grid").get_attribute("data-window-frame-ms") or 0) > 0
    expect(visit.pane().locator(".row-notes")).to_contain_text("Window: own, centre 72, width 770", timeout=PATIENCE)
    visit.canvas().focus()
    visit.page.keyboard.press("w")
    visit.page.keyboard.press("3")
    expect(levels).to_have_text("C 480  W 2500 HU")
    visit.check(volume, FIRST, "Bone")
    expect(visit.pane().locator(".row-notes")).to_contain_text("Window: Bone", timeout=PATIENCE)
    visit.page.keyboard.press("i")
    visit.check(volume, FIRST, "Bone", invert=True)
    visit.page.keyboard.press("i")
    visit.check(volume, FIRST, "Bone")


def test_three_planes_have_one_crosshair(visit: Visit, volume: Volume) -> None:
    visit.row.locator("[data-stack=planes]").click()
    coronal = visit.row.locator("[data-plane=coronal]")
    expect(visit.row.locator("[data-plane]")).to_have_count(3)
    expect(coronal.locator(".side.top")).to_have_text("H", timeout=PATIENCE)  # it is drawn
    # Of so narrow a plane there is no room for the letters, but they are there.
    sides = [coronal.locator(f".side.{side}").text_content() for side in ("top", "right", "bottom", "left")]
    assert tuple(sides) == volume.name_edges("coronal") == ("H", "L", "F", "R")
    # Thirty slices of 5 mm are missing one: it is hatched, and the picture has its shape in millimetres.
    expect(coronal.locator(".gaps i")).to_have_count(1)
    frame = coronal.locator("canvas").bounding_box()
    assert frame is not None
    height, width = volume.size("coronal")
    assert frame["width"] / frame["height"] == pytest.approx(width / height, rel=0.02)

    before = int(coronal.get_attribute("data-slice") or 0)
    visit.page.mouse.click(frame["x"] + 0.7 * frame["width"], frame["y"] + 0.3 * frame["height"])
    voxel = volume.find_voxel("coronal", before, (0.7 * width, 0.3 * height))
    visit.expect_slice(voxel[0])
    for plane in ("axial", "sagittal", "coronal"):
        index = volume.find_point(plane, voxel)[0]  # type: ignore[arg-type]
        expect(visit.row.locator(f"[data-plane={plane}]")).to_have_attribute("data-slice", str(index))
    coronal.locator("canvas").focus()
    visit.page.keyboard.press("Shift+ArrowDown")
    visit.expect_slice(voxel[0] - 1)
    visit.page.keyboard.press("ArrowUp")
    expect(coronal).to_have_attribute("data-slice", str(before - 1))
    visit.expect_maps()
    coronal.get_by_role("button", name="Explain").click()
    expect(visit.row.locator(".row-label")).to_have_text(f"CT, 40 slices, coronal {before}", timeout=PATIENCE)
    visit.expect_maps()
    visit.row.locator("[data-plane=axial]").get_by_role("button", name="Explain").click()
    visit.expect_slice(voxel[0] - 1)
    visit.expect_maps()
    # Another grid takes the place of this one, as after another page or while slow maps are made: they stay open.
    for page in ("Methods", "Compare"):
        visit.page.get_by_role("link", name=page).click()
    expect(visit.row.locator("[data-plane=coronal]")).to_have_attribute("data-slice", str(before - 1), timeout=PATIENCE)
    visit.row.locator("[data-stack=planes]").click()
    visit.row.locator("[data-stack=slice]").fill(str(FIRST + 1))
    visit.expect_maps()


def test_slices_play_and_stop(visit: Visit) -> None:
    visit.canvas().focus()
    visit.page.keyboard.press("c")
    button = visit.row.locator("[data-stack=cine]")
    expect(button).to_have_attribute("aria-label", "Stop (c)")
    expect(visit.row).not_to_have_attribute("data-slice", str(FIRST))
    expect(visit.row).to_have_class(re.compile(r"\belsewhere\b"))  # no maps are asked for meanwhile
    visit.page.keyboard.press("c")
    expect(button).to_have_attribute("aria-label", "Play the slices (c)")
    visit.row.locator("[data-stack=slice]").fill(str(FIRST + 1))
    visit.expect_maps()


def test_the_list_of_keys_and_a_slide_s_arrow_keys_need_no_focus(visit: Visit) -> None:
    visit.page.evaluate("document.activeElement.blur()")
    visit.page.keyboard.press("?")
    expect(visit.page.get_by_role("dialog")).to_be_visible()
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_role("dialog")).to_be_hidden()
    visit.page.evaluate("document.activeElement.blur()")
    visit.page.keyboard.press("ArrowDown")  # which scrolls a page that is no slide
    visit.page.keyboard.press("p")
    expect(visit.page.locator("html")).to_have_attribute("data-presenting", "")
    visit.page.evaluate("document.activeElement.blur()")
    for key, index in (("ArrowDown", FIRST + 1), ("ArrowDown", FIRST + 2), ("ArrowUp", FIRST + 1)):
        visit.page.keyboard.press(key)
        visit.expect_slice(index)
    visit.page.keyboard.press("p")
    expect(visit.page.locator("html")).not_to_have_attribute("data-presenting", "")
    visit.row.locator("[data-stack=slice]").fill(str(FIRST + 1))
    visit.expect_maps()


def test_the_model_keeps_its_window_where_it_is_told_to(visit: Visit, volume: Volume) -> None:
    follow = visit.page.get_by_text("Models see this window")
    expect(visit.pane().locator(".row-notes")).to_contain_text("Window: Bone", timeout=PATIENCE)
    follow.click()
    expect(visit.row.locator(".stack-words")).to_contain_text("Models are given the window “Bone”", timeout=PATIENCE)
    visit.canvas().focus()
    visit.page.keyboard.press("w")
    visit.page.keyboard.press("2")
    expect(visit.row).to_have_attribute("data-window", "Lung")
    visit.check(volume, FIRST, "Lung")
    expect(visit.pane().locator(".row-notes")).to_contain_text("Window: Bone", timeout=PATIENCE)
    follow.click()
    expect(visit.pane().locator(".row-notes")).to_contain_text("Window: Lung", timeout=PATIENCE)


@pytest.mark.slow
def test_maps_of_explained_slices_are_there_at_once(visit: Visit) -> None:
    visit.page.get_by_role("button", name=re.compile("Explain all 39 slices")).click()
    expect(visit.page.get_by_role("button", name="Table")).to_be_visible(timeout=PATIENCE)
    expect(visit.row).to_have_attribute("data-explained", "16", timeout=PATIENCE)
    visit.canvas().focus()
    visit.page.keyboard.press("ArrowDown")
    visit.expect_slice(FIRST + 1)
    assert "elsewhere" in (visit.row.get_attribute("class") or ""), "the page has not been told yet"
    expect(visit.pane("grad-cam").locator(".awaited")).to_be_hidden()
    label = visit.canvas("grad-cam").get_attribute("aria-label") or ""
    assert label.startswith("Grad-CAM for “") and "strongest at" in label and "Slice 22 of 40" in label
    visit.expect_maps()


@pytest.mark.slow
def test_what_was_seen_is_not_asked_for_again_and_nothing_is_while_a_hand_drags(visit: Visit) -> None:
    visit.row.locator("[data-stack=planes]").click()
    canvas = visit.row.locator("[data-plane=coronal] canvas")
    expect(canvas).to_have_attribute("aria-label", re.compile("Coronal"), timeout=PATIENCE)
    canvas.scroll_into_view_if_needed()
    frame = canvas.bounding_box()
    assert frame is not None

    def go(index: int) -> None:
        row = COUNT - 1 - index  # the head is above
        visit.page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + (row + 0.5) * frame["height"] / COUNT)

    def sweep() -> None:
        for index in [*range(FIRST, FIRST + 16, 3), *range(FIRST + 14, FIRST, -3)]:
            go(index)
            visit.expect_slice(index)

    go(FIRST)
    visit.page.mouse.down()
    before = visit.count_sent()
    sweep()  # further than what is sent ahead: more is asked for on the way
    visit.page.wait_for_timeout(600)  # longer than a hand rests before the page is told
    asked = visit.count_sent()
    sweep()
    visit.page.wait_for_timeout(600)
    assert visit.count_sent() == asked > before
    go(FIRST + 1)
    visit.page.mouse.up()
    visit.row.locator("[data-stack=planes]").click()
    visit.expect_maps()


@pytest.mark.slow
def test_the_strip_leads_to_slices(visit: Visit) -> None:
    strip = visit.page.locator(".st-key-stack-strip")
    expect(strip.locator(".said")).to_contain_text(re.compile(rf"^Slice {FIRST + 2} of 40 · \w+ [\d.]+ %"))
    expect(strip.locator(".bar")).to_have_count(COUNT - 1)
    expect(strip.locator(".legend")).to_contain_text("not in the series")
    strip.get_by_text("As a table").click()
    expect(strip.get_by_role("row")).to_have_count(COUNT + 1)
    expect(strip.get_by_role("row").nth(MISSING + 1)).to_contain_text("not in the series")
    handle = strip.get_by_role("slider", name="Slice")
    handle.focus()
    for _ in range(MISSING - FIRST - 1):
        visit.page.keyboard.press("ArrowRight")
    visit.expect_slice(MISSING + 1)  # the missing one is passed over
    expect(strip.locator(".said")).to_contain_text(f"Slice {MISSING + 2} of 40")
    expect(handle).to_have_attribute("aria-valuenow", str(MISSING + 2))
    visit.expect_maps()


@pytest.mark.slow
def test_a_prior_study_is_scrolled_along(visit: Visit, volume: Volume) -> None:
    # Half as many slices, twice as far apart, of the same frame of reference: the open one becomes the prior study.
    series = make_series(volume.stored[::2].copy(), [(0, 0, 10.0 * at) for at in range(COUNT // 2)], **FOLLOW_UP)
    field = visit.page.get_by_test_id("stFileUploader").first.locator("input[type=file]")
    field.set_input_files(
        [{"name": "Doe^Jane.zip", "mimeType": "", "buffer": pack([write(ds) for ds in series])}], timeout=PATIENCE
    )
    choice = visit.page.get_by_role("combobox", name=re.compile("Prior study beside it"))
    expect(choice).to_be_visible(timeout=PATIENCE)
    choice.scroll_into_view_if_needed()  # a list that opens while the sidebar moves closes again
    expect(visit.rows.filter(has_text="CT, 20 slices")).to_have_count(1, timeout=PATIENCE)
    choice.click()
    visit.page.get_by_role("option", name=re.compile("uploaded before")).click()
    prior = visit.rows.filter(has_text="Prior CT")
    expect(prior).to_have_count(1, timeout=PATIENCE)
    expect(prior.locator(".stack-words")).to_contain_text("Linked by millimetres")
    current = visit.rows.filter(has_text="CT, 20 slices")
    expect(current).to_have_count(1)
    expect(prior).to_have_attribute("data-slice", "20")
    current.locator("[data-pane=picture] canvas[role=img]").focus()
    visit.page.keyboard.press("ArrowDown")
    expect(current).to_have_attribute("data-slice", "11")
    expect(prior).to_have_attribute("data-slice", "22")
    for row, name in ((current, "CT, 20 slices, no. 12"), (prior, "Prior CT, 40 slices, no. 23")):
        expect(row).not_to_have_class(re.compile(r"\belsewhere\b"), timeout=PATIENCE)
        expect(row.locator(".row-label")).to_have_text(name)
    prior.locator("[data-pane=picture] canvas[role=img]").focus()
    visit.page.keyboard.press("ArrowDown")  # less than a slice of the other
    expect(prior).to_have_attribute("data-slice", "23")
    expect(prior).not_to_have_class(re.compile(r"\belsewhere\b"), timeout=PATIENCE)
    expect(current.locator(".row-label")).to_have_text("CT, 20 slices, no. 12")
    expect(prior.locator(".row-label")).to_have_text("Prior CT, 40 slices, no. 24")
    visit.page.get_by_text("Scroll together").click()
    expect(prior.locator(".stack-words")).to_contain_text("Scrolled by itself", timeout=PATIENCE)
    prior.locator("[data-pane=picture] canvas[role=img]").focus()
    visit.page.keyboard.press("Home")
    expect(prior).to_have_attribute("data-slice", "0")
    expect(current).to_have_attribute("data-slice", "11")


@pytest.mark.slow
def test_keys_go_on_while_slow_maps_are_made(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/?model=photo-cnn&method=grad-cam&method=rise&verdicts=0")
    slow = page.locator(".st-key-grid [data-pane=rise]")
    expect(slow).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
    field = page.get_by_test_id("stFileUploader").first.locator("input[type=file]")
    field.set_input_files([{"name": "scan.zip", "mimeType": "", "buffer": pack(scan())}])
    label = page.locator(".st-key-grid .row-label")
    expect(label).to_have_text(f"CT, 40 slices, no. {FIRST + 1}", timeout=PATIENCE)
    page.locator(".st-key-grid [data-pane=picture] canvas[role=img]").focus()
    page.keyboard.press("ArrowDown")
    coming = page.locator("[data-pane=rise] .message", has_text="Coming")
    expect(coming).to_be_visible(timeout=PATIENCE)  # another grid stands there meanwhile
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(label).to_have_text(f"CT, 40 slices, no. {FIRST + 4}", timeout=PATIENCE)
    expect(page.locator(".st-key-grid .row")).not_to_have_class(re.compile(r"\belsewhere\b"), timeout=PATIENCE)
    page.keyboard.press("ArrowUp")
    expect(label).to_have_text(f"CT, 40 slices, no. {FIRST + 3}", timeout=PATIENCE)


def test_nothing_names_the_patient(visit: Visit) -> None:
    everything = [visit.page.content(), visit.page.url, *visit.files, *visit.sockets]
    unpacked = [gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data for data in visit.files.values()]
    said = b"\0".join(part.encode() if isinstance(part, str) else part for part in [*everything, *unpacked])
    told = [secret for secret in (*SECRETS, "1.2.826.0.1") if secret.encode() in said]
    assert told == []
    sent = b"\0".join(frame.encode() if isinstance(frame, str) else frame for frame in visit.sockets)
    assert b"CT, 40 slices" in sent, "what the server says by its socket is seen here, and can be read"
    assert any(len(data) > SIDE for data in unpacked), "and so are the files"
    assert not visit.errors
