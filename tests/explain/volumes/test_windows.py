"""Windows against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from explain.volumes.windows import CT_PRESETS, Window, find_range


def test_a_window_is_the_standards() -> None:
    values = np.array([-60.0, -1.0, 39.5, 81.0, 200.0])
    assert np.allclose(Window("Brain", 40, 80).apply(values), [0, 0, 0.5, 1, 1], atol=0.01)
    assert Window("Exact", 40, 80, "LINEAR_EXACT").apply(np.array([0.0, 20, 40, 80])).tolist() == [0, 0.25, 0.5, 1]


def test_a_table_is_looked_up() -> None:
    window = Window("Table", 0, 1, table=((0.0, 0.5, 1.0), -1.0))
    assert window.apply(np.array([-9.0, -1, 0, 1, 7])).tolist() == [0, 0, 0.5, 1, 1]
    assert window.key != Window("Table", 0, 1).key and window.key == Window("Other", 5, 9, table=window.table).key


def test_the_range_leaves_the_ends_out() -> None:
    window = find_range(np.arange(1001.0))
    assert (window.centre, window.width) == (500, 980)


@pytest.mark.parametrize("values", [np.empty(0), np.full(9, 3.0)])
def test_a_range_of_nothing(values: np.ndarray) -> None:
    window = find_range(values)
    assert window.width > 0 and np.isfinite(window.apply(np.array([3.0]))).all()


def test_the_presets_are_those_of_the_specification() -> None:
    found = {preset.name: (preset.width, preset.centre) for preset in CT_PRESETS}
    assert found == {
        "Soft tissue": (400, 40),
        "Lung": (1500, -600),
        "Bone": (2500, 480),
        "Brain": (80, 40),
        "Liver": (150, 90),
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Own", "own, centre −160, width 320"),
        ("The file's window 2", "the file's window 2, centre −160, width 320"),
        ("Range of the series", "range of the series, centre −160, width 320"),
        ("Brain", "Brain, centre −160, width 320"),
    ],
)
def test_in_a_sentence_words_are_small_and_names_are_not(name: str, said: str) -> None:
    assert Window(name, -160, 320).describe() == said
