"""Every view is a link: another session opens it and sees the same maps, or is told what is missing."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.choices.pictures import read_example_digests
from components.maps.layers import SIGNED
from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from tests.support.heads import RESNET, build_head
from tests.support.prompts import keep_prompts

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
ELSEWHERE = "ab" * 32
Open = Callable[..., Any]


def encode(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (80, 60, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def read_maps(dashboard: Any) -> dict[tuple[str, str], bytes]:
    return {
        (row["key"], pane["key"]): pane["map"]["values"]
        for row in dashboard.rows
        for pane in row["panes"]
        if pane["map"] is not None
    }


def test_the_plain_page_has_a_plain_address(open_dashboard: Open) -> None:
    dashboard = open_dashboard({})
    assert dashboard.words == {}
    dashboard.test.slider(key="setting:cf-cam.sigma").set_value(2.0).run()
    assert dashboard.words == {"model": "imagenet-cnn", "cf-cam.sigma": "2"}
    dashboard.test.slider(key="setting:cf-cam.sigma").set_value(1.0).run()
    assert dashboard.words == {}


@pytest.mark.parametrize("words", [{"cf-cam.sigma": "2"}, {"view.opacity": "0.7"}, {"method": "grad-cam"}])
def test_a_link_without_a_model_shows_the_one_it_always_meant(open_dashboard: Open, words: dict[str, str]) -> None:
    """Such links were made when `photo-cnn` was the first model."""
    old = open_dashboard(words)
    assert old.test.selectbox(key="bundled").value == "photo-cnn"
    assert old.words == words
    assert read_maps(old) == read_maps(open_dashboard({**words, "model": "photo-cnn"}))


def test_every_model_keeps_its_link(open_dashboard: Open) -> None:
    for name in ("imagenet-cnn", "photo-cnn", "birds-vit"):
        one = open_dashboard({})
        if name != "imagenet-cnn":
            one.test.selectbox(key="bundled").set_value(name).run()
        assert one.words == ({} if name == "imagenet-cnn" else {"model": name})
        assert open_dashboard(one.words).test.selectbox(key="bundled").value == name
        one.pick("methods-front", ["grad-cam"])
        assert open_dashboard(one.words).test.selectbox(key="bundled").value == name


def test_words_of_others_do_not_make_an_old_link(open_dashboard: Open) -> None:
    assert open_dashboard({"utm_source": "mail"}).test.selectbox(key="bundled").value == "imagenet-cnn"


def test_a_link_shows_the_same_maps_to_another_session(open_dashboard: Open, engine: Engine) -> None:
    one = open_dashboard()
    one.test.session_state["tray"].toggle(bundled_pictures()[2].name)
    one.test.selectbox(key="bundled").set_value("photo-vit").run()
    layers = [layer.name for layer in engine.load("photo-vit").layers]
    one.test.selectbox(key="target-widget").set_value(5).run()
    one.test.selectbox(key="layer-widget").set_value(layers[-2]).run()
    one.test.multiselect(key="fused-layers").set_value([layers[-3]]).run()
    one.test.selectbox(key="fusion").set_value("mean").run()
    one.test.selectbox(key="augmentation").set_value("flip").run()
    one.test.checkbox(key="probability").check().run()
    one.pick("methods-front", ["grad-cam", "cf-cam"])
    one.test.select_slider(key="setting:cf-cam.eps").set_value(20.0).run()
    assert not one.test.exception
    two = open_dashboard(one.words)
    assert not two.test.exception
    assert not two.test.warning
    assert two.words == one.words
    assert [row["label"] for row in two.rows] == [row["label"] for row in one.rows]
    assert len(read_maps(one)) == 4
    assert read_maps(two) == read_maps(one)
    assert two.test.selectbox(key="bundled").value == "photo-vit"
    assert two.test.select_slider(key="setting:cf-cam.eps").value == 20.0
    assert "dog" in two.rows[0]["detail"]


def test_what_is_compared_comes_back_too(open_dashboard: Open) -> None:
    one = open_dashboard()
    one.pick("compare-by", "classes")
    one.test.multiselect(key="compare-with").set_value(["3", "5"]).run()
    two = open_dashboard(one.words)
    assert two.words == one.words != {}
    assert [pane["key"] for pane in two.rows[0]["panes"]] == [pane["key"] for pane in one.rows[0]["panes"]]
    assert read_maps(two) == read_maps(one)


def test_a_picture_of_ones_own_is_asked_for_and_checked(open_dashboard: Open) -> None:
    one = open_dashboard()
    one.upload(("patient-17.png", encode(0)))
    digest = one.rows[0]["key"]
    assert one.words == {"picture": digest}
    words = {"picture": [read_example_digests()["cat"], digest]}
    two = open_dashboard(words)
    assert [row["label"] for row in two.rows] == ["Chelsea, a cat"]
    assert f"not open in this window (SHA-256 {digest[:12]}…)" in two.sentences
    assert two.words == words
    two.upload(("other.png", encode(1)))
    assert "“other.png” is not a picture that the link shows" in two.sentences
    assert "not open in this window" in two.sentences
    three = open_dashboard(words)
    three.upload(("copy.png", encode(0)))
    assert "not open in this window" not in three.sentences
    assert {row["label"] for row in three.rows} == {"Chelsea, a cat", "copy.png"}
    assert three.row("copy.png")["panes"][1]["map"] == one.rows[0]["panes"][1]["map"]
    assert three.words == {"picture": [digest, read_example_digests()["cat"]]}


def test_one_can_do_without_a_picture(open_dashboard: Open) -> None:
    dashboard = open_dashboard({"picture": [read_example_digests()["moose"], ELSEWHERE]})
    dashboard.test.button(key="awaited-forget").click().run()
    assert "not open in this window" not in dashboard.sentences
    assert dashboard.words == {"picture": read_example_digests()["moose"]}


def test_a_hostile_link_costs_a_sentence(open_dashboard: Open) -> None:
    dashboard = open_dashboard(
        {
            "picture": ["../../../etc/passwd", "<script>"],
            "model": "file:../../secret",
            "class": "999999:<b>nobody</b>",
            "layer": "no.such.layer",
            "fuse": ["nowhere", "__class__"],
            "method": "rm -rf",
            "compare": "layers",
            "with": ["nowhere"],
            "more": "nothing",
            "cf-cam.sigma": "1e308",
            "cf-cam.eps": "nan",
            "view.opacity": "-1",
            "present": "x" * 10_000,
        }
    )
    assert not dashboard.test.exception
    assert not dashboard.test.error
    assert len(dashboard.test.warning) == 1
    said = dashboard.test.warning[0].value
    for name in ("picture", "model", "method", "cf-cam.sigma", "cf-cam.eps", "view.opacity", "present"):
        assert name in said
    assert "passwd" not in dashboard.sentences
    assert all(row["label"].startswith(bundled_pictures()[0].title) for row in dashboard.rows)
    assert "no layer “no.such.layer”" in dashboard.sentences
    assert "not fused: “nowhere”, “__class__”" in dashboard.sentences
    dashboard.test.slider(key="setting:cf-cam.sigma").set_value(2.0).run()
    assert dashboard.words == {"compare": "layers", "cf-cam.sigma": "2"}
    assert not dashboard.test.warning


def test_a_link_fetches_nothing_unasked(open_dashboard: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    one = open_dashboard({"model": "hub:resnet18.a1_in1k"})
    assert "is not on this machine yet" in one.sentences
    assert not one.rows and not one.test.error
    one.test.button(key="model-fetch").click().run()
    assert "is not on this machine yet" not in one.sentences
    assert one.test.error  # it was tried
    one.test.button(key="model-first").click().run()
    assert one.rows


def test_what_the_person_chooses_is_not_undone_by_the_link(open_dashboard: Open) -> None:
    """The address of a run that was asked for before the last change arrived is an old one."""
    dashboard = open_dashboard({"cf-cam.sigma": "3"})
    dashboard.test.slider(key="setting:cf-cam.sigma").set_value(2.0).run()
    dashboard.test.query_params["cf-cam.sigma"] = "3"
    dashboard.test.checkbox(key="probability").check().run()
    assert dashboard.test.slider(key="setting:cf-cam.sigma").value == 2.0
    assert dashboard.words == {"probability": "1", "cf-cam.sigma": "2"}


@pytest.mark.usefixtures("own_home")
def test_a_checkpoint_is_asked_for_and_checked(open_dashboard: Open) -> None:
    weights = DATA / "squeezenet1_0_imagenet.safetensors"
    if not weights.is_file():
        pytest.skip("the shared data are not here")
    one = open_dashboard()
    give_checkpoint(one, weights.read_bytes(), architecture="torchvision/squeezenet1_0", labels="imagenet")
    assert not one.test.error
    words = one.words
    assert weights.name not in str(words)
    two = open_dashboard(words)
    assert "shows a checkpoint that is not open in this window" in two.test.error[0].value
    assert two.rows == []
    assert two.words == words
    two.give_file(("weights.safetensors", b"something else"))
    assert "“weights.safetensors” is no checkpoint" in two.sentences and two.rows == []
    give_checkpoint(two, build_head([0.0, 1.0]), architecture=RESNET)
    two.test.run()
    assert "its content differs" in two.test.warning[0].value
    give_checkpoint(two, weights.read_bytes())
    two.test.run()
    assert not two.test.warning
    assert not two.test.error
    assert read_maps(two) == read_maps(one)


def give_checkpoint(dashboard: Any, data: bytes, **said: str) -> None:
    dashboard.give_file(("weights.safetensors", data), **said)
    dashboard.use_file()


def test_the_other_pages_are_links_too(open_dashboard: Open) -> None:
    one = open_dashboard({"layer": "stages.0"})
    one.turn_to("clusters")
    assert one.words == {"layer": "stages.0"}
    one.test.select_slider(key="setting:cf-cam.eps").set_value(20.0).run()
    assert one.words == {"layer": "stages.0", "cf-cam.eps": "20"}
    one.turn_to("layers")
    one.test.selectbox(key="one-method-widget").set_value("layer-cam").run()
    assert one.words == {"layer": "stages.0", "look": "layer-cam", "cf-cam.eps": "20"}
    assert not one.test.exception
    two = open_dashboard(one.words)
    two.turn_to("layers")
    assert two.test.selectbox(key="one-method-widget").value == "layer-cam"
    assert two.test.selectbox(key="layer-widget").value == "stages.0"


def test_a_link_to_trained_prompts_shows_their_maps(
    open_dashboard: Open, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    keep_prompts("pets", ("cat", "dog"), engine.load("photo-vit"))
    one = open_dashboard()
    one.pick("model-source", "prompts")
    one.test.selectbox(key="prompts").set_value("pets").run()
    one.pick("methods-front", ["grad-cam", "prompt-cam"])
    assert one.words == {"model": "prompts:pets", "method": ["grad-cam", "prompt-cam"]}
    two = open_dashboard(one.words)
    assert not two.test.exception and not two.test.warning and not two.test.error
    assert two.words == one.words
    assert len(read_maps(two)) == 2
    assert read_maps(two) == read_maps(one)
    assert two.test.selectbox(key="prompts").value == "pets"


def test_a_link_to_prompts_that_are_not_here_is_a_sentence(
    open_dashboard: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMSCOPE_HOME", str(tmp_path))
    dashboard = open_dashboard({"model": "prompts:nobodys"})
    assert not dashboard.test.exception
    assert dashboard.test.error[0].value.startswith("There are no prompts “nobodys” on this computer.")
    assert dashboard.rows == []
    dashboard.test.button(key="model-first").click().run()
    assert dashboard.words == {}
    assert len(dashboard.rows) == 1


def test_a_scene_of_another_page_is_shown_there(open_dashboard: Open) -> None:
    dashboard = open_dashboard({"model": "photo-cnn", "look": "hires-cam", "signed": "1"}, address="layers")
    dashboard.test.button(key="scene-add").click().run()
    layers = dashboard.words
    dashboard.test.session_state[SIGNED] = False
    dashboard.turn_to("start")
    assert "signed" not in dashboard.words
    dashboard.test.button(key="scene-play_arrow-0").click().run()
    assert dashboard.test.title[0].value == "Layer by layer"
    assert dashboard.words == layers
    assert not dashboard.test.exception
