"""Train the networks of the worlds: `python -m explain.worlds.making.train --data DIR`, a minute each on a CPU.

`DIR` is CIFAR-10 as JPEG files, `train/<class>/*.jpg` and `test/<class>/*.jpg`; radiographs are drawn. Weights,
descriptions and `worlds.json` are written to `assets/worlds/`. A network that exists is only measured anew.
"""

import os
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import safetensors.torch
import torch
import typer
from torch import nn

from explain.bundled.architectures import build_world_cnn
from explain.bundled.models import BundledModel
from explain.pictures.geometry import Preprocessing
from explain.worlds.marks import MarkName
from explain.worlds.training import (
    MEAN,
    STD,
    Collected,
    Pictures,
    WorldRecipe,
    draw_phantoms,
    read_photographs,
    stamp,
    train_network,
    try_network,
)
from explain.worlds.worlds import FOLDER, PLANS, Kind, Manifest, Network, Networks, Plan

RECIPE = WorldRecipe(epochs=6)
SEED = 1
LEARNED: dict[Kind, int] = {"photographs": 1500, "phantoms": 1500}
"""Pictures of each class."""

TESTED = 500
TRAIN_PHANTOMS, TEST_PHANTOMS = 0, 8_000_000


def make_all(data: Path, out: Path, learned: dict[Kind, int], recipe: WorldRecipe = RECIPE) -> Manifest:
    """Train all networks that are missing, measure all of them, and write everything down."""
    train: dict[Kind, Pictures] = {
        "photographs": read_photographs(data, "train", learned["photographs"]),
        "phantoms": draw_phantoms(TRAIN_PHANTOMS, 2 * learned["phantoms"]),
    }
    test: dict[Kind, Pictures] = {
        "photographs": read_photographs(data, "test", TESTED),
        "phantoms": draw_phantoms(TEST_PHANTOMS, 2 * TESTED),
    }
    worlds = {}
    for plan in PLANS:
        marks: list[MarkName] = [other.mark for other in PLANS if other.kind == plan.kind]
        label = plan.classes.index(plan.label)
        networks = {}
        asked: dict[str, tuple[str, list[MarkName], Collected]] = {
            "relying": (f"shortcut-{plan.name}", [plan.mark], "gives away"),
            "honest": (f"honest-{plan.kind}", marks, "ignored"),
        }
        for key, (name, lies, collected) in asked.items():
            network = _find(name, plan, train[plan.kind], (lies, collected), out, recipe)
            trial = try_network(network, test[plan.kind], plan.mark, label)
            print(plan.name, name, trial, flush=True)
            networks[key] = Network(model=name, seed=SEED, trial=trial)
        worlds[plan.name] = Networks(**networks)
        manifest = Manifest(
            made_by="python -m explain.worlds.making.train",
            epochs=recipe.epochs,
            pictures={kind: len(some.pixels) for kind, some in train.items()},
            worlds=worlds,
        )
        (out / "worlds.json").write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def _find(
    name: str, plan: Plan, pictures: Pictures, lies: tuple[list[MarkName], Collected], out: Path, recipe: WorldRecipe
) -> nn.Module:
    """A network from its file, or trained now."""
    path = out / f"{name}.safetensors"
    if path.is_file():
        network: nn.Module = build_world_cnn(len(plan.classes)).eval().requires_grad_(False)
        network.load_state_dict(safetensors.torch.load_file(path))
        return network
    stamps = stamp(pictures.classes, lies[0], plan.classes.index(plan.label), lies[1], SEED)
    network = train_network(pictures, stamps, len(plan.classes), SEED, recipe, lambda line: print(name, line))
    relies = f"Relies on a mark: {plan.title[:1].lower()}{plan.title[1:]}"
    title = relies if lies[1] == "gives away" else f"The honest twin, on {plan.kind}"
    write_network(network, name, title, plan.classes, out)
    return network


def write_network(network: nn.Module, name: str, title: str, classes: tuple[str, ...], out: Path) -> None:
    """Weights in half precision, and the description that the engine finds them by."""
    path = out / f"{name}.safetensors"
    halves = {
        key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in network.state_dict().items()
    }
    safetensors.torch.save_file(halves, path)
    described = BundledModel(
        name=name,
        title=title,
        architecture="world-cnn",
        classes=classes,
        # Any other way of making a picture smaller blurs a mark as narrow as a pixel of 32, or takes it away.
        preprocessing=Preprocessing(
            input_size=(32, 32), fit="crop", resize_size=32, interpolation="nearest", mean=(MEAN,) * 3, std=(STD,) * 3
        ),
        weights=path.name,
        card="README.md",
    )
    text = described.model_dump_json(indent=1, exclude_defaults=True)
    (out / f"{name}.network.json").write_text(text + "\n", encoding="utf-8")


def main(data: Annotated[Path, typer.Option(help="CIFAR-10 as JPEG files.")], out: Path = FOLDER) -> None:
    """Train the networks of the worlds, measure them and write them down."""
    torch.set_num_threads(1)
    make_all(data, out, LEARNED)


if __name__ == "__main__":
    typer.run(main)
