"""Completeness: of a network whose score is a sum over places one can write down."""

from dataclasses import replace

import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.faithfulness.measures import MEASURES
from tests.support.engine import build_model, make_picture
from tests.support.removal import build_examined

COMPLETENESS = MEASURES["completeness"]


def test_it_is_what_is_missing_of_the_sum_or_of_the_mean() -> None:
    examined = replace(build_examined(0), sums=(4.0, 4.0 / 64), unbiased=5.0)
    assert COMPLETENESS.function(examined) == pytest.approx(20)
    assert COMPLETENESS.function(replace(examined, unbiased=4.0 / 64)) == 0  # as CAM is defined
    assert COMPLETENESS.function(replace(examined, unbiased=-4.0)) == pytest.approx(101.5625)
    assert np.isnan(COMPLETENESS.function(replace(examined, unbiased=None)))


def test_maps_that_add_up_do_to_the_very_score() -> None:
    """The oracle is the network: its own score less the bias of its last layer."""
    engine, cnn, picture = Engine(), build_model("cnn"), make_picture()
    methods = ["hires-cam", "grad-cam", "cam", "eigen-cam"]
    rows = engine.measure(picture, cnn, methods, layer="layer4", measures=["completeness"]).rows
    missing = {row.title: row.figures["completeness"] for row in rows}
    assert max(missing[name] for name in ("HiRes-CAM", "Grad-CAM", "CAM")) < 0.01 < missing["Eigen-CAM"]
    early = engine.measure(picture, cnn, ["hires-cam"], layer="layer3", measures=["completeness"]).rows[0]
    assert np.isnan(early.figures["completeness"])  # more than one step leads from there to the score
