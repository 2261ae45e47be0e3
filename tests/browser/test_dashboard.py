"""The dashboard in a real browser: a photograph goes in, both sliders move its map, and nothing leaves the machine."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect

from explain.bundled.pictures import bundled_pictures
from explain.maps.render import COLOUR_TABLES
from explain.methods import all_methods
from tests.support.dashboard import UNJUDGED, await_condition, await_still
from tests.support.legibility import assert_legible

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180_000  # milliseconds: the first page waits for torch
METHODS = ("grad-cam", "eigen-cam", "cf-cam")


def encode(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def cat() -> bytes:
    from skimage.data import chelsea

    return encode(chelsea())


def pane(page: Page, name: str) -> Locator:
    return page.locator(f'.st-key-grid [data-pane="{name}"]')


def read_pixels(page: Page, name: str) -> str:
    return pane(page, name).locator(".stage canvas").evaluate("canvas => canvas.toDataURL()")


def await_picture(page: Page, label: str) -> None:
    """Wait until the only row is this picture's, and all its maps are painted."""
    expect(page.locator(".st-key-grid .row-label")).to_have_text([label], timeout=PATIENCE)
    for name in METHODS:
        expect(pane(page, name)).not_to_have_attribute("data-version", "0", timeout=PATIENCE)


def upload(page: Page, *files: tuple[str, bytes]) -> None:
    field = page.get_by_test_id("stFileUploader").filter(has_text="Upload pictures").locator("input[type=file]")
    field.set_input_files([{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files])


def open_settings(page: Page, name: str) -> None:
    """Open a method's settings under the title of its pane."""
    pane(page, name).locator("[data-tool=settings]").click()


def read_passes(page: Page) -> str:
    return page.get_by_text("Passes of the network").inner_text()


def test_a_photograph_goes_in_and_both_sliders_move_its_map(
    page: Page, app_url: str, requests: Any, cat: bytes
) -> None:
    page.goto(f"{app_url}/{UNJUDGED}")
    await_picture(page, bundled_pictures()[0].title)
    upload(page, ("chelsea.png", cat), ("broken.png", b"no picture"))
    await_picture(page, "chelsea.png")
    expect(page.get_by_role("alert").filter(has_text="broken.png")).to_be_visible(timeout=PATIENCE)
    expect(pane(page, "picture").locator(".choice").first).to_contain_text("cat")

    passes = read_passes(page)
    open_settings(page, "cf-cam")
    for label in ("How unlike channels may be", "Gaussian sigma"):
        before = {name: read_pixels(page, name) for name in METHODS}
        version = pane(page, "cf-cam").get_attribute("data-version")
        slider = page.get_by_role("slider", name=f"CF-CAM · {label}")
        for _ in range(8):
            slider.press("ArrowRight")
        expect(pane(page, "cf-cam")).not_to_have_attribute("data-version", version or "", timeout=PATIENCE)
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE)
        after = {name: read_pixels(page, name) for name in METHODS}
        assert after["cf-cam"] != before["cf-cam"], label
        assert after["grad-cam"] == before["grad-cam"]
        assert after["eigen-cam"] == before["eigen-cam"]
    assert read_passes(page) == passes
    expect(pane(page, "cf-cam")).to_contain_text("no pass")

    before = read_pixels(page, "grad-cam")
    pane(page, "picture").locator(".choice").nth(1).click()
    expect(pane(page, "picture").locator(".choice").nth(1)).to_have_attribute("aria-pressed", "true", timeout=PATIENCE)
    expect(pane(page, "grad-cam")).not_to_have_attribute("data-version", "1", timeout=PATIENCE)
    await_condition(page, lambda: read_pixels(page, "grad-cam") != before)

    upload(page, ("noise.png", encode(np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))))
    row = page.locator(".st-key-grid .row").filter(has_text="noise.png")
    told = "This picture is unlike those the model learned from"
    expect(row.locator(".row-caution")).to_contain_text(told, timeout=PATIENCE)
    row.locator(".row-caution summary").click()
    expect(row.locator(".mark-plot .own")).to_be_visible()
    assert_legible(page)
    assert requests
    assert requests.to_other_hosts == []


