"""What is timed beside the floor can be drawn on any network."""

import numpy as np

from benchmarks.compare import one_pass_methods
from benchmarks.volumes import lay_down, list_one_pass
from explain.engine.engine import Engine
from explain.passes.count import Passes
from tests.support.engine import build_model, make_picture
from tests.support.volume_network import load_network


def test_all_methods_of_one_pass_are_drawn_by_one_pass() -> None:
    (pictured,) = Engine("cpu").explain(make_picture(), build_model("cnn"), one_pass_methods()).pictures
    assert not pictured.unavailable and len(pictured.maps) == len(one_pass_methods()) > 10
    assert {one.own_passes for one in pictured.maps} == {Passes()}


def test_all_methods_of_one_pass_are_drawn_of_a_volume() -> None:
    engine = Engine("cpu")
    volume = lay_down(np.random.default_rng(0).integers(0, 4000, (8, 16, 16)).astype(np.int16))
    answer = engine.explain_volume(volume, load_network(engine), list_one_pass())
    assert not answer.unavailable and len(answer.maps) == len(list_one_pass()) > 10
