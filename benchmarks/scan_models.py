"""What the bundled models of scans lean on: `python -m benchmarks.scan_models --data DIR [--json FILE] [MODEL …]`.

`DIR` holds `brain_mri/` and `chest_radiographs/`; see `explain.bundled.scan_sets`. All pictures are held-out ones,
read and seen as the dashboard does it, with the weights as they ship. Every table of the three cards is printed anew.

Of `scan-mri` and `scan-mri-tumour`:

- **right**: how often the class is named; the interval is drawn from the blocks of file numbers, 2,000 times anew.
- **blanked**: the mean probability of the true class once the tumour's outline is painted over, beside the same
  outline moved to another place of the head; with two kinds of paint.
- **pointing**: how often the highest cell of a map for the true class lies on the tumour, or at most half a cell of the
  grid away; and which share of the map's positive values lies on it. **Chance** is what any place has, **centre** is
  what a map has that always points at the middle.

Of `chest-xray`: areas under the curve, from radiographs as they are and with parts hidden; how far parts of a picture
that was labelled carry the answer into another; and pointing at the boxes that radiologists drew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import torch

from explain.bundled.scan_sets import Scan, find_declared, list_scans
from explain.engine.engine import Engine
from explain.pictures.geometry import Box, prepare
from explain.pictures.painting import Paint, paint_over
from explain.pictures.picture import Picture
from explain.worlds.radiographs import fill, frame

MODELS = ("scan-mri", "scan-mri-tumour", "chest-xray")
METHODS = ("grad-cam", "finer-cam", "grad-cam++", "layer-cam", "cf-cam", "eigen-cam")
POINTED = 4
"""One slice in so many is explained."""

PAINTS: dict[Paint, int] = {"inpaint": 1, "surroundings": 3}
"""How tumours are painted over, each on one slice in so many."""

_DRAWS = 2000
_BORDER = 6  # pixels round an outline that are painted over with it: what shines at its edge is the tumour's too


@dataclass(frozen=True)
class Estimate:
    """A mean and the interval that holds 95 of 100 draws."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Pointing:
    """How often the peak lies on what is marked, 0…1, and the share of the map's positive values that does."""

    hit: float
    energy: float
    pictures: int


def estimate(measure: Callable[[np.ndarray], float], groups: Sequence[str]) -> Estimate:
    """A measure of some pictures, by their indices, and its interval: groups are drawn anew, each as a whole."""
    names = np.array(groups)
    members = [np.flatnonzero(names == name) for name in dict.fromkeys(groups)]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(_DRAWS):
        chosen = np.concatenate([members[at] for at in random.integers(len(members), size=len(members))])
        value = measure(chosen)
        if np.isfinite(value):
            drawn.append(value)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(measure(np.arange(len(groups))), float(low), float(high))


