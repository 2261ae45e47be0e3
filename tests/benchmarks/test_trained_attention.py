"""The figures of trained attention are those of its report, and it is told which bars they reach."""

from benchmarks.trained_attention import BARS, list_figures
from explain.models.attention_report import AttentionReport
from tests.support.attention import FIGURES, REPORT


def test_figures_are_those_of_the_report() -> None:
    figures = list_figures(REPORT)
    assert (figures["ttame_deletion"], figures["grad_cam_deletion"]) == (0.2, 0.3)
    assert (figures["ttame_average_drop"], figures["ttame_class_correlation"]) == (9.0, -0.5)


def list_missed(report: AttentionReport, minutes: float) -> list[str]:
    figures = {**list_figures(report), "ttame_minutes": minutes}
    return [name for name, (_, holds) in BARS.items() if not holds(figures)]


def test_a_bar_that_is_missed_is_named() -> None:
    assert list_missed(REPORT, 5.0) == ["ttame_average_drop"]  # equal is not below
    rival = FIGURES.model_copy(update={"title": "Grad-CAM", "average_drop": 10.0, "deletion": 0.17})
    report = REPORT.model_copy(update={"own": FIGURES.model_copy(update={"likeness": 0.5}), "others": (rival,)})
    assert list_missed(report, 5.1) == ["ttame_deletion", "ttame_class_correlation", "ttame_minutes"]
