"""Trying places with an engine: which pictures they go into, what is run, and that nothing is run twice."""

import threading

import pytest

from explain.engine.engine import Engine
from explain.engine.transplanting import LOOKED_AT
from explain.errors import Cancelled
from explain.faithfulness.transplant import FIRST_OTHERS, OTHERS
from explain.models.loaded import LoadedModel, finish_loading
from explain.models.request import ModelRequest
from explain.passes.count import Passes
from explain.pictures.geometry import Preprocessing
from explain.pictures.picture import Picture
from explain.worlds.marks import MARKS
from explain.worlds.worlds import list_pictures, plant_in
from tests.support.engine import spend
from tests.support.tags import SeesTags


@pytest.fixture(scope="module")
def sees_tags() -> LoadedModel:
    preprocessing = Preprocessing(input_size=(32, 32), resize_size=32, mean=(0.0,) * 3, std=(1.0,) * 3)
    request = ModelRequest(source="module", name="sees-tags")
    return finish_loading(request, SeesTags(), None, "sees-tags", preprocessing, ("plain", "tagged"), ())


@pytest.fixture(scope="module")
def tagged() -> Picture:
    return plant_in(list_pictures("photographs")[0][0], MARKS["tag"])


def test_a_tag_that_decides_is_found_and_costs_what_it_must(sees_tags: LoadedModel, tagged: Picture) -> None:
    engine = Engine()
    assert engine.predict(tagged, sees_tags, 1)[0].label == "tagged"
    found = engine.try_places(tagged, sees_tags, ["hires-cam"])
    (places,) = found.values()
    decide = {one.place for one in places if one.decides}
    assert "lower right corner" in decide and decide <= {"lower right corner", None}
    spent = engine.passes.forward
    tries = len(places) * OTHERS + sum(one.decides for one in places)
    assert spent - LOOKED_AT - tries in range(6)  # the picture itself, and batch norms being folded


def test_another_map_of_the_class_takes_no_pass(sees_tags: LoadedModel, tagged: Picture) -> None:
    engine = Engine()
    (first,) = engine.try_places(tagged, sees_tags, ["hires-cam"]).values()
    again = spend(engine, lambda: engine.try_places(tagged, sees_tags, ["hires-cam", "cf-cam", "eigen-cam"]))
    assert again == Passes()
    assert {*engine.try_places(tagged, sees_tags, ["cf-cam"]).values()} == {first}


def test_where_nothing_decides_a_place_costs_three_passes(sees_tags: LoadedModel) -> None:
    engine = Engine()
    plain = list_pictures("photographs")[1][0]
    (places,) = engine.try_places(plain, sees_tags, ["hires-cam"], target="tagged").values()
    assert {one.tried for one in places} == {FIRST_OTHERS} and not any(one.decides for one in places)


def test_two_classes_of_which_all_others_are_one_say_nothing(sees_tags: LoadedModel, tagged: Picture) -> None:
    assert Engine().try_places(tagged, sees_tags, ["hires-cam"], target="plain") == {}


def test_it_stops_when_told(sees_tags: LoadedModel, tagged: Picture) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        (*_,) = Engine().judge(tagged, sees_tags, ["hires-cam"], cancel=cancel)
