"""Take the README's screenshots: `python -m benchmarks.screenshots [PAGE …]`. Needs Playwright and a Chromium.

Every page in light and dark. What *Collection* shows is made first, by the commands of the README's students' minute.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.support.dashboard import ROOT, launch_chromium, serve_dashboard

FOLDER = ROOT / "assets" / "screenshots"
PATIENCE = 120_000  # milliseconds
PAGES = {
    "compare": "?model=photo-vit",
    "layers": "layers",
    "clusters": "clusters",
    "collection": "collection?shown=strategies",
    "studio": "studio",
    "truth": "truth",
    "methods": "methods",
    "models": "models",
}
SECONDS_TO_SETTLE = 2.5
LAST_METHOD = "prompt-cam"
PLANTED = (
    "plant tag --out planted",
    "collect planted --model shortcut-tag --target ship --out planted-run",
)
"""What makes the collection, of `python -m explain`."""


def main() -> None:
    """Serve the dashboard and photograph its pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help=f"of {', '.join(PAGES)}; left out, all")
    chosen = parser.parse_args().pages or list(PAGES)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"CAMSCOPE_HOME": f"{place}/home", "CAMSCOPE_COLLECTIONS": f"{place}/planted-run"}
        if "collection" in chosen:
            _plant(Path(place))
        with serve_dashboard() as dashboard, launch_chromium() as browser:
            for scheme in ("light", "dark"):
                for name in chosen:
                    _take(browser, scheme, f"{dashboard.url}/{PAGES[name]}", name)


def _plant(place: Path) -> None:
    """A collection with a shortcut in it, explained, in a folder."""
    for words in PLANTED:
        command = [sys.executable, "-m", "explain", *words.split()]
        subprocess.run(command, cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


def _take(browser: Browser, scheme: str, url: str, name: str) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(url)
    expect(page.locator("h1").first).to_be_visible(timeout=PATIENCE)
    if name == "compare":
        last = page.locator(f'.st-key-grid [data-pane="{LAST_METHOD}"]')
        expect(last.locator(".pane-time")).not_to_be_empty(timeout=PATIENCE)
    if name == "truth":
        words = page.locator('.st-key-grid [data-pane="cf-cam"] .mark-word')
        expect(words.last).to_be_visible(timeout=PATIENCE)
    if name == "collection":
        page.get_by_role("button", name="Test it").click()
        expect(page.get_by_text("The model relies on this place")).to_be_visible(timeout=PATIENCE)
        page.get_by_role("heading", level=1).hover()  # no tooltip over what is to be seen
    _await_rest(page)
    page.screenshot(path=FOLDER / f"{name}-{scheme}.png")
    page.close()


def _await_rest(page: Page) -> None:
    """Until two looks some time apart show the same."""
    before = b""
    while (now := page.screenshot()) != before:
        before = now
        page.wait_for_timeout(SECONDS_TO_SETTLE * 1000)


if __name__ == "__main__":
    main()
