"""Answers to slices of scans whose every place is known, without a network."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from explain.engine.explanation import Explanation, PictureExplanation
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.models.loaded import LoadedModel
from explain.passes.count import Passes
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.report.scans.nifti import encode_nifti
from explain.volumes.reading import read_volumes
from explain.volumes.volume import Volume
from tests.support.dicom_files import make_series, ramp, write
from tests.support.engine import build_model

GRAD = get_method("grad-cam")
DATES = {
    "StudyDate": "20260131",
    "StudyTime": "081503.141592",
    "StudyInstanceUID": "1.2.3.4.5.6.7.8",
    "StudyID": "STUDY-77",
}

SIDES = (6.0, 2.0, 3.0)
"""Millimetres of a voxel along slices, rows and columns."""


def list_orders() -> list[np.ndarray]:
    """The 48 ways in which the axes of a file can lie in a patient: (slice, row, column, 1) to LPS millimetres."""
    found = []
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = np.eye(4)
        for axis, (lps, sign) in enumerate(zip(axes, signs, strict=True)):
            affine[:3, axis] = 0.0
            affine[lps, axis] = sign * SIDES[axis]
        affine[:3, 3] = (-31.0, 17.0, 5.0)
        found.append(affine)
    return found


def open_volume(affine: np.ndarray) -> Volume:
    """A volume of that place, of a NIfTI file."""
    numbers = np.random.default_rng(0).normal(size=(6, 8, 10)).astype(np.float32)
    return read_volumes([encode_nifti(numbers, affine)]).series[0].open()


def open_series(**elements: object) -> Volume:
    """A CT of eight slices; its files name a patient."""
    return read_volumes([write(one) for one in make_series(ramp(8, 40, 48), **DATES, **elements)]).series[0].open()


def draw_map(picture: Picture, seed: int = 0, method: str = "grad-cam") -> Heatmap:
    """A map of 3 × 4 cells over the middle of a picture, its edges on no pixel's edge."""
    height, width = picture.size
    box = Box(0.25 * width - 0.5, 0.125 * height, 0.875 * width, height + 0.5)
    values = np.random.default_rng(seed).normal(size=(3, 4)).astype(np.float32)
    return Heatmap(method, get_method(method).settings(), "stages.1", 2, "dog", values, box, 0.0, Passes())


def answer(model: LoadedModel, pictures: Sequence[Picture]) -> Explanation:
    """What an engine might say of slices."""
    entries = [
        PictureExplanation(picture, (), (), (2,), ("dog",), ("stages.1",), (draw_map(picture, seed),), {})
        for seed, picture in enumerate(pictures)
    ]
    return Explanation(model, tuple(entries))


@pytest.fixture(scope="session")
def tell() -> Callable[[Sequence[Picture]], Explanation]:
    """`answer` by a small model."""
    model = replace(build_model("cnn"), labels=("cat", "ship", "dog"))
    return lambda pictures: answer(model, pictures)


def locate(volume: Volume, plane: str, index: int, heatmap: Heatmap, cell: tuple[int, int]) -> np.ndarray:
    """The middle of the voxel below a cell's middle, in LPS millimetres, by what the crosshair goes by."""
    point = Box(*heatmap.box).find_middle(cell, heatmap.values.shape)
    assert volume.geometry is not None
    return np.array(volume.geometry.locate(volume.find_voxel(plane, index, point)))  # type: ignore[arg-type]
