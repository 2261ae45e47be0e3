"""The measures. Adding one is adding a file here and naming it in this list, whose order is the order shown."""

from explain.faithfulness.measures import unlike, hiding, other_classes, copies, one_place  # noqa: F401, I001 - the order shown
from explain.faithfulness.measures import insertion, deletion, gain, aopc, road  # noqa: F401
from explain.faithfulness.measures import average_drop, adcc, infidelity, completeness, shape  # noqa: F401
from explain.faithfulness.measures.base import MEASURES, Better, Category, Figures, Measure, MeasureName, Examined

__all__ = ["MEASURES", "Better", "Category", "Figures", "Measure", "MeasureName", "Examined"]
