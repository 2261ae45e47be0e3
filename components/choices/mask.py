"""How maps become masks, as chosen on whichever page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.choices.settings import get_settings, show_setting
from explain.maps.mask import MaskSettings

MASK = "mask"
"""What the keys of the settings begin with."""

MASKED = "masks"
"""Key of the session's state: whether masks are drawn on the maps."""

SHARE = f"{MASK}.share"


def read_mask_settings() -> MaskSettings:
    """The settings as they stand, a slider while it is dragged."""
    return get_settings(MaskSettings, MASK)


def read_shown_masks() -> MaskSettings | None:
    """The settings where masks are drawn on the maps; else None."""
    return read_mask_settings() if st.session_state.get(MASKED) else None


def show_mask_settings(names: Sequence[str]) -> None:
    """A widget for each of these settings, in a row that wraps."""
    with st.container(key="mask-settings", horizontal=True, vertical_alignment="bottom", gap="medium"):
        for name in names:
            with st.container(width=180):
                show_setting(MaskSettings, name, MASK)
