"""What the tests of the browser's parts share."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.conftest import CONTEXT, open_page


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """What the pages of a file share: what the browser has fetched and compiled once is not fetched again."""
    context = chromium.new_context(**CONTEXT)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A fresh page. A part of the browser keeps nothing on the computer, so cookies may be those of the file."""
    page = open_page(context)
    yield page
    page.close()


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The session's state, for components that are called outside of one."""
    kept: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.session_state", kept)
    return kept
