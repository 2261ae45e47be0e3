"""Small sets of scans, laid out as the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64
FOLDERS = ("glioma", "meningioma", "pituitary")


def write_sets(folder: Path) -> None:
    """Six slices to train on and three held out, whose tumour is a light square that lies elsewhere for each class; six
    radiographs of four patients, of whom one has a box.
    """
    random = np.random.default_rng(0)
    root = folder / "brain_mri"
    rows = ["file,outline"]
    for number in (11, 12, 13, 14, 15, 16, 161, 162, 163):
        place = (number - 11) % 3 if number < 100 else number - 161
        name, left = FOLDERS[place], 10 + 12 * place
        pixels = random.integers(0, 60, (SIDE, SIDE), np.uint8)
        pixels[20:40, left : left + 20] = 220 - 20 * place
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name / f"{number:04}.jpg")
        corners = [[left, 20], [left + 20, 20], [left + 20, 40], [left, 40]]
        rows.append(f'{name}/{number:04}.jpg,"{corners}"')
    (root / "outlines.csv").write_text("\n".join(rows) + "\n")

    root = folder / "chest_radiographs"
    rows = ["file,label,patient,view,boxes_x_y_w_h"]
    for number, (patient, label) in enumerate([(1, 0), (1, 0), (2, 1), (3, 0), (3, 1), (4, 1)]):
        name = ("no_findings", "pneumonia")[label]
        (root / name).mkdir(parents=True, exist_ok=True)
        file = f"{name}/{patient:08}_{number:03}.jpg"
        Image.fromarray(random.integers(60, 200, (SIDE, SIDE), np.uint8)).save(root / file)
        box = '"8,16,16,32"' if patient == 4 else ""
        rows.append(f"{file},{name},{patient:08},{('PA', 'AP')[label]},{box}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
