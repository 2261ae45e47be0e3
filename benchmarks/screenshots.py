"""Take the README's screenshots: `python -m benchmarks.screenshots`. Needs Playwright and a Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "assets" / "screenshots"
PORT = 8619
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE = 120_000  # milliseconds
LAST_METHOD = "prompt-cam"


def main() -> None:
    """Serve the dashboard, photograph the ViT's four maps in light and dark, and stop the server."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = os.environ.get("CAMSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(PORT)], cwd=ROOT
    )
    try:
        _await_server()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            for scheme in ("light", "dark"):
                _take(browser, scheme, FOLDER / f"compare-{scheme}.png")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _await_server() -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://localhost:{PORT}/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("The dashboard did not start within 90 s.")


def _take(browser: Browser, scheme: str, path: Path) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 820}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"http://localhost:{PORT}")
    panes = page.locator(".st-key-grid [data-pane]")
    expect(panes.last).not_to_have_attribute("data-version", "0", timeout=PATIENCE)
    page.get_by_role("combobox", name="Bundled model").click()
    page.get_by_role("option", name="photo-vit").click()
    last = page.locator(f'.st-key-grid [data-pane="{LAST_METHOD}"]')
    expect(last.locator(".pane-time")).not_to_be_empty(timeout=PATIENCE)
    page.locator("h1").click()
    page.wait_for_timeout(1500)
    page.screenshot(path=path)
    page.close()


if __name__ == "__main__":
    main()
