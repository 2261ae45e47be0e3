"""What is said of a map: its range, its peak, and the sentences that belong beside it."""

import dataclasses

import numpy as np
import pytest

from explain.maps.heatmap import Heatmap, describe_peak, find_rules, is_blank, judge, name_place
from explain.methods import Settings, get_method
from explain.passes.count import Passes
from explain.pictures.geometry import Box

GRAD, EIGEN = get_method("grad-cam"), get_method("eigen-cam")
AGNOSTIC = "Does not depend on the class: it would look the same for any other."


def make_heatmap(values: np.ndarray, box: tuple[float, float, float, float]) -> Heatmap:
    values = values.astype(np.float32)
    return Heatmap("grad-cam", Settings(), "layer", 0, "cat", values, Box(*box), 0.0, Passes())


@pytest.mark.parametrize("seed", range(8))
def test_peak_is_the_centre_of_the_hottest_cell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    left, top = rng.uniform(-50, 50, 2)
    right, bottom = left + rng.uniform(5, 400), top + rng.uniform(5, 400)
    values = rng.normal(size=(rows, columns)).astype(np.float32)
    best, place = -np.inf, (np.nan, np.nan)
    for row in range(rows):
        for column in range(columns):
            if values[row, column] > best:
                best = float(values[row, column])
                x0, x1 = (left + (right - left) * (column + side) / columns for side in (0, 1))
                y0, y1 = (top + (bottom - top) * (row + side) / rows for side in (0, 1))
                place = ((x0 + x1) / 2, (y0 + y1) / 2)
    heatmap = make_heatmap(values, (left, top, right, bottom))
    assert heatmap.peak == pytest.approx(place)
    assert heatmap.range == pytest.approx((values.min(), best))
    assert all(type(number) is float for number in (*heatmap.peak, *heatmap.range))


def test_of_equal_peaks_the_first_row_by_row() -> None:
    heatmap = make_heatmap(np.array([[0, 1], [1, 1]]), (0, 0, 20, 20))
    assert heatmap.peak == (15, 5)


BLANKS = [
    (np.zeros((2, 2)), True, "nothing speaks for or against “cat”"),
    (np.array([[-1.0, 0.0]]), True, "everything speaks against “cat”"),
    (np.full((2, 2), -3.0), True, "everything speaks against “cat”"),
    (np.array([[np.nan, 1.0]]), True, "not numbers"),
    (np.array([[np.inf, 1.0]]), True, "not numbers"),
    (np.full((2, 2), np.nan), True, "not numbers"),
    (np.full((2, 2), 5.0), False, "Every place has the same value"),
    (np.full((1, 1), 5.0), False, "Every place has the same value"),
    (np.array([[1.0, 1.0 + 5e-7]]), False, "Every place has the same value"),
    (np.array([[1.0, 1.0 + 1e-5]]), False, None),
    (np.array([[0.0, 1e-30]]), False, None),
    (np.array([[-1e9, 1e-9]]), False, "under 1 % of "),
    (np.array([[-1.0, 0.04]]), False, " 4 % of "),
    (np.array([[-1.0, 0.1]]), False, None),
]


@pytest.mark.parametrize(("values", "blank", "warning"), BLANKS)
def test_each_kind_of_map_has_its_sentence(values: np.ndarray, blank: bool, warning: str | None) -> None:
    assert is_blank(values) is blank
    found = tuple(find_rules(GRAD, values, "cat").values())
    assert len(found) == (warning is not None)
    if warning:
        assert warning in found[0]
        assert found[0].endswith(".")


def test_a_map_of_what_speaks_against_the_class_is_blank_where_nothing_does() -> None:
    rules = find_rules(get_method("counterfactual-grad-cam"), np.array([[-1.0, 0.0]]), "cat")
    assert rules == {"negative only": "Blank: at this layer everything speaks for “cat”, nothing against it."}


def test_a_method_blind_to_the_class_says_so_last() -> None:
    assert tuple(find_rules(EIGEN, np.array([[0.0, 1.0]]), "cat").values()) == (AGNOSTIC,)
    blank = tuple(find_rules(EIGEN, np.zeros((2, 2)), "cat").values())
    assert len(blank) == 2 and blank[0].startswith("Blank") and blank[1] == AGNOSTIC


def test_a_method_blind_to_the_class_does_not_speak_of_it() -> None:
    (first, _) = tuple(find_rules(EIGEN, np.zeros((2, 2)), "cat").values())
    assert "cat" not in first


@pytest.mark.parametrize(("values", "blank", "warning"), BLANKS)
def test_a_judged_map_holds_what_its_method_says_last(values: np.ndarray, blank: bool, warning: str | None) -> None:
    drawn = make_heatmap(values, (0, 0, 8, 8))
    own = dataclasses.replace(drawn, own_warnings=("Mind.",), own_rules=("sign",), details={"heads": 3}, seconds=0.5)
    judged = judge(own, EIGEN)
    rules = find_rules(EIGEN, own.values, "cat")
    assert judged.blank is blank and len(rules) == 1 + (warning is not None)
    assert judged.warnings == (*rules.values(), "Mind.") and judged.rules == (*rules, "sign")
    assert judged.values is own.values and not judged.values.flags.writeable
    rest = {field.name for field in dataclasses.fields(Heatmap)} - {"warnings", "rules"}
    assert all(getattr(judged, name) is getattr(own, name) for name in rest)


def test_passes_add_up() -> None:
    assert Passes(1, 2) + Passes(3, 4) - Passes(2, 2) == Passes(2, 4)
    assert Passes() == Passes(0, 0)


def test_a_heatmap_is_not_changed() -> None:
    heatmap = make_heatmap(np.ones((2, 2)), (0, 0, 1, 1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        heatmap.target = 3  # type: ignore[misc]


def test_where_the_peak_lies() -> None:
    values = np.zeros((4, 4), dtype=np.float32)
    values[0, 3] = 1
    assert describe_peak(values, Box(0, 0, 200, 100), 100, 200) == (
        "strongest at the upper right, 88 % from the left and 12 % from the top"
    )
    assert describe_peak(-values, Box(0, 0, 200, 100), 100, 200) == "nothing in it is above zero"


def test_places_have_names() -> None:
    names = [name_place(x, y) for y in (0.1, 0.5, 1.0) for x in (0.0, 0.4, 1.2)]
    assert names == [
        *("the upper left", "the top", "the upper right"),
        *("the left", "the centre", "the right"),
        *("the lower left", "the bottom", "the lower right"),
    ]
