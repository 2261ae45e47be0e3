"""What a measure is: a pure function from what is known of a map to a figure, declared once with its meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar

import numpy as np

from explain.faithfulness.bank import Bank
from explain.faithfulness.changes import Changes
from explain.networks.meaning import Outputs

Category = Literal["hiding", "showing", "likeness", "sum", "shape"]
"""What is done to find it out.

- `hiding`: places of the picture are hidden, and the network is asked again.
- `showing`: the picture is shown as bright as the map is.
- `likeness`: the map is compared with others by the same method.
- `sum`: the map's values are added up.
- `shape`: nothing but the map is looked at. Such a figure says nothing of the network.
"""

MeasureName = Literal["unlike", "hiding", "other classes", "copies", "one place"]
"""The measures that a verdict may rest on."""

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, eq=False)
class Examined:
    """A map under test, and what is known besides of its picture.

    Attributes:
        cells: the map on the grid, `(CELLS, CELLS)`, at least 0; see `lay_on_cells`.
        shown: what of the map is seen, `(h, w)` on its own grid, 0…1: its positive part as a share of its maximum.
        allowed: the cells that may be hidden, `(CELLS, CELLS)` bool.
        seed: breaks ties between cells, and is the picture's: equal for all its maps.
        target: the explained class.
        outputs: what the network's numbers mean.
        bank: of random masks; None where there is none.
        rivals: how alike the map is to those of other classes, each -1…1; none where not measured.
        steadiness: median likeness with the maps of copies of the picture; None where not measured.
        unlikeness: of the picture, see `explain.faithfulness.unlike`; None where not measured.
        turned: of other pictures, the share that a place makes the class; None where not measured.
        coherence: how alike the map is to that of the picture shown as bright as the map is, -1…1; None where not
            measured.
        sums: of the map's values as they are, all added up, and their mean.
        unbiased: the score of the class without its bias, where the average of the layer leads to it in one step; else
            None.
    """

    cells: np.ndarray
    shown: np.ndarray
    allowed: np.ndarray
    seed: int
    target: int = 0
    outputs: Outputs = "classes"
    bank: Bank | None = None
    rivals: tuple[float, ...] = ()
    steadiness: float | None = None
    unlikeness: float | None = None
    turned: float | None = None
    coherence: float | None = None
    sums: tuple[float, float] = (0.0, 0.0)
    unbiased: float | None = None

    @property
    def blank(self) -> bool:
        """There is nothing on the map, so that there is nothing to measure."""
        return not self.cells.any()


Function: TypeAlias = Callable[..., float]
"""From a `Examined` and what the network answers to the changes that the measure asks for, an array `(n,)` for each, to
the figure; NaN where it cannot be had."""

Figures = Mapping[str, float]
"""By the names of measures."""

F = TypeVar("F", bound=Function)
P = ParamSpec("P")


def ask_nothing(_: Examined) -> tuple[Changes, ...]:
    """Of a measure that needs no further pass."""
    return ()


@dataclass(frozen=True)
class Measure:
    """One measure, as everything else sees it. Its fields are what `@measure` takes.

    Attributes:
        function: finds the figure; see `Function`.
        name: key in tables and files.
        title: as people read it.
        category: see `Category`.
        better: which way is better; `neither` where that cannot be said.
        rule: what is done and counted, in a sentence or two.
        cannot: what it does not show, in a sentence.
        paper: where it comes from.
        unit: of the figure, where it has one.
        compared: what the figures are of that a map's own is compared with, where a verdict rests on it.
        settings: what was chosen, by name.
        asks: the changed pictures whose scores it needs. What several measures or maps ask for is run once.
        of_value: it can be found for a model that answers with a value, which has no probability.
        share_shown: of a curve: its scores are over the share that is shown, and not over that which is hidden.
        in_table: whether it stands in the table on the page; all are in the files.
        redraws: it also takes the same method's map of another picture.
    """

    function: Function
    _: KW_ONLY
    name: str
    title: str
    category: Category
    better: Better
    rule: str
    cannot: str
    paper: str
    unit: str = ""
    compared: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    asks: Callable[[Examined], tuple[Changes, ...]] = ask_nothing
    of_value: bool = True
    share_shown: bool = False
    in_table: bool = True
    redraws: bool = False

    @property
    def of_map_alone(self) -> bool:
        """Whether the map and answers to changed pictures are all it takes, so that a kept map can be measured."""
        return self.category == "shape" or (self.asks is not ask_nothing and not self.redraws)

    def can_measure(self, tested: Examined) -> bool:
        """Whether there is anything to be found out."""
        return not tested.blank and (self.of_value or tested.outputs != "value")


MEASURES: dict[str, Measure] = {}
"""Every measure by name, in the order shown; filled by the definitions themselves."""


def _decorate_with(declare: Callable[Concatenate[Function, P], Measure]) -> Callable[P, Callable[[F], F]]:
    """A decorator that takes what `declare` takes after the function: no field is written twice, all are checked."""

    def measure(*args: P.args, **fields: P.kwargs) -> Callable[[F], F]:
        def register(function: F) -> F:
            declared = declare(function, *args, **fields)
            assert declared.name not in MEASURES, f"There are two measures “{declared.name}”."
            MEASURES[declared.name] = declared
            return function

        return register

    return measure


measure = _decorate_with(Measure)
"""Register the decorated function as a measure, given the fields of `Measure`. Order of registration is the order
shown."""
