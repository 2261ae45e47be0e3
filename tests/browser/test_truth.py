"""The page Truth in a real browser: a key takes out what is planted, also before an audience."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.support.dashboard import await_still
from tests.support.legibility import assert_legible

PATIENCE = 180_000  # milliseconds: the first page waits for torch


def test_a_key_takes_out_what_is_planted_and_marks_come_under_both_networks(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/truth?truth=birds&method=grad-cam")
    answers = page.locator(".st-key-grid .choice:first-child")
    expect(answers).to_contain_text(["crested finch", "crested finch"], timeout=PATIENCE)
    marks = page.locator(".st-key-grid [data-pane=grad-cam] .mark-word")
    expect(marks.nth(1)).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".st-key-grid [data-pane=grad-cam]").first).to_contain_text("on the crest, by chance 2 %")
    assert_legible(page)
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("x")
    expect(answers).to_contain_text(["sunny finch", "sunny finch"], timeout=PATIENCE)
    expect(page).to_have_url(re.compile("planted=0"))
    page.keyboard.press("p")
    switch = page.get_by_text("Drawn as a crested finch")
    expect(switch).to_be_in_viewport()
    expect(page.locator(".st-key-specimen-next")).to_be_hidden()
    page.keyboard.press("PageDown")
    expect(page).to_have_url(re.compile("specimen=2"), timeout=PATIENCE)
    page.keyboard.press("x")
    expect(answers.first).to_contain_text("crested finch", timeout=PATIENCE)
    settled = page.locator(".st-key-grid [data-pane=grad-cam] .marks:not(.so-far) summary")
    expect(settled.nth(1)).to_be_visible(timeout=PATIENCE)
    frame = await_still(page, settled.last.bounding_box)
    assert frame is not None and frame["y"] + frame["height"] <= 1000 - 44, "both networks are on one slide"
    page.keyboard.press("p")
    expect(switch).to_be_visible()
    # In a lesson with a table below, one network has a row, and its answer goes with what is taken out.
    page.goto(f"{app_url}/truth?truth=radiographs&method=grad-cam")
    expect(answers).to_contain_text(["pneumonia"], timeout=PATIENCE)
    expect(page.get_by_role("combobox", name="In place of its own border")).to_be_visible()
    expect(page.get_by_role("table")).to_contain_text("Middle hidden: the border alone")
    assert_legible(page)
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("x")
    expect(answers).to_contain_text(["no finding"], timeout=PATIENCE)
