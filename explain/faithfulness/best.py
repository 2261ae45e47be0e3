"""Whether one map of a picture is better than the others beyond noise.

Maps are compared by the hiding correlation under the same masks. Masks are drawn by chance, and with others the figures
would be others: how much, is found by drawing anew, with replacement, from those that were run (the bootstrap; Efron
and Tibshirani, "An Introduction to the Bootstrap", 1993), for all maps together, since what they differ by is less
uncertain than each by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explain.faithfulness.bank import Bank
from explain.faithfulness.likeness import find_likeness

DRAWS = 2000
ERROR = 0.05
"""The chance of naming a best map where none is, at most; shared between all comparisons that it must win."""

_SAME = 1 - 1e-6  # correlation from which on two maps are one: rounding alone makes them differ


@dataclass(frozen=True)
class Best:
    """Which map is best on one picture.

    Attributes:
        name: of the map; None where none is better than the others beyond noise.
        sentence: what was found, and how.
        unbeaten: maps of no meaning that the best one does not beat beyond noise.
    """

    name: str | None
    sentence: str
    unbeaten: tuple[str, ...] = ()


def find_best(
    maps: Mapping[str, np.ndarray],
    baselines: Mapping[str, np.ndarray],
    banks: Sequence[Bank],
    target: int,
    seed: int,
    what: str = "picture",
) -> Best:
    """The map whose hiding correlation is higher than that of each other under each way of hiding.

    Args:
        maps: by title, `(CELLS, CELLS)`, at least 0; without blank ones.
        baselines: maps of no meaning likewise.
        banks: of one picture, one for each way of hiding that can judge it.
        target: the explained class.
        seed: of the draws.
        what: what the maps are of, in a word.
    """
    maps = _join_same(maps)
    if len(maps) < 2:
        return Best(None, "There are no two different maps that could be compared.")
    if not banks:
        return Best(None, f"Hiding does not take the class away on this {what}, so that it cannot tell maps apart.")
    names = [*maps, *baselines]
    cells = np.stack([*maps.values(), *baselines.values()]).astype(np.float64)
    drawn = [_redraw(cells, bank, target, seed) for bank in banks]
    ahead = int(np.argmax(np.mean([values[0, : len(maps)] for values in drawn], axis=0)))
    share = ERROR / (len(names) - 1)

    def beats(other: int) -> bool:
        return all(np.quantile(values[1:, ahead] - values[1:, other], share) > 0 for values in drawn)

    title, masks = names[ahead], len(banks[0].masks)
    ways = " and ".join(bank.fill for bank in banks)
    how = f"measured under {masks} masks, hidden by {ways}"
    if not all(beats(other) for other in range(len(maps)) if other != ahead):
        return Best(None, f"No method is better than the others beyond noise on this {what} ({how}).")
    unbeaten = tuple(names[at] for at in range(len(maps), len(names)) if not beats(at))
    if unbeaten:
        listed = ", ".join(f"“{name}”" for name in unbeaten)
        return Best(
            None,
            f"{title} is better than the other methods on this {what}, but not than what means nothing: {listed} "
            f"({how}).",
            unbeaten,
        )
    return Best(
        title,
        f"Best on this {what}: {title}. Its hiding correlation is higher than that of every other method here, and of "
        f"maps of no meaning, by more than a new draw of masks would change it ({how}). On another {what} it may be "
        "another.",
    )


def _join_same(maps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The maps, those that are the same but for their scale as one under all their names."""
    joined: list[tuple[list[str], np.ndarray]] = []
    for name, cells in maps.items():
        twin = next((names for names, other in joined if find_likeness(cells, other) > _SAME), None)
        if twin is None:
            joined.append(([name], cells))
        else:
            twin.append(name)
    return {" and ".join(names): cells for names, cells in joined}


def _redraw(cells: np.ndarray, bank: Bank, target: int, seed: int) -> np.ndarray:
    """The hiding correlation of maps under the masks, and under masks drawn anew from them, `(1 + DRAWS, maps)`."""
    count = len(bank.masks)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS) / count
    weights = np.concatenate([np.full((1, count), 1 / count), weights])
    shares = cells.reshape(len(cells), -1) @ bank.masks.reshape(count, -1).T  # (maps, masks)
    falls = bank.find_falls(target)
    mean_share, mean_fall = weights @ shares.T, weights @ falls
    together = weights @ (shares * falls).T - mean_share * mean_fall[:, None]
    spread = weights @ (shares**2).T - mean_share**2
    fell = (weights @ falls**2 - mean_fall**2)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        values: np.ndarray = np.nan_to_num(together / np.sqrt(np.maximum(spread * fell, 0)), posinf=0, neginf=0)
    return values
