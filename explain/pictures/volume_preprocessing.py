"""How a volume becomes a model's input: what a network that reads three axes of space was trained on."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from explain.pictures.geometry import Preprocessing

MOST_VOXELS = 64_000_000
"""Of an input. A network of a few channels takes some ten times as many numbers while it runs."""

_SMALLEST_STEP, _LARGEST_STEP = 0.01, 50.0  # mm, from voxel to voxel
_AXES = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}


def check_orientation(text: str) -> str:
    """Three letters, one for each axis of an input: towards what it counts up. `H` and `F` are read as `S` and `I`.

    Raises:
        ValueError: they name no three axes of the patient.
    """
    letters = text.strip().upper().replace("H", "S").replace("F", "I")
    if len(letters) != 3 or {_AXES.get(letter) for letter in letters} != {0, 1, 2}:
        raise ValueError("name the directions of slices, rows and columns by three letters of R L, A P, S I, as in SPL")
    return letters


def check_spacing(spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    """Millimetres from voxel to voxel along each axis.

    Raises:
        ValueError: no scan has such ones.
    """
    if not all(_SMALLEST_STEP <= step <= _LARGEST_STEP for step in spacing):
        raise ValueError(f"voxels lie {_SMALLEST_STEP:g} to {_LARGEST_STEP:g} mm apart")
    return spacing


def check_window(window: tuple[float, float]) -> tuple[float, float]:
    """The values that become 0 and 1.

    Raises:
        ValueError: the first is not below the second.
    """
    if not window[0] < window[1]:
        raise ValueError("a window goes from a lower to a higher value")
    return window


Orientation = Annotated[str, AfterValidator(check_orientation)]
"""Towards what slices, rows and columns of an input count up, e.g. `SPL`: to the head, to the back, to the left."""

Spacing = Annotated[tuple[float, float, float], AfterValidator(check_spacing)]
"""Millimetres from slice to slice, row to row and column to column."""

ValueWindow = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], Annotated[float, Field(allow_inf_nan=False)]],
    AfterValidator(check_window),
]
"""From and to, in the file's units."""


class VolumePreprocessing(Preprocessing):
    """How a volume becomes a model's input: turned, resampled, windowed and normalised. What only pictures have (`fit`,
    `resize_size`, `interpolation`, `enlarged`) is not used.

    Attributes:
        depth: slices of the input.
        spacing: of the input's voxels. The middle of the volume is cut out, and what the input reaches beyond it is
            filled with the lowest value. None: the whole volume is stretched over the input, whatever its millimetres.
        orientation: of the input's axes.
        window: the values that become 0 and 1; None for the range of the volume itself.
    """

    depth: PositiveInt
    spacing: Spacing | None = None
    orientation: Orientation = "SPL"
    window: ValueWindow | None = None

    @property
    def sides(self) -> tuple[int, ...]:
        """Slices, rows and columns of the input."""
        return self.depth, *self.input_size

    @model_validator(mode="after")
    def _check_size(self) -> VolumePreprocessing:
        if self.depth * self.input_size[0] * self.input_size[1] > MOST_VOXELS:
            raise ValueError(f"an input has at most {MOST_VOXELS:,} voxels")
        return self

    def find_directions(self) -> tuple[tuple[int, int], ...]:
        """For each axis of the input: which axis of LPS it runs along, and with which sign."""
        return tuple((_AXES[letter], 1 if letter in "LPS" else -1) for letter in self.orientation)
