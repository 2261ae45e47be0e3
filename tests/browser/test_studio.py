"""The Studio in a real browser: a complete small training, and what is drawn on a picture."""

from __future__ import annotations

import io
import os
import re
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import pytest
from playwright.sync_api import Page, expect

from components.choices.pictures import read_example_digests
from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import SPECIES
from tests.support.legibility import assert_legible

PATIENCE = 300_000  # milliseconds: torch is imported twice, here and in the training's own process
SPECIES_TAUGHT = [species.name for species in SPECIES[:2]]


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A zip with a folder of pictures for each of two species, and a file that is no picture."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for place, name in enumerate(SPECIES_TAUGHT):
            for number in range(10):
                pixels = draw_bird(name, 100 * place + number, 64).pixels
                archive.writestr(f"birds/{name}/{number}.png", cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
        archive.writestr(f"birds/{SPECIES_TAUGHT[0]}/notes.jpg", b"no picture")
    path = tmp_path / "two finches.zip"
    path.write_bytes(buffer.getvalue())
    return path


def test_from_a_zip_to_prompts_that_look(page: Page, app_url: str, birds: Path, requests: Any) -> None:
    page.goto(f"{app_url}/studio")
    page.get_by_role("radio", name="A zip").click(timeout=PATIENCE)
    page.locator('input[type="file"]').set_input_files(birds)
    expect(page.get_by_text("20 pictures of 2 classes: 16 to learn from, 4 kept back.")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("1 file is left out")).to_be_visible()
    name = page.get_by_role("textbox", name="Name of the prompts")
    expect(name).to_have_value(re.compile("two-finches"))
    expect(page.get_by_text("These 20 pictures are put into CAMscope's data folder")).to_be_visible()
    page.get_by_text("Settings", exact=True).click()
    epochs = page.get_by_role("spinbutton", name="Epochs", exact=True)
    epochs.fill("5")
    epochs.press("Enter")
    expect(page.get_by_text("On photo-vit: up to 5 epochs")).to_be_visible(timeout=PATIENCE)
    assert_legible(page)
    page.get_by_role("button", name="Start training").click()

    # Its address is all that is needed to find it again.
    expect(page.locator(".st-key-run-head")).to_contain_text("two-finches", timeout=PATIENCE)
    assert "run=" in page.url
    page.reload()
    expect(page.locator(".st-key-run-head")).to_contain_text("two-finches", timeout=PATIENCE)
    expect(page.get_by_text(re.compile(r"\d+ of 20 right \(95 % interval .*too few to say"))).to_be_visible(
        timeout=PATIENCE
    )
    expect(page.locator(".st-key-run-head")).to_contain_text("Done")
    expect(page.locator(".st-key-run-loss svg").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".st-key-confusion svg").first).to_be_visible(timeout=PATIENCE)
    assert_legible(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Prompts", exact=True).click()
    assert download.value.suggested_filename.endswith(".safetensors")

    page.get_by_role("button", name="Look through its eyes").click()
    title = page.locator(".row-label").first
    expect(title).to_have_text(re.compile(f"Through the eyes of “({'|'.join(SPECIES_TAUGHT)})”"), timeout=PATIENCE)
    expect(page.locator('[data-pane="trait-1"] canvas').first).to_be_visible(timeout=PATIENCE)
    assert "model=prompts%3Atwo-finches" in page.url or "model=prompts:two-finches" in page.url
    assert requests.to_other_hosts == []


def end_process(url: str) -> None:
    """Kill the process of the training whose page this is, as a power cut would."""
    token = parse_qs(urlsplit(url).query)["run"][0]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if token.encode() in words:
            os.kill(int(folder.name), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Processes are found by /proc.")
def test_a_training_is_paused_killed_taken_up_and_cancelled(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/studio")
    page.get_by_role("slider", name="Species").press("Home", timeout=PATIENCE)
    page.get_by_role("slider", name="Pictures of each").press("Home")
    expect(page.get_by_text("20 pictures of 2 classes")).to_be_visible(timeout=PATIENCE)
    # Long enough not to end by itself meanwhile.
    page.get_by_text("Settings", exact=True).click(timeout=PATIENCE)
    for label, value in (("Epochs", "1000"), ("Patience (epochs)", "0")):
        number = page.get_by_role("spinbutton", name=label, exact=True)
        number.fill(value)
        number.press("Enter")
    expect(page.get_by_text("On photo-vit: up to 1000 epochs, prompts")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Start training").click(timeout=PATIENCE)
    page.get_by_role("button", name="Pause").click(timeout=PATIENCE)
    expect(page.locator(".st-key-run-head")).to_contain_text("Paused", timeout=PATIENCE)
    end_process(page.url)
    expect(page.locator(".st-key-run-head")).to_contain_text("Interrupted", timeout=PATIENCE)
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled. No prompts were kept.")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Train something else").click()
    expect(page.get_by_role("button", name="Start training")).to_be_visible(timeout=PATIENCE)
    assert "run=" not in page.url


def outline_by_hand(page: Page, key: str) -> None:
    """Draw a box with the pointer over the upper middle of a pane."""
    canvas = page.locator(f'[data-pane="{key}"] canvas').first
    box = canvas.bounding_box()
    assert box is not None
    page.locator('[data-tool="box"]').click()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()


def outline_by_keys(page: Page, key: str) -> None:
    """The same with the keys alone."""
    page.locator(f'[data-pane="{key}"] canvas').first.focus()
    for stroke in ("b", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(stroke)


@pytest.mark.parametrize("outline", [outline_by_hand, outline_by_keys])
def test_what_is_drawn_is_operated_on_at_once(page: Page, app_url: str, outline: Callable[[Page, str], None]) -> None:
    digest = read_example_digests()["crested-finch"]
    page.goto(f"{app_url}/studio?view=surgery&model=photo-vit&picture={digest}")
    expect(page.locator('[data-pane="trait-1"] .bar').first).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".row-label")).to_have_count(1)
    outline(page, "picture")
    expect(page.locator(".row-label")).to_have_count(2, timeout=PATIENCE)
    expect(page.locator(".row-detail").nth(1)).to_contain_text("painted over with the mean colour")
    expect(page.locator(".st-key-surgery-change svg").first).to_be_visible(timeout=PATIENCE)
    page.locator('[data-tool="clear"]').click()
    expect(page.locator(".row-label")).to_have_count(1, timeout=PATIENCE)


def test_parts_are_outlined_and_named(page: Page, app_url: str) -> None:
    digest = read_example_digests()["crested-finch"]
    page.goto(f"{app_url}/studio?view=eyes&model=photo-vit&picture={digest}&parts=1")
    crest = page.locator('[data-pane="picture"] .part-name', has_text="crest")
    expect(crest).to_be_visible(timeout=PATIENCE)
    assert page.locator('[data-pane="trait-1"] .part').count() > 5
    assert page.locator('[data-pane="trait-1"] .part-name').count() == 0
    boxes = [name.bounding_box() for name in page.locator('[data-pane="picture"] .part-name').all()]
    for place, one in enumerate(boxes):
        for other in boxes[:place]:
            assert one is not None
            assert other is not None
            apart = abs(one["y"] - other["y"]) >= 0.9 * one["height"] or (
                one["x"] >= other["x"] + other["width"] or other["x"] >= one["x"] + one["width"]
            )
            assert apart, "one name hides another"
