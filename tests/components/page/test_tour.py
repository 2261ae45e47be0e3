"""The steps of the tour: each is a link that makes sense, about classes that the model has."""

from __future__ import annotations

import re

from streamlit.testing.v1 import AppTest

from components.choices.pictures import read_example_digests
from components.page.tour_steps import PICTURE, STEPS, write_step
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine

DIGEST = read_example_digests()[PICTURE]
NUMBERS = range(1, len(STEPS) + 1)


def read_links(links: list[dict[str, list[str]]]) -> AppTest:
    """A session that reads links one after the other, and keeps what each says back."""

    def page(links: list[dict[str, list[str]]]) -> None:
        import streamlit as st

        from components.page.link import read_words, write_words

        st.session_state["misread"] = [read_words(words) for words in links]
        st.session_state["written"] = write_words()

    app = AppTest.from_function(page, args=(links,), default_timeout=30).run()
    assert not app.exception
    return app


def test_each_step_is_a_link_that_comes_back_whole() -> None:
    assert len(STEPS) == 6 and {step.page for step in STEPS} == {"start", "layers", "clusters", "studio"}
    links = [write_step(number, DIGEST) for number in NUMBERS]
    assert read_links(links).session_state["misread"] == [[]] * 6
    for words in links:
        assert read_links([words]).session_state["written"] == words
        assert read_links([words]).session_state["link-view"].style == "auto", "no look of before there were styles"
    assert all(len(re.findall(r"[.?](?: |$)", step.text)) == 2 for step in STEPS), "two sentences each"


def test_the_model_says_what_the_steps_say_of_it() -> None:
    engine = Engine("cpu")
    model = engine.load("imagenet-cnn")
    for number in NUMBERS:
        words = write_step(number, DIGEST)
        index, _, label = words["class"][0].partition(":")
        assert model.labels[int(index)] == label and words["model"] == ["imagenet-cnn"]
        assert all(int(other) in (235, 281) for other in words.get("with", ()))
    path = next(picture.path for picture in bundled_pictures() if picture.name == PICTURE)
    dog, cat = (
        engine.explain(path, model, ["grad-cam", "eigen-cam"], target=target).pictures[0]
        for target in ("German shepherd", "tabby")
    )
    assert dog.predictions[0].describe(0) == "German shepherd 4 %", "the first step says so"
    middle = dog.picture.size[1] / 2
    assert dog.maps[0].peak[0] > middle > cat.maps[0].peak[0], "Grad-CAM moves from the dog to the kitten"
    assert (dog.maps[1].values == cat.maps[1].values).all(), "Eigen-CAM stays"
