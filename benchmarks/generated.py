"""What a network that tells photographs from generated pictures reads: `python -m benchmarks.generated --data DIR`.

`DIR` is CIFAKE as JPEG files; its test part is used, `test/real/*.jpg` and `test/fake/*.jpg`. The network is the one
that ships. Written is the table of the page Truth, `assets/worlds/generated.json` (another place: `--json`):

- **tested**: how often it is right on the pictures as they are, changed in ways hardly anyone would see, and on the
  photographs that ship once they are made as small; with Wilson's 95 % interval.
- **alike**: of pictures whose answer changes when they are halved and enlarged, the rank correlation of the map before
  with the map after, for the class "generated" both times, and with the map of another picture.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from benchmarks.verdict.share import Share
from explain.engine.engine import Engine
from explain.maps.agreement import rank_correlations
from explain.maps.heatmap import Heatmap
from explain.worlds.generated import (
    EPOCHS,
    EXPLAINED,
    FILTERS,
    FOLDERS,
    MODEL,
    Alike,
    Generated,
    Tested,
    halve,
    list_own,
    save_as_jpeg,
    show_pixels,
)
from explain.worlds.training import Pictures, ask, read_folders
from explain.worlds.worlds import FOLDER

METHODS = ("grad-cam", "layer-cam", "eigen-cam", "cf-cam")
LEARNED = 10_000
EXPLAINED_EACH = 10
"""One test picture in so many is explained."""

Change = Callable[[np.ndarray], np.ndarray]


def keep(pixels: np.ndarray) -> np.ndarray:
    """The picture as it is."""
    return pixels


def drain(pixels: np.ndarray) -> np.ndarray:
    """The picture in grey."""
    grey = np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return grey[..., None].repeat(3, 2)


CHANGES: dict[str, Change] = {
    "as they are": keep,
    **{
        f"halved and enlarged again ({name.capitalize()})": lambda pixels, by=name: halve(pixels, by)
        for name in FILTERS
    },
    "saved as JPEG once more": save_as_jpeg,
    "in grey": drain,
}


def count(name: str, answers: np.ndarray, classes: np.ndarray) -> Tested:
    """How often answers are right."""
    share = Share(int((answers == classes).sum()), len(classes))
    low, high = share.interval
    return Tested(
        name=name,
        right=round(share.hits / share.count, 4),
        interval=(round(low, 4), round(high, 4)),
        generated=round(float((answers == EXPLAINED).mean()), 4),
        pictures=share.count,
    )


def compare(engine: Engine, pixels: np.ndarray, methods: Sequence[str]) -> dict[str, Alike]:
    """How alike the maps are before and after, of the pictures whose answer changes."""
    found: dict[str, list[tuple[Heatmap, Heatmap]]] = {method: [] for method in methods}
    for number, small in enumerate(pixels):
        before, after = (
            engine.explain(show_pixels(f"{number}", one), MODEL, methods, target=EXPLAINED).pictures[0]
            for one in (small, halve(small))
        )
        if before.predictions[0].index != after.predictions[0].index:
            for method, pair in zip(methods, zip(before.maps, after.maps, strict=True), strict=True):
                found[method].append(pair)
    alike = {}
    for method, pairs in found.items():
        same = [correlate(before, after) for before, after in pairs]
        other = [correlate(pairs[at][0], pairs[at - 1][0]) for at in range(len(pairs))]
        low, high = np.nanquantile(same, [0.25, 0.75])
        alike[method] = Alike(
            same=round(float(np.nanmedian(same)), 3),
            quartiles=(round(float(low), 3), round(float(high), 3)),
            other=round(float(np.nanmedian(other)), 3),
            pictures=len(pairs),
        )
    return alike


def correlate(first: Heatmap, second: Heatmap) -> float:
    """The rank correlation of two maps."""
    return float(rank_correlations([first.values, second.values], [first.box, second.box])[0, 1])


def measure(pictures: Pictures, methods: Sequence[str] = METHODS, each: int = EXPLAINED_EACH) -> Generated:
    """The table, of these pictures."""
    engine = Engine("cpu", precision="float32")
    module = engine.load(MODEL).module

    def test(pixels: np.ndarray, classes: np.ndarray) -> tuple[Tested, ...]:
        return tuple(
            count(name, ask(module, np.stack([change(one) for one in pixels])), classes)
            for name, change in CHANGES.items()
        )

    own = np.stack([small for _, small in list_own()])
    return Generated(
        made_by="python -m benchmarks.generated",
        learned=LEARNED,
        epochs=EPOCHS,
        tested=test(pictures.pixels, pictures.classes),
        own=test(own, np.zeros(len(own), dtype=int))[:2],
        alike=compare(engine, pictures.pixels[::each], methods),
    )


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, default=FOLDER / "generated.json")
    arguments = parser.parse_args()
    table = measure(read_folders(arguments.data / "test", FOLDERS))
    for row in (*table.tested, *table.own):
        low, high = row.interval
        print(f"{row.name:45} {row.right:6.1%} ({low:.1%} to {high:.1%}), called generated {row.generated:.1%}")
    for method, one in table.alike.items():
        print(f"{method:12} {one.same:.2f} ({one.quartiles[0]:.2f} to {one.quartiles[1]:.2f}), other {one.other:.2f}")
    arguments.json.write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
