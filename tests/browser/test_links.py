"""Links and presenter mode in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from components.choices.pictures import read_example_digests
from explain.bundled.pictures import bundled_pictures

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


def await_rows(page: Page, *labels: str) -> None:
    expect(page.locator(".st-key-grid .row-label")).to_have_text(labels, timeout=PATIENCE)
    for name in ("grad-cam", "cf-cam"):
        expect(pane(page, name).first).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE)


def read_words(page: Page) -> str:
    return page.evaluate("location.search")


def test_a_link_restores_the_view_and_back_undoes(page: Page, chromium: Browser, app_url: str, sent: list[int]) -> None:
    digests = read_example_digests()
    words = f"?picture={digests['cat']}&picture={digests['horses']}&method=grad-cam&method=cf-cam&view.opacity=0.8"
    page.goto(f"{app_url}/{words}")
    await_rows(page, "Chelsea, a cat", "Nokota horses")
    assert read_words(page) == words
    expect(page.locator("[data-setting=opacity]")).to_have_value("0.8")
    pane(page, "cf-cam").first.locator("[data-tool=settings]").click()
    slider = page.get_by_role("slider", name="CF-CAM · Gaussian sigma")
    expect(slider).to_have_attribute("aria-valuetext", "1.0")
    before, runs = read_pixels(page, "cf-cam"), len(sent)

    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "1.1")
    page.wait_for_function("location.search.includes('cf-cam.sigma=1.1')", timeout=PATIENCE)
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
    assert read_words(page) == words
    assert read_pixels(page, "cf-cam") == before


def test_presenting_by_keys(page: Page, app_url: str, requests: Any) -> None:
    page.goto(f"{app_url}/?present=1")
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
    page.wait_for_function("!location.search.includes('present')", timeout=PATIENCE)
    assert when_changed(page, "grad-cam", hidden), "whoever leaves has the maps back"
    page.keyboard.press("2")
    page.get_by_role("button", name="Present").click()
    expect(sidebar).to_be_hidden()
    page.wait_for_function("location.search.includes('present=1')", timeout=PATIENCE)
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
