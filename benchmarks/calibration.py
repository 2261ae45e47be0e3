"""What bundled models' own pictures look like from inside: `python -m benchmarks.calibration MODEL … --data DIR`.

Writes `assets/calibration/MODEL.safetensors`: means, spreads and the main axes of channel statistics at two layers, and
the scores of known pictures that had no part in the fit, of which the bound is a quantile. No picture of another kind
has a part in it, and no test picture.

- `photo-cnn`, `photo-vit`: `DIR` holds CIFAR-10's `train/<class>/*.jpg`. Of each class's files, by name, 200 are
  fitted, and 200 later ones set the bound.
- `imagenet-cnn`: the pictures of its training are not to be had here. `DIR` holds photographs of its classes, of which
  every other, by name, is fitted, with some of scikit-image's and scikit-learn's: each is scored by a fit without it
  and a fifth of the others. The rest of `DIR`, and the examples that ship, are left to `benchmarks.verdict`.
- `birds-cnn`, `birds-vit`: birds drawn from seeds that neither training nor test has, a third as large as examples.
  Three times as many set the bound as are fitted: of 600, that for `birds-cnn` was passed by 5.6 % of others.
- models of scans: `DIR` is that of their training. Of what they learned from, every other block of file numbers or
  patient is fitted, and the others set the bound.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import SPECIES
from explain.bundled.models import bundled_models, find_calibration
from explain.bundled.scan_sets import list_scans
from explain.engine.engine import Engine
from explain.engine.known_pictures import KnownPictures
from explain.engine.machine import Machine
from explain.engine.memory import Memory
from explain.engine.observer import Observer
from explain.faithfulness.unlike import fit, write_known
from explain.pictures.decode import decode
from explain.pictures.picture import Picture, build_picture
from explain.progress import Watch

FITTED_SEED, HELD_SEED = 50_000_000, 51_000_000
DRAWN, DRAWN_HELD = 600, 1800
SIZES = (96, 480, 96)  # as in training, and as the examples are
A_CLASS = 200
SCANS = 600  # about so many
_LIBRARIES = {
    "skimage": ("data", ("astronaut.png", "rocket.jpg", "motorcycle_left.png")),
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
}


MODELS = [model.name for model in bundled_models() if model.knows in ("photographs", "drawings")]


def read(paths: Sequence[Path]) -> list[Picture]:
    """The pictures of files."""
    return [decode(path.read_bytes(), path.name) for path in paths]


def split_classes(folder: Path) -> tuple[list[Picture], list[Picture]]:
    """So many files of each class to fit, and others to set the bound."""
    fitted, held = [], []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(place.glob("*.jpg"))
        fitted += files[: 6 * A_CLASS : 6]
        held += files[2500 : 2500 + 6 * A_CLASS : 6]
    return read(fitted), read(held)


def list_photographs(folder: Path) -> list[Picture]:
    """Every other photograph of the folder, and those of two libraries that are no examples here."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".jpg", ".jpeg", ".png"})[0::2]
    for library, (place, names) in _LIBRARIES.items():
        source = import_module(library).__file__
        assert source is not None
        files += [path for name in names if (path := Path(source).parent / place / name).is_file()]
    return read(files)


def draw(first: int, count: int) -> list[Picture]:
    """So many birds of all species in turn, each in all sizes."""
    species = [row.name for row in SPECIES]
    kinds = [(name, size) for size in SIZES for name in species]
    birds = [draw_bird(name, first + n, size) for n in range(count) for name, size in [kinds[n % len(kinds)]]]
    return [build_picture(bird.species, bird.pixels, f"{bird.seed}", ()) for bird in birds]


def split_scans(name: str, folder: Path) -> tuple[list[Picture], list[Picture]]:
    """Scans that the model learned from: to fit, and of other patients or blocks to set the bound."""
    scans = list_scans(name, folder, "train")
    scans = scans[:: max(1, len(scans) // SCANS)]
    fitted = {*list(dict.fromkeys(scan.group for scan in scans))[::2]}
    return [one.read() for one in scans if one.group in fitted], [
        one.read() for one in scans if one.group not in fitted
    ]


def calibrate(name: str, folder: Path | None) -> None:
    """Make the file of one model."""
    machine = Machine("cpu", "float32", 2 * 2**30, lambda: None)
    memory = Memory(64 * 2**20, machine.shelf.lock_of)
    known_pictures = KnownPictures(machine, memory, Observer(machine, memory))
    loaded = Engine(device="cpu", precision="float32").load(name)
    held: list[Picture] | None
    knows = next(model.knows for model in bundled_models() if model.name == name)
    if knows == "drawings":
        fitted, held = draw(FITTED_SEED, DRAWN), draw(HELD_SEED, DRAWN_HELD)
        made = f"{len(held):,} drawn birds, compared with {len(fitted):,} others"
        how = f"draw_bird, seeds from {FITTED_SEED} to fit and from {HELD_SEED} for the bound"
    elif folder is None:
        raise SystemExit(f"{name} needs --data, a folder of pictures.")
    elif knows in ("mr-slices", "radiographs"):
        fitted, held = split_scans(name, folder)
        made = f"{len(held):,} scans of the kind it learned from, compared with {len(fitted):,} others"
        how = "training scans, every other block of numbers or patient to fit, the others for the bound"
    elif (folder / "train").is_dir():
        fitted, held = split_classes(folder / "train")
        made = f"{len(held):,} pictures of CIFAR-10's training part, compared with {len(fitted):,} others"
        how = f"{A_CLASS} files a class of {folder.name}/train to fit, and as many others for the bound"
    else:
        fitted, held = list_photographs(folder), None
        made = f"{len(fitted):,} photographs, for want of ImageNet's own, each compared with four fifths of the others"
        how = f"every other file of {folder.name}, scikit-image's and scikit-learn's; 5 folds"
    known = fit(
        known_pictures.describe(fitted, len(fitted), loaded, Watch()),
        f"Compared with {made}.",
        None if held is None else known_pictures.describe(held, len(held), loaded, Watch()),
    )
    path = find_calibration(name)
    path.parent.mkdir(exist_ok=True)
    write_known(known, path, {"model": name, "fingerprint": loaded.fingerprint, "how": how})
    print(
        f"{path.name}: {path.stat().st_size / 1024:.0f} KB, bound {known.bound:.2f}, {len(known.null)} known pictures"
    )


def main() -> None:
    """Make the files asked for."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", choices=MODELS)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    for name in options.models:
        calibrate(name, options.data)


if __name__ == "__main__":
    main()
