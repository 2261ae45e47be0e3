"""The tour, walked without a browser."""

from __future__ import annotations

from typing import Any


def test_the_tour_is_walked_and_left(dashboard: Any) -> None:
    assert "tour" not in dashboard.words
    dashboard.test.button(key="tour-start").click().run()
    assert not dashboard.test.exception and dashboard.words["tour"] == "1"
    assert any("1 of 6 · Where it looks." in text.value for text in dashboard.test.markdown)
    dashboard.test.button(key="tour-next").click().run()
    assert dashboard.words["class"] == "281:tabby" and dashboard.words["method"] == ["grad-cam", "eigen-cam"]
    dashboard.test.button(key="tour-end").click().run()
    assert "tour" not in dashboard.words and dashboard.words["class"] == "281:tabby"
    assert dashboard.test.button(key="tour-start")
