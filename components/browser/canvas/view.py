"""How a grid is looked at, as far as a link tells it: all that its toolbar sets, and what is zoomed into or boxed."""

from __future__ import annotations

from pydantic import Field

from explain.maps.render import RenderSettings
from explain.settings import setting

_SHARE = r"(0|1|0\.\d{1,4})"

LENGTH_OF_NAME = 12
"""Of a picture's digest, so many digits tell it from the others of a view."""


class CanvasView(RenderSettings):
    """All of a grid's look. What its toolbar sets is declared where it is used, and is part of this by inheritance.

    A grid that is given one of these tells of every change, once the hand rests.
    """

    swiping: bool = setting(False, "Swipe", "A divider between picture and map.")
    swipe_at: float = setting(0.5, "Divider", "Where it stands, from the left.", low=0.0, high=1.0)
    zoom: float = setting(1.0, "Zoom", "How many times larger than the whole picture.", low=1.0, high=1000.0)
    across: float = setting(0.5, "Middle", "Of what is zoomed into, from the picture's left.", low=0.0, high=1.0)
    down: float = setting(0.5, "Middle", "Of what is zoomed into, from the picture's top.", low=0.0, high=1.0)
    box: str = Field(
        default="", title="Box", description="Its edges as shares.", pattern=rf"^({_SHARE}(,{_SHARE}){{3}})?$"
    )
    picture: str = Field(
        default="",
        title="Picture",
        description="The picture with the box and the zoom, by the start of its digest; the first where it is empty.",
        pattern=rf"^([0-9a-f]{{{LENGTH_OF_NAME}}})?$",
    )
    told: int = Field(
        default=0, description="How often a link has set all this: what it says again is news all the same."
    )
