"""The sets of scans that bundled models were trained and tested on: slices of brains with a tumour, chest radiographs.

They lie under one folder as `brain_mri/<class>/NNNN.jpg` beside `brain_mri/outlines.csv`, and as
`chest_radiographs/<class>/*.jpg` beside `chest_radiographs/labels.csv`. They do not ship, but for the
examples. How they are split is declared here, for the training and for whoever measures.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from explain.bundled.models import BundledModel, bundled_models
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.pictures.region import mask_region

Split = Literal["train", "test"]

BLOCK = 40
"""File numbers to a block. Patients are not named, and nearly all slices of one lie within 10 numbers of each other."""

EVERY = 5
"""The last of so many blocks is held out."""

MARGIN = 10
"""Training keeps off held-out numbers by so many, lest a patient lie on both sides."""

TEST_SHARE = 3
"""One patient in so many is held out of the radiographs."""

_FOLDERS = {"glioma": "glioma", "meningioma": "meningioma", "pituitary tumour": "pituitary"}


@dataclass(frozen=True)
class Scan:
    """A picture of a set, not yet read.

    Attributes:
        path: the file.
        class_index: what it shows, among the classes of its model.
        group: what it shares with pictures that are no independent ones: a block of file numbers, or a patient.
        outline: round the tumour, in the file's pixels; empty where none is known.
        box: (left, top, right, bottom) that a radiologist drew round the finding; empty where none did.
        view: `AP` or `PA` of a radiograph.
    """

    path: Path
    class_index: int
    group: str
    outline: tuple[tuple[float, float], ...] = ()
    box: tuple[float, ...] = ()
    view: str = ""

    def read(self) -> Picture:
        """Decoded as an upload would be."""
        return decode(self.path.read_bytes(), self.path.name)

    def mark(self, size: tuple[int, int]) -> np.ndarray:
        """The pixels of the tumour or in the box, `(H, W)` bool, on a picture of `size` (height, width)."""
        region = self.outline or self.box
        return mask_region(region, size) if region else np.zeros(size, dtype=bool)


def find_declared(model: str) -> BundledModel:
    """The bundled model of that name, as its file declares it.

    Raises:
        KeyError: there is no such model.
    """
    for declared in bundled_models():
        if declared.name == model:
            return declared
    raise KeyError(model)


def list_scans(model: str, folder: Path, split: Split) -> list[Scan]:
    """What the bundled model of that name was trained or is tested on, in the order of file numbers or names.

    Raises:
        FileNotFoundError: the folder does not hold the set.
        KeyError: there is no such model.
    """
    classes = find_declared(model).classes
    if model == "chest-xray":
        return _list_radiographs(folder / "chest_radiographs", split)
    return _list_brain_slices(folder / "brain_mri", classes, split)


def split_number(number: int) -> Split | None:
    """In which split a brain slice of that file number is, counted from 1; None in the margin between both.

    The first numbers are in none either, as though a held-out block came before them: so the networks were trained.
    """

    def is_held_out(at: int) -> bool:
        return (at - 1) // BLOCK % EVERY == EVERY - 1

    if is_held_out(number):
        return "test"
    return None if is_held_out(number - MARGIN) or is_held_out(number + MARGIN) else "train"


def _list_brain_slices(root: Path, classes: tuple[str, ...], split: Split) -> list[Scan]:
    with (root / "outlines.csv").open(encoding="utf-8", newline="") as file:
        outlines = {row["file"]: tuple((x, y) for x, y in json.loads(row["outline"])) for row in csv.DictReader(file)}
    scans = [
        Scan(path, index, str((int(path.stem) - 1) // BLOCK), outlines[f"{_FOLDERS[name]}/{path.name}"])
        for index, name in enumerate(classes)
        for path in (root / _FOLDERS[name]).glob("*.jpg")
    ]
    return sorted((scan for scan in scans if split_number(int(scan.path.stem)) == split), key=lambda s: s.path.stem)


def _list_radiographs(root: Path, split: Split) -> list[Scan]:
    """Held out is one patient in three, by number, and every patient with a radiologist's box."""
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["file"].rpartition("/")[2])
    boxed = {row["patient"] for row in rows if row["boxes_x_y_w_h"]}
    return [
        Scan(
            root / row["file"],
            int(row["label"] == "pneumonia"),
            row["patient"],
            box=_read_box(row["boxes_x_y_w_h"]),
            view=row["view"],
        )
        for row in rows
        if (row["patient"] in boxed or int(row["patient"]) % TEST_SHARE == 0) == (split == "test")
    ]


def _read_box(text: str) -> tuple[float, ...]:
    """The box as the file has it, `x,y,width,height` or nothing, as (left, top, right, bottom)."""
    if not text:
        return ()
    x, y, width, height = (float(number) for number in text.split(","))
    return x, y, x + width, y + height
