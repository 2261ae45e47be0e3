"""Ranking the heads of a class prompt: `python -m benchmarks.head_ranking [--json FILE] [--whole] [--quick]`.

Prompt-CAM ranks the `H` heads of the last block by blurring them one after the other, in `H (H + 1) / 2` trials. Its
authors run the whole network for each trial. CAMscope runs it once, and for each trial only what the blurring changes:
one token behind the last attention, all heads that are left in one batch. Both are timed on timm's ViT-B/16 with random
weights, 12 heads, 200 classes with prompts at every block. Of the authors' way a few trials are timed and their median
counted 78 times; `--whole` runs them all.

Before that both must agree: on small ViTs in the complete rankings and in the probabilities after each step, with
prompts at every block, at the first and at the last; on ViT-B/16 in the probabilities of the trials that are timed.

A second table says how much memory a process takes at most that looks at one picture through the eyes of four classes,
of 10 and of 1,000: the program, the weights and all.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

from benchmarks.timing import find_highest, take_time
from explain.engine.engine import Engine
from explain.networks.prompted_vit import PromptedViT, Variant
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.prompts import capture_prompt, look_through_prompts
from explain.traits.traits import look_with_eyes_of
from tests.support.network import make_input, make_picture
from tests.support.prompted import VARIANTS, build_small, put_prompts, rank_whole, score_whole, wrap_model

declare_missing_operators()

import timm  # noqa: E402

VIT = "vit_base_patch16_224"
TOLERANCE = 1e-3  # of a probability, relative: float32 in another order
LIMIT_MIB = 4 * 1024


def build_large(classes: int, variant: Variant = "deep", seed: int = 0) -> PromptedViT:
    """ViT-B/16 with random weights and prompts, for pictures of 224 pixels."""
    torch.manual_seed(seed)
    return put_prompts(timm.create_model(VIT, num_classes=0), classes, variant)


def rank(model: PromptedViT, picture: Tensor, target: int) -> tuple[list[int], list[float], list[float]]:
    """CAMscope's way, from the picture on: as `rank_whole`, and the probability with each head alone blurred."""
    found = capture_prompt(model, look_through_prompts(model, picture), target).ranking
    return list(found.order), list(found.least_first), list(found.alone)


def check_small() -> None:
    """Both ways agree on small networks, for every place where prompts enter.

    Raises:
        AssertionError: they do not.
    """
    for variant in VARIANTS:
        for target in (0, 7):
            _compare(build_small(variant), make_input(0, 32), target)


def _compare(model: PromptedViT, picture: Tensor, target: int) -> None:
    order, steps = rank_whole(model, picture, target)
    ours, our_steps, _ = rank(model, picture, target)
    assert ours == order, f"the rankings differ: {ours} and {order}"
    _assert_equal(our_steps, steps)


