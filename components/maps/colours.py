"""The colours of clusters."""

from __future__ import annotations

NEUTRAL = "rgba(128,128,128,0.45)"
DOMINANT_COLOUR = "#8a8f98"

# Okabe and Ito's palette, which colour-blind readers can tell apart.
CLUSTER_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