Frame = dict[str, float]


def frame_of(found: Locator) -> Frame:
    frame = found.bounding_box()
    assert frame is not None
    return frame


def test_maps_come_before_controls_at_every_size(page: Page, app_url: str) -> None:
    """Where the first map is, how wide panes are from four to eight methods, that settings cover no map, and that what
    is new and out of view is said.
    """
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"{app_url}/{UNJUDGED}")
    await_picture(page, bundled_pictures()[0].title)
    expect(pane(page, "prompt-cam")).to_contain_text("from photo-vit: cat", timeout=PATIENCE)
    page.mouse.move(1, 1)

    def measure(name: str = "grad-cam") -> Frame:
        return await_still(page, lambda: frame_of(pane(page, name).locator(".stage")))

    toolbar = page.locator(".st-key-grid .toolbar")
    for size, top, width in (((1400, 900), 300, 260), ((1024, 768), 300, 200), ((390, 844), 460, 160)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        frame = measure()
        assert frame["y"] <= top and frame["width"] >= width, (size, frame)
        assert frame["y"] + frame["height"] <= size[1], "all of a map is on the first screen"
        assert frame_of(toolbar)["height"] <= 48, "the tools are one line"
    page.set_viewport_size({"width": 1400, "height": 900})
    assert measure("prompt-cam")["y"] + measure("prompt-cam")["height"] <= 900, "all four are on the first screen"

    before = measure("cf-cam")
    open_settings(page, "cf-cam")
    slider = page.get_by_role("slider", name="CF-CAM").first
    expect(slider).to_be_visible()
    after, handle = measure("cf-cam"), frame_of(page.locator(".st-key-settings-cf-cam"))
    title = frame_of(pane(page, "cf-cam").locator(".pane-title"))
    assert title["y"] < handle["y"] and handle["y"] + handle["height"] <= after["y"] + 1, "between title and map"
    assert before["x"] - 1 <= handle["x"] and handle["width"] <= before["width"] + 1
    assert after["y"] + after["height"] <= 900, "and the map that they change is in view"
    open_settings(page, "cf-cam")
    expect(slider).to_be_hidden()

    widths = [measure()["width"]]
    page.get_by_role("button", name=f"All {len(all_methods())} methods").click()
    for name in ("xgrad-cam", "layer-cam", "hires-cam", "fem"):
        title = all_methods()[name].title
        page.get_by_test_id("stPopoverBody").get_by_role("button", name=title, exact=True).click()
        expect(pane(page, name)).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
        widths.append(measure()["width"])
    assert all(0.7 < later / earlier <= 1.001 for earlier, later in pairwise(widths)), widths
    page.keyboard.press("Escape")

    page.set_viewport_size({"width": 1400, "height": 560})
    news = page.locator(".st-key-grid .news")
    agreement = page.get_by_text("Agreement", exact=True)
    agreement.scroll_into_view_if_needed()
    top = measure()["y"]
    agreement.click()
    expect(news).to_have_text("How far the maps agree is ready below ↓", timeout=PATIENCE)
    assert measure()["y"] == top, "nothing moves for it"
    news.get_by_role("button").click()
    expect(page.locator(".st-key-agreement-matrix")).to_be_in_viewport(timeout=PATIENCE)
    expect(news).to_be_hidden()
    agreement.scroll_into_view_if_needed()
    page.get_by_role("button", name=f"Add {bundled_pictures()[3].title} to the comparison").click()
    # The matrix may be ready anew before or with it, now that there is a picture more.
    title = bundled_pictures()[3].title
    expect(news).to_have_text(
        re.compile(rf"{title}( and How far the maps agree are| is) ready below ↓"), timeout=PATIENCE
    )


@pytest.mark.slow
def test_marks_come_under_the_maps_they_are_about_and_go_with_them(page: Page, app_url: str) -> None:
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    # Asked for: a machine that is slow for a moment would not check maps by itself.
    page.goto(f"{app_url}?model=photo-cnn&method=grad-cam&method=eigen-cam&method=prompt-cam&verdicts=1")
    words = pane(page, "eigen-cam").locator(".mark-word")
    expect(words).to_have_text(["same for other classes"], timeout=PATIENCE)
    doubled = pane(page, "eigen-cam").get_by_text("Does not depend on the class")
    expect(doubled).to_be_hidden()
    hidden = pane(page, "grad-cam").locator(".marks details")
    expect(pane(page, "grad-cam").locator(".marks.so-far")).to_have_count(0, timeout=PATIENCE)
    hidden.locator("summary").click()
    expect(hidden.locator(".mark-plot .own")).to_be_visible()
    expect(hidden.get_by_text("What it cannot tell")).to_be_visible()

    lent = pane(page, "prompt-cam")
    expect(lent).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("p")
    expect(hidden.locator(".mark-card")).to_be_hidden()
    for size in ((1024, 768), (1400, 900)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        said = [*page.locator(".st-key-grid .marks summary").all(), lent.locator(".pane-origin")]
        assert len(said) >= 3
        for line in said:
            lower = await_still(page, lambda line=line: frame_of(line)["y"] + frame_of(line)["height"])
            assert lower <= size[1] - 44, "a slide has room for what is said"
            assert line.evaluate("line => line.scrollWidth <= line.clientWidth"), "and says all of it"
    page.keyboard.press("Enter")
    expect(lent.locator(".pane-origin")).to_be_hidden()
    page.keyboard.press("Backspace")
    page.keyboard.press("ArrowLeft")
    sentence, stage = await_still(page, lambda: [frame_of(lent.locator(name)) for name in (".pane-sentence", ".stage")])
    assert sentence["x"] + sentence["width"] <= stage["x"] + stage["width"] + 1
    page.keyboard.press("p")
    expect(page).not_to_have_url(re.compile("present=1"))
    # The page rests once all is said: nothing is sent any more.
    sent: list[str | bytes] = []
    sockets[0].on("framesent", lambda frame: sent.append(frame))

    def rests() -> bool:
        sent.clear()
        page.wait_for_timeout(1_000)
        return not sent

    await_condition(page, rests, "a second in which nothing is sent")
    # Pressed in the very moment in which verdicts are asked for: the browser sends both in one message.
    page.locator(".st-key-verdicts-switch input").evaluate("""toggle => {
        globalThis.camscopeQuestion = "another";
        document.dispatchEvent(new CustomEvent("camscope-question"));
        setTimeout(() => { for (const until = performance.now() + 60; performance.now() < until;); }, 380);
        setTimeout(() => toggle.click(), 401);
    }""")
    expect(words).to_have_count(0)
    expect(page).to_have_url(re.compile("verdicts=0"))
    expect(doubled).to_be_visible()

    pane(page, "grad-cam").locator(".stage canvas").press("b")
    expect(pane(page, "grad-cam").locator(".inside")).to_contain_text("of the map inside")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("p")
    for line in page.locator(".st-key-grid .inside").all():
        lower = await_still(page, lambda line=line: frame_of(line)["y"] + frame_of(line)["height"])
        assert lower <= 900 - 44, "and for what lies in a box"
    page.set_viewport_size({"width": 480, "height": 800})
    page.keyboard.press("PageUp")
    expect(page.locator(".st-key-grid .row-caution")).to_be_visible(timeout=PATIENCE)
    cut = "header => header.scrollWidth > header.clientWidth"
    assert not page.locator(".st-key-grid .row-caution").evaluate(cut), "a caution is never cut"


def test_what_is_downloaded_is_what_is_shown(page: Page, app_url: str, cat: bytes, tmp_path: Path) -> None:
    page.goto(f"{app_url}/{UNJUDGED}")
    await_picture(page, bundled_pictures()[0].title)
    upload(page, ("chelsea.png", cat))
    await_picture(page, "chelsea.png")
    files = {}
    more = page.locator(".st-key-grid [data-tool=more]")
    if more.is_visible():
        more.click()
    page.locator(".st-key-grid [data-setting=colour_table]").select_option("turbo")
    expect(page).to_have_url(re.compile("turbo"))
    page.get_by_role("button", name="Figure").click()
    for button in ("Download the figure", "Raw maps", "Manifest"):
        with page.expect_download(timeout=PATIENCE) as download:
            page.get_by_role("button", name=button, exact=False).click()
        files[button] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[button])
    figure = np.asarray(Image.open(files["Download the figure"]))
    assert figure.shape[1] > 1000
    ends = [(figure == COLOUR_TABLES[name][255]).all(axis=2).any() for name in ("turbo", "viridis")]
    assert ends == [True, False], "the colours chosen are those of its bars"
    manifest = json.loads(files["Manifest"].read_text())
    assert [picture["name"] for picture in manifest["pictures"]] == ["chelsea.png"]
    assert {entry["method"] for entry in manifest["maps"]} == set(METHODS)
    keys = {name.removesuffix(".npy") for name in zipfile.ZipFile(files["Raw maps"]).namelist()}
    assert keys == {entry["key"] for entry in manifest["maps"]}

    # A pane that fills the screen says what it is not for, on the picture itself.
    stage = pane(page, "grad-cam").locator(".stage")
    read_stamp = "stage => getComputedStyle(stage, '::after').content"
    assert stage.evaluate(read_stamp) == "none"
    stage.locator("canvas").first.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    assert stage.evaluate(read_stamp) == '"Not for diagnostic use"'
    stage.locator("canvas").first.press("f")
    page.wait_for_function("document.fullscreenElement === null")

    # What the model cannot know is said in the row's heading, with the model that does.
    caution = page.locator(".st-key-grid .row-caution")
    expect(caution).to_be_hidden()
    page.get_by_role("button", name="Explain A crested finch, drawn", exact=True).click()
    expect(caution).to_contain_text("This looks like a drawing.", timeout=PATIENCE)
    caution.get_by_role("button", name="Use birds-vit, which knows it").click()
    expect(caution).to_be_hidden(timeout=PATIENCE)
    expect(pane(page, "picture").locator(".choice").first).to_contain_text("crested finch")


def test_no_map_is_ever_seen_under_another_name(page: Page, app_url: str) -> None:
    """Watched in every frame while pictures are changed: a row's maps say which picture they are of."""
    page.goto(f"{app_url}/{UNJUDGED}")
    first, second = (entry for entry in bundled_pictures()[:2])
    await_picture(page, first.title)
    page.evaluate(
        """() => {
            window.seen = new Set();
            const find = (root, selector) => [...root.querySelectorAll("*")].flatMap(element => [
                ...(element.matches(selector) ? [element] : []),
                ...(element.shadowRoot ? find(element.shadowRoot, selector) : []),
            ]);
            const look = () => {
                for (const row of find(document, "[data-row]")) {
                    const label = row.querySelector(".row-label").textContent;
                    const names = [...row.querySelectorAll(".stage canvas")].map(c => c.getAttribute("aria-label"));
                    for (const name of names) window.seen.add(JSON.stringify([label, name]));
                }
                requestAnimationFrame(look);
            };
            look();
        }"""
    )
    for entry in (second, first, second):
        page.get_by_role("button", name=f"Explain {entry.title}", exact=True).click()
        await_picture(page, entry.title)
    seen = [json.loads(text) for text in page.evaluate("[...window.seen]")]
    assert {label for label, _ in seen} == {first.title, second.title}
    assert [pair for pair in seen if pair[0] not in pair[1]] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    ["?method=rise&verdicts=0", "/without_it?without=grid-3", "/without_it?inside=channels&paths-from=blocks.4.1"],
)
def test_work_is_stopped_by_a_press(page: Page, app_url: str, words: str) -> None:
    page.goto(f"{app_url}{words}")
    stop = page.locator('[class*="st-key-stop-"] button')
    stop.click(timeout=PATIENCE)
    expect(page.get_by_text("Stopped. Nothing was changed.")).to_be_visible(timeout=10_000)
    expect(stop).to_have_count(0)
    page.get_by_role("button", name="Explain again").click()
    expect(stop).to_be_visible(timeout=PATIENCE)


