"""Training class prompts: `python -m benchmarks.prompt_training DIR [--whole] [--json FILE]`.

`DIR` holds `class/picture`, as for `python -m explain train-prompts`. Prompts are trained on it with the settings that
suit its size, on `photo-vit`, for each place where they can enter: once with what the frozen blocks make of the
pictures computed once and reused, and once with the whole ViT run for each picture in each epoch, as prompts are
trained elsewhere. Both must end with the same accuracy on the validation pictures, up to one of them. Without
`--whole` only a few epochs are run of all but the settings that are chosen, so that the accuracy is of those few.

Processor seconds are given beside those on the clock: they hardly change where other work is going on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from explain.datasets.dataset import DataSet
from explain.datasets.reading import read_folder
from explain.models.load import load_model
from explain.models.loaded import LoadedModel
from explain.models.request import parse_model
from explain.networks.prompt_variant import Variant
from explain.training.loop import train_prompts
from explain.training.outcome import Report
from explain.training.recipe import change_recipe, choose_recipe

FEW_EPOCHS = 3


@dataclass(frozen=True)
class Row:
    """One training.

    Attributes:
        variant: where prompts enter.
        kept: whether the frozen blocks' features are reused.
        epochs: that were run.
        pictures_per_second: trained on, in the median epoch.
        seconds: of the whole training, on the clock.
        processor_seconds: the same, of all threads.
        accuracy: on the validation pictures, per cent.
    """

    variant: Variant
    kept: bool
    epochs: int
    pictures_per_second: float
    seconds: float
    processor_seconds: float
    accuracy: float


def measure(dataset: DataSet, backbone: LoadedModel, variant: Variant, kept: bool, epochs: int | None) -> Row:
    """Train once; `epochs` None stands for as many as suit the set."""
    # One course: folds only judge, and would be most of the time where features are computed anew.
    recipe = change_recipe(choose_recipe(dataset, backbone), {"variant": variant, "folds": 0})
    if variant != "last":
        recipe = change_recipe(recipe, {"learning_rate": 0.01})
    if epochs is not None:
        recipe = change_recipe(recipe, {"epochs": epochs, "warm_up": 1})
    started, started_processor = time.perf_counter(), time.process_time()
    report: Report = train_prompts(backbone, dataset, recipe, keep_features=kept).report
    return Row(
        variant,
        kept,
        len(report.epochs),
        statistics.median(epoch.pictures_per_second for epoch in report.epochs),
        time.perf_counter() - started,
        time.process_time() - started_processor,
        report.accuracy,
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 where reusing features changes the accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pictures", type=Path, metavar="DIR")
    parser.add_argument("--whole", action="store_true", help="run every training to its end")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    dataset, backbone = read_folder(options.pictures), load_model(parse_model("photo-vit"))
    print(f"{len(dataset.examples)} pictures, {len(dataset.labels)} classes, {torch.get_num_threads()} threads")
    print(
        f"{'prompts at':<12}{'features':<11}{'epochs':>7}{'pictures/s':>12}{'seconds':>9}{'processor':>11}{'right':>9}"
    )
    rows = []
    for variant in get_args(Variant)[::-1]:
        for kept in (True, False):
            chosen = options.whole or (variant == "last" and kept)
            row = measure(dataset, backbone, variant, kept, None if chosen else FEW_EPOCHS)
            rows.append(row)
            print(
                f"{variant:<12}{'reused' if kept else 'computed':<11}{row.epochs:>7}{row.pictures_per_second:>12,.0f}"
                f"{row.seconds:>9.1f}{row.processor_seconds:>11.1f}{row.accuracy:>7.1f} %",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps({"figures": [asdict(row) for row in rows]}, indent=2) + "\n")
    one = 100 / len(dataset.list_split("val"))
    pairs = [(kept, computed) for kept, computed in zip(rows[::2], rows[1::2], strict=True)]
    return int(any(a.epochs == b.epochs and abs(a.accuracy - b.accuracy) > one * 1.001 for a, b in pairs))


if __name__ == "__main__":
    sys.exit(main())
