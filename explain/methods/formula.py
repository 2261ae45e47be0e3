"""How a map's value at one place comes about: a method's formula, and the sums that it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from explain.passes.capture import LayerCapture

Cell = tuple[int, ...]
"""Row and column of a cell of a map; of a volume's map slice, row and column."""

Text = str | Callable[[Any], str]
"""LaTeX or a sentence, or from the method's settings to one."""


@dataclass(frozen=True, eq=False)
class Sum:
    """Everything that is added up at one place.

    Attributes:
        over: what a summand belongs to, in a word: `Channel`.
        names: of the summands.
        columns: names of the factors that a summand is made of, as Markdown, a column each.
        factors: `(n, columns)`; NaN where a summand is of several, each with a factor of its own.
        products: `(n,)`: the summands.
        product: what stands over them.
    """

    over: str
    names: Sequence[str]
    columns: Sequence[str]
    factors: NDArray[np.float64]
    products: NDArray[np.float64]
    product: str = "Product"

    @property
    def total(self) -> float:
        """What they add up to."""
        return float(self.products.sum())


@dataclass(frozen=True)
class Formula:
    """How a method's map comes about, declared beside the method: for reading, and with a picture's numbers.

    A method whose map is a weighted sum of channels says what it weighs, in `split`; any other that looks at a layer
    says what it adds up, in `steps`. Those that run the network by themselves have only words.

    Attributes:
        latex: the map's value at a place `p`.
        where: LaTeX that says what the letters are.
        says: what a reader should know of it besides, in a sentence or two.
        weight: the weight's name in it.
        weighed: the name of what is weighed.
        split: `(capture, settings)` to weights, `(C, h, w)` or `(C, 1, 1)`, and what they weigh, `(C, h, w)`. Their
            product is what each channel adds. Without `steps`, all of those together are the map.
        steps: `(capture, settings, place)` to the sums on the way to the value at a place.
        roots: the value is the product of the square roots of those sums, and not the last of them.
    """

    latex: Text
    where: Text = ""
    says: Text = ""
    weight: Text = "w_k"
    weighed: Text = "A_k(p)"
    split: Callable[[LayerCapture, Any], tuple[Tensor, Tensor]] | None = None
    steps: Callable[[LayerCapture, Any, Cell], Sequence[Sum]] | None = None
    roots: bool = False

    @property
    def has_numbers(self) -> bool:
        """Whether it can be worked out at a place."""
        return self.split is not None or self.steps is not None

    def write(self, settings: Any) -> tuple[str, str, str]:
        """Formula, what its letters are, and what is said of it, for some settings."""
        return _write(self.latex, settings), _write(self.where, settings), _write(self.says, settings)

    def work_out(self, capture: LayerCapture, settings: Any, place: Cell) -> tuple[Sum, ...]:
        """The sums on the way to the map's value at a place; none for a formula without numbers.

        Raises:
            MethodError: the method cannot work on this capture.
        """
        if self.steps is not None:
            return tuple(self.steps(capture, settings, place))
        if self.split is None:
            return ()
        weights, weighed = split_at(*self.split(capture, settings), place)
        factors = [(_write(self.weight, settings), weights), (_write(self.weighed, settings), weighed)]
        return (sum_over_channels(factors, weights * weighed),)

    def combine(self, sums: Sequence[Sum]) -> float:
        """The map's value, of the sums on the way to it."""
        if self.roots:
            return math.prod(math.sqrt(max(each.total, 0.0)) for each in sums)
        return sums[-1].total


def _write(text: Text, settings: Any) -> str:
    return text if isinstance(text, str) else text(settings)


def split_at(weights: Tensor, weighed: Tensor, place: Cell) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and what they weigh at one place, `(C,)` each."""
    return read_at(weights.expand(weighed.shape), place), read_at(weighed, place)


def read_at(maps: Tensor, place: Cell) -> NDArray[np.float64]:
    """What maps `(C, h, w)` hold at one place, `(C,)`."""
    values: NDArray[np.float64] = maps.movedim(0, -1)[place].cpu().double().numpy()
    return values


def sum_over_channels(
    factors: Sequence[tuple[str, NDArray[np.float64]]], products: NDArray[np.float64], product: str = "Product"
) -> Sum:
    """A sum with one summand a channel, whose factors are named in LaTeX."""
    columns = [f"${latex}$" for latex, _ in factors]
    values = np.stack([values for _, values in factors], 1)
    return Sum("Channel k", [str(k) for k in range(len(products))], columns, values, products, product)
