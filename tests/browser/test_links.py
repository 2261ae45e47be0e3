"""Links and presenter mode in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from components.choices.pictures import read_example_digests
from explain.bundled.pictures import bundled_pictures
from tests.support.dashboard import await_still
from tests.support.legibility import find_faint

PATIENCE = 90_000  # milliseconds: the first page waits for torch
TITLES = [picture.title for picture in bundled_pictures()]


@pytest.fixture
def sent(page: Page) -> list[int]:
    """Sizes of the messages the page has sent to the server: each asks for a run."""
    sizes: list[int] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sizes.append(len(frame))))
    return sizes


def pane(page: Page, name: str) -> Locator:
    return page.locator(f'.st-key-grid [data-pane="{name}"]')


def read_pixels(page: Page, name: str) -> str:
    """The pane's picture, once it has come to rest: while it moves, it is painted quickly and then again exactly."""
    canvas = pane(page, name).first.locator(".stage canvas")
    before = ""
    for _ in range(20):
        now = canvas.evaluate("canvas => canvas.toDataURL()")
        if now == before:
            break
        before = now
        page.wait_for_timeout(300)
    return now


def read_frame(page: Page, row: int) -> tuple[float, float, float]:
    """What is shown of a row's picture: its left and upper edge as shares of the sides, and the zoom."""
    lines, size = pane(page, "cf-cam").nth(row).locator("svg.outline"), (451, 300) if row == 0 else (800, 519)
    left, top, width, _ = map(float, (lines.get_attribute("viewBox") or "").split())
    return round(left / size[0], 3), round(top / size[1], 3), round(size[0] / width, 3)


def await_rows(page: Page, *labels: str) -> None:
    expect(page.locator(".st-key-grid .row-label")).to_have_text(labels, timeout=PATIENCE)
    for name in ("grad-cam", "cf-cam"):
        expect(pane(page, name).first).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE)


def read_words(page: Page) -> str:
    return page.evaluate("location.search")


def test_a_link_restores_the_view_and_back_undoes(page: Page, chromium: Browser, app_url: str, sent: list[int]) -> None:
    digests = read_example_digests()
    words = f"?picture={digests['cat']}&picture={digests['horses']}&method=grad-cam&method=cf-cam&verdicts=0"
    words += "&view.opacity=0.8"
    words += "&view.threshold=0.2&view.zoom=2&view.across=0.4&view.box=0.3,0.4,0.6,0.7"
    words += f"&view.picture={digests['horses'][:12]}"
    page.goto(f"{app_url}/{words}")
    await_rows(page, "Chelsea, a cat", "Nokota horses")
    assert read_words(page).replace("%2C", ",") == words
    expect(page.locator("[data-setting=opacity]")).to_have_value("0.8")
    expect(page.locator("[data-setting=threshold]")).to_have_attribute("aria-valuetext", "20 %")
    assert [read_frame(page, row) for row in (0, 1)] == [(0, 0, 1), (0.15, 0.25, 2)]
    assert len(pane(page, "cf-cam").nth(1).locator(".outline-dashes").get_attribute("points") or "") > 10
    pane(page, "cf-cam").first.locator("[data-tool=settings]").click()
    slider = page.get_by_role("slider", name="CF-CAM · Gaussian sigma")
    expect(slider).to_have_attribute("aria-valuetext", "1.0")
    before, runs = read_pixels(page, "cf-cam"), len(sent)

    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "1.1")
    page.wait_for_function("() => location.search.includes('cf-cam.sigma=1.1')", timeout=PATIENCE)
    await_rows(page, "Chelsea, a cat", "Nokota horses")
    assert len(sent) == runs + 1, "writing the address costs no run"
    after = read_pixels(page, "cf-cam")
    assert after != before

    other = chromium.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    other.goto(page.url)
    await_rows(other, "Chelsea, a cat", "Nokota horses")
    assert read_pixels(other, "cf-cam") == after
    assert other.url == page.url
    other.context.close()

    page.go_back()
    expect(slider).to_have_attribute("aria-valuetext", "1.0", timeout=PATIENCE)
    await_rows(page, "Chelsea, a cat", "Nokota horses")
    assert read_words(page).replace("%2C", ",") == words
    assert read_pixels(page, "cf-cam") == before

    pane(page, "cf-cam").nth(1).locator(".stage canvas").press("+")
    page.wait_for_function("() => location.search.includes('view.zoom=3')", timeout=PATIENCE)
    page.go_back()
    expect(page.locator(".st-key-grid .zoom")).to_have_text("2.0×", timeout=PATIENCE)
    page.wait_for_function("() => location.search.includes('view.zoom=2')", timeout=PATIENCE)
    assert read_frame(page, 1) == (0.15, 0.25, 2)


SMALL_TYPE = """() => {
  const found = [];
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) walk(element.shadowRoot);
      const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      const box = element.getBoundingClientRect();
      if (!words || box.width < 2 || !element.checkVisibility({ visibilityProperty: true })) continue;
      if (parseFloat(getComputedStyle(element).fontSize) < 20) found.push(element.textContent);
    }
  };
  walk(document.body);
  return found;
}"""


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def list_panes(page: Page) -> list[str]:
    """The panes that are seen."""
    seen = "panes => panes.filter(p => p.checkVisibility({ visibilityProperty: true })).map(p => p.dataset.pane)"
    return page.locator(".st-key-grid [data-pane]").evaluate_all(seen)


