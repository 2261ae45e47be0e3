"""What a person can take along: the figure, the raw maps, and the manifest that replays them."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from explain.engine.explanation import Explanation
from explain.maps.render import RenderSettings
from explain.report.export import encode_figure, encode_manifest, encode_maps


@dataclass
class Shown:
    """What stands on the page now. The fragment with the sliders writes it, the buttons outside read it.

    Attributes:
        explanation: the maps; None before there are any, and where their columns are models.
        view: how they are shown.
        offered: whether there were maps, and with them the buttons, when the page was last made; None before that.
    """

    explanation: Explanation | None = None
    view: RenderSettings = field(default_factory=RenderSettings)
    offered: bool | None = None

    @property
    def maps(self) -> Explanation:
        """The maps, once there are some."""
        assert self.explanation is not None
        return self.explanation


def offer_downloads(shown: Shown) -> None:
    """Three buttons. Each file is made of what is shown when its button is pressed."""
    with st.container(key="downloads", horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            "Figure",
            lambda: encode_figure(shown.maps, shown.view),
            "figure.png",
            "image/png",
            key="download-figure",
            on_click="ignore",
            icon=":material/image:",
            help="The comparison as one PNG, with colour bars and warnings, as it is shown now.",
        )
        st.download_button(
            "Raw maps",
            lambda: encode_maps(shown.maps),
            "maps.npz",
            "application/zip",
            key="download-maps",
            on_click="ignore",
            icon=":material/grid_on:",
            help="The maps as numbers, at the layer's own resolution: NumPy's NPZ, float32, signed, not normalised.",
        )
        st.download_button(
            "Manifest",
            lambda: encode_manifest(shown.maps),
            "manifest.json",
            "application/json",
            key="download-manifest",
            on_click="ignore",
            icon=":material/receipt_long:",
            help="What was asked of which picture and which model, with digests and versions. "
            "`python -m explain replay manifest.json` makes the same maps again.",
        )
