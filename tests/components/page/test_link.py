"""Choices as words of an address and back: every setting of every method, and words that make no sense."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components.browser.canvas.view import CanvasView
from components.choices.pictures import read_example_digests
from components.page import link
from components.page.link import PARTS, Entry
from explain.maps.render import RenderSettings
from explain.methods import all_methods

CAT, SECOND = list(read_example_digests().values())[:2]
ELSEWHERE = "ab" * 32


def run(*links: dict[str, list[str]]) -> AppTest:
    """A session that reads links one after the other, and then writes what it has chosen."""

    def page(links: tuple[dict[str, list[str]], ...]) -> None:
        import streamlit as st

        from components.page.link import read_words, write_words

        for words in links:
            st.session_state["misread"] = read_words(words)
        st.session_state["written"] = write_words()

    app = AppTest.from_function(page, args=(links,), default_timeout=30).run()
    assert not app.exception
    return app


def test_a_session_starts_with_a_plain_address() -> None:
    assert run().session_state["written"] == {}
    assert run({}).session_state["written"] == {}


VIEW = {
    "picture": [CAT, SECOND, ELSEWHERE],
    "names": ["hidden"],
    "model": ["photo-vit"],
    "class": ["3:cat: the animal & more"],
    "probability": ["1"],
    "layer": ["blocks.3"],
    "fuse": ["blocks.1", "blocks.2"],
    "fusion": ["max"],
    "augmentation": ["flip and contrast"],
    "method": ["cf-cam", "layer-cam"],
    "compare": ["classes"],
    "with": ["3", "5"],
    "more": ["cf-cam"],
    "less": ["layer-cam"],
    "agreement": ["1"],
    "verdicts": ["1"],
    "masks": ["1"],
    "mask.share": ["0.35"],
    "mask.edges": ["true"],
    "curves": ["1"],
    "one": [SECOND],
    "look": ["grad-cam"],
    "signed": ["1"],
    "cell": ["0.3125", "0.75"],
    "wants": ["channel"],
    "channel": ["12"],
    "cf-cam.sigma": ["2.5"],
    "view.opacity": ["0.3"],
    "view.signed": ["true"],
    "view.threshold": ["0.25"],
    "view.swiping": ["true"],
    "view.swipe_at": ["0.3"],
    "view.zoom": ["2.25"],
    "view.across": ["0.4"],
    "view.down": ["0.6"],
    "view.box": ["0.1,0.2,0.55,1"],
    "view.picture": [SECOND[:12]],
    "view": ["eyes"],
    "run": ["a-token_of-a-training"],
    "beside": ["5:dog"],
    "traits": ["2"],
    "parts": ["1"],
    "without": ["map"],
    "region": ["10,20,30,20,30,44", "-1,0,5,0,5,9,-1,9"],
    "above": ["70"],
    "reading": ["share"],
    "expecting": ["drawn"],
    "expect": ["+crest@crested finch", "0eye ring@crested finch", "-100%25 %40 home@cat%2C dog"],
    "collection": ["0123456789abcdef"],
    "explaining": ["a" * 43],
    "shown": ["map-of-maps"],
    "map": ["eigen-cam"],
    "answer": ["wrong"],
    "predicted": ["cat"],
    "labelled": ["dog"],
    "group": ["north"],
    "verdict": ["blank"],
    "within": ["left lung"],
    "within-share": ["20", "80"],
    "against": ["grad-cam"],
    "figure": ["median"],
    "of-pictures": ["500"],
    "measure": ["road", "gain"],
    "sorted": ["grad_cam_border"],
    "rising": ["1"],
    "coloured": ["group"],
    "maps-of": ["cat"],
    "strategy": ["2"],
    "page": ["41667"],
    "inside": ["channels"],
    "set-to": ["zero"],
    "kept": ["alone"],
    "twin": ["painted"],
    "paths-from": ["stages.0"],
    "truth": ["birds"],
    "world": ["patch"],
    "siblings": ["ruby warbler"],
    "border": ["pneumonia"],
    "specimen": ["3"],
    "round": ["12"],
    "planted": ["0"],
    "present": ["1"],
    "tour": ["3"],
}


def test_a_view_comes_back_whole() -> None:
    assert {part.name for part in PARTS if isinstance(part, Entry)} <= set(VIEW)
    app = run(VIEW)
    assert app.session_state["misread"] == []
    assert app.session_state["written"] == VIEW
    assert app.session_state["tray"].awaited == [ELSEWHERE]


def test_a_switch_that_is_on_by_itself_says_both() -> None:
    for word in ("0", "1"):
        assert run({"verdicts": [word]}).session_state["written"] == {"verdicts": [word]}
    app = run({"verdicts": ["perhaps"]})
    assert app.session_state["misread"] == ["verdicts"] and "verdicts" not in app.session_state["written"]


@pytest.mark.parametrize("region", [["1,2,3"], ["1,2,3,4,5"], ["1,2,3,4,5,6,7"], ["a,b,c,d,e,f"], ["1,2,3,4,5,6"] * 9])
def test_what_is_no_region_is_left_out(region: list[str]) -> None:
    app = run({"region": region})
    assert app.session_state["misread"] == ["region"] and "region" not in app.session_state["written"]


def test_no_key_is_spelled_here_a_second_time() -> None:
    """Renamed where it belongs, a key spelled out in the link would silently name nothing."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(link))) if isinstance(node, ast.Call)]
    keys = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Entry"]
    assert len(keys) == sum(isinstance(part, Entry) for part in PARTS)
    assert not [key.value for key in keys if isinstance(key, ast.Constant)]


