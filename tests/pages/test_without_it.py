"""The page “Without it”, driven without a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from explain.bundled.pictures import bundled_pictures, read_parts
from explain.engine.engine import Engine
from explain.engine.expecting import look_by_layer
from explain.faithfulness.expectation import describe_layers
from explain.passes.count import Passes
from explain.pictures.decode import decode
from pages.without_views import expected
from tests.support.engine import spend

EAR = {"model": "photo-cnn", "region": "135,60,271,60,271,150,135,150"}


def read(dashboard: Any) -> str:
    return " ".join(str(element.value) for element in dashboard.test.markdown).replace("\\", "")


def test_a_region_of_the_link_is_taken_away_and_said(open_dashboard: Callable[..., Any], engine: Engine) -> None:
    dashboard = open_dashboard(EAR, "without_it")
    assert not dashboard.test.exception and not dashboard.test.error
    path = bundled_pictures()[0].path
    picture = decode(path.read_bytes(), path.name)
    corners = [(135, 60), (271, 60), (271, 150), (135, 150)]
    effects = engine.measure_effects(picture, "photo-cnn", {"region 1": corners})
    assert effects.sentence in read(dashboard)
    assert len(dashboard.test.get("plotly_chart")) == 1
    (frame, outline) = sorted(dashboard.rows[0]["outlines"], key=lambda outline: outline["name"])
    assert frame["name"] == "" and outline["name"] == "region 1"
    assert "19 other places" in dashboard.sentences.replace("\\", "")
    # What else is shown of it needs no pass, and is held by the link.
    assert spend(engine, lambda: dashboard.pick("effects-reading", "share")) == Passes()
    assert dashboard.words["reading"] == "share" and dashboard.words["region"] == EAR["region"]
    dashboard.test.button(key="effects-undo").click().run()
    assert "draw around a place" in dashboard.sentences and "region" not in dashboard.words
    assert dashboard.test.button(key="effects-undo").disabled and not dashboard.test.get("plotly_chart")


def test_what_cannot_be_taken_away_is_said_beside_the_picture(open_dashboard: Callable[..., Any]) -> None:
    dashboard = open_dashboard(EAR | {"region": "0,0,20,0,20,300,0,300"}, "without_it")
    assert "“region 1” the model saw nothing" in dashboard.sentences and dashboard.rows
    many = open_dashboard(EAR | {"region": [EAR["region"]] * 9}, "without_it")
    assert "draw around a place" in many.sentences and "region" in many.sentences


def test_where_a_map_is_high_is_a_region(open_dashboard: Callable[..., Any]) -> None:
    words = {"model": "photo-cnn", "without": "map", "above": "80", "look": "grad-cam"}
    dashboard = open_dashboard(words, "without_it")
    assert not dashboard.test.error and "where Grad-CAM is high" in read(dashboard)
    assert dashboard.pane("map")["map"] is not None
    assert dashboard.words["above"] == "80"
    larger = dashboard.pane("map")
    dashboard.test.checkbox(key="mask.edges").set_value(True).run()
    assert not dashboard.test.error and dashboard.words["mask.edges"] == "true"
    dashboard.test.selectbox(key="mask.threshold").set_value("otsu").run()
    otsu = dashboard.row(dashboard.rows[0]["label"])["outlines"]
    assert otsu and larger["map"] == dashboard.pane("map")["map"]


def test_channels_are_taken_away_and_paths_followed_as_the_link_says(
    open_dashboard: Callable[..., Any], engine: Engine
) -> None:
    words = EAR | {"inside": "channels", "layer": "stages.1", "paths-from": "stages.1.0", "twin": "painted"}
    dashboard = open_dashboard(words, "without_it")
    assert not dashboard.test.exception and not dashboard.test.error
    said = read(dashboard)
    assert "Of the 320 channels of “stages.1”" in said and "the other picture instead" in said
    assert "paths from “stages.1.0” to “stages.1”" in said
    assert len(dashboard.test.get("plotly_chart")) == 3 and "16 pictures" in dashboard.sentences
    # What else is shown of it needs no pass, and is held by the link.
    assert spend(engine, lambda: dashboard.pick("channels-way", "twin")) == Passes()
    assert spend(engine, lambda: dashboard.pick("channels-reading", "alone")) == Passes()
    assert (dashboard.words["set-to"], dashboard.words["kept"]) == ("twin", "alone")
    assert dashboard.words["twin"] == "painted" and dashboard.words["paths-from"] == "stages.1.0"
    assert "Diamonds" not in dashboard.sentences


def test_with_one_scan_open_channels_are_set_to_zero(open_dashboard: Callable[..., Any]) -> None:
    scan = next(picture for picture in bundled_pictures() if picture.scan)
    digest = decode(scan.path.read_bytes(), scan.title).digest
    words = {"model": "photo-cnn", "picture": digest, "inside": "channels", "layer": "stages.1"}
    dashboard = open_dashboard(words, "without_it")
    assert not dashboard.test.exception and not dashboard.test.error
    assert dashboard.test.session_state["channels-way"] == "zero" and "with it at zero" in read(dashboard)


def test_what_is_expected_of_parts_is_compared_with_what_they_do(
    open_dashboard: Callable[..., Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = next(picture for picture in bundled_pictures() if picture.name == "crested-finch")
    picture = decode(entry.path.read_bytes(), entry.title)
    parts = {name: read_parts(entry)[name] for name in ("crest", "legs")}
    monkeypatch.setattr(expected, "find_parts", lambda _: parts)
    dashboard = open_dashboard({"model": "birds-cnn", "picture": picture.digest, "inside": "expected"}, "without_it")
    assert not dashboard.test.exception and not dashboard.test.error
    # At first what the traits of the drawn birds say.
    assert "Misattributed: 0 of 1." in read(dashboard) and "expect" not in dashboard.words
    effects = engine.measure_effects(picture, "birds-cnn", parts)
    table, layers = (element.value for element in dashboard.test.table)
    assert table["Score falls by"].tolist() == [f"{effects.regions[0].score.removal.mean():.2f}"]
    looks = look_by_layer(engine, picture, "birds-cnn", parts["crest"])
    assert layers["Cosine"].tolist() == [f"{look.cosine:.2f}" for look in looks]
    assert describe_layers(looks) in read(dashboard)
    # Filling in needs no pass, and is held by the link.
    assert spend(engine, lambda: dashboard.pick("expected crested finch legs", "against")) == Passes()
    assert "Misattributed: 1 of 2: “legs” has no effect." in read(dashboard)
    assert dashboard.words["expect"] == ["+crest@crested finch", "-legs@crested finch"]
    dashboard.pick("expected crested finch crest", "none")
    dashboard.pick("expected crested finch legs", "none")
    assert "at least one region" in dashboard.sentences and not dashboard.test.table
    dashboard.pick("expected-regions", "drawn")
    assert "Draw around places" in dashboard.sentences
