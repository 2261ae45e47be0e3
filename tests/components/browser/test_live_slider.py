"""Sliders that speak while they are dragged: one report at a time, the last one always, and the exact value at last."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Locator, Page, expect

from components.browser.live_slider import read_slider
from tests.support.dashboard import await_condition

APP = """
import time

import streamlit as st

from components.browser.live_slider import follow_sliders, read_slider


@st.fragment
def show():
    settled = st.slider("sigma", 0.0, 10.0, 2.0, 0.1, key="a:b.sigma")
    st.slider("other", 0, 10, 2)
    value = read_slider("a:b.sigma", settled)
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    time.sleep(0.15)
    st.text(f"value {value:.1f} settled {settled:.1f}")
    st.text(f"runs {st.session_state.runs}")
    follow_sliders(["a:b.sigma"])


show()
"""


@pytest.fixture(scope="module")
def address(serve: Callable[[Path | str], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    app = tmp_path_factory.mktemp("live") / "app.py"
    app.write_text(APP, encoding="utf-8")
    return serve(app)


def count_runs(page: Page) -> int:
    return int(page.get_by_text("runs ").inner_text().split()[1])


def await_rest(page: Page) -> int:
    """How often the page has run once it runs no more: of many key presses the last runs may come late."""
    before = -1
    while before != (runs := count_runs(page)):
        before = runs
        page.wait_for_timeout(1_000)
    return runs


def test_a_dragged_slider_speaks_and_the_last_word_is_exact(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("value 2.0 settled 2.0")).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("live-sliders")).to_be_attached(timeout=60_000)
    thumb = page.get_by_role("slider", name="sigma")
    start = thumb.locator("xpath=../..").bounding_box()
    assert start is not None
    runs = count_runs(page)
    x, y = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    began = time.monotonic()
    for step in range(40):
        page.mouse.move(x + 10 * (step + 1), y)
        page.wait_for_timeout(25)
        if step == 20:  # however late: the page follows before the hand rests
            expect(page.get_by_text("value 2.0 settled 2.0")).to_have_count(0)
    held = float(thumb.get_attribute("value") or "nan")
    assert held > 4
    # Not released: the page has followed to the last value, in fewer runs than there were moves.
    expect(page.get_by_text(f"value {held:.1f} settled 2.0")).to_be_visible()
    spoken = count_runs(page) - runs
    assert 2 <= spoken <= (time.monotonic() - began) / 0.15 + 2
    page.mouse.up()
    expect(page.get_by_text(f"value {held:.1f} settled {held:.1f}")).to_be_visible()
    # Set back to where the drag began, the slider counts, not what was said during the drag.
    for _ in range(round((held - 2.0) * 10)):
        thumb.press("ArrowLeft")
    expect(page.get_by_text("value 2.0 settled 2.0")).to_be_visible()
    # A slider that is not followed speaks on release only.
    runs = await_rest(page)
    other = page.get_by_role("slider", name="other").locator("xpath=../..").bounding_box()
    assert other is not None
    page.mouse.move(other["x"] + other["width"] / 2, other["y"] + other["height"] / 2)
    page.mouse.down()
    page.mouse.move(other["x"] + 300, other["y"] + other["height"] / 2, steps=4)
    page.wait_for_timeout(600)
    assert count_runs(page) == runs
    page.mouse.up()


@pytest.mark.parametrize(
    ("moving", "settled", "expected"),
    [
        ({"id": "1", "key": "k", "from": 2.0, "value": 3.5}, 2.0, 3.5),
        ({"id": "1", "key": "k", "from": 2, "value": 4}, 2, 4),
        ({"id": "1", "key": "other", "from": 2.0, "value": 3.5}, 2.0, 2.0),
        ({"id": "1", "key": "k", "from": 1.0, "value": 3.5}, 2.0, 2.0),
        ({"id": "1", "key": "k", "from": 2.0, "value": "3.5"}, 2.0, 2.0),
        ({"id": "1", "key": "k", "from": 2.0, "value": float("nan")}, 2.0, 2.0),
        ({"id": "1", "key": "k"}, 2.0, 2.0),
        (None, 2.0, 2.0),
    ],
)
def test_what_a_report_is_worth(
    monkeypatch: pytest.MonkeyPatch, moving: object, settled: float, expected: float
) -> None:
    monkeypatch.setattr(st, "session_state", {"live-sliders": {"moving": moving}})
    value = read_slider("k", settled)
    assert value == expected
    assert type(value) is type(settled)


@pytest.mark.parametrize(
    ("start", "to", "expected"), [(1, 2, 0.3), (1.0, 0.0, 0.0), (0, 2, 0.1), (1, 9, 0.1), (-1, 2, 0.1)]
)
def test_a_slider_over_a_list_speaks_of_places(
    monkeypatch: pytest.MonkeyPatch, start: float, to: float, expected: float
) -> None:
    monkeypatch.setattr(
        st, "session_state", {"live-sliders": {"moving": {"id": "1", "key": "k", "from": start, "value": to}}}
    )
    assert read_slider("k", 0.1, [0.0, 0.1, 0.3]) == expected


def test_a_drag_that_is_over_stays_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        st, "session_state", {"live-sliders": {"moving": {"id": "1", "key": "k", "from": 2.0, "value": 3.5}}}
    )
    assert read_slider("k", 2.0) == 3.5
    assert read_slider("k", 3.6) == 3.6
    assert read_slider("k", 2.0) == 2.0


def open_sigma(page: Page, app_url: str) -> tuple[Locator, Locator]:
    """CF-CAM's pane, painted, and the slider that moves it."""
    page.goto(f"{app_url}?verdicts=0")  # they take passes of their own
    pane = page.locator('.st-key-grid [data-pane="cf-cam"]')
    expect(pane).not_to_have_attribute("data-version", re.compile("^0?$"), timeout=90_000)
    expect(page.get_by_test_id("live-sliders")).to_be_attached(timeout=60_000)
    pane.locator("[data-tool=settings]").click()
    thumb = page.get_by_role("slider", name="CF-CAM · Gaussian sigma")
    return pane, thumb


