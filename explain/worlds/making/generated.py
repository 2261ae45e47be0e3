"""Train what tells photographs from generated pictures: `python -m explain.worlds.making.generated --data DIR`.

`DIR` is CIFAKE as JPEG files, `train/real/*.jpg`, `train/fake/*.jpg` and the same below `test/`. Weights, description
and twelve generated pictures are written to `assets/worlds/`: half a minute on a CPU. `benchmarks.generated` measures.
"""

import os
import shutil
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import typer

from explain.worlds.generated import CLASSES, EPOCHS, FOLDERS, MODEL
from explain.worlds.making.train import write_network
from explain.worlds.training import WorldRecipe, read_folders, train_network
from explain.worlds.worlds import FOLDER

RECIPE = WorldRecipe(epochs=EPOCHS)
SEED = 1
SHOWN = 12
"""Generated pictures that ship: the first by name, whatever the network says of them."""


def make(data: Path, out: Path, recipe: WorldRecipe = RECIPE) -> None:
    """Train, and write everything down."""
    pictures = read_folders(data / "train", FOLDERS)
    network = train_network(pictures, [None] * len(pictures.classes), len(CLASSES), SEED, recipe, print)
    write_network(
        network, MODEL, "Tells CIFAR-10 from Stable Diffusion 1.4 at 32×32 pixels, and nothing else", CLASSES, out
    )
    (out / "generated").mkdir(exist_ok=True)
    for number, path in enumerate(sorted((data / "test" / "fake").glob("*.jpg"))[:SHOWN], 1):
        shutil.copyfile(path, out / "generated" / f"{number:02}.jpg")


def main(data: Annotated[Path, typer.Option(help="CIFAKE as JPEG files.")], out: Path = FOLDER) -> None:
    """Train the network and write it down."""
    torch.set_num_threads(1)
    make(data, out)


if __name__ == "__main__":
    typer.run(main)
