"""Draw the maps that ship with a bundled model: `python -m benchmarks.verdict.calibration MODEL --data DIR`.

`DIR` holds pictures of the kind that the model was trained on, in folders or not, none of them one that verdicts are
tested on: of `photo-cnn` and `photo-vit` CIFAR-10's `train/`, of `imagenet-cnn` photographs of ImageNet's classes. Of
the drawn birds none are needed: they are drawn, from seeds of no training and no test. Every method that takes no pass
of its own is drawn at its default settings and the model's default layer, for each picture's likeliest class. See
`explain.faithfulness.calibration` for the file. It must be made again when the model's weights or a method change.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np

from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import SPECIES
from explain.engine.engine import Engine
from explain.faithfulness.calibration import write_calibration
from explain.faithfulness.probe import lay_on_cells
from explain.methods import all_methods
from explain.pictures.decode import decode
from explain.pictures.picture import Picture

COUNT = 119
"""Pictures: p-values in steps of 1 in 120."""

FIRST_SEED = 2_900_000
"""Of the birds; `benchmarks.verdict.birds` tests from 3,000,000 on, and no other script draws from here."""


def list_files(folder: Path, count: int) -> list[Path]:
    """Files spread evenly over a folder, and over its subfolders in turn where it has some."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
    each = -(-count // len(folders))
    chosen = []
    for one in folders:
        files = sorted(path for path in one.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        chosen.append([files[number * len(files) // each] for number in range(min(each, len(files)))])
    turns = [some[turn] for turn in range(each) for some in chosen if turn < len(some)]
    return turns[:count]


def read_pictures(model: str, data: Path | None, count: int) -> Iterator[Picture]:
    """The pictures that a model's maps are drawn of."""
    if model.startswith("birds-"):
        for number in range(count):
            pixels = draw_bird(SPECIES[number % len(SPECIES)].name, FIRST_SEED + number).pixels
            yield decode(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes(), f"{FIRST_SEED + number}.png")
    else:
        for path in list_files(data or Path(), count):
            yield decode(path.read_bytes(), path.name)


def calibrate(model: str, pictures: Sequence[Picture]) -> Path:
    """Draw all maps and write the file; gives back where it lies."""
    engine = Engine()
    loaded = engine.load(model)
    methods = [name for name, method in all_methods().items() if "runner" not in method.needs]
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for number, picture in enumerate(pictures, 1):
        for heatmap in engine.explain(picture, loaded, methods).pictures[0].maps:
            cells = lay_on_cells(heatmap.values)
            if cells.any():
                found.setdefault((heatmap.method, heatmap.layer), []).append(cells)
        engine.forget()
        if number % 20 == 0:
            print(f"{model}: {number} of {len(pictures)} pictures", file=sys.stderr)
    about = {
        "fingerprint": loaded.fingerprint,
        "model": model,
        "pictures": len(pictures),
        "digest": hashlib.sha256("".join(picture.digest for picture in pictures).encode()).hexdigest(),
        "made by": f"python -m benchmarks.verdict.calibration {model}",
    }
    return write_calibration(model, about, {place: np.stack(cells) for place, cells in found.items()})


def main() -> None:
    """Draw the maps of the models asked for."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--data", type=Path, help="pictures of the kind that the models were trained on")
    parser.add_argument("--pictures", type=int, default=COUNT)
    options = parser.parse_args()
    for model in options.models:
        print(calibrate(model, [*read_pictures(model, options.data, options.pictures)]))


if __name__ == "__main__":
    main()
