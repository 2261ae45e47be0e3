"""The pages Layers and Clusters in a real browser: keys, drags, and what is carried from page to page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.dashboard import await_still
from tests.support.legibility import assert_legible

PATIENCE = 90_000  # milliseconds: the first page waits for torch
LINE = '[role="slider"][aria-label="DBSCAN eps"]'


def go_to(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


@pytest.mark.slow
def test_the_diagram_is_walked_with_keys_and_the_layer_is_that_of_every_page(
    page: Page, app_url: str, requests: Any
) -> None:
    page.goto(f"{app_url}/layers?model=photo-cnn")
    chosen = page.locator('.network .block[aria-pressed="true"]')
    expect(chosen).to_have_attribute("title", "stages.1 · 8×8 cells · 320 channels", timeout=PATIENCE)
    chosen.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".network .said")).to_contain_text("stages.0")
    page.keyboard.press("Enter")
    expect(chosen).to_have_attribute("title", "stages.0 · 16×16 cells · 128 channels", timeout=PATIENCE)
    expect(page.locator('.strip .card[aria-pressed="true"] .title')).to_have_text("stages.0", timeout=PATIENCE)
    alt = re.compile("Grad-CAM for “cat” at stages.0 on .*, strongest at")
    expect(page.locator(".st-key-map img").first).to_have_attribute("alt", alt, timeout=PATIENCE)
    assert_legible(page)

    cells = page.locator(".st-key-map .cells")
    area = cells.bounding_box()
    assert area is not None
    cells.click(position={"x": area["width"] * 3.5 / 16, "y": area["height"] * 12.5 / 16})
    main = page.get_by_test_id("stMain")
    expect(main.get_by_text("At the ringed cell, row 13 and column 4:")).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("ArrowRight")
    expect(main.get_by_text("At the ringed cell, row 13 and column 5:")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Back to the highest cell").click()
    expect(main.get_by_text("Press any cell of the map")).to_be_visible(timeout=PATIENCE)
    go_to(page, "Clusters")
    expect(page.locator(".st-key-layer-widget")).to_contain_text("Layer", timeout=PATIENCE)
    expect(page.locator(".st-key-map .lines").first).to_contain_text("stages.0", timeout=PATIENCE)
    assert_legible(page)
    assert requests.to_other_hosts == []


def test_the_line_is_dragged_and_the_map_and_the_slider_follow(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/clusters?model=photo-cnn")
    line = page.locator(LINE)
    expect(line).to_have_attribute("aria-valuenow", "0.3", timeout=PATIENCE)
    image = page.locator(".st-key-map img").first
    before = image.get_attribute("src") or ""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE)
    page.wait_for_timeout(500)  # what still comes above it would move it away from under the hand
    plot = await_still(page, page.locator(".knee svg").bounding_box)
    assert plot is not None
    page.mouse.move(plot["x"] + 150, plot["y"] + 240)
    page.mouse.down()
    for step in range(12):
        page.mouse.move(plot["x"] + 150, plot["y"] + 240 - 10 * step)
        page.wait_for_timeout(40)
    page.mouse.up()
    expect(line).not_to_have_attribute("aria-valuenow", "0.3")
    eps = float(line.get_attribute("aria-valuenow") or 0)
    assert eps > 2
    slider = page.get_by_role("slider", name="How unlike channels may be")
    expect(slider).to_have_attribute("aria-valuetext", f"{eps:g}", timeout=PATIENCE)
    expect(image).not_to_have_attribute("src", before, timeout=PATIENCE)

    line.focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    expect(slider).to_have_attribute("aria-valuetext", "0.07", timeout=PATIENCE)
    slider.press("ArrowRight")
    expect(line).to_have_attribute("aria-valuenow", "0.08", timeout=PATIENCE)

    page.locator(".st-key-eps-strip button").last.click()
    expect(slider).to_have_attribute("aria-valuetext", "25", timeout=PATIENCE)
    expect(line).to_have_attribute("aria-valuenow", "25", timeout=PATIENCE)
    go_to(page, "Compare")
    page.locator(".st-key-grid [data-pane=cf-cam] [data-tool=settings]").click(timeout=PATIENCE)
    expect(slider).to_have_attribute("aria-valuetext", "25", timeout=PATIENCE)
    page.get_by_text("What would each eps give?").click()
    strip = page.locator(".st-key-settings-cf-cam .cards.strip")
    strip.wait_for(timeout=PATIENCE)
    room, pane = (found.bounding_box() for found in (strip, page.locator(".st-key-grid [data-pane=cf-cam]")))
    assert room is not None and pane is not None and room["width"] > 0.9 * pane["width"], "a line of its own"
    ends = page.locator(".st-key-settings-cf-cam").get_by_test_id("stSliderTickBar").first
    expect(ends).to_be_hidden()  # or they would lie over the marks
    go_to(page, "Clusters")
    expect(line).to_have_attribute("aria-valuenow", "25", timeout=PATIENCE)
    expect(slider).to_have_attribute("aria-valuetext", "25", timeout=PATIENCE)
