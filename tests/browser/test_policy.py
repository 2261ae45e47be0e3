"""What the server tells browsers with every page holds, and the dashboard needs no more than it allows."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

PAGES = ("start", "layers", "clusters", "without_it", "collection", "studio", "truth", "methods", "models")


def test_a_breach_of_the_policy_is_seen(page: Page, app_url: str, requests: Any) -> None:
    page.goto(f"{app_url}/live")
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.here = true';
        document.head.append(script);
    }""")
    assert page.evaluate("() => window.here") is None, "no script that is not the server's runs"
    assert len(page.breaches) == 1  # type: ignore[attr-defined]
    page.breaches.clear()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_all_pages_keep_to_the_policy(page: Page, app_url: str, requests: Any) -> None:
    """The fixture looks for breaches; here is that each page is there."""
    page.goto(app_url)
    links = page.get_by_test_id("stTopNav").get_by_role("link")
    expect(links).to_have_count(len(PAGES))
    for address in PAGES:
        page.goto(f"{app_url}/{address}?verdicts=0")
        expect(page.get_by_role("heading").first).to_be_visible()
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        page.wait_for_timeout(1_000)  # parts with a script of their own come last
    assert requests.to_other_hosts == []
