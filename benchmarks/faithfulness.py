"""How faithful the maps of several methods are: `python -m benchmarks.faithfulness FOLDER --json FILE`.

Each photograph is measured as on the page (`Engine.measure`), and the figures are averaged; see
`explain/faithfulness/measures/` for what each is, which way is good, and what it cannot tell. Maps of no meaning stand
below the methods: what does not beat them says nothing. Differences to Grad-CAM are paired, picture by picture, with
the interval in which 95 % of the means lie when the pictures are drawn anew, with replacement.

What has been measured is kept in the file after each photograph, and not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from explain.engine.engine import Engine
from explain.engine.measuring import TITLES
from explain.errors import ExplainError
from explain.faithfulness.measures import MEASURES
from explain.methods import get_method
from explain.methods.cf_cam.settings import PUBLISHED, CfCamSettings
from explain.pictures.decode import decode
from explain.storage import read_file

METHODS = ("grad-cam", "cf-cam", "eigen-cam", "grad-cam++", "hires-cam", "layer-cam", "normgrad", "finer-cam")
COLUMNS = ("insertion", "deletion", "gain", "hiding", "average drop", "increase", "other classes", "copies")
DRAWS = 10_000

Figures = dict[str, dict[str, float]]
"""By row, by measure."""


def list_variants() -> dict[str, CfCamSettings]:
    """CF-CAM as published, and its default with one setting changed, by what it is called."""
    default = CfCamSettings()
    variants = {"CF-CAM, published": PUBLISHED}
    for name, values in (("eps", (0.1, 1.0, 3.0)), ("sigma", (0.0, 0.5, 2.0)), ("dominant", (75.0,))):
        variants |= {f"CF-CAM, {name} {value:g}": default.model_copy(update={name: value}) for value in values}
    return variants


def measure_photograph(engine: Engine, path: Path, model: str, variants: Mapping[str, CfCamSettings]) -> Figures:
    """The figures of all rows for one photograph, and under `best` which method was named the best."""
    picture = decode(read_file(path), path.name)
    measured = engine.measure(picture, model, METHODS, measures=COLUMNS)
    found = {row.title: dict(row.figures) for row in measured.rows}
    found["best"] = {measured.best.name or "none": 1.0}
    for title, settings in variants.items():
        (row, *_) = engine.measure(picture, model, ["cf-cam"], settings={"cf-cam": settings}, measures=COLUMNS).rows
        found[title] = dict(row.figures)
    engine.forget()
    return found


def find_difference(own: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """The mean of the paired differences, and the ends of its 95 % interval; NaN where there are none."""
    differences = np.array(own) - np.array(other)
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return math.nan, math.nan, math.nan
    drawn = np.random.default_rng(0).choice(differences, (DRAWS, len(differences))).mean(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(differences.mean()), float(low), float(high)


def summarise(found: Mapping[str, Figures]) -> dict[str, dict[str, dict[str, float]]]:
    """By row and measure: the mean, how many pictures have it, and the difference to Grad-CAM with its interval."""
    rows = [name for name in dict.fromkeys(row for figures in found.values() for row in figures) if name != "best"]
    table: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        for column in COLUMNS:
            own = [figures.get(row, {}).get(column, math.nan) for figures in found.values()]
            base = [figures["Grad-CAM"][column] for figures in found.values()]
            finite = [value for value in own if math.isfinite(value)]
            mean, low, high = find_difference(own, base)
            table.setdefault(row, {})[column] = {
                "mean": float(np.mean(finite)) if finite else math.nan,
                "pictures": len(finite),
                "difference": mean,
                "low": low,
                "high": high,
            }
    return table


def as_markdown(table: Mapping[str, Mapping[str, Mapping[str, float]]], rows: Sequence[str]) -> str:
    """The means, with ▲ where a row is better than Grad-CAM beyond its interval and ▼ where it is worse."""
    heads = [f"{MEASURES[column].title} ({MEASURES[column].better})" for column in COLUMNS]
    lines = ["| map | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for row in rows:
        cells = [_write(table[row][column], column) for column in COLUMNS]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _write(figure: Mapping[str, float], column: str) -> str:
    if not figure["pictures"]:
        return "–"
    sign = 1 if MEASURES[column].better == "higher" else -1
    low, high = sorted((sign * figure["low"], sign * figure["high"]))
    mark = " ▲" if low > 0 else " ▼" if high < 0 else ""
    digits = 1 if MEASURES[column].unit == "%" else 3
    return f"{figure['mean']:.{digits}f}{mark}"


def choose_photographs(folder: Path, count: int) -> list[Path]:
    """So many of the folder's pictures, evenly spread over their names.

    Raises:
        SystemExit: it holds none.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpeg", ".jpg", ".png"))
    if not paths:
        raise SystemExit(f"There are no photographs in {folder}. Name a folder that holds some.")
    return [paths[i] for i in np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)]


def main() -> None:
    """Measure, print the tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of photographs")
    parser.add_argument("--model", default="imagenet-cnn", help="a bundled model (default: imagenet-cnn)")
    parser.add_argument("--photographs", type=int, default=50, help="how many (default: 50)")
    parser.add_argument("--json", type=Path, required=True, help="write the results, photograph by photograph, here")
    arguments = parser.parse_args()
    engine, variants = Engine(), list_variants()
    record: dict[str, Any] = {"model": arguments.model, "each": {}}
    if arguments.json.exists():
        record = json.loads(arguments.json.read_text())
    paths = choose_photographs(arguments.folder, arguments.photographs)
    # A stride that shares no factor with their number, so that what is measured first is spread over all of them.
    stride = next(step for step in (7, 11, 13, 17) if len(paths) % step)
    for number in range(len(paths)):
        path = paths[number * stride % len(paths)]
        if path.name in record["each"]:
            continue
        started = time.perf_counter()
        try:
            record["each"][path.name] = measure_photograph(engine, path, arguments.model, variants)
        except ExplainError as error:
            print(f"left out: {path.name}: {error}", file=sys.stderr)
            continue
        arguments.json.write_text(json.dumps(record, indent=1))
        print(f"{number + 1} of {len(paths)}, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    table = summarise(record["each"])
    record["table"] = table
    arguments.json.write_text(json.dumps(record, indent=1))
    named = [get_method(name).title for name in METHODS]
    print(
        f"{len(record['each'])} photographs, {arguments.model}; ▲ better, ▼ worse than Grad-CAM beyond the interval\n"
    )
    print(as_markdown(table, [*named, *TITLES.values()]), end="\n\n")
    print(as_markdown(table, ["CF-CAM", *variants]))


if __name__ == "__main__":
    main()