def find_auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The area under the curve: how often a positive one has the higher score, ties half; NaN without pairs.

    Args:
        scores: `(n,)`.
        positive: `(n,)` bool.
        weights: which pairs count, `(positives, negatives)`; left out, all.
    """
    high, low = scores[positive][:, None], scores[~positive][None, :]
    wins = (high > low) + 0.5 * (high == low)
    weights = np.ones_like(wins) if weights is None else weights
    return float((wins * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def move_mask(mask: np.ndarray, head: np.ndarray, random: np.random.Generator, tries: int = 200) -> np.ndarray:
    """The mask at another place, off its own: of those tried, the first that lies on the head, or does most so."""
    best, found = -1.0, mask
    height, width = mask.shape
    area = mask.sum()
    for _ in range(tries):
        down, across = random.integers(-height // 2, height // 2), random.integers(-width // 2, width // 2)
        moved = np.zeros_like(mask)
        moved[max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)] = mask[
            max(-down, 0) : height + min(-down, 0), max(-across, 0) : width + min(-across, 0)
        ]
        if (moved & mask).any() or moved.sum() < area:
            continue
        share = float((moved & head).sum() / area)
        if share > best:
            best, found = share, moved
        if share == 1:
            break
    return found


def find_head(picture: Picture) -> np.ndarray:
    """The inside of the head on a slice, `(H, W)` bool: what is lighter than the black round it, with its holes."""
    light = (picture.pixels[..., 0] > 20).astype(np.uint8)
    outlines, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(light), [max(outlines, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return np.asarray(filled > 0)


def judge_map(values: np.ndarray, box: Box, marked: np.ndarray, tolerance: float) -> tuple[bool, float]:
    """Whether the highest cell's middle lies at most `tolerance` pixels from what is marked, and the share of the
    positive values on it; a blank map does neither.
    """
    if not (values > 0).any():
        return False, 0.0
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    x, y = box.find_middle((int(row), int(column)), values.shape)
    away = cv2.distanceTransform((~marked).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    hit = away[min(int(y), marked.shape[0] - 1), min(int(x), marked.shape[1] - 1)] <= tolerance
    covered = cv2.resize(
        marked[box.rounded().slices].astype(np.float32), values.shape[::-1], interpolation=cv2.INTER_AREA
    )
    positive = np.maximum(values, 0)
    return bool(hit), float((positive * covered).sum() / positive.sum())


def point(
    engine: Engine, model: str, scans: Sequence[Scan], methods: Sequence[str], cells: int, target: int | None = None
) -> dict[str, Pointing]:
    """Pointing of each method, of chance and of the centre.

    Args:
        engine: runs the model.
        model: a bundled one.
        scans: with what is marked on them.
        methods: names.
        cells: how many the model's grid has along a side: half of one is how near a peak must be.
        target: the class explained; left out, each scan's own.
    """
    found: dict[str, list[tuple[bool, float]]] = {name: [] for name in (*methods, "chance", "centre")}
    for scan in scans:
        picture = scan.read()
        marked = scan.mark(picture.size)
        tolerance = max(picture.size) / cells / 2
        explained = engine.explain(picture, model, methods, target=scan.class_index if target is None else target)
        one = explained.pictures[0]
        for heatmap in one.maps:
            found[heatmap.method].append(judge_map(heatmap.values, heatmap.box, marked, tolerance))
        whole, box = np.ones((cells, cells)), Box.whole(picture.size)
        near = [judge_map(spot, box, marked, tolerance)[0] for spot in np.eye(cells * cells).reshape(-1, cells, cells)]
        found["chance"].append((float(np.mean(near)), judge_map(whole, box, marked, tolerance)[1]))  # type: ignore[arg-type]
        middle = np.zeros((cells + 1 - cells % 2,) * 2)
        middle[len(middle) // 2, len(middle) // 2] = 1
        found["centre"].append(judge_map(middle, box, marked, tolerance))
    return {
        name: Pointing(float(np.mean([hit for hit, _ in some])), float(np.mean([e for _, e in some])), len(some))
        for name, some in found.items()
        if some
    }


def say_probability(engine: Engine, picture: Picture, model: str) -> np.ndarray:
    """The probabilities of all classes, in their order: one pass, of which nothing is remembered."""
    loaded = engine.load(model)
    with torch.inference_mode():
        scores = loaded.module(prepare(picture, loaded.preprocessing).tensor)[0]
    return np.asarray(scores.double().softmax(0))


def measure_brain(engine: Engine, model: str, data: Path, methods: Sequence[str]) -> dict[str, Any]:
    """Pointing, accuracy and blanking of one of the models of brain slices; without methods, no pointing."""
    scans = list_scans(model, data, "test")
    pointing = point(engine, model, scans[::POINTED], methods, cells=12) if methods else {}
    groups, classes = [scan.group for scan in scans], np.array([scan.class_index for scan in scans])
    rows: dict[str, dict[int, np.ndarray]] = {"as it is": {}}
    random = np.random.default_rng(0)
    for at, scan in enumerate(scans):
        picture = scan.read()
        rows["as it is"][at] = say_probability(engine, picture, model)
        tumour = cv2.dilate(scan.mark(picture.size).astype(np.uint8), np.ones((2 * _BORDER + 1,) * 2, np.uint8)) > 0
        elsewhere = move_mask(tumour, find_head(picture), random)
        for paint, step in PAINTS.items():
            for place, mask in (("tumour", tumour), ("elsewhere", elsewhere)):
                if at % step == 0:
                    told = say_probability(engine, paint_over(picture, mask, paint), model)
                    rows.setdefault(f"{place} blanked, {paint}", {})[at] = told

    def summarise(told: dict[int, np.ndarray]) -> dict[str, Any]:
        true, of = classes[[*told]], [groups[at] for at in told]
        probabilities = np.array([*told.values()])
        right, own = probabilities.argmax(1) == true, probabilities[np.arange(len(true)), true]
        return {
            "pictures": len(told),
            "right": asdict(estimate(lambda some: float(right[some].mean()), of)),
            "probability": asdict(estimate(lambda some: float(own[some].mean()), of)),
            "right, probability, number by class": {
                name: [float(right[true == at].mean()), float(own[true == at].mean()), int((true == at).sum())]
                for at, name in enumerate(find_declared(model).classes)
            },
        }

    return {
        "pictures": len(scans),
        "blocks": len({*groups}),
        "blanked": {name: summarise(some) for name, some in rows.items()},
        "pointing": {name: asdict(some) for name, some in pointing.items()},
    }


def _find_mean(values: np.ndarray, some: np.ndarray) -> float:
    return float(values[some].mean())


def _corners(size: tuple[int, int], share: float) -> np.ndarray:
    """The four corners, each a rectangle of `share` of the sides, `(H, W)` bool."""
    rows, columns = (np.minimum(np.arange(side), np.arange(side)[::-1]) < round(side * share) for side in size)
    return rows[:, None] & columns[None, :]


PARTS: dict[str, Callable[[tuple[int, int]], np.ndarray]] = {
    "border, a seventh of the side": frame,
    "corners, a quarter of the sides": lambda size: _corners(size, 1 / 4),
    "middle, all but the border": lambda size: ~frame(size),
}


def measure_chest(engine: Engine, model: str, data: Path, methods: Sequence[str]) -> dict[str, Any]:
    """What the model of radiographs leans on."""
    scans = list_scans(model, data, "test")
    groups, views = [scan.group for scan in scans], np.array([scan.view for scan in scans])
    positive = np.array([scan.class_index == 1 for scan in scans])
    pictures = [scan.read() for scan in scans]

    def score(some: Sequence[Picture]) -> np.ndarray:
        told = np.array([say_probability(engine, picture, model)[1] for picture in some])
        return np.log(told / (1 - told))

    whole = score(pictures)

    def auc(scores: np.ndarray, matched: bool = False) -> dict[str, float]:
        def measure(some: np.ndarray) -> float:
            same = None
            if matched:
                same = (views[some][positive[some]][:, None] == views[some][~positive[some]][None, :]).astype(float)
            return find_auc(scores[some], positive[some], same)

        return asdict(estimate(measure, groups))

    def within(view: str) -> dict[str, float]:
        chosen = np.flatnonzero(views == view)
        scores, labels = whole[chosen], positive[chosen]
        return asdict(estimate(lambda some: find_auc(scores[some], labels[some]), [groups[at] for at in chosen]))

    areas = {
        "as it is": auc(whole),
        "matched by view": auc(whole, matched=True),
        "AP only": within("AP"),
        "PA only": within("PA"),
        "the view alone (PA: pneumonia)": auc((views == "PA").astype(float)),
        "without the pictures with boxes": None,
    }
    plain = np.array([not scan.box for scan in scans])
    chosen = np.flatnonzero(plain)
    areas["without the pictures with boxes"] = asdict(
        estimate(lambda some: find_auc(whole[chosen][some], positive[chosen][some]), [groups[at] for at in chosen])
    )
    for name, part in PARTS.items():
        scores = score([fill(picture, part(picture.size)) for picture in pictures])
        areas[f"hidden: {name}"] = auc(scores)
        areas[f"hidden, matched by view: {name}"] = auc(scores, matched=True)
    random = np.random.default_rng(0)
    carried = {}
    healthy, ill = np.flatnonzero(~positive), np.flatnonzero(positive)
    for name, part in PARTS.items():
        told = {}
        for title, donors in (("pneumonia", ill), ("no finding", healthy)):
            givers = random.choice(donors, len(healthy))
            pasted = [
                fill(pictures[at], part(pictures[at].size), pictures[giver])
                for at, giver in zip(healthy, givers, strict=True)
            ]
            told[title] = score(pasted)
        gap = float(np.mean(whole[ill]) - np.mean(whole[healthy]))
        moved = (told["pneumonia"] - told["no finding"]) / gap
        carried[name] = {
            "share of the gap": asdict(estimate(partial(_find_mean, moved), [groups[at] for at in healthy])),
            "called pneumonia": {title: float((some > 0).mean()) for title, some in told.items()},
        }
    boxed = [scan for scan in scans if scan.box]
    return {
        "pictures": len(scans),
        "patients": len({*groups}),
        "pneumonia": int(positive.sum()),
        "right": asdict(estimate(lambda some: float(((whole > 0) == positive)[some].mean()), groups)),
        "areas": areas,
        "carried": carried,
        "called pneumonia, no finding as they are": float((whole[~positive] > 0).mean()),
        "pointing": {name: asdict(some) for name, some in point(engine, model, boxed, methods, cells=7).items()},
    }


def _print(title: str, found: dict[str, Any], depth: int = 0) -> None:
    if {"value", "low", "high"} == {*found}:
        print(f"{'  ' * depth}{title}: {Estimate(**found)}")
        return
    if {"hit", "energy", "pictures"} == {*found}:
        print(f"{'  ' * depth}{title}: hit {found['hit']:.3f}, energy {found['energy']:.3f} ({found['pictures']})")
        return
    print(f"{'  ' * depth}{title}")
    for name, value in found.items():
        if isinstance(value, dict):
            _print(name, value, depth + 1)
        else:
            print(f"{'  ' * (depth + 1)}{name}: {value}")


def main() -> None:
    """Measure the models named, or all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--methods", nargs="*", default=[*METHODS])
    arguments = parser.parse_args()
    if unknown := set(arguments.models) - {*MODELS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(MODELS)}")
    engine, results = Engine(), {}
    for model in arguments.models or MODELS:
        measure = measure_chest if model == "chest-xray" else measure_brain
        results[model] = measure(engine, model, arguments.data, arguments.methods)
        _print(model, results[model])
        sys.stdout.flush()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
