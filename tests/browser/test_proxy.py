"""Behind a proxy that takes the path off, the pictures and maps are drawn as anywhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.proxy import PREFIX, StrippingProxy

PATIENCE = 90_000  # milliseconds: the first page waits for torch


@pytest.fixture
def proxy(app_url: str) -> Iterator[StrippingProxy]:
    proxy = StrippingProxy(app_url)
    yield proxy
    proxy.close()


def await_drawn(page: Page) -> None:
    """Wait until a map is painted, with the picture below it."""
    painted = page.locator("canvas[role=img][aria-label*=strongest]").first
    expect(painted).to_be_visible(timeout=PATIENCE)
    page.wait_for_function(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size > 20",
        arg=painted.element_handle(),
        timeout=PATIENCE,
    )
    assert page.get_by_text("could not be drawn").count() == 0


def test_a_proxy_that_takes_the_path_off(page: Page, proxy: StrippingProxy) -> None:
    page.goto(proxy.url)
    await_drawn(page)
    assert f"{PREFIX}/" in page.url
    assert not [path for path in proxy.strays if path != "/favicon.ico"]
    page.get_by_role("link", name="Methods").first.click()  # and back, by which the page has another address
    page.wait_for_url(f"**{PREFIX}/methods*", timeout=PATIENCE)
    page.get_by_role("link", name="Compare").first.click()
    await_drawn(page)
    assert not [path for path in proxy.strays if path != "/favicon.ico"]
