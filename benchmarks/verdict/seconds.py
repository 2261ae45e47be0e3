"""How long the verdicts take, by the clock and by the processor, once the networks are loaded and warm.

- `photo-cnn` and `imagenet-cnn`: all marks of the four maps that the page shows at first, with the one that is lent.
- a ResNet-50 as a person would bring it, with random weights: the first word, and all marks.
- `passes_per_further_map`: passes for the verdict on a map after a slider was moved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from explain.bundled.kinds import find_prompts_for
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.engine.judging import Verdicts
from explain.engine.question import DEFAULT_METHODS
from explain.models.loaded import LoadedModel
from explain.pictures.decode import decode
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from torch import nn

OWN_METHODS = tuple(name for name in DEFAULT_METHODS if name != "prompt-cam")
_REPEATS = 5


def measure_seconds() -> dict[str, object]:
    """All of the above."""
    report: dict[str, object] = {}
    engine = Engine()
    photographs = [entry for entry in bundled_pictures() if entry.seed is None][: _REPEATS + 1]
    pictures = [decode(entry.path.read_bytes(), entry.name) for entry in photographs]
    for name in ("photo-cnn", "imagenet-cnn"):
        timed = [_time(_judge_as_shown(engine, engine.load(name), picture)) for picture in pictures][1:]
        _report(report, f"seconds_{name.replace('-', '_')}", [times[1] for times in timed])
        _report(report, f"seconds_{name.replace('-', '_')}_first_word", [times[0] for times in timed])
    report["passes_per_further_map"] = count_further_passes(engine, engine.load("photo-cnn"), pictures[0])
    # A new network each time, of which nothing is known but what its maps took: other pictures are looked at anew.
    timed = [_time(_judge_own(engine, engine.load(_make_resnet(seed)), pictures[1])) for seed in range(3)]
    _report(report, "seconds_resnet50_first_word", [times[0] for times in timed])
    _report(report, "seconds_resnet50", [times[1] for times in timed])
    return report


def count_further_passes(engine: Engine, loaded: LoadedModel, picture: Picture) -> int:
    """Passes for the verdict on CF-CAM's map after a slider was moved, those for its maps of other pictures as well."""
    for _ in engine.judge(picture, loaded, OWN_METHODS):
        pass
    before = engine.passes.forward
    for _ in engine.judge(picture, loaded, OWN_METHODS, settings={"cf-cam": {"eps": 2.0}}):
        pass
    return engine.passes.forward - before


def _judge_as_shown(engine: Engine, loaded: LoadedModel, picture: Picture) -> Iterator[Verdicts]:
    """The maps are there before; then their verdicts, and that of the map that a model with prompts lends."""
    entry = engine.explain(picture, loaded, OWN_METHODS).pictures[0]
    lent = find_prompts_for(entry.labels[0])
    lender = None if lent is None else (engine.load(lent[0]), lent[1])
    if lender is not None:
        engine.explain(picture, lender[0], "prompt-cam", target=lender[1])
    yield {}
    yield from engine.judge(picture, loaded, OWN_METHODS)
    if lender is not None:
        yield from engine.judge(picture, lender[0], "prompt-cam", target=lender[1])


def _judge_own(engine: Engine, loaded: LoadedModel, picture: Picture) -> Iterator[Verdicts]:
    engine.explain(picture, loaded, OWN_METHODS)
    yield {}
    yield from engine.judge(picture, loaded, OWN_METHODS)


def _make_resnet(seed: int) -> nn.Module:
    import timm
    import torch

    torch.manual_seed(seed)
    network: nn.Module = timm.create_model("resnet50", zero_init_last=False).eval()
    return network


Times = tuple[tuple[float, float], tuple[float, float]]
"""Seconds by the clock and by the processor, until the first word that hiding gives, and until all is said."""


def _time(steps: Iterator[Verdicts]) -> Times:
    next(steps)
    started, used = time.perf_counter(), time.process_time()
    first = None
    for found in steps:
        said = any(mark.measure == "hiding" for verdict in found.values() for mark in verdict.marks)
        if first is None and said:
            first = time.perf_counter() - started, time.process_time() - used
    last = time.perf_counter() - started, time.process_time() - used
    return first or last, last


def _report(report: dict[str, object], name: str, times: list[tuple[float, float]]) -> None:
    report[name] = median(wall for wall, _ in times)
    report[f"{name}_cpu"] = median(used for _, used in times)
    print(
        f"{name:36} {report[name]:6.2f} s by the clock, {np.median([used for _, used in times]):6.2f} s of processors"
    )
