"""A file of one's own in a real browser, where the form runs by itself beside the page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from explain.models.recipes import encode_recipe
from tests.support.heads import RESNET, build_head

PATIENCE = 90_000


def test_a_file_is_looked_into_and_used_with_one_press(page: Page, app_url: str) -> None:
    page.goto(app_url)
    maps = page.locator('.st-key-grid [data-pane="grad-cam"]')
    expect(maps).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
    page.get_by_role("radio", name="File").or_(page.get_by_role("button", name="File", exact=True)).first.click()
    field = page.get_by_test_id("stFileUploader").filter(has_text="Checkpoint").locator("input[type=file]")
    expect(field).to_be_attached(timeout=PATIENCE)
    recipe = encode_recipe({"architecture": RESNET, "label_names": ["quiet", "loud"]})
    given = (("mine.pth.tar", build_head([0.0, 4.0])), ("mine.toml", recipe))
    field.set_input_files([{"name": name, "mimeType": "", "buffer": data} for name, data in given])
    form = page.get_by_role("dialog")
    expect(form.get_by_text("loud · 98 %")).to_be_visible(timeout=PATIENCE)
    expect(form.get_by_label("Architecture")).to_have_value(RESNET)
    assert "model=" not in page.url, "it is not in use yet"
    # What was written last counts, though the press follows at once.
    form.get_by_label("Input size").fill("96")
    form.get_by_role("button", name="Use this model").click()
    expect(form).to_have_count(0, timeout=PATIENCE)
    page.wait_for_url(re.compile("model=file.*model.input_size=96"), timeout=PATIENCE)
    expect(page.locator('.st-key-grid [data-pane="picture"]')).to_contain_text("loud", timeout=PATIENCE)
    # Its maps are checked when asked for, and until then that is said.
    expect(maps.locator(".mark-word")).to_have_text("not measured", timeout=PATIENCE)
    expect(page.get_by_text("Check these maps (about")).to_be_visible()
    page.get_by_role("button", name="Its settings").click()
    form.get_by_role("button", name="Forget these settings").click(timeout=PATIENCE)
    expect(form.get_by_role("button", name="Forget these settings")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE)
    form.get_by_role("button", name="Close").click()  # Escape goes nowhere while the pressed button leaves the form
    expect(form).to_have_count(0, timeout=PATIENCE)
    expect(
        page.get_by_role("button", name="Look at what was found").or_(page.get_by_role("button", name="Its settings"))
    ).to_be_visible()
