"""Take the README's screenshots: `python -m benchmarks.screenshots`. Needs Playwright and a Chromium.

Every page in light and dark.
"""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from tests.support.dashboard import ROOT, launch_chromium, serve_dashboard

FOLDER = ROOT / "assets" / "screenshots"
PATIENCE = 120_000  # milliseconds
PAGES = {
    "compare": "?model=photo-vit",
    "layers": "layers",
    "clusters": "clusters",
    "studio": "studio",
    "truth": "truth",
    "methods": "methods",
    "models": "models",
}
SECONDS_TO_SETTLE = 2.5
LAST_METHOD = "prompt-cam"


def main() -> None:
    """Serve the dashboard and photograph its pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with serve_dashboard() as dashboard, launch_chromium() as browser:
        for scheme in ("light", "dark"):
            for name, address in PAGES.items():
                _take(browser, scheme, f"{dashboard.url}/{address}", name)


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
