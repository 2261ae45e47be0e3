"""Average drop, increase and gain: what the class is worth in a picture that is shown only where the map is bright."""

from __future__ import annotations

import numpy as np

from explain.faithfulness.changes import Changes, show_as_marked
from explain.faithfulness.measures.base import Examined, measure

_GRAD_CAM_PLUS_PLUS = (
    "Chattopadhay et al., Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks, WACV 2018, "
    "arXiv 1710.11063"
)
_CANNOT = (
    "A map that covers everything is best: compare with “all bright”, which has the best figure there is. It may be "
    "shown, and never judge a map."
)


def _ask(tested: Examined) -> tuple[Changes, ...]:
    return (show_as_marked(tested.shown),)


@measure(
    name="average drop",
    title="Average drop",
    category="showing",
    better="lower",
    unit="%",
    rule="All is shown only as bright as the map is. The figure is how much of the probability of the class is "
    "lost, as a share; 0 where it rises.",
    cannot=_CANNOT,
    paper=_GRAD_CAM_PLUS_PLUS,
    settings={"fill": "grey"},
    asks=_ask,
    of_value=False,
)
def average_drop(_: Examined, found: np.ndarray) -> float:
    """`100 · max(0, p − p′) / p`."""
    marked, whole = found
    return float(100 * max(0.0, whole - marked) / max(whole, 1e-12))


@measure(
    name="increase",
    title="Increase",
    category="showing",
    better="higher",
    unit="%",
    rule="All is shown only as bright as the map is. 100 where the class is then likelier than before, else 0; on "
    "the average of many inputs, of how many in a hundred it is.",
    cannot=_CANNOT,
    paper=_GRAD_CAM_PLUS_PLUS,
    settings={"fill": "grey"},
    asks=_ask,
    of_value=False,
)
def increase(_: Examined, found: np.ndarray) -> float:
    """`100 · [p′ > p]`."""
    marked, whole = found
    return 100.0 * float(marked > whole)


@measure(
    name="average gain",
    title="Average gain",
    category="showing",
    better="higher",
    unit="%",
    rule="All is shown only as bright as the map is. The figure is how much of what the probability of the class "
    "lacked to 100 % is gained; 0 where it falls.",
    cannot=_CANNOT,
    paper="Zhang et al., Opti-CAM: Optimizing saliency maps for interpretability, 2023, arXiv 2301.07002",
    settings={"fill": "grey"},
    asks=_ask,
    of_value=False,
    in_table=False,
)
def average_gain(_: Examined, found: np.ndarray) -> float:
    """`100 · max(0, p′ − p) / (1 − p)`."""
    marked, whole = found
    return float(100 * max(0.0, marked - whole) / max(1 - whole, 1e-12))
