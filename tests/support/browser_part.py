"""A stand-in for the browser, for what a component with a script of its own says and hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Browser:
    """Stands in for the browser: keeps what a component was given, and presses."""

    def __init__(self, state: dict[str, Any], trigger: str) -> None:
        self.state, self.trigger, self.data = state, trigger, {}
        self.answer: Callable[[], None] = lambda: None

    def mount(self, key: str, data: dict[str, Any], **callbacks: Callable[[], None]) -> None:
        self.key, self.data, self.answer = key, data, callbacks[f"on_{self.trigger}_change"]

    def press(self, value: Any) -> None:
        self.state[self.key] = {self.trigger: value}
        self.answer()
