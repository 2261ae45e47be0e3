"""Rows and curves of maps, from what the class scores in changed pictures."""

import numpy as np

from explain.faithfulness.measured import list_asked, measure_row
from explain.faithfulness.measures import MEASURES
from tests.support.removal import build_examined

CHOSEN = [MEASURES[name] for name in ("insertion", "deletion", "average drop")]


def test_a_row_has_all_figures_and_a_curve_for_each_that_has_one() -> None:
    examined = build_examined(0)
    asked = list_asked([examined], CHOSEN)
    scores = {key: 0.5 for changes in asked for key in changes.keys}
    scores["whole"] = 0.8
    row, curves = measure_row("a", "A", "map", [(examined, CHOSEN)], scores)
    assert {*row.figures} == {*MEASURES} and np.isnan(row.figures["road"])
    assert np.isclose(row.figures["deletion"], 0.5 + 0.3 / 16) and np.isclose(row.figures["average drop"], 37.5)
    shown = {curve.measure: curve for curve in curves}
    assert shown["deletion"].scores[0] == 0.8 and shown["insertion"].scores[-1] == 0.8
    assert (np.diff(shown["insertion"].shares) > 0).all()


def test_several_maps_are_a_band() -> None:
    group = [(build_examined(seed), CHOSEN) for seed in (1, 2)]
    asked = list_asked([examined for examined, _ in group], CHOSEN)
    scores = {key: number / 100 for number, key in enumerate(key for changes in asked for key in changes.keys)}
    row, curves = measure_row("chance", "Chance", "baseline", group, scores)
    assert row.count == 2 and all((curve.low <= curve.scores).all() for curve in curves)
    assert (curves[0].low < curves[0].high).any()


def test_a_blank_map_has_no_number() -> None:
    examined = build_examined(0)
    examined.cells[:] = 0
    row, curves = measure_row("a", "A", "map", [(examined, CHOSEN)], {})
    assert not curves and all(np.isnan(value) for value in row.figures.values())
