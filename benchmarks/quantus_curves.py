"""The same curves by CAMscope and by Quantus: `python -m benchmarks.quantus_curves PICTURE… --json FILE`.

Deletion in both orders, of four methods, with single pixels in place of cells, because that is what Quantus hides: the
same pixels in the same eight steps, replaced by the model's zero. First both must give the same curves; then each is
timed, in turn, and the medians are compared. Both are given the maps, so that only the curves are timed, and neither
remembers anything.

Quantus 0.6.0 is under the (L)GPL and no part of CAMscope: see requirements-bench.txt.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import torch
from torch import nn

from explain.engine.engine import Engine
from explain.engine.measuring import list_new
from explain.faithfulness.changes import STEPS, Changes, apply, hide_in_steps
from explain.models.loaded import LoadedModel
from explain.passes.runner import Runner
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare
from explain.storage import read_file

METHODS = ("grad-cam", "cf-cam", "layer-cam", "eigen-cam")
TOLERANCE = 1e-3

Curves = np.ndarray
"""The probability of the class: by map and order, after each step, `(maps · 2, STEPS)`."""


class Answering(nn.Module):
    """A network's probabilities for one picture, of which places are hidden.

    With a softmax of its own, Quantus refuses the network as being trained. And it counts each channel of a pixel by
    itself: hiding all three at once takes a picture of one channel, which says what is shown.
    """

    def __init__(self, network: nn.Module, picture: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        self.picture = picture

    def forward(self, shown: torch.Tensor) -> torch.Tensor:
        """The softmax of the scores, `(n, classes)`, with the places shown that are 1 in `(n, 1, H, W)`."""
        probabilities: torch.Tensor = self.network(self.picture * shown).softmax(1)
        return probabilities


def draw_ours(loaded: LoadedModel, picture: torch.Tensor, orders: np.ndarray, target: int) -> Curves:
    """By CAMscope: every changed picture once, through the runner.

    Args:
        loaded: the model.
        picture: its input, `(1, C, H, W)`.
        orders: what is hidden first is highest, `(n, H, W)`, no two places alike.
        target: the class.
    """
    everywhere = np.ones(orders.shape[1:], dtype=bool)
    asked = [hide_in_steps(order, everywhere, 0, "grey", "most") for order in orders]
    runner = Runner(loaded.module, picture, loaded.layers[-1], target, "logit")
    scores: dict[str, float] = {}
    for changes in list_new(asked, ()):

        def make(rows: range, changes: Changes = changes) -> torch.Tensor:
            return apply(picture, changes.take(rows), 0)

        answers = runner.answers(make, len(changes.shares)).softmax(1)[:, target]
        scores |= dict(zip(changes.keys, answers.tolist(), strict=True))
    return np.array([[scores[key] for key in changes.keys[1:]] for changes in asked])


def draw_theirs(loaded: LoadedModel, picture: torch.Tensor, orders: np.ndarray, target: int) -> Curves:
    """By Quantus: pixel flipping, one metric for each map and order; see `draw_ours`."""
    import quantus

    network = Answering(loaded.module, picture).eval()
    everything = np.ones((1, 1, *orders.shape[1:]), dtype=np.float32)
    curves = []
    for order in orders:
        metric = quantus.PixelFlipping(
            features_in_step=order.size // STEPS,
            perturb_baseline=0.0,
            abs=False,
            normalise=False,
            disable_warnings=True,
            display_progressbar=False,
        )
        given: dict[str, Any] = {
            "x_batch": everything,
            "y_batch": np.array([target]),
            "a_batch": order[None, None],
        }
        curves.append(np.ravel(metric(model=network, device="cpu", softmax=False, **given)[0]))
    return np.array(curves)


def draw_orders(engine: Engine, path: Path, loaded: LoadedModel) -> tuple[torch.Tensor, np.ndarray, int]:
    """The model's input, the orders of its pixels by each map and against it, and the class explained."""
    picture = decode(read_file(path), path.name)
    explained = engine.explain(picture, loaded, METHODS).pictures[0]
    shown = prepare(picture, loaded.preprocessing).tensor
    height, width = shown.shape[2:]
    orders = []
    for heatmap in explained.maps:
        fine = cv2.resize(heatmap.values, (width, height), interpolation=cv2.INTER_LINEAR)
        rank = np.argsort(np.argsort(fine.ravel(), kind="stable"), kind="stable").reshape(height, width)
        orders += [rank, rank.max() - rank]
    return shown, np.stack(orders).astype(np.float32), explained.targets[0]


def take_time(draw: Callable[..., Curves], *given: Any) -> tuple[float, Curves]:
    """Seconds that the curves took, and the curves."""
    started = time.perf_counter()
    curves = draw(*given)
    return time.perf_counter() - started, curves


def compare(loaded: LoadedModel, asked: tuple[torch.Tensor, np.ndarray, int], name: str) -> tuple[float, float, float]:
    """Seconds that CAMscope and Quantus took for the same curves, and the most that a point differs.

    Raises:
        SystemExit: the curves are not the same.
    """
    own_seconds, own = take_time(draw_ours, loaded, *asked)
    peer_seconds, peer = take_time(draw_theirs, loaded, *asked)
    worst = float(np.abs(own - peer).max())
    if worst > TOLERANCE:
        raise SystemExit(f"The curves of {name} differ by {worst:.2g}: there is nothing to compare.")
    print(f"{name}: {own_seconds:.2f} s, Quantus {peer_seconds:.2f} s", file=sys.stderr, flush=True)
    return own_seconds, peer_seconds, worst


def main() -> None:
    """Compare, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="+", help="photographs")
    parser.add_argument("--model", default="imagenet-cnn", help="a bundled model (default: imagenet-cnn)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is timed (default: 3)")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    engine = Engine("cpu")
    loaded = engine.load(arguments.model)
    found = []
    for path in arguments.pictures:
        asked = draw_orders(engine, path, loaded)
        found += [compare(loaded, asked, path.name) for _ in range(arguments.repeats)]
    ours, theirs, worst = zip(*found, strict=True)
    result = {
        "seconds": statistics.median(ours),
        "seconds_quantus": statistics.median(theirs),
        "speedup_over_quantus": statistics.median(theirs) / statistics.median(ours),
        "largest_difference": max(worst),
        "curves": 2 * len(METHODS),
    }
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
