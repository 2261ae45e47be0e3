"""The views of the page Without it: without regions of the picture, without channels of a layer, what was expected."""

from __future__ import annotations

from typing import Literal

from components.choices.view import pick_one_view

WithoutView = Literal["regions", "channels", "expected"]

WITHOUT_VIEW = "without-view"
"""Key of the session's state."""

WITHOUT_VIEWS: dict[WithoutView, str] = {
    "regions": "Regions",
    "channels": "Channels and paths",
    "expected": "What you would expect",
}


def pick_view() -> WithoutView:
    """Offer the views."""
    return pick_one_view(WITHOUT_VIEW, WITHOUT_VIEWS)