def test_an_address_without_words_is_the_start_again() -> None:
    assert run(VIEW, {}).session_state["written"] == {}


@pytest.mark.parametrize("name", ["picture", "method", "fuse"])
def test_nothing_chosen_is_something_to_say(name: str) -> None:
    written = run({name: [""]}).session_state["written"]
    assert written == ({"model": ["photo-cnn"]} if name == "fuse" else {name: [""]})


def test_every_setting_of_every_method_comes_back_and_keeps_its_bounds() -> None:
    good: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    bad: dict[str, list[str]] = {}
    for name, method in all_methods().items():
        for setting, field in method.settings.model_json_schema().get("properties", {}).items():
            word = f"{name}.{setting}"
            default = field["default"]
            if "enum" in field:
                values[word] = next(value for value in field["enum"] if value != default)
                bad[word] = ["no such choice"]
            elif field["type"] == "boolean":
                values[word] = not default
                bad[word] = ["perhaps"]
            elif field["type"] == "string":
                values[word] = "mine"
                bad[word] = ["mine", "another"]
            else:
                values[word] = next(field[end] for end in ("maximum", "minimum") if field[end] != default)
                bad[word] = [["nan"], ["inf"], [str(field["maximum"] + 1)], [str(field["minimum"] - 1)], ["1", "2"]][
                    len(bad) % 5
                ]
            good[word] = [str(values[word])]
    assert len(good) > 20
    app = run({**good, "method": [*all_methods()]})
    assert app.session_state["misread"] == []
    for word, value in values.items():
        kept = app.session_state[f"setting:{word}"]
        assert kept == value
        assert isinstance(kept, bool) == isinstance(value, bool)
    assert set(app.session_state["written"]) == {*good, "method"}
    refused = run({**bad, "method": [*all_methods()]})
    assert sorted(refused.session_state["misread"]) == sorted(bad)
    assert set(refused.session_state["written"]) == {"method"}


def test_all_that_the_grids_toolbar_sets_is_in_the_address() -> None:
    """Whatever is declared for it, today or later: nothing of it is named in the link a second time."""
    words: dict[str, list[str]] = {}
    for declared in (RenderSettings,):
        for name, field in declared.model_json_schema()["properties"].items():
            if "enum" in field:
                other = next(value for value in field["enum"] if value != field["default"])
            elif field["type"] == "boolean":
                other = str(not field["default"]).lower()
            else:
                other = f"{next(field[end] for end in ('maximum', 'minimum') if field[end] != field['default']):g}"
            words[f"view.{name}"] = [other]
    assert {"view.opacity", "view.colour_table", "view.threshold"} < set(words)
    app = run(words)
    assert app.session_state["misread"] == [] and app.session_state["written"] == words


def test_a_link_is_news_to_the_grid_even_where_it_says_the_same_again() -> None:
    """Back, after a zoom, leads to an address that the grid was given before: it must listen all the same."""

    def page() -> None:
        import streamlit as st

        from components.page.link import get_view, read_words

        for _ in range(2):
            read_words({"view.zoom": ["2"]})
            st.session_state.setdefault("views", []).append(get_view())

    first, again = AppTest.from_function(page, default_timeout=30).run().session_state["views"]
    assert first != again
    assert first.model_copy(update={"told": 0}) == CanvasView(zoom=2)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("picture", ["../../etc/passwd"]),
        ("picture", ["AB" * 32]),
        ("picture", ["ab" * 32] * 100),
        ("model", ["no-such-model"]),
        ("model", ["file:../../etc/passwd"]),
        ("model", [f"file:{ELSEWHERE}", "photo-vit"]),
        ("model", ["hub:" + "x" * 250]),
        ("model", ["prompts:../../etc/passwd"]),
        ("model", ["prompts:My Birds"]),
        ("model", ["prompts:"]),
        ("class", ["-1:cat"]),
        ("class", ["cat"]),
        ("class", ["²:cat"]),
        ("class", ["99999999999:cat"]),
        ("layer", ["a", "b"]),
        ("layer", ["x" * 10_000]),
        ("layer", ["a\x00b"]),
        ("fusion", ["sum"]),
        ("augmentation", ["<script>alert(1)</script>"]),
        ("method", ["grad-cam", "no-such-method"]),
        ("compare", ["everything"]),
        ("fuse", ["a"] * 1000),
        ("probability", ["yes"]),
        ("one", ["cat.jpg"]),
        ("present", ["2"]),
        ("names", ["shown"]),
        ("view.opacity", ["1.01"]),
        ("view.colour_table", ["jet"]),
        ("view.box", ["0.1,0.2,0.5"]),
        ("view.zoom", ["0.5"]),
        ("view.picture", ["../../etc"]),
        ("cf-cam.sigma", ["1e999"]),
    ],
)
def test_what_makes_no_sense_is_named_and_left_out(name: str, values: list[str]) -> None:
    app = run({name: values, "cf-cam.eps": ["7"]})
    assert app.session_state["misread"] == [name]
    assert app.session_state["written"] == {"cf-cam.eps": ["7"]}


