"""The figures of trained attention are those of its report, and a bar that is missed is named."""

from benchmarks.trained_attention import list_figures, list_missed
from tests.support.attention import FIGURES, REPORT


def test_figures_are_those_of_the_report() -> None:
    figures = list_figures(REPORT)
    assert (figures["ttame_deletion"], figures["grad_cam_deletion"]) == (0.2, 0.3)
    assert (figures["ttame_average_drop"], figures["ttame_class_correlation"]) == (9.0, -0.5)


def test_a_bar_that_is_missed_is_named() -> None:
    assert list_missed(list_figures(REPORT)) == ["average drop below Grad-CAM's"]  # equal is not below
    rival = FIGURES.model_copy(update={"title": "Grad-CAM", "average_drop": 10.0, "deletion": 0.17})
    report = REPORT.model_copy(update={"own": FIGURES.model_copy(update={"likeness": 0.5}), "others": (rival,)})
    assert list_missed(list_figures(report)) == [
        "deletion no worse than Grad-CAM's + 0.02",
        "class correlation below 0.5",
    ]