def measure_slide(page: Page) -> tuple[float, float]:
    """How much of the window's width and height the pictures span, from the first one's edge to the last one's."""
    boxes = [box for stage in page.locator(".st-key-grid .stage").all() if (box := stage.bounding_box())]
    size = page.viewport_size
    assert size is not None
    across = max(box["x"] + box["width"] for box in boxes) - min(box["x"] for box in boxes)
    down = max(box["y"] + box["height"] for box in boxes) - min(box["y"] for box in boxes)
    return across / size["width"], down / size["height"]


def lower_edge(stage: Locator) -> float:
    """The lower edge of what is seen of a picture; of one that is not seen, zero."""
    box = stage.bounding_box()
    return box["y"] + box["height"] if box else 0.0


@pytest.mark.slow
def test_a_slide_fills_the_screen_and_goes_by_keys(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/?model=photo-cnn&method=grad-cam&method=eigen-cam&method=cf-cam&verdicts=0")
    await_rows(page, TITLES[0])
    page.get_by_role("heading", level=1).click()
    press(page, "p")
    page.wait_for_function("() => document.fullscreenElement === document.documentElement")
    assert page.evaluate("document.activeElement === document.body"), "no frame round the slide"
    maps = ["grad-cam", "eigen-cam", "cf-cam"]
    assert list_panes(page) == ["picture", *maps]
    for width, height in ((1024, 768), (1920, 1080), (1400, 1000)):
        page.set_viewport_size({"width": width, "height": height})
        across, down = await_still(page, lambda: measure_slide(page))
        assert across > 0.65 and down > 0.65, (width, height, across, down)
        assert all(lower_edge(stage) < height for stage in page.locator(".st-key-grid .stage").all())
        assert page.evaluate(SMALL_TYPE) == []
    assert find_faint(page) == []
    expect(page.get_by_text("photo-cnn", exact=True).first).to_be_visible()
    words = page.locator("[data-testid=stMain]").inner_text() + page.locator(".st-key-grid .grid").inner_text()
    assert not re.search(r"\bpass(es)?\b|\d ms", words)

    seen = []
    for _ in range(4):
        press(page, "ArrowRight")
        seen.append(list_panes(page))
    assert seen == [[maps[0]], [maps[1]], [maps[2]], ["picture", *maps]]
    assert measure_slide(page)[1] > 0.65
    press(page, "ArrowLeft")
    assert list_panes(page) == [maps[2]]
    press(page, "Enter")
    assert list_panes(page) == ["picture"]
    press(page, "Enter", "Enter")
    assert list_panes(page) == ["picture", *maps[:2]]
    press(page, "Backspace")
    assert list_panes(page) == ["picture", maps[0]]
    press(page, "Enter", "Enter", "b")
    assert list_panes(page) == ["picture", *maps]
    assert page.evaluate("getComputedStyle(document.body, '::after').backgroundColor") == "rgb(0, 0, 0)"
    press(page, "b", "?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet.get_by_text("Darken the screen")).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    pane(page, "cf-cam").locator(".stage canvas").focus()
    press(page, "+", "s")
    expect(pane(page, "cf-cam").get_by_role("slider")).to_be_visible()
    assert read_frame(page, 0)[2] == 1.5, "the grid's own keys are there"

    ground = "getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme"
    for theme, kept in (("dark", "Dark"), ("light", "Light")):
        press(page, "t")
        page.wait_for_function(f"() => {ground} === '{theme}'")
        page.wait_for_function(f"() => localStorage.getItem('stActiveTheme-/models-v2') === '\"{kept}\"'")
        page.wait_for_function("() => !document.documentElement.hasAttribute('data-changing-theme')")
    press(page, "p")
    page.wait_for_function("() => document.fullscreenElement === null")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()


def test_presenting_by_keys(page: Page, app_url: str, requests: Any) -> None:
    page.goto(f"{app_url}/?verdicts=0&present=1")
    await_rows(page, TITLES[0])
    sidebar, toolbar = page.get_by_test_id("stSidebar"), page.locator(".st-key-grid .toolbar")
    controls = [sidebar, toolbar, page.get_by_test_id("stHeader"), page.locator(".st-key-comparison")]
    for control in controls:
        expect(control).to_be_hidden()
    expect(page.get_by_text("Not for diagnostic use")).to_be_visible()

    page.keyboard.press("2")
    await_rows(page, TITLES[1])
    shown = read_pixels(page, "grad-cam")
    page.keyboard.press("Space")
    hidden = when_changed(page, "grad-cam", shown)
    page.keyboard.press("3")
    await_rows(page, TITLES[2])
    page.keyboard.press("PageUp")
    await_rows(page, TITLES[1])
    assert read_pixels(page, "grad-cam") == hidden, "the next picture comes without its maps too"
    page.keyboard.press("Space")
    assert when_changed(page, "grad-cam", hidden) == shown
    assert "present=1" in read_words(page)

    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    for control in controls:
        expect(control).to_be_visible()
    await_rows(page, TITLES[1])
    page.wait_for_function("() => !location.search.includes('present')", timeout=PATIENCE)
    assert when_changed(page, "grad-cam", hidden), "whoever leaves has the maps back"
    page.keyboard.press("2")
    page.get_by_role("button", name="Present").click()
    expect(sidebar).to_be_hidden()
    page.wait_for_function("() => location.search.includes('present=1')", timeout=PATIENCE)
    page.keyboard.press("p")
    expect(sidebar).to_be_visible()
    assert requests.to_other_hosts == []


def when_changed(page: Page, name: str, before: str) -> str:
    """A pane's pixels once they are others."""
    for _ in range(100):
        if (now := read_pixels(page, name)) != before:
            return now
        page.wait_for_timeout(50)
    raise AssertionError(f"{name} has not changed")
