"""The page Collection in a real browser: pictures are drawn around, filtered, and one is opened in Compare."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from explain.collections.runs import FOLDER
from explain.storage import find_data_folder
from tests.support.collection_runs import write_run
from tests.support.legibility import assert_legible

PATIENCE = 90_000  # milliseconds: the first page waits for torch


@pytest.fixture
def run() -> Iterator[Path]:
    """A run in the data folder, which the server shares with the test."""
    folder = find_data_folder() / FOLDER / "blobs"
    write_run(folder, 21)
    yield folder
    shutil.rmtree(folder.parent)


@pytest.mark.slow
@pytest.mark.usefixtures("run")
def test_from_a_lasso_over_a_filter_to_one_picture(page: Page, app_url: str, requests: Any) -> None:
    page.goto(f"{app_url}/collection?shown=map-of-maps")
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    expect(plot).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("20 of 21 pictures")).to_be_visible()
    page.wait_for_timeout(500)
    frame = plot.bounding_box()
    assert frame is not None
    left, top, right, bottom = (
        frame["x"] + 2,
        frame["y"] + 2,
        frame["x"] + frame["width"] - 2,
        frame["y"] + frame["height"] - 2,
    )
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
        page.mouse.move(x, y, steps=4)
    page.mouse.up()
    expect(page.get_by_role("button", name="Show all again, not these 20 alone")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("radio", name="Pictures", exact=True).click()
    page.get_by_role("radio", name="Wrong", exact=True).click()
    expect(page).to_have_url(re.compile("answer=wrong"))
    expect(page.get_by_text("4 of 21 pictures")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("heading", level=1).hover()  # over the sidebar a faint arrow would show
    assert_legible(page)
    page.get_by_role("button", name=re.compile(r"005\.png")).click()
    expect(page.locator(".st-key-grid")).to_contain_text("005.png", timeout=PATIENCE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Where the model looks")
    assert requests.to_other_hosts == []
