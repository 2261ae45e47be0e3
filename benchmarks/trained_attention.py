"""Are T-TAME's maps worth their training? What `benchmarks.causes --attention-data DIR` adds to its figures.

Attention for photo-cnn is trained anew on pictures of CIFAR-10 (JPEG files in folders of classes, `train/` and `test/`)
as for the one that ships, and judged on test pictures beside Grad-CAM:

- `ttame_average_drop`, `grad_cam_average_drop`: per cent of the probability lost where the picture is shown as bright
  as the map. A mask that stays open is good at that whatever it marks, so it is never to be read alone.
- `ttame_deletion`, `grad_cam_deletion`, `ttame_insertion`, `grad_cam_insertion`: areas under the curves.
- `ttame_class_correlation`: of the maps of the likeliest and the least likely class.
- `ttame_minutes`, `ttame_cpu_minutes`: of the training, judging left out; the second holds on a busy machine too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from explain.datasets.sample import PICTURES, choose_pictures
from explain.models.attention_report import AttentionReport
from explain.models.load import load_model
from explain.models.request import ModelRequest
from explain.training.attention_loop import train_attention
from explain.training.attention_recipe import choose_attention_recipe
from explain.training.outcome import Epoch, Preparing

Bar = tuple[str, Callable[[Mapping[str, float]], bool]]
"""In words, and whether figures reach it."""

JUDGING = 300


def measure_attention(data: Path, learning: int = PICTURES, judging: int = JUDGING) -> dict[str, float]:
    """Train on so many pictures, judge on so many others.

    Returns:
        The figures by name.
    """
    loaded = load_model(ModelRequest(source="bundled", name="photo-cnn"))
    recipe = choose_attention_recipe(loaded).model_copy(update={"judged": judging})
    started, spent = time.process_time(), []

    def tell(said: Epoch | Preparing | str, share: float | None) -> None:
        if isinstance(said, Epoch):
            spent.append(time.process_time() - started)
        if not isinstance(said, Preparing):
            print(said, file=sys.stderr, flush=True)

    outcome = train_attention(loaded, choose_pictures(data, learning, judging), recipe, tell=tell).outcome
    times = {"ttame_minutes": outcome.seconds / 60, "ttame_cpu_minutes": spent[-1] / 60}
    return {**list_figures(outcome.worth), **times}


def list_figures(report: AttentionReport) -> dict[str, float]:
    """What a report says of the trained maps and of Grad-CAM's."""
    (rival,) = (row for row in report.others if row.title == "Grad-CAM")
    figures: dict[str, float] = {}
    for name, row in (("ttame", report.own), ("grad_cam", rival)):
        figures |= {
            f"{name}_average_drop": row.average_drop,
            f"{name}_insertion": row.insertion,
            f"{name}_deletion": row.deletion,
            f"{name}_class_correlation": float("nan") if row.likeness is None else row.likeness,
        }
    return figures


BARS: dict[str, Bar] = {
    "ttame_average_drop": (
        "below Grad-CAM's",
        lambda figures: figures["ttame_average_drop"] < figures["grad_cam_average_drop"],
    ),
    "ttame_deletion": (
        "at most Grad-CAM's + 0.02",
        lambda figures: figures["ttame_deletion"] <= figures["grad_cam_deletion"] + 0.02,
    ),
    "ttame_class_correlation": ("below 0.5", lambda figures: figures["ttame_class_correlation"] < 0.5),
    "ttame_minutes": ("at most 5, on two idle cores", lambda figures: figures["ttame_minutes"] <= 5),
}
"""By figure, the bar in words, and whether it is reached."""
