"""Which part of a network carries what differs between a picture and another: a head or an MLP is given the values it
has in the other picture, and the score is looked at (activation patching; Vig et al., "Investigating Gender Bias in
Language Models Using Causal Mediation Analysis", NeurIPS 2020). Of very many parts a sample is changed so, and the rest
estimated by the gradient (attribution patching; Syed, Rager and Conmy, 2023, arXiv 2310.10348).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from explain.faithfulness.effects import Answered
from explain.percent import write_change, write_decimals

MOST_EXACT = 256
"""Parts up to which each is changed and run."""

SAMPLED = 32
"""Of more, how many are: the others are estimated."""


@dataclass(frozen=True, eq=False)
class Patches:
    """What parts carry.

    Attributes:
        whole: the answer to the picture as it is.
        other: the answer of the same class to the other picture.
        names: of the parts.
        falls: how far the score falls where the part alone has its values of the other picture, `(n,)`.
        together: how far it falls where all parts have.
        measured: of which parts `falls` was run; of the others it is the gradient times the change.
        agreement: Pearson's correlation of that estimate with what was run; None where all was.
    """

    whole: Answered
    other: Answered
    names: tuple[str, ...]
    falls: np.ndarray
    together: float
    measured: np.ndarray
    agreement: float | None = None

    def rank(self) -> np.ndarray:
        """The parts, the one that does most first, `(n,)`."""
        order: np.ndarray = np.argsort(-np.abs(self.falls), kind="stable")
        return order

    @property
    def sentence(self) -> str:
        """What came out, in two or three sentences."""
        first = int(self.rank()[0])
        text = (
            f"From this picture to the other the score of “{self.whole.label}” changes by "
            f"{write_change(self.other.score - self.whole.score, 3)}. Of {len(self.names)} heads and MLPs "
            f"“{self.names[first]}” alone changes it by {write_change(-self.falls[first], 3)}; all together by "
            f"{write_change(-self.together, 3)}, where one by one they sum to {write_change(-self.falls.sum(), 3)}."
        )
        if self.agreement is None:
            return text
        return (
            f"{text} {int(self.measured.sum())} were run, the others are estimated by the gradient; on those run, "
            f"estimate and truth correlate at {write_decimals(self.agreement, 2)}."
        )

    def as_data(self) -> dict[str, Any]:
        """Everything as numbers, strings, lists and dictionaries, fit for JSON."""
        return {
            "whole": asdict(self.whole),
            "other": asdict(self.other),
            "sentence": self.sentence,
            "parts": [
                {"name": name, "score_falls": float(fall), "measured": bool(run)}
                for name, fall, run in zip(self.names, self.falls, self.measured, strict=True)
            ],
            "together": self.together,
            "agreement": self.agreement,
        }


def choose_measured(count: int, seed: int) -> np.ndarray:
    """Which of so many parts are run, `(count,)` bool: all, or a sample drawn without order.

    Args:
        count: how many parts there are.
        seed: of the draw.
    """
    measured = np.full(count, count <= MOST_EXACT)
    if count > MOST_EXACT:
        measured[np.random.default_rng(seed).permutation(count)[:SAMPLED]] = True
    return measured


def join(estimates: np.ndarray, run: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, float]:
    """What was run and what was estimated as one, `(n,)`, and how both correlate where there are both.

    Args:
        estimates: of all parts, `(n,)`.
        run: of those measured, in their order.
        measured: which those are, `(n,)` bool.
    """
    joined = estimates.copy()
    joined[measured] = run
    own = estimates[measured]
    agreement = float(np.corrcoef(own, run)[0, 1]) if own.std() > 0 and run.std() > 0 else 0.0
    return joined, agreement
