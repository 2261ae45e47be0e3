"""The Methods page, driven without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from components.maps.method_cards import group_methods, search_methods
from explain.engine.engine import Engine
from explain.methods import all_methods


@pytest.fixture
def gallery(dashboard: Any) -> Any:
    dashboard.turn_to("methods")
    assert not dashboard.test.exception and not dashboard.test.error
    return dashboard


def list_alts(dashboard: Any) -> list[str]:
    """What the pictures of the page show, in words."""
    return [image.alt for element in dashboard.test.get("image") for image in element.proto.imgs]


def test_every_method_has_a_card_with_formula_paper_and_trial_and_the_quick_ones_a_map(
    gallery: Any, engine: Engine
) -> None:
    methods = all_methods()
    assert {entry.value for entry in gallery.test.subheader} == {method.title for method in methods.values()}
    assert len(gallery.test.latex) == len(methods)
    for method in methods.values():
        for identifier in re.findall(r"arXiv ([^\s,;]+)", method.paper):
            assert f"[arXiv {identifier}](https://arxiv.org/abs/{identifier})" in gallery.sentences, method.name
        assert gallery.test.button(key=f"method-try-{method.name}")
    contents = "\n".join(entry.value for entry in gallery.test.markdown)
    assert all(f"[{method.title}](#{method.name})" in contents for method in methods.values())
    drawn = list_alts(gallery)
    slow = {entry.key.removeprefix("method-draw-") for entry in gallery.test.button if "method-draw-" in str(entry.key)}
    assert slow == {"smooth-grad-cam++", "score-cam", "ablation-cam", "rise", "occlusion", "integrated-gradients"}
    assert "Explained: cat" in gallery.sentences.replace("\\", "") and "photo-cnn" in gallery.sentences.replace(
        "\\", ""
    )
    for method in methods.values():
        if method.name not in slow and method.group != "transformer":
            assert any(alt.startswith(f"{method.title} for “cat” on ") for alt in drawn), method.name
    assert "Raw attention reads the attention" in gallery.sentences


def test_a_slow_one_is_drawn_once_it_is_asked_for_and_only_for_this_picture(gallery: Any) -> None:
    gallery.test.button(key="method-draw-ablation-cam").click().run()
    assert not gallery.test.exception
    assert any(alt.startswith("Ablation-CAM for “cat”") for alt in list_alts(gallery))
    gallery.test.session_state["tray"].show_only("kingfisher")
    gallery.test.run()
    assert gallery.test.button(key="method-draw-ablation-cam")


def test_trying_a_method_leads_to_compare_with_it(gallery: Any) -> None:
    gallery.test.button(key="method-try-fem").click().run()
    assert gallery.test.session_state["methods"] == ["grad-cam", "fem"]
    gallery.turn_to("methods")
    gallery.test.button(key="method-try-legrad").click().run()
    assert gallery.test.session_state["model"].request.name == "photo-vit"
    assert gallery.test.session_state["methods"] == ["grad-cam", "legrad"]


def test_the_gallery_is_searched(gallery: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery.test.text_input(key="methods-search").set_value("selvaraju counterfactual").run()
    assert [entry.value for entry in gallery.test.subheader] == ["Counterfactual Grad-CAM"]
    gallery.test.text_input(key="methods-search").set_value("no such thing").run()
    assert "No method is called that" in gallery.sentences
    assert not gallery.test.subheader and not gallery.test.exception
    assert search_methods("") == [*all_methods().values()]
    assert [method.name for method in search_methods("2019 smooth")] == ["smooth-grad-cam++"]
    assert list(group_methods(search_methods("attention"))) != list(group_methods(search_methods("")))


def test_without_a_picture_the_words_are_there(open_dashboard: Callable[..., Any]) -> None:
    dashboard = open_dashboard({"model": "photo-cnn", "picture": ""}, "methods")
    assert not dashboard.test.exception and not list_alts(dashboard)
    assert len(dashboard.test.subheader) == len(all_methods())
    assert "Relevance propagation" in dashboard.sentences and "patent" in dashboard.sentences
