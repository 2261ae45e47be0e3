"""The page Collection in a real browser: pictures are drawn around, filtered, and one is opened in Compare; a strategy
is put to the test; and Compare sends a zip there.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from explain.bundled.pictures import bundled_pictures
from explain.collections import page_run
from explain.collections.runs import FOLDER
from explain.models.request import ModelRequest
from explain.storage import find_data_folder
from explain.worlds.marks import MARKS, plant
from tests.support.collection_runs import draw_blob, make_png, write_run
from tests.support.data_sets import pack
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


TAGGED = 12
"""Each of so many pictures has the tag."""


def encode_photograph(number: int) -> bytes:
    """A photograph of 64 pixels, of no ship; some have a tag in the corner."""
    pictures = [entry for entry in bundled_pictures() if entry.seed is None and "ship" not in entry.classes]
    pixels = np.asarray(Image.open(pictures[number % len(pictures)].path).convert("RGB").resize((64, 64)))
    stream = io.BytesIO()
    Image.fromarray(pixels if number % TAGGED else plant(pixels, MARKS["tag"])).save(stream, "PNG")
    return stream.getvalue()


def draw_map(number: int) -> np.ndarray:
    """High at the tag where there is one, and else in the middle, with some noise."""
    place = (3, 2 + number % 3) if number % TAGGED else (7, 7)
    noise = np.random.default_rng(number).random((8, 8)).astype(np.float32)
    blob: np.ndarray = draw_blob(*place) + 0.05 * noise
    return blob


@pytest.fixture
def tagged() -> Iterator[Path]:
    """A run of the network that relies on the tag."""
    folder = find_data_folder() / FOLDER / "tagged"
    run = write_run(
        folder,
        10 * TAGGED + 1,
        lambda number: {"target": "ship"},
        draw_map,
        encode_photograph,
        (64, 64),
        shard=64,
    )
    model = ModelRequest(source="bundled", name="shortcut-tag")
    labels = ("bird", "cat", "horse", "ship")
    manifest = run.read_manifest().model_copy(update={"model": model, "labels": labels})
    run.manifest.write_text(manifest.model_dump_json())
    yield folder
    shutil.rmtree(folder.parent)


@pytest.mark.slow
@pytest.mark.usefixtures("tagged")
def test_a_card_is_put_to_the_test(page: Page, app_url: str, requests: Any) -> None:
    page.goto(f"{app_url}/collection?shown=strategies")
    expect(page.get_by_text("⚑ Strategy 1")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("10 pictures · 8.3 % of the maps")).to_be_visible()
    page.get_by_role("button", name="Test it").click()
    expect(page.get_by_text("The model relies on this place for “ship”")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="⚑ Strategy 1").hover()
    assert_legible(page)
    page.get_by_role("button", name="Show its pictures").click()
    expect(page.get_by_text("10 of 121 pictures")).to_be_visible(timeout=PATIENCE)
    assert requests.to_other_hosts == []


@pytest.mark.slow
def test_a_zip_is_explained_whole_and_opened(page: Page, app_url: str, requests: Any) -> None:
    page.goto(f"{app_url}/?model=photo-cnn&verdicts=0&method=grad-cam")
    page.get_by_text("Explain all", exact=True).click(timeout=PATIENCE)
    expect(page.get_by_text("None of your own pictures is here")).to_be_visible(timeout=PATIENCE)
    field = page.locator('[class*="st-key-explain-all-upload"] input[type=file]')
    zipped = pack((f"{number:03}.png", make_png(number)) for number in range(400))
    field.set_input_files({"name": "a.zip", "mimeType": "application/zip", "buffer": zipped})
    start = page.get_by_role("button", name="Explain all 400")
    expect(start).to_be_visible(timeout=PATIENCE)
    assert not (find_data_folder() / page_run.FOLDER).exists(), "nothing is written before the button is pressed"
    start.click()
    expect(page).to_have_url(re.compile("explaining="), timeout=PATIENCE)
    expect(page.get_by_text(re.compile(r"of 400 pictures, .* a second, .* left")).first).to_be_visible(timeout=PATIENCE)
    page.reload()
    page.get_by_role("button", name="Stop").click(timeout=PATIENCE)
    page.get_by_role("button", name="Go on").click(timeout=PATIENCE)
    expect(page).to_have_url(re.compile(r"/collection\?"), timeout=2 * PATIENCE)
    expect(page.get_by_text("400 of 400 pictures")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("heading", level=1).hover()
    assert_legible(page)
    first = page.get_by_role("button", name=re.compile(r"\d{3}\.png")).first
    name = re.search(r"\d{3}\.png", first.inner_text())
    assert name is not None
    first.click()
    expect(page.locator(".st-key-grid")).to_contain_text(name[0], timeout=PATIENCE)
    page.get_by_role("button", name="Delete").click(timeout=PATIENCE)
    page.get_by_role("button", name="Delete the collection and its pictures").click()
    expect(page.get_by_text("The collection and its pictures are deleted.")).to_be_visible(timeout=PATIENCE)
    assert not list((find_data_folder() / page_run.FOLDER).iterdir())
    assert requests.to_other_hosts == []
