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
    painted = page.locator('[data-pane][data-version]:not([data-version="0"]) .stage canvas').first
    expect(painted).to_be_visible(timeout=PATIENCE)
    colours = painted.evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
    )
    assert colours > 20
    assert page.get_by_text("could not be drawn").count() == 0


@pytest.mark.parametrize("place", ["", "layers"])
def test_a_proxy_that_takes_the_path_off(page: Page, proxy: StrippingProxy, place: str) -> None:
    page.goto(proxy.url + place)
    await_drawn(page)
    assert PREFIX in page.url
    if not place:
        page.get_by_role("link", name="Layers").first.click()
        page.wait_for_url(f"**{PREFIX}/layers*", timeout=PATIENCE)
        await_drawn(page)
    assert not [path for path in proxy.strays if path != "/favicon.ico"]
