"""A region cut from a map: from which share on, which pieces, along which edges."""

from __future__ import annotations

import streamlit as st

from components.choices.mask import read_mask_settings, show_mask_settings
from components.studio.effects import pick_cut
from explain.maps.mask import MaskSettings


def pick_map_region() -> MaskSettings:
    """Offer how the map becomes a region. The share is of this page alone: what is taken away is small, so that there
    are other places to compare it with.
    """
    cut = pick_cut()
    with st.popover("Mask", icon=":material/select:"):
        show_mask_settings([name for name in MaskSettings.model_fields if name != "share"])
    return read_mask_settings().model_copy(update={"share": cut})
