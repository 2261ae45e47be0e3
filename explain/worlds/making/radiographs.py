"""Choose the radiographs that ship: `python -m explain.worlds.making.radiographs --data DIR`.

`DIR` holds `chest_radiographs/`; see `explain.bundled.scan_sets`. Of each label and view those held-out ones are taken
that come first by number, one of a patient, whatever the network says of them. They are made smaller and written to
`assets/worlds/radiographs/`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from explain.bundled.scan_sets import Scan, list_scans
from explain.worlds.radiographs import CLASSES, MODEL
from explain.worlds.worlds import FOLDER, SIDE

EACH = 2
"""Of each label and view."""

_QUALITY = 88


def choose(scans: list[Scan], each: int = EACH) -> list[Scan]:
    """The first ones of each label and view, one of a patient, in turn."""
    found: dict[tuple[str, int], list[Scan]] = {(view, at): [] for view in ("PA", "AP") for at in (1, 0)}
    patients: set[str] = set()
    for scan in scans:
        group = found[scan.view, scan.class_index]
        if len(group) < each and scan.group not in patients and not scan.box:
            group.append(scan)
            patients.add(scan.group)
    return [scan for turn in zip(*found.values(), strict=True) for scan in turn]


def make(data: Path, out: Path, each: int = EACH) -> None:
    """Write them, with the list that says what each is."""
    folder = out / "radiographs"
    folder.mkdir(exist_ok=True)
    listed = []
    for scan in choose(list_scans(MODEL, data, "test"), each):
        with Image.open(scan.path) as image:
            small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        small.save(folder / scan.path.name, quality=_QUALITY)
        listed.append({"file": scan.path.name, "label": CLASSES[scan.class_index], "view": scan.view})
    (folder / "radiographs.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")


def main(data: Annotated[Path, typer.Option(help="Holds chest_radiographs/.")], out: Path = FOLDER) -> None:
    """Choose the radiographs and write them."""
    make(data, out)


if __name__ == "__main__":
    typer.run(main)
