"""How a map's value at one place comes about: the sum that it is, and the channels that raise and lower it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.errors import MethodError
from explain.methods.base import Method
from explain.methods.formula import Cell, Sum, split_at
from explain.passes.capture import LayerCapture
from explain.settings import Settings


@dataclass(frozen=True, eq=False)
class Channel:
    """One channel of a layer, and what it does to a map at one place: `weight · weighed = product`.

    Attributes:
        index: its number in the layer, from 0.
        weight: what the method gives it there.
        weighed: what that weighs there: usually its activation.
        product: what it adds to the map, or to the map before its filter.
        values: its activations `(h, w)`, float32.
    """

    index: int
    weight: float
    weighed: float
    product: float
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Ranking:
    """The channels of a layer that do most to a map at one place.

    Attributes:
        raising: those that add most, the strongest first.
        lowering: those that take most away, the strongest first.
        counts: how many channels add something, and how many take something away.
        count: how many channels the layer has.
        strength: the sum of the sizes of all that they add and take away.
    """

    raising: tuple[Channel, ...]
    lowering: tuple[Channel, ...]
    counts: tuple[int, int]
    count: int
    strength: float


@dataclass(frozen=True, eq=False)
class Breakdown:
    """A map's value at one place as the sums that it is made of.

    Attributes:
        place: row and column of the cell.
        sums: on the way to it.
        roots: it is the product of the sums' square roots, and not the last of them.
        value: what the sums make: the value of the map, but for the rounding of float32.
    """

    place: Cell
    sums: tuple[Sum, ...]
    roots: bool
    value: float


def break_down(method: Method, settings: Settings, capture: LayerCapture, place: Cell) -> Breakdown | None:
    """The sums on the way to a map's value at a place; None for a method whose formula has no numbers.

    Args:
        method: whose map it is.
        settings: what the map was made with.
        capture: what it was made from.
        place: row and column of a cell.

    Raises:
        MethodError: the method cannot work on this capture.
    """
    formula = method.formula
    if formula is None or not formula.has_numbers:
        return None
    sums = formula.work_out(capture, settings, place)
    return Breakdown(place, sums, formula.roots, formula.combine(sums))


def rank_channels(method: Method, settings: Settings, capture: LayerCapture, place: Cell, count: int) -> Ranking | None:
    """The `count` channels that raise a map most at a place, and as many that lower it; None for a method that weighs
    no channels. The arguments are those of `break_down`.

    Raises:
        MethodError: the method cannot work on this capture, or something is not finite.
    """
    if method.formula is None or method.formula.split is None:
        return None
    weights, weighed = split_at(*method.formula.split(capture, settings), place)
    products = weights * weighed
    if not np.isfinite(products).all():
        raise MethodError(
            f"The activations or gradients of the layer “{capture.layer.name}” hold values that are no finite numbers, "
            "so its channels cannot be ranked. Choose another layer, or check the model's weights."
        )

    def pick(sign: int) -> tuple[Channel, ...]:
        order = np.argsort(-sign * products, kind="stable")[:count]
        return tuple(
            Channel(
                int(k),
                float(weights[k]),
                float(weighed[k]),
                float(products[k]),
                capture.activations[int(k)].cpu().numpy().copy(),
            )
            for k in order
            if sign * products[k] > 0
        )

    counts = (int((products > 0).sum()), int((products < 0).sum()))
    return Ranking(pick(1), pick(-1), counts, len(products), float(np.abs(products).sum()))
