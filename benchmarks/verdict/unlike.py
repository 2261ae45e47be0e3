"""Whether a picture of another kind is said to be unlike those that a model learned from, and its own pictures are not.

The measure and its two layers were chosen on other seeds and on every other file; the bound is of known pictures alone
(see `benchmarks.calibration`). Counted apart are what is *said*, by the kind that file and pixels tell or by the
statistic, and what the statistic *measures* alone. Grey photographs are too common for it to call grey strange, so that
radiographs are told by their pixels.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.verdict.share import Share
from benchmarks.verdict.strange import draw_chart, draw_lines, draw_noise, draw_page
from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import SPECIES
from explain.bundled.models import bundled_models
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.pictures.decode import decode
from explain.pictures.picture import Picture, build_picture

FIRST_SEED = 500_000
BIRD_SEED = 60_000_000
EACH = 100
_SUFFIXES = {".jpg", ".jpeg", ".png"}

Group = tuple[str, Sequence[Picture]]


def measure_unlike(options: argparse.Namespace) -> dict[str, object]:
    """Show all kinds to all bundled models and count what is said."""
    caught: dict[str, dict[str, float]] = {}
    alone: dict[str, dict[str, float]] = {}
    alarms: dict[str, dict[str, float]] = {}
    strange = [*list_strange(options.scans)]
    for model in bundled_models():
        if model.knows not in ("photographs", "drawings"):
            continue  # no statistics of scans ship yet
        drawings = model.knows == "drawings"
        others = [(name, pictures) for name, pictures in strange if not (drawings and name == "drawn birds")]
        said, measured = _count(model.name, others)
        _print(f"{model.name}: caught", said, measured)
        caught[model.name] = {name: share.hits / share.count for name, share in said.items()}
        alone[model.name] = {name: share.hits / share.count for name, share in measured.items()}
        said, measured = _count(model.name, list_known(model.name, drawings, options))
        _print(f"{model.name}: false alarms", said, measured)
        alarms[model.name] = {name: share.hits / share.count for name, share in said.items()}
    return {"unlike_caught": caught, "unlike_caught_by_statistic": alone, "unlike_false_alarm": alarms}


def list_strange(scans: Sequence[Path]) -> Iterator[Group]:
    """Kinds of pictures that no model of photographs knows. Of the scans every other file, from the second on."""
    for folder in scans:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)[1::2]
        chosen = files[:: max(1, len(files) // EACH)]
        yield folder.name, [decode(path.read_bytes(), path.name) for path in chosen]
    drawn = {"noise": draw_noise, "text": draw_page, "line drawings": draw_lines, "charts": draw_chart}
    for name, draw in drawn.items():
        yield name, [_make(f"{name} {seed}", draw(FIRST_SEED + seed)) for seed in range(EACH)]
    yield "drawn birds", _draw_birds((96, 240))


def list_known(model: str, drawings: bool, options: argparse.Namespace) -> Iterator[Group]:
    """A model's own test pictures, and the examples that it knows."""
    if drawings:
        yield "test pictures", _draw_birds((96,))
    elif model != "imagenet-cnn":
        files = sorted(path for path in options.data.rglob("*") if path.suffix.lower() in _SUFFIXES)
        chosen = files[:: max(1, len(files) // options.pictures)]
        yield "test pictures", [decode(path.read_bytes(), path.name) for path in chosen]
    elif options.photographs is not None:
        files = sorted(path for path in options.photographs.iterdir() if path.suffix.lower() in _SUFFIXES)[1::2]
        yield "test pictures", [decode(path.read_bytes(), path.name) for path in files]
    classes = next({*one.classes} for one in bundled_models() if one.name == model)
    known = [entry for entry in bundled_pictures() if classes & {*entry.classes}]
    yield "examples", [decode(entry.path.read_bytes(), entry.name) for entry in known]


def _draw_birds(sizes: Sequence[int]) -> list[Picture]:
    species = [row.name for row in SPECIES]
    birds = (
        draw_bird(species[number % len(species)], BIRD_SEED + number, sizes[number % len(sizes)])
        for number in range(EACH)
    )
    return [_make(f"{bird.species} {bird.seed}", bird.pixels) for bird in birds]


def _make(name: str, pixels: np.ndarray) -> Picture:
    return build_picture(name, np.ascontiguousarray(pixels), hashlib.sha256(pixels.tobytes()).hexdigest(), ())


def _count(model: str, groups: Sequence[Group] | Iterator[Group]) -> tuple[dict[str, Share], dict[str, Share]]:
    """Of each group, how many are said to be strange, and how many are by the statistic alone."""
    engine = Engine()
    loaded = engine.load(model)
    said, measured = {}, {}
    for name, pictures in groups:
        entries = []
        for picture in pictures:
            entries.append(engine.explain(picture, loaded, "fem").pictures[0])
            engine.forget()
        said[name] = Share(sum(entry.caution != "" for entry in entries), len(entries))
        measured[name] = Share(sum(entry.unlike.unlike for entry in entries), len(entries))
    return said, measured


def _print(title: str, said: dict[str, Share], measured: dict[str, Share]) -> None:
    print(title, *(f"  {name:20} {said[name]}   measured {measured[name]}" for name in said), "", sep="\n")
