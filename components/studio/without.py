"""The views of the page Without it: without regions of the picture, or without channels of a layer."""

from __future__ import annotations

from typing import Literal

from components.choices.view import pick_one_view

WithoutView = Literal["regions", "channels"]

WITHOUT_VIEW = "without-view"
"""Key of the session's state."""

WITHOUT_VIEWS: dict[WithoutView, str] = {"regions": "Regions", "channels": "Channels and paths"}


def pick_view() -> WithoutView:
    """Offer the views."""
    return pick_one_view(WITHOUT_VIEW, WITHOUT_VIEWS)
