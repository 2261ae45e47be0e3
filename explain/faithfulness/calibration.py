"""What ships with a bundled model so that its maps are judged at once: its maps of other pictures.

`python -m benchmarks.verdict.calibration` draws them again. A file is an `.npz` in `assets/calibration/`, and belongs
to the one model whose fingerprint it bears. In it:

- `about`, JSON: the fingerprint, which pictures the maps are of, and how the file was made;
- `METHOD/PLACE`, `(n, CELLS, CELLS)` uint8: a method's maps of the pictures, each of the picture's own likeliest class,
  at the method's default settings. A map's own greatest value is 255: no measure here depends on a map's scale.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

CALIBRATIONS = Path(__file__).resolve().parents[2] / "assets" / "calibration"

_STEPS = 255


def read_calibration(model: str, fingerprint: str, method: str, place: str) -> np.ndarray | None:
    """A method's maps of other pictures, `(n, CELLS, CELLS)` float64, at least 0.

    Args:
        model: name of a bundled model.
        fingerprint: of the model as it is loaded. A file made with another model is none.
        method: name of the method.
        place: where it looks, see `explain.engine.question.name_place`.

    Returns:
        None where there are none of this model, method and place.
    """
    maps = _read(model, fingerprint).get(f"{method}/{place}")
    return None if maps is None else maps.astype(np.float64)


def has_calibration(model: str, fingerprint: str) -> bool:
    """Whether there are any of this very model."""
    return bool(_read(model, fingerprint))


def write_calibration(model: str, about: Mapping[str, object], maps: Mapping[tuple[str, str], np.ndarray]) -> Path:
    """Write a model's file, of the same bytes for the same maps; gives back where it lies.

    Args:
        model: name of a bundled model.
        about: what must be known of the file, the model's `fingerprint` among it.
        maps: by method and place, `(n, CELLS, CELLS)`, at least 0.
    """
    CALIBRATIONS.mkdir(exist_ok=True)
    path = CALIBRATIONS / f"{model}.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "about", np.frombuffer(json.dumps(about, indent=2).encode(), dtype=np.uint8))
        for (method, place), cells in sorted(maps.items()):
            greatest = cells.max((1, 2), keepdims=True)
            _add(archive, f"{method}/{place}", np.rint(cells / greatest * _STEPS).astype(np.uint8))
    _read.cache_clear()
    return path


def _add(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))  # no date, so that the bytes are the same
    archive.writestr(entry, file.getvalue(), zipfile.ZIP_DEFLATED)


@lru_cache(maxsize=8)
def _read(model: str, fingerprint: str) -> Mapping[str, np.ndarray]:
    path = CALIBRATIONS / f"{model}.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        if json.loads(file["about"].tobytes())["fingerprint"] != fingerprint:
            return {}
        return {name: file[name] for name in file.files if name != "about"}
