"""A picture in which the answer is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.pictures.geometry import Box
from explain.pictures.picture import Picture


@dataclass(frozen=True, eq=False)
class Specimen:
    """A picture in which it is known what it is, and what is planted where.

    Attributes:
        picture: it, with what is planted or without.
        label: what it shows, by the name of a class.
        name: what is planted, after an article: `the crest`.
        region: where that lies, or would lie, `(H, W)` bool; None where it is everywhere, so that no place is its own.
        other: the picture with the switch put the other way, where its maps are to be compared with these.
        told: what is known of it, in a sentence, where that is something else than the truth.
    """

    picture: Picture
    label: str
    name: str
    region: np.ndarray | None
    other: Picture | None = None
    told: str = ""

    def find_chance(self, box: Box) -> float | None:
        """The share of a map that lies on the region where the map is the same everywhere.

        Args:
            box: what of the picture the model sees, in its pixels.
        """
        if self.region is None:
            return None
        rows, columns = (slice(max(round(span.start), 0), max(round(span.stop), 0)) for span in box.spans)
        seen = self.region[rows, columns]
        return float(seen.mean()) if seen.size else None
