"""Shares with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """How many of how many, with Wilson's 95 % interval, all but the counts 0…1.

    Source: E. B. Wilson 1927, doi 10.1080/01621459.1927.10502953.
    """

    hits: int
    count: int

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound."""
        if not self.count:
            return 0.0, 1.0
        z, n, p = 1.959964, self.count, self.hits / self.count
        middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits / max(self.count, 1):6.1%} of {self.count:4}  ({low:.1%} to {high:.1%})"
