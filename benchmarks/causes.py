"""Does what happens without a region find the trait that decides? `python -m benchmarks.causes [--json FILE]`.

The bundled birds come in pairs of siblings that differ in one trait. Fresh pictures (of no training or test set) of the
species that has the trait are asked of `birds-cnn`, part by part. Of those that it names rightly:

- `trait_first_share`: how often, of all parts that are seen, the score falls most without the trait's, over all fills.
- `trait_first_by_surplus`, `trait_first_by_probability`: the same by how much more it falls than without other places,
  and by the probability.
- `trait_stands_out`, `others_stand_out`: how often no other place does as much as the trait's; and as another part.
- `region_effects_s`: seconds for 4 regions, 4 fills and 19 controls on photo-cnn, the median of photographs.
- `tail_speedup_channels`: how many times as long whole passes of photo-cnn take as passes of what follows its default
  layer, for each of its channels set to zero: both in batches, and both after what they must find out once. The same
  for each of its other layers: what follows an early one is nearly all of the network.
- `drawing_s`: seconds for a drawing of one of photo-cnn's classes at the settings a person starts with, the median of
  all ten; the network is loaded and warm.
- `drawing_probability`, `best_real_probability`: what the model gives those drawings for their classes, and the best of
  the bundled pictures, the medians; `drawings_above_real`: for how many of the ten the drawing has more.

Where a figure has a bar, it is said whether it is reached. With `--attention-data DIR`, the figures of
`benchmarks.trained_attention` as well.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from benchmarks import trained_attention
from benchmarks.traits import encode
from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import Siblings, find_siblings
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.faithfulness.channels import remove_each
from explain.faithfulness.effects import Effects
from explain.faithfulness.holes import cut_grid
from explain.models.loaded import LoadedModel
from explain.networks.layer import Layer
from explain.passes.runner import Runner
from explain.pictures.decode import decode
from explain.pictures.geometry import find_box, prepare

FIRST_SEED = 4_000_000
"""Neither training nor test pictures, nor those of other counts, were drawn from seeds from here on."""

BARS: dict[str, trained_attention.Bar] = {
    "trait_first_share": ("at least 0.95", lambda figures: figures["trait_first_share"] >= 0.95),
    "region_effects_s": ("at most 3", lambda figures: figures["region_effects_s"] <= 3),
    "tail_speedup_channels": ("at least 20", lambda figures: figures["tail_speedup_channels"] >= 20),
    **trained_attention.BARS,
}
"""By figure, the bar in words, and whether it is reached; those of times are for an idle machine."""

_FEWEST_PIXELS = 9  # of a part, for it to be asked about
_PHOTOGRAPHS = 9


@dataclass(frozen=True)
class PairCount:
    """What was counted for one pair of siblings, on so many pictures that the network names rightly."""

    part: str
    pictures: int
    first: int
    first_by_surplus: int
    first_by_probability: int
    stands_out: int
    others_stand_out: int
    others: int


def find_first(values: Mapping[str, float]) -> str:
    """The name of the highest value."""
    return max(values, key=values.__getitem__)


def count_pair(engine: Engine, model: LoadedModel, pair: Siblings, pictures: int) -> PairCount:
    """Ask about each part of pictures of the species that has the trait."""
    asked: list[Effects] = []
    for seed in range(FIRST_SEED, FIRST_SEED + pictures):
        bird = draw_bird(pair.marked, seed)
        picture = encode(bird.pixels, f"{bird.species} {seed}")
        seen = {part: mask for part, mask in bird.masks.items() if mask.sum() >= _FEWEST_PIXELS or part == pair.part}
        if engine.predict(picture, model)[0].label == bird.species and seen[pair.part].any():
            asked.append(engine.measure_effects(picture, model, seen, bird.species))
        engine.forget()
    return count(asked, pair.part)


def count(asked: Sequence[Effects], part: str) -> PairCount:
    """How often the part comes first, and how often it and others stand out."""
    by_score = [{effect.name: float(effect.score.removal.mean()) for effect in one.regions} for one in asked]
    by_surplus = [{effect.name: effect.score.surplus for effect in one.regions} for one in asked]
    by_probability = [
        {effect.name: float(effect.probability.removal.mean()) for effect in one.regions if effect.probability}
        for one in asked
    ]
    outstanding = [{effect.name: effect.score.stands_out for effect in one.regions} for one in asked]
    return PairCount(
        part,
        len(asked),
        *(sum(find_first(values) == part for values in by) for by in (by_score, by_surplus, by_probability)),
        sum(found[part] for found in outstanding),
        sum(stands for found in outstanding for name, stands in found.items() if name != part),
        sum(len(found) - 1 for found in outstanding),
    )


def measure_seconds(engine: Engine) -> float:
    """Seconds for the quarters of a photograph on photo-cnn, the median; the network is loaded and warm."""
    model = engine.load("photo-cnn")
    seconds = []
    for entry in [picture for picture in bundled_pictures() if "parts" not in picture.path.name][: _PHOTOGRAPHS + 1]:
        picture = decode(entry.path.read_bytes(), entry.path.name)
        regions = cut_grid(picture.size, find_box(picture.size, model.preprocessing), 2)
        started = time.perf_counter()
        engine.measure_effects(picture, model, regions)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def measure_tails(engine: Engine, repeats: int = 5) -> dict[str, float]:
    """By layer of photo-cnn, seconds of whole passes by seconds of tails, of all its channels, the median of repeats.
    Both give the same scores.
    """
    model = engine.load("photo-cnn")
    entry = bundled_pictures()[0]
    tensor = prepare(decode(entry.path.read_bytes(), entry.path.name), model.preprocessing).tensor
    found = {}
    for layer in model.layers:
        runner = Runner(model.module, tensor, layer, 0, "logit")
        instead = torch.zeros(layer.channels, 1, 1)
        remove_each(runner, instead)
        ratios = []
        for _ in range(repeats):
            started = time.perf_counter()
            quick = remove_each(runner, instead)
            tails = time.perf_counter() - started
            started = time.perf_counter()
            slow = remove_by_whole_passes(model.module, tensor, layer)
            ratios.append((time.perf_counter() - started) / tails)
        assert np.abs(quick[:-1] - slow).max() < 1e-3
        found[layer.name] = statistics.median(ratios)
    return found


def measure_drawings(engine: Engine) -> dict[str, float]:
    """Figures of a drawing of each class of photo-cnn; see the head of this file."""
    model = engine.load("photo-cnn")
    photographs = [one for one in bundled_pictures() if one.seed is None and not one.scan]
    pictures = [decode(one.path.read_bytes(), one.path.name) for one in photographs]
    engine.draw(model, 0, settings={"steps": 8}, seed=1)
    seconds, drawn, real = [], [], []
    for target in range(len(model.labels)):
        started = time.perf_counter()
        drawn.append(engine.draw(model, target).probability or 0.0)
        seconds.append(time.perf_counter() - started)
        real.append(engine.find_exemplars(pictures, model, target, most=1).best[0].answer.probability or 0.0)
    return {
        "drawing_s": statistics.median(seconds),
        "drawing_probability": statistics.median(drawn),
        "best_real_probability": statistics.median(real),
        "drawings_above_real": float(sum(own > other for own, other in zip(drawn, real, strict=True))),
    }


def remove_by_whole_passes(module: torch.nn.Module, tensor: torch.Tensor, layer: Layer, batch: int = 16) -> np.ndarray:
    """The network's numbers with each channel of a layer at zero, `(C, outputs)`, by a hook; nothing is skipped."""
    numbers: list[int] = []

    def hook(_module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        layer.to_map(output)[range(len(numbers)), numbers] = 0
        return output

    handle = module.get_submodule(layer.name).register_forward_hook(hook)
    answers = []
    with torch.inference_mode():
        for start in range(0, layer.channels, batch):
            numbers = [*range(start, min(start + batch, layer.channels))]
            answers.append(module(tensor.expand(len(numbers), *tensor.shape[1:])).numpy())
    handle.remove()
    return np.concatenate(answers)


def main(arguments: list[str] | None = None) -> int:
    """Count, print, and write the figures, each beside its bar; 1 where one is missed."""
    parser = argparse.ArgumentParser(description="Does what happens without a region find the trait that decides?")
    parser.add_argument("--json", type=Path, help="write the figures and the table here")
    parser.add_argument("--pictures", type=int, default=20, help="pictures for each pair of siblings (default: 20)")
    parser.add_argument("--attention-data", type=Path, help="CIFAR-10 as JPEG files: train T-TAME's attention as well")
    options = parser.parse_args(arguments)
    engine = Engine()
    model = engine.load("birds-cnn")
    pairs = []
    for pair in find_siblings():
        pairs.append(count_pair(engine, model, pair, options.pictures))
        print(pairs[-1], file=sys.stderr, flush=True)
    total = {name: sum(getattr(pair, name) for pair in pairs) for name in asdict(pairs[0]) if name != "part"}
    tails = measure_tails(engine)
    (default,) = [layer.name for layer in [engine.load("photo-cnn").default_layer] if layer is not None]
    figures = {
        "trait_first_share": total["first"] / total["pictures"],
        "trait_first_by_surplus": total["first_by_surplus"] / total["pictures"],
        "trait_first_by_probability": total["first_by_probability"] / total["pictures"],
        "trait_stands_out": total["stands_out"] / total["pictures"],
        "others_stand_out": total["others_stand_out"] / max(total["others"], 1),
        "region_effects_s": measure_seconds(engine),
        "tail_speedup_channels": tails[default],
        **measure_drawings(engine),
        "pictures": total["pictures"],
    }
    if options.attention_data:
        figures |= trained_attention.measure_attention(options.attention_data)
    reached = {name: (bar, holds(figures)) for name, (bar, holds) in BARS.items() if name in figures}
    for name, value in figures.items():
        bar, held = reached.get(name, ("", True))
        verdict = f"{bar}: {'reached' if held else 'missed'}" if bar else ""
        print(f"{name:<28} {np.round(value, 3):<10} {verdict}".rstrip())
    if options.json:
        bars = {name: {"bar": bar, "reached": held} for name, (bar, held) in reached.items()}
        document = {"figures": figures, "bars": bars, "tail_speedups": tails, "pairs": [asdict(pair) for pair in pairs]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(held for _, held in reached.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
