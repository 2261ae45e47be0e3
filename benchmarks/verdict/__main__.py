"""Are the verdicts right? `python -m benchmarks.verdict --data DIR [--json FILE] [--only PART …]`.

`DIR` holds the pictures that the bundled models were not trained on, a folder a class, as CIFAR-10's `test/`, whose
`train/` lies beside it: networks with shortcuts are trained on that, which takes a minute each. Each part
prints its table and adds its figures to the report. Shares come with Wilson's 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.verdict.birds import measure_birds
from benchmarks.verdict.maps import draw_birds, measure_maps, read_pictures
from benchmarks.verdict.seconds import measure_seconds
from benchmarks.verdict.shortcuts import measure_shortcuts
from benchmarks.verdict.unlike import measure_unlike

if TYPE_CHECKING:
    from explain.pictures.picture import Picture

Part = Callable[[argparse.Namespace], dict[str, object]]

PARTS: dict[str, Part] = {
    "maps": lambda options: measure_maps(options.model, _choose_pictures(options)),
    "birds": lambda options: measure_birds("birds-cnn", min(options.pictures, 120)),
    "seconds": lambda _options: measure_seconds(),
    "shortcuts": lambda options: measure_shortcuts(options.data.parent, options.runs),
    "unlike": measure_unlike,
}
"""What is measured, in the order of the report. Each returns figures by the names that they have there."""


def _choose_pictures(options: argparse.Namespace) -> list[tuple[Picture, str]]:
    if options.model.startswith("birds-"):
        return draw_birds(options.pictures)
    return read_pictures(options.data, options.pictures)


def main() -> None:
    """Run the parts asked for and print their tables."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="pictures in folders named like the model's classes")
    parser.add_argument("--model", default="photo-cnn", help="whose maps are judged")
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/shortcuts"), help="where networks trained for it are kept"
    )
    parser.add_argument("--photographs", type=Path, help="of a thousand things, for imagenet-cnn")
    parser.add_argument("--scans", type=Path, nargs="*", default=[], help="folders of radiographs and slices")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: dict[str, object] = {}
    for part in options.only:
        report |= PARTS[part](options)
        if options.json:
            options.json.write_text(json.dumps(report, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
