"""The registry of measures: what each declares of itself."""

import pytest

from explain.faithfulness.measures import MEASURES
from explain.faithfulness.measures.base import measure
from tests.support.removal import build_examined


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_says_what_it_is(name: str) -> None:
    declared = MEASURES[name]
    assert declared.title and declared.rule.endswith(".") and declared.cannot.endswith(".")
    assert "arXiv" in declared.paper and declared.function.__doc__
    assert (declared.better == "neither") == (declared.category == "shape")


def test_two_measures_of_one_name_are_refused() -> None:
    with pytest.raises(AssertionError, match="two measures"):
        measure(name="gain", title="", category="hiding", better="higher", rule="", cannot="", paper="")(lambda _: 0.0)


def test_nothing_is_measured_of_a_blank_map() -> None:
    examined = build_examined(0)
    examined.cells[:] = 0
    assert not any(declared.can_measure(examined) for declared in MEASURES.values())
