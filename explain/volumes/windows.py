"""Windows: which of a scan's values are shown from black to white."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from explain.pictures.dicom import apply_window

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
"""How values become greys, by the standard's names (PS3.3 C.11.2.1)."""

_WORDS = re.compile(r"^(Own$|The file's|Range of)")
"""How names begin that are words and no names: within a sentence they are small."""


@dataclass(frozen=True)
class Window:
    """A window on values in the file's units.

    Attributes:
        name: what people call it, e.g. `Brain`.
        centre: the value that is shown as middle grey.
        width: from black to white.
        function: how values between become greys.
        table: in place of all that, the file's own lookup table: greys in 0…1, and the value of the first.
    """

    name: str
    centre: float
    width: float
    function: Function = "LINEAR"
    table: tuple[tuple[float, ...], float] | None = field(default=None, repr=False)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """The values as greys, float32 in 0…1."""
        if self.table is None:
            return apply_window(values, self.centre, self.width, self.function).astype(np.float32)
        greys, first = np.asarray(self.table[0], np.float32), self.table[1]
        return greys[np.clip(np.rint(values - first), 0, len(greys) - 1).astype(np.int64)]

    @property
    def key(self) -> str:
        """What tells it from others that show other greys."""
        if self.table is None:
            return f"{self.centre:.9g} {self.width:.9g} {self.function}"
        return "table " + hashlib.sha256(repr(self.table).encode()).hexdigest()

    def describe(self) -> str:
        """The window in words: name, centre and width."""
        name = _WORDS.sub(lambda found: found.group().lower(), self.name)
        numbers = f"centre {self.centre:.5g}, width {self.width:.5g}".replace("-", "−")
        return name if self.table is not None else f"{name}, {numbers}"


CT_PRESETS = (
    Window("Soft tissue", 40, 400),
    Window("Lung", -600, 1500),
    Window("Bone", 480, 2500),
    Window("Brain", 40, 80),
    Window("Liver", 90, 150),
)
"""What radiologists look at in Hounsfield units; no other machine's values mean the same everywhere."""


def find_range(values: np.ndarray, name: str = "Range of the series") -> Window:
    """The window from the 1st to the 99th percentile of values, for a series whose file names none.

    Args:
        values: of the whole series, without padding; finite.
        name: what to call it.
    """
    low, high = (float(bound) for bound in np.percentile(values, (1, 99))) if values.size else (0.0, 1.0)
    if high <= low:
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return Window(name, (low + high) / 2, (high - low) or 1.0, "LINEAR_EXACT")
