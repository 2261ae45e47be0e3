"""Do class prompts point at the traits? `python -m benchmarks.traits [--json FILE] [--quick]`.

The bundled birds come in pairs of siblings that differ in one trait, and every picture of them says which pixels show
it. For each pair, fresh pictures (of no training or test set) of the species that has the trait are explained for that
species by `birds-vit`, and it is counted how often the explanation points at the trait:

- **top-4 heads**: the peak of at least one of the four most important heads of the species' prompt, ranked by greedy
  blurring, is at the trait. **top head**: that of the most important one. **mean map**: that of the mean of the four.
- **Grad-CAM**: its peak at the default layer of the same network, for the network's own class head. **Grad-CAM, 4
  peaks**: one of its four highest cells is, of which no two touch: as many guesses as the heads have.
- **chance**: one of four different cells drawn at random is; anywhere in the picture, or among those on the bird.

A peak is a cell of 12 × 12. It is **at** the trait when its centre is at most one cell (8 of 96 pixels) away from the
nearest pixel of the trait. More strictly, its cell **touches** the trait when it holds such a pixel, and its centre
lies **on** the trait when the pixel there is one.

Then the trait is taken away, from the pictures that the prompts had right, and it is counted how often they now say
another species:

- **painted over**: every pixel of the trait is filled in from what lies around it.
- **sibling's part**: the trait gives place to what the sibling has there, which makes it a picture of the sibling.
- **elsewhere**: a disc of the same area on the same bird, away from the trait, is filled in instead: the control.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np

from benchmarks.head_ranking import measure_speedup
from explain.bundled.birds.draw import Bird, draw_bird
from explain.bundled.birds.species import Siblings, find_siblings
from explain.engine.engine import Engine
from explain.methods import get_method
from explain.models.loaded import LoadedModel
from explain.pictures.decode import decode
from explain.pictures.painting import paint_over, swap_region
from explain.pictures.picture import Picture
from explain.traits.traits import look_with_eyes_of

MODEL = "birds-vit"
FIRST_SEED = 2_000_000
"""Neither training nor test pictures were drawn from seeds from here on."""

HEADS = 4
Cell = tuple[int, int]


@dataclass(frozen=True)
class Hits:
    """Whether something points at the trait (0 or 1), or how often it does (0…1)."""

    at: float
    touches: float
    on: float


@dataclass(frozen=True)
class Pointing:
    """How often each of these points at the trait, see the module."""

    top_4_heads: Hits
    top_head: Hits
    mean_map: Hits
    grad_cam_4_peaks: Hits
    grad_cam: Hits
    chance_anywhere: Hits
    chance_on_bird: Hits


@dataclass(frozen=True)
class Flips:
    """How often (0…1) the decision is another species' once something is taken away; `to_sibling`: the sibling's."""

    painted_over: float
    painted_over_to_sibling: float
    sibling_part: float
    sibling_part_to_sibling: float
    elsewhere: float


@dataclass(frozen=True)
class PairResult:
    """What was counted for one pair of siblings, on `pictures` of the species that has the trait; `right`: how often
    the prompts name it.
    """

    siblings: Siblings
    pictures: int
    right: float
    pointing: Pointing
    flips: Flips


def encode(pixels: np.ndarray, name: str) -> Picture:
    """Pixels `(S, S, 3)` as a picture, without loss."""
    return decode(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes(), name)


def judge_cells(mask: np.ndarray, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """For each cell of a map of that shape on a square picture: is it at, does it touch, and lie on the mask?

    Each `(h, w)` bool.
    """
    rows, columns = shape
    cell = mask.shape[0] // rows
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    centres = np.s_[cell // 2 :: cell, cell // 2 :: cell]
    return {
        "at": distance[centres] <= cell,
        "touches": mask.reshape(rows, cell, columns, cell).any((1, 3)),
        "on": mask[centres],
    }


def judge(cells: Sequence[Cell], verdicts: dict[str, np.ndarray]) -> Hits:
    """Whether any of the cells points at the trait."""
    return Hits(**{name: float(any(verdict[cell] for cell in cells)) for name, verdict in verdicts.items()})


def find_chance(verdicts: dict[str, np.ndarray], allowed: np.ndarray, draws: int) -> Hits:
    """How often one of so many different cells does, drawn at random from those allowed."""
    count = int(allowed.sum())

    def share(verdict: np.ndarray) -> float:
        misses = count - int((verdict & allowed).sum())
        return 1 - math.comb(misses, draws) / math.comb(count, draws)

    return Hits(**{name: share(verdict) for name, verdict in verdicts.items()})


def find_cell(values: np.ndarray) -> Cell:
    """Where a map is highest."""
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def find_cells(values: np.ndarray, count: int) -> list[Cell]:
    """The highest cells of a map of which no two touch, not even at a corner."""
    left = values.astype(np.float64).copy()
    cells = []
    while len(cells) < count:
        row, column = find_cell(left)
        cells.append((row, column))
        left[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = -np.inf
    return cells


def explain_bird(engine: Engine, model: LoadedModel, bird: Bird, part: str) -> tuple[Picture, bool, Pointing]:
    """The picture, whether the prompts name its species, and what points at the part."""
    picture = encode(bird.pixels, bird.species)
    view = look_with_eyes_of(engine, picture, model, [bird.species], HEADS)
    seen = view.classes[0]
    verdicts = judge_cells(bird.masks[part], seen.mean.shape)
    method = get_method("grad-cam")
    capture = engine.capture(picture, model, target=bird.species)
    grad_cam = method.function(capture, method.settings()).values.cpu().numpy()
    heads = [find_cell(trait.values) for trait in seen.traits]
    on_bird = judge_cells(np.any(list(bird.masks.values()), axis=0), seen.mean.shape)["touches"]
    return (
        picture,
        view.predictions[0].label == bird.species,
        Pointing(
            top_4_heads=judge(heads, verdicts),
            top_head=judge(heads[:1], verdicts),
            mean_map=judge([find_cell(seen.mean)], verdicts),
            grad_cam_4_peaks=judge(find_cells(grad_cam, HEADS), verdicts),
            grad_cam=judge([find_cell(grad_cam)], verdicts),
            chance_anywhere=find_chance(verdicts, np.ones_like(on_bird), HEADS),
            chance_on_bird=find_chance(verdicts, on_bird, HEADS),
        ),
    )


def place_disc(bird: Bird, part: str, random: np.random.Generator) -> np.ndarray:
    """A disc as large as the part, on the bird, and at least three pixels away from the part where there is room."""
    mask = bird.masks[part]
    radius = max(math.sqrt(mask.sum() / math.pi), 1.0)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    there = np.any([other for name, other in bird.masks.items() if name != part], axis=0)
    free = there & (away > radius + 3)
    rows, columns = np.nonzero(free if free.any() else there & (away == away[there].max()))
    pick = int(random.integers(len(rows)))
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    return (y - rows[pick]) ** 2 + (x - columns[pick]) ** 2 <= radius**2


def operate(engine: Engine, model: LoadedModel, bird: Bird, picture: Picture, pair: Siblings) -> Flips:
    """Take the trait away in each of the ways, and ask the prompts again."""
    sibling = draw_bird(pair.plain, bird.seed, bird.pixels.shape[0])
    both = bird.masks[pair.part] | sibling.masks[pair.part]
    disc = place_disc(bird, pair.part, np.random.default_rng(bird.seed))
    altered = (
        paint_over(picture, bird.masks[pair.part], "inpaint"),
        swap_region(picture, both, encode(sibling.pixels, sibling.species)),
        paint_over(picture, disc, "inpaint"),
    )
    painted, swapped, elsewhere = (
        look_with_eyes_of(engine, after, model, [bird.species], 1).predictions[0].label for after in altered
    )
    return Flips(
        painted_over=float(painted != bird.species),
        painted_over_to_sibling=float(painted == sibling.species),
        sibling_part=float(swapped != bird.species),
        sibling_part_to_sibling=float(swapped == sibling.species),
        elsewhere=float(elsewhere != bird.species),
    )


def count_pair(engine: Engine, model: LoadedModel, pair: Siblings, pictures: int) -> PairResult:
    """Everything counted for one pair of siblings."""
    pointing, flips, right = [], [], 0
    for seed in range(FIRST_SEED, FIRST_SEED + pictures):
        bird = draw_bird(pair.marked, seed)
        picture, named, points = explain_bird(engine, model, bird, pair.part)
        pointing.append(points)
        right += named
        if named:
            flips.append(operate(engine, model, bird, picture, pair))
        engine.forget()
    return PairResult(
        siblings=pair,
        pictures=pictures,
        right=right / pictures,
        pointing=average_pointing(pointing),
        flips=average_flips(flips),
    )


def average_pointing(each: Sequence[Pointing]) -> Pointing:
    """The mean of every measurement."""

    def mean(name: str) -> Hits:
        found = [getattr(pointing, name) for pointing in each]
        return Hits(
            **{field.name: float(np.mean([getattr(hits, field.name) for hits in found])) for field in fields(Hits)}
        )

    return Pointing(**{field.name: mean(field.name) for field in fields(Pointing)})


def average_flips(each: Sequence[Flips]) -> Flips:
    """The mean of every measurement; not a number where there is nothing to count."""
    means = {
        field.name: float(np.mean([getattr(flips, field.name) for flips in each])) if each else math.nan
        for field in fields(Flips)
    }
    return Flips(**means)


def as_markdown(results: Sequence[PairResult], pointing: Pointing, flips: Flips) -> str:
    """What was counted as Markdown tables, in per cent."""

    def name(field: str) -> str:
        return field.replace("grad_cam", "Grad-CAM").replace("_", " ")

    def percent(value: float) -> str:
        return "–" if math.isnan(value) else f"{100 * value:.1f}"

    lines = ["| points at the trait, % | at | touches | on |", "|---|---:|---:|---:|"]
    for field in fields(Pointing):
        hits = getattr(pointing, field.name)
        lines.append(f"| {name(field.name)} | {percent(hits.at)} | {percent(hits.touches)} | {percent(hits.on)} |")
    columns = [name(field.name) for field in fields(Pointing)]
    lines += [
        "",
        f"| trait | species | named right | {' | '.join(columns)} |",
        "|---|---|" + "---:|" * (1 + len(columns)),
    ]
    for result in results:
        cells = [percent(getattr(result.pointing, field.name).at) for field in fields(Pointing)]
        lines.append(
            f"| {result.siblings.part} | {result.siblings.marked} | {percent(result.right)} | {' | '.join(cells)} |"
        )
    columns = [name(field.name) for field in fields(Flips)]
    lines += ["", f"| decision flips, % | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for label, one in [*((result.siblings.part, result.flips) for result in results), ("**mean**", flips)]:
        lines.append(f"| {label} | {' | '.join(percent(getattr(one, field.name)) for field in fields(Flips))} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Count, print, and write the figures; 1 where the prompts point at the trait less often than Grad-CAM."""
    parser = argparse.ArgumentParser(description="Do class prompts point at the traits of the bundled birds?")
    parser.add_argument("--json", type=Path, help="write the figures and the tables here")
    parser.add_argument("--pictures", type=int, default=100, help="pictures for each pair of siblings (default: 100)")
    parser.add_argument("--quick", action="store_true", help="ten pictures a pair, and no timing of the head ranking")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    engine = Engine()
    model = engine.load(MODEL)
    results = []
    for pair in find_siblings():
        results.append(count_pair(engine, model, pair, 10 if options.quick else options.pictures))
        print(f"{pair.marked}: {results[-1].pointing.top_4_heads.at:.0%}", file=sys.stderr, flush=True)
    pointing = average_pointing([result.pointing for result in results])
    flips = average_flips([result.flips for result in results])
    print(as_markdown(results, pointing, flips))
    figures: dict[str, float | int] = {
        "top4_head_on_trait": pointing.top_4_heads.at,
        "grad_cam_on_trait": pointing.grad_cam_4_peaks.at,
        "decision_flips_when_painted_over": flips.painted_over,
        "decision_flips_with_sibling_part": flips.sibling_part,
        "decision_flips_when_painted_elsewhere": flips.elsewhere,
        "pictures": sum(result.pictures for result in results),
    }
    if not options.quick:
        figures["head_ranking_speedup"] = measure_speedup()
        print(f"\nHead ranking on ViT-B/16: {figures['head_ranking_speedup']:.1f} times as fast as the whole network.")
    print(f"\n{figures['pictures']} pictures, {time.perf_counter() - started:.0f} s")
    if options.json:
        document = {
            "figures": figures,
            "pointing": asdict(pointing),
            "flips": asdict(flips),
            "pairs": [asdict(result) for result in results],
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if pointing.top_4_heads.at <= pointing.grad_cam_4_peaks.at else 0


if __name__ == "__main__":
    raise SystemExit(main())