def read_map(pane: Locator) -> str:
    """What the pane shows."""
    return str(pane.locator(".stage canvas").evaluate("canvas => canvas.toDataURL()"))


def read_passes(page: Page) -> str:
    """What the whole server has run."""
    return page.get_by_text("Passes of the network").inner_text()


def test_the_map_follows_the_hand_and_at_rest_is_the_released_one(page: Page, app_url: str) -> None:
    pane, thumb = open_sigma(page, app_url)
    passes = ""
    while passes != read_passes(page):  # maps of a page that was left may still be checked
        passes = read_passes(page)
        page.wait_for_timeout(1000)
        pane, thumb = open_sigma(page, app_url)
    place = thumb.locator("xpath=../..").bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2

    first, version = read_map(pane), int(pane.get_attribute("data-version") or 0)
    page.mouse.move(x, y)
    page.mouse.down()

    def follows() -> bool:
        for step in range(30):
            page.mouse.move(x + 3 * step, y)
            page.wait_for_timeout(60)
        return int(pane.get_attribute("data-version") or 0) - version >= 2

    await_condition(page, follows)
    held, before = read_map(pane), ""
    while held != before:
        page.wait_for_timeout(1500)
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        before, held = held, read_map(pane)
    page.mouse.up()
    page.wait_for_timeout(1500)
    assert read_map(pane) == held != first
    assert read_passes(page) == passes


@pytest.mark.slow
def test_a_drag_that_ends_where_it_began_leaves_the_map_it_began_with(page: Page, app_url: str) -> None:
    pane, thumb = open_sigma(page, app_url)
    place = thumb.locator("xpath=..").bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    value = thumb.get_attribute("value")

    first = read_map(pane)
    for _ in range(2):
        page.mouse.move(x, y)
        page.mouse.down()
        for step in range(20):
            page.mouse.move(x + 5 * step, y)
            page.wait_for_timeout(40)
        await_condition(page, lambda: read_map(pane) != first)
        for step in range(5):
            page.mouse.move(x + 4 * (4 - step), y)
        page.mouse.up()
        await_condition(page, lambda: read_map(pane) == first)
        page.wait_for_timeout(1200)
        assert thumb.get_attribute("value") == value
        assert read_map(pane) == first