def _assert_equal(ours: list[float], theirs: list[float]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert math.isclose(one, other, rel_tol=TOLERANCE), f"the probabilities differ: {one} and {other}"


@dataclass(frozen=True)
class Speed:
    """Milliseconds of the ranking of one class's heads on one picture.

    Attributes:
        heads: of the last block.
        classes: how many there are.
        ranking: CAMscope, from the picture on: one pass of the network and all trials.
        trials: CAMscope, the trials alone: what another class of the same picture takes.
        one_pass: the network once, with one head blurred.
        whole: the authors' way, `heads (heads + 1) / 2` such passes.
        measured: how many of those were run.
    """

    heads: int
    classes: int
    ranking: float
    trials: float
    one_pass: float
    whole: float
    measured: int

    @property
    def speedup(self) -> float:
        """How many times faster CAMscope is, its pass of the network included."""
        return self.whole / self.ranking


def measure(classes: int = 200, trials: int = 5, whole: bool = False) -> Speed:
    """Time both ways on ViT-B/16 with prompts at every block, after asserting that they agree.

    Args:
        classes: how many.
        trials: how many of the authors' passes to time, at most one for each head.
        whole: time all of them, and assert that the complete rankings agree.
    """
    check_small()
    model, picture, target = build_large(classes), make_input(0), classes // 2
    heads = model.backbone.blocks[-1].attn.num_heads
    count = heads * (heads + 1) // 2
    look = look_through_prompts(model, picture)
    ranking = _take_median(lambda: rank(model, picture, target))
    alone = _take_median(lambda: capture_prompt(model, look, target))
    probabilities = rank(model, picture, target)[2]

    taken = []
    for head in range(min(trials, heads)):
        found: list[Tensor] = []
        taken.append(take_time(partial(_collect, found, model, picture, target, head)))
        _assert_equal([float(found[0].softmax(0)[target])], [probabilities[head]])
    one_pass = statistics.median(taken)
    if whole:
        milliseconds = take_time(lambda: _compare(model, picture, target)) - ranking  # which it runs as well
        return Speed(heads, classes, ranking, alone, one_pass, milliseconds, count)
    return Speed(heads, classes, ranking, alone, one_pass, one_pass * count, len(taken))


def measure_speedup() -> float:
    """How many times faster CAMscope ranks the heads of ViT-B/16, the figure `head_ranking_speedup`."""
    return measure().speedup


def _collect(found: list[Tensor], model: PromptedViT, picture: Tensor, target: int, head: int) -> None:
    found.append(score_whole(model, picture, target, [head]))


def _take_median(run: Any, repeats: int = 5) -> float:
    run()
    gc.collect()
    return statistics.median(take_time(run) for _ in range(repeats))


def look_once(variant: Variant, classes: int) -> float:
    """Look at a picture through the eyes of four classes; the MiB that this process held at most."""
    loaded = wrap_model(build_large(classes, variant), VIT)
    view = look_with_eyes_of(Engine("cpu"), make_picture(0), loaded, [0, 1, classes // 2, classes - 1])
    assert len(view.scores) == classes and len(view.classes) == 4
    highest = find_highest()
    assert highest is not None, "this system does not say how much memory a process took"
    return highest


def take_memory(variant: Variant, classes: int) -> float:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.head_ranking", "--memory", variant, str(classes)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def as_markdown(speed: Speed, memory: dict[str, dict[int, float]]) -> str:
    """Both tables."""
    scaled = "" if speed.measured == speed.heads * (speed.heads + 1) // 2 else f" ({speed.measured} measured)"
    passes = speed.heads * (speed.heads + 1) // 2
    rows = [
        f"| {speed.heads} heads, {speed.classes} classes, prompts at every block | ms |",
        "|---|---:|",
        f"| the network once for each of {passes} trials{scaled} | {speed.whole:,.0f} |",
        f"| CAMscope, from the picture on | {speed.ranking:,.1f} |",
        f"| CAMscope, another class of the same picture | {speed.trials:,.1f} |",
        f"| times faster, from the picture on | {speed.speedup:.1f} |",
        f"| times faster, another class | {speed.whole / speed.trials:,.0f} |",
    ]
    if memory:
        counts = sorted(next(iter(memory.values())))
        rows += [
            "",
            "| prompts at | " + " | ".join(f"{count:,} classes, MiB" for count in counts) + " |",
            "|---|" + "---:|" * len(counts),
        ]
        rows += [
            f"| {variant} | " + " | ".join(f"{taken[count]:,.0f}" for count in counts) + " |"
            for variant, taken in memory.items()
        ]
    return "\n".join(rows)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write the figures; 1 where memory passes 4 GiB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures and the tables here")
    parser.add_argument("--whole", action="store_true", help="run all trials of the authors' way")
    parser.add_argument("--quick", action="store_true", help="no memory")
    parser.add_argument("--memory", nargs=2, metavar=("VARIANT", "CLASSES"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.memory:
        print(look_once(options.memory[0], int(options.memory[1])))
        return 0
    speed = measure(whole=options.whole)
    memory = {} if options.quick else {v: {count: take_memory(v, count) for count in (10, 1000)} for v in VARIANTS}
    print(f"{VIT}, random weights, {torch.get_num_threads()} threads\n\n{as_markdown(speed, memory)}")
    if options.json:
        figures = {
            "head_ranking_speedup": round(speed.speedup, 1),
            "head_ranking_speedup_another_class": round(speed.whole / speed.trials),
            **{f"mib_1000_classes_{variant}": round(taken[1000]) for variant, taken in memory.items()},
        }
        document = {"figures": figures, "speed": asdict(speed), "memory": memory}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if any(taken[1000] > LIMIT_MIB for taken in memory.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