FIELDS = set(RenderSettings.model_fields)


@pytest.mark.parametrize(
    ("words", "view"),
    [
        ({}, RenderSettings()),
        ({"view.opacity": ["0.7"]}, RenderSettings(style="even", opacity=0.7)),
        ({"view.signed": ["true"]}, RenderSettings(style="even", opacity=0.55, signed=True)),
        ({"view.opacity": ["0.7"], "view.style": ["auto"]}, RenderSettings(opacity=0.7)),
        ({"view.style": ["contours"]}, RenderSettings(style="contours")),
        ({"view.style": ["even"]}, RenderSettings(style="even")),
    ],
)
def test_a_link_of_before_there_were_styles_means_what_it_meant(words: dict[str, list[str]], view: object) -> None:
    app = run(words)
    assert RenderSettings.model_validate(app.session_state["link-view"].model_dump(include=FIELDS)) == view
    assert app.session_state["misread"] == []
    again = run(app.session_state["written"])
    assert RenderSettings.model_validate(again.session_state["link-view"].model_dump(include=FIELDS)) == view
    if "view.style" not in words or words["view.style"] != ["even"]:
        assert app.session_state["written"] == words


def test_words_of_others_are_none_of_ours() -> None:
    app = run({"utm_source": ["letter"], "embed": ["true"], "x" * 5000: ["y" * 5000]})
    assert app.session_state["misread"] == []
    assert app.session_state["written"] == {}


def test_a_checkpoint_is_asked_for_by_its_digest_with_the_form_filled_in() -> None:
    words = {
        "model": [f"file:{ELSEWHERE}"],
        "model.architecture": ["timm/resnet18"],
        "model.labels": ["imagenet"],
        "model.input_size": ["160"],
        "model.mean": ["0.5, 0.4, 0.3"],
    }
    app = run(words)
    assert app.session_state["misread"] == []
    assert app.session_state["written"] == words
    choice = app.session_state["model"]
    assert choice.weights is None
    assert ELSEWHERE[:12] in choice.problem
    asked = app.session_state["own-file-awaited"].request
    assert (asked.architecture, asked.input_size, asked.digest) == ("timm/resnet18", 160, ELSEWHERE)
    for name, value in (("input_size", "1"), ("mean", "a"), ("labels", "mine"), ("channels", "7")):
        wrong = run({**words, f"model.{name}": [value]})
        assert wrong.session_state["misread"] == ["model"]
        assert wrong.session_state["written"] == {}


def test_all_of_a_checkpoints_preprocessing_comes_back_with_its_link() -> None:
    words = {
        "model": [f"file:{ELSEWHERE}"],
        "model.architecture": ["timm/resnet18"],
        "model.input_size": ["256x128"],
        "model.fit": ["crop"],
        "model.resize_size": ["293x146"],
        "model.interpolation": ["bicubic"],
        "model.channels": ["4"],
        "model.global_pool": ["max"],
        "model.weights": ["raw"],
    }
    app = run(words)
    assert app.session_state["misread"] == [] and app.session_state["written"] == words
    request = app.session_state["model"].request
    assert (request.input_size, request.resize_size, request.channels) == ((256, 128), (293, 146), 4)
    assert app.session_state["own-file-awaited"].request == request
    for name, value in (("fit", "stretch"), ("resize_size", "0"), ("interpolation", "cubic"), ("input_size", "9x")):
        wrong = run({**words, f"model.{name}": [value]})
        assert wrong.session_state["misread"] == ["model"] and wrong.session_state["written"] == {}


def test_trained_prompts_are_named_whether_they_are_here_or_not() -> None:
    app = run({"model": ["prompts:garden-birds"]})
    assert app.session_state["misread"] == []
    assert app.session_state["written"] == {"model": ["prompts:garden-birds"]}
    assert app.session_state["model"].request.source == "prompts"


def test_what_the_numbers_of_a_checkpoint_mean_is_a_word_of_its_link() -> None:
    words = {"model": [f"file:{ELSEWHERE}"], "model.architecture": ["timm/resnet18"], "model.outputs": ["findings"]}
    app = run(words)
    assert app.session_state["misread"] == [] and app.session_state["written"] == words
    assert app.session_state["own-file-awaited"].request.outputs == "findings"
    wrong = run({**words, "model.outputs": ["softmax"]})
    assert wrong.session_state["misread"] == ["model"] and wrong.session_state["written"] == {}