@pytest.mark.slow
def test_two_browsers_never_see_each_others_pictures(chromium: Browser, app_url: str, cat: bytes) -> None:
    noise = encode(np.random.default_rng(3).integers(0, 255, (120, 200, 3), dtype=np.uint8))
    contexts = [chromium.new_context(viewport={"width": 1200, "height": 900}) for _ in range(2)]
    try:
        pages = [context.new_page() for context in contexts]
        for page in pages:
            page.goto(f"{app_url}/{UNJUDGED}")
        for page in pages:
            await_picture(page, bundled_pictures()[0].title)
        for page, name, data in zip(pages, ("one.png", "two.png"), (cat, noise), strict=True):
            upload(page, (name, data))
        for page, name in zip(pages, ("one.png", "two.png"), strict=True):
            await_picture(page, name)
            assert page.locator("[data-row]").count() == 1
        assert "two.png" not in pages[0].locator("body").inner_text()
        assert "one.png" not in pages[1].locator("body").inner_text()
        assert read_pixels(pages[0], "grad-cam") != read_pixels(pages[1], "grad-cam")
        assert pages[0].get_by_title("one.png").count() > 1
        pages[0].get_by_role("combobox", name="Names of your files").click()
        pages[0].get_by_role("option", name="Hidden for all files").click()
        expect(pages[0].get_by_title("Remove Picture 1")).to_have_count(1, timeout=PATIENCE)
        for find in (pages[0].get_by_title, pages[0].get_by_label, pages[0].get_by_text):
            expect(find("one.png")).to_have_count(0, timeout=PATIENCE)
    finally:
        for context in contexts:
            context.close()


