"""Letters for directions in the patient: L R, A P, H F."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

_LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))
_OFF_AXIS = 20.0  # degrees from which a second letter is said


class Edges(NamedTuple):
    """What lies towards the four edges of a picture, e.g. `A`, `L`, `P`, `R`."""

    top: str
    right: str
    bottom: str
    left: str


def name_direction(direction: Sequence[float]) -> str:
    """One letter, or two where it lies more than 20° off the nearest axis of the patient.

    Args:
        direction: towards left, posterior and head (LPS), of any length but zero.
    """
    length = math.hypot(*direction)
    parts = sorted(((abs(part) / length, axis) for axis, part in enumerate(direction)), reverse=True)
    count = 2 if math.degrees(math.acos(min(parts[0][0], 1.0))) > _OFF_AXIS else 1
    return "".join(_LETTERS[axis][int(direction[axis] > 0)] for _, axis in parts[:count])


def name_edges(down: Sequence[float], across: Sequence[float]) -> Edges:
    """The letters of a picture whose rows go `down` and whose columns go `across`, as directions in LPS."""
    up, back = [-part for part in down], [-part for part in across]
    return Edges(name_direction(up), name_direction(across), name_direction(down), name_direction(back))


def read_edges(across: str, down: str) -> Edges | None:
    """The letters of a radiograph, by the two values of its Patient Orientation (PS3.3 C.7.6.1.1.1); None for others.

    Args:
        across: towards where columns count up, e.g. `L` or `AL`.
        down: towards where rows do.
    """
    opposite = str.maketrans("LRAPHF", "RLPAFH")
    if not all(re.fullmatch("[LRAPHF]{1,3}", said) for said in (across, down)):
        return None
    return Edges(down.translate(opposite), across, down, across.translate(opposite))
