"""What is said of trained attention: what its figures say, and when they are nothing to be proud of."""

import pytest

from tests.support.attention import FIGURES, REPORT


def test_it_says_when_it_is_not_better_than_what_needs_no_training() -> None:
    assert "lowers the class further than with Grad-CAM (deletion 0.200, 0.300)" in REPORT.describe()
    assert "On 300 pictures" in REPORT.describe() and "90 % keep their class" in REPORT.describe()
    rival = FIGURES.model_copy(update={"title": "Grad-CAM", "deletion": 0.2})
    worse = REPORT.model_copy(update={"others": (rival,)}).describe()
    assert "It is not better than Grad-CAM" in worse and "needs no training" in worse


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"area": 0.61}, ["All open"]),
        ({"area": 0.019}, ["Collapsed"]),
        ({"own": FIGURES.model_copy(update={"likeness": 0.91})}, ["Class-blind"]),
        ({"own": FIGURES.model_copy(update={"likeness": None})}, []),
        ({"own": FIGURES.model_copy(update={"likeness": 0.95}), "area": 0.9}, ["Class-blind", "All open"]),
    ],
)
def test_warnings(changes: dict[str, object], said: list[str]) -> None:
    warnings = REPORT.model_copy(update=changes).list_warnings()
    assert [warning.split(":")[0] for warning in warnings] == said