@pytest.mark.parametrize("address", ["methods", "models"])
def test_the_other_pages_open(page: Page, app_url: str, requests: Any, address: str) -> None:
    page.goto(f"{app_url}/{address}?model=photo-cnn&verdicts=0")
    expect(page.get_by_role("heading", level=1)).to_have_text(address.capitalize(), timeout=PATIENCE)
    content = page.get_by_text("arXiv" if address == "methods" else "photo-cnn").first
    expect(content).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert_legible(page)
    page.keyboard.press("p")
    for control in page.locator("[data-testid=stTextInput], .st-key-prompt-library").all():
        expect(control).to_be_hidden()
    expect(content).to_be_visible()
    page.keyboard.press("p")
    tab = page.get_by_test_id("stTopNav").get_by_role("link", name="Studio")
    before = await_still(page, tab.bounding_box)
    page.get_by_test_id("stTopNav").get_by_role("link", name="Compare").click()
    expect(page.get_by_test_id("stSidebar")).to_be_visible(timeout=PATIENCE)
    assert await_still(page, tab.bounding_box) == before, "the tabs stand still under the pointer"
    assert requests.to_other_hosts == []


def test_the_first_visitor_of_a_server_comes_through_the_front_door(
    page: Page, servers: dict[Path, Any], serve: Any
) -> None:
    """Before `app.py` has ever run, Streamlit takes the files in pages/ for pages that stand alone."""
    running = servers.pop(ROOT / "app.py", None)
    address = serve("app.py")
    loaded = Path(f"/proc/{servers[ROOT / 'app.py'].process.pid}/maps")
    if loaded.exists():  # the engine does not wait for the first visitor
        deadline = time.monotonic() + PATIENCE / 1000
        while "libtorch" not in loaded.read_text():
            assert time.monotonic() < deadline, "the server has not begun to load torch"
            time.sleep(0.2)
    page.goto(f"{address}/models")
    expect(page.get_by_role("heading", level=1)).to_have_text("Models", timeout=PATIENCE)
    expect(page.get_by_role("link", name="Compare")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    if running is not None:
        running.stop()
