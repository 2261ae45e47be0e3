"""The Clusters page, driven without a browser."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explain.bundled.pictures import bundled_pictures
from explain.engine.engine import Engine
from explain.methods.cf_cam.settings import CfCamSettings
from explain.methods.cf_cam.view import cluster_view
from explain.settings import list_values


@pytest.fixture
def clusters(dashboard: Any) -> Any:
    dashboard.turn_to("clusters")
    return dashboard


def noise(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (90, 130, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def read_view(engine: Engine, **settings: Any) -> Any:
    from explain.pictures.decode import decode

    path = bundled_pictures()[0].path
    capture = engine.capture(decode(path.read_bytes(), path.name), "photo-cnn")
    return cluster_view(capture, CfCamSettings(**settings))


def test_curve_embedding_cards_and_map_are_there(clusters: Any, engine: Engine) -> None:
    assert not clusters.test.exception
    assert not clusters.test.error
    assert ", the likeliest class · photo-cnn · layer " in clusters.sentences.replace("\\", "")
    view = read_view(engine)
    knee = clusters.component("knee")
    assert knee["steps"][knee["at"]][0] == 0.3
    assert knee["steps"][knee["at"]][1] == pytest.approx(view.clusters.eps)
    assert [eps for eps, _ in knee["steps"]] == list_values(CfCamSettings.model_json_schema()["properties"]["eps"])
    assert knee["channels"] == len(view.k_distances)
    assert [value for _, value in knee["curve"]] == sorted(value for _, value in knee["curve"])
    assert len(clusters.test.get("plotly_chart")) == 1
    groups = clusters.component("cards", "groups")["items"]
    assert {item["key"] for item in groups} == {str(group) for group in view.groups}
    for item in groups:
        size = view.group_sizes[view.groups.index(int(item["key"]))]
        assert item["lines"][0].startswith(f"{size} channel")
        assert len(item["frames"]) == 4
        assert all(bundled_pictures()[0].title in frame["alt"] for frame in item["frames"])
    assert "CF-CAM for “cat” at stages.1" in clusters.component("cards", "map")["items"][0]["frames"][0]["alt"]


def test_eps_and_sigma_move_everything_without_a_pass(clusters: Any, engine: Engine) -> None:
    def look() -> tuple[str, str, float]:
        image = clusters.component("cards", "map")["items"][0]["frames"][0]["image"]
        groups = str(clusters.component("cards", "groups")["items"])
        knee = clusters.component("knee")
        return image, groups, knee["steps"][knee["at"]][0]

    passes, before = engine.passes, look()
    clusters.test.select_slider(key="setting:cf-cam.eps").set_value(4.0).run()
    moved = look()
    assert moved[2] == 4.0
    assert moved[0] != before[0]
    assert moved[1] != before[1]
    strip = clusters.component("cards", "eps-strip")["items"]
    clusters.test.slider(key="setting:cf-cam.sigma").set_value(3.0).run()
    assert look()[0] != moved[0]
    assert clusters.component("cards", "eps-strip")["items"] != strip
    assert engine.passes == passes
    assert not clusters.test.error


def test_the_strip_covers_the_whole_range_of_eps(clusters: Any, engine: Engine) -> None:
    strip = clusters.component("cards", "eps-strip")
    values = [float(item["key"]) for item in strip["items"]]
    declared = CfCamSettings.model_json_schema()["properties"]["eps"]
    assert values == sorted(set(values)) and len(values) > 5
    assert (values[0], values[-1]) == (declared["minimum"], declared["maximum"])
    assert strip["chosen"] == "0.3"
    for item in strip["items"]:
        sizes = read_view(engine, eps=float(item["key"])).clusters.sizes
        assert item["lines"][0].startswith(f"{len(sizes)} cluster")
    same = next(item for item in strip["items"] if item["key"] == "3.0")
    clusters.test.select_slider(key="setting:cf-cam.eps").set_value(3.0).run()
    assert clusters.component("cards", "eps-strip")["chosen"] == "3.0"
    assert next(i for i in clusters.component("cards", "eps-strip")["items"] if i["key"] == "3.0") == same


def test_the_published_settings_show_the_gradients_before_and_after_the_filter(clusters: Any, engine: Engine) -> None:
    passes = engine.passes
    clusters.open("more-settings")
    clusters.test.selectbox(key="setting:cf-cam:preset").set_value("published").run()
    assert not clusters.test.exception
    items = clusters.component("cards", "groups")["items"]
    assert [frame["label"] for frame in items[0]["frames"]][1:3] == ["Mean gradient", "Gradient, filtered"]
    left_out = next(item for item in items if item["title"] == "Noise")
    assert "Left out of the map." in left_out["lines"]
    assert engine.passes == passes


def test_sliders_carry_over_from_compare_and_back(dashboard: Any) -> None:
    dashboard.test.select_slider(key="setting:cf-cam.eps").set_value(5.0).run()
    dashboard.turn_to("clusters")
    assert dashboard.test.select_slider(key="setting:cf-cam.eps").value == 5.0
    assert dashboard.test.select_slider(key="setting:cf-cam.eps").proto.set_value, "the browser is told"
    dashboard.test.slider(key="setting:cf-cam.sigma").set_value(2.5).run()
    assert not dashboard.test.select_slider(key="setting:cf-cam.eps").proto.set_value, "only once"
    dashboard.turn_to("start")
    assert dashboard.test.select_slider(key="setting:cf-cam.eps").value == 5.0
    assert dashboard.test.slider(key="setting:cf-cam.sigma").value == 2.5


def test_compare_leads_here(dashboard: Any) -> None:
    links = dashboard.test.get("page_link")
    assert [link.proto.page for link in links] == ["clusters"]


def test_one_picture_of_several_is_looked_at(clusters: Any) -> None:
    clusters.upload(("scan.png", noise(1)), ("scan.png", noise(2)))
    picker = clusters.test.selectbox(key="one-picture-widget")
    assert picker.options == ["1 · scan.png", "2 · scan.png"]
    image = clusters.component("cards", "map")["items"][0]["frames"][0]["image"]
    second = clusters.test.session_state["tray"].shown[1]
    picker.set_value(second).run()
    assert clusters.component("cards", "map")["items"][0]["frames"][0]["image"] != image
    assert not clusters.test.error
    # A caution is of the picture looked at, and leads away from it at once though all this is a part of the page.
    clusters.test.session_state["tray"].shown = ["cat", "crested-finch"]
    clusters.test.run()
    assert "caution-use-0" not in {button.key for button in clusters.test.button}
    picker = clusters.test.selectbox(key="one-picture-widget")
    bird = next(picture.path for picture in bundled_pictures() if picture.name == "crested-finch")
    picker.set_value(hashlib.sha256(bird.read_bytes()).hexdigest()).run()
    clusters.test.button(key="caution-use-0").click().run()
    assert clusters.test.selectbox(key="bundled").value == "birds-vit"


def test_every_channel_dominant_is_no_error(clusters: Any) -> None:
    clusters.open("more-settings")
    clusters.test.slider(key="setting:cf-cam.dominant").set_value(0.0).run()
    assert not clusters.test.exception
    assert not clusters.test.error
    assert clusters.component("knee")["curve"] == []
    assert "Every channel is dominant" in clusters.sentences


def test_without_a_picture_or_with_a_bad_model_the_page_says_what_to_do(
    clusters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explain.models.hub._reach_hub", lambda _: False)
    from components.choices.model import ModelChoice
    from explain.models.request import ModelRequest

    clusters.test.session_state["tray"].shown = []
    clusters.test.run()
    assert "No picture is chosen" in clusters.sentences
    clusters.test.session_state["model"] = ModelChoice(ModelRequest(source="hub", name="resnet18.a1_in1k"))
    clusters.test.run()
    assert "resnet18.a1_in1k" in clusters.test.error[0].value
    assert not clusters.test.exception
