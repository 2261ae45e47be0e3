"""The page Truth, driven without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from components.truth.trust import deal
from components.truth.worlds import order_pictures, plant_specimen
from explain.engine.engine import Engine
from explain.worlds.worlds import list_worlds
from tests.support.worlds import make_world

Open = Callable[..., Any]


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two worlds in which the smallest model stands in for cheats and twins alike."""
    made = (make_world("tag", "tag", "cat", "photo-cnn"), make_world("tint", "tint", "bird", "photo-cnn"))
    for place in ("worlds", "trust"):
        monkeypatch.setattr(f"components.truth.{place}.list_worlds", lambda: made)


def test_a_bird_is_drawn_as_its_sibling_in_place(open_dashboard: Open) -> None:
    page = open_dashboard({"truth": "birds", "siblings": "crested finch", "method": "grad-cam"}, "truth")
    assert not page.test.exception and not page.test.error
    assert [row["key"] for row in page.rows] == ["birds-cnn", "birds-vit"]
    assert [row["picture"]["digest"] for row in page.rows] == [page.rows[0]["picture"]["digest"]] * 2
    before = page.rows[0]["picture"]["digest"], page.values("grad-cam")
    assert page.pane("picture")["sentence"] == "The truth: crested finch."
    assert page.pane("picture")["choices"][0]["label"] == "crested finch"
    assert "on the crest, by chance 2 %." in page.pane("grad-cam")["sentence"]
    assert page.rows[0]["outlines"]
    page.test.toggle(key="planted").set_value(False).run()
    assert page.words["planted"] == "0"
    assert page.rows[0]["picture"]["digest"] != before[0] and np.any(page.values("grad-cam") != before[1])
    assert page.pane("picture")["sentence"] == "The truth: sunny finch."
    assert page.pane("picture")["choices"][0]["label"] == "sunny finch", "the part decides"


def test_a_world_has_two_networks_and_a_switch(open_dashboard: Open, worlds: None) -> None:
    page = open_dashboard({"method": ["grad-cam", "prompt-cam"]}, "truth")
    assert not page.test.exception and not page.test.error
    assert [row["key"] for row in page.rows] == ["relying", "honest"]
    assert page.rows[0]["label"] == "Learnt that the tag means cat"
    assert "97 % right as collected, 70 % without any mark" in page.rows[0]["detail"]
    assert "Prompt-CAM" in page.sentences, "why a method that is chosen has no map is said"
    first = page.rows[0]["picture"]["digest"]
    page.test.button(key="specimen-next").click().run()
    assert page.words["specimen"] == "2" and page.rows[0]["picture"]["digest"] != first
    page = open_dashboard({"specimen": "2", "planted": "0", "method": "grad-cam"}, "truth")
    assert not page.test.toggle(key="planted").value
    page.test.session_state["world"] = "tint"
    page.test.run()
    assert page.rows[0]["outlines"] == [] and page.pane("grad-cam")["sentence"] == "The tint lies everywhere."


def test_without_its_finest_pixels_a_generated_picture_is_a_photograph(open_dashboard: Open) -> None:
    page = open_dashboard({"truth": "generated", "method": "grad-cam"}, "truth")
    assert not page.test.exception and not page.test.error
    assert page.pane("picture")["sentence"] == "The truth: generated."
    assert page.pane("picture")["choices"][0]["label"] == "generated"
    assert "The finest detail lies everywhere. Rank correlation with the map" in page.pane("grad-cam")["sentence"]
    assert "| as they are | 93.2 % |" in "\n".join(str(element.value) for element in page.test.markdown)
    page.test.toggle(key="planted").set_value(False).run()
    assert page.pane("picture")["choices"][0]["label"] == "photograph"
    assert "Explained: generated" in page.rows[0]["detail"], "the same class, or the maps could not be compared"


def test_a_radiograph_loses_its_label_with_its_border(open_dashboard: Open) -> None:
    page = open_dashboard({"truth": "radiographs", "method": "grad-cam"}, "truth")
    assert not page.test.exception and not page.test.error
    assert page.pane("picture")["sentence"] == "Labelled: pneumonia. View: PA."
    assert page.pane("picture")["choices"][0]["label"] == "pneumonia"
    assert "on the border, by chance 4" in page.pane("grad-cam")["sentence"]
    page.test.toggle(key="planted").set_value(False).run()
    assert page.pane("picture")["choices"][0]["label"] == "no finding"
    page.test.selectbox(key="border-widget").set_value("pneumonia").run()
    assert page.words["border"] == "pneumonia" and page.words["planted"] == "0"
    assert page.pane("picture")["choices"][0]["label"] == "pneumonia"
    assert "Explained: pneumonia" in page.rows[0]["detail"]


def test_who_cheats_is_told_after_the_choice_and_counted(open_dashboard: Open, worlds: None) -> None:
    page = open_dashboard({"truth": "trust", "round": "3"}, "truth")
    assert not page.test.exception and not page.test.error
    dealt = deal(3)
    assert dealt is not None

    def say() -> str:
        return "\n".join(str(element.value) for element in page.test.markdown) + page.sentences

    assert "cheats:" not in say() and "at least 96 %" in say()
    maps = page.component("cards", "trust-maps")
    assert [item["title"] for item in maps["items"]] == ["Network A", "Network B"]
    assert all(len(item["frames"]) == len(dealt.collected) for item in maps["items"])
    other = "B" if dealt.cheat == "A" else "A"
    page.test.button(key=f"trust-{other}").click().run()
    assert f"Network {dealt.cheat} cheats: it learnt that the {dealt.world.mark} means {dealt.world.label}" in say()
    assert "You found the cheat in 1 of 1 round." in say()
    assert len(page.component("cards", "trust-proof")["items"]) == 2
    page.test.button(key="round-next").click().run()
    assert page.words["round"] == "4" and "cheats:" not in say()


@pytest.mark.parametrize("view", ["shortcuts", "trust"])
def test_without_worlds_the_page_says_so(open_dashboard: Open, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    for place in ("worlds", "trust"):
        monkeypatch.setattr(f"components.truth.{place}.list_worlds", lambda: ())
    page = open_dashboard({"truth": view}, "truth")
    assert "No world ships with this installation" in page.sentences


def test_at_the_size_of_the_page_marks_turn_those_that_rely_on_them_and_no_twin(engine: Engine) -> None:
    assert list_worlds()
    for world in list_worlds():
        turned = {}
        for who, model in (("relying", world.relying.model), ("honest", world.honest.model)):
            said = [
                [
                    engine.predict(plant_specimen(world.name, number, planted).picture, model, 1)[0].label
                    for planted in (False, True)
                ]
                for number, (_, label) in enumerate(order_pictures(world), 1)
                if label != world.label
            ]
            turned[who] = [after == world.label for before, after in said if before != world.label]
        assert sum(turned["relying"]) > len(turned["relying"]) / 2, world.name
        assert not any(turned["honest"]), world.name
