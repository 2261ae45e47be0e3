"""The Layers page, driven without a browser."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explain.bundled.pictures import bundled_pictures
from explain.engine import visualisation
from explain.engine.engine import Engine
from explain.engine.wanted import CAUTION
from explain.passes.maco import DrawingSettings
from explain.pictures.decode import decode


def encode(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise(seed: int, height: int = 90, width: int = 130) -> bytes:
    return encode(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


def read_image(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))


def read_number(text: str) -> float:
    return float(text.replace("−", "-"))


@pytest.fixture
def layers(dashboard: Any) -> Any:
    dashboard.turn_to("layers")
    return dashboard


def test_every_layer_has_a_block_and_a_map(layers: Any, engine: Engine) -> None:
    assert not layers.test.exception
    assert not layers.test.error
    model = engine.load("photo-cnn")
    assert model.default_layer is not None
    said = f"the likeliest class · photo-cnn · layer {model.default_layer.name}, {model.default_layer.describe_grid()}"
    assert said in layers.sentences.replace("\\", "")
    names = [layer.name for layer in model.layers]
    blocks = layers.component("network")["blocks"]
    assert [block["key"] for block in blocks] == names
    strip = layers.component("cards", "strip")
    assert [item["key"] for item in strip["items"]] == names
    assert strip["chosen"] == model.default_layer.name
    pictures = {item["frames"][0]["image"] for item in strip["items"]}
    assert len(pictures) == len(names)
    for item, layer in zip(strip["items"], model.layers, strict=True):
        assert item["lines"][0] == f"{layer.grid[0]}×{layer.grid[1]} cells"
        assert f"Grad-CAM for “cat” at {layer.name} on {bundled_pictures()[0].title}" in item["frames"][0]["alt"]


def test_blocks_are_higher_with_more_cells_and_wider_with_more_channels(layers: Any, engine: Engine) -> None:
    blocks, found = layers.component("network")["blocks"], engine.load("photo-cnn").layers
    for a, first in zip(blocks, found, strict=True):
        for b, second in zip(blocks, found, strict=True):
            assert (a["height"] > b["height"]) == (first.grid > second.grid)
            assert (a["width"] > b["width"]) == (first.channels > second.channels)


@pytest.mark.parametrize(
    "method",
    [
        "grad-cam",
        "eigen-cam",
        "cf-cam",
        "finer-cam",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("hires-cam", "cam", "kpca-cam")),
    ],
)
def test_the_numbers_shown_add_up_to_the_maps_value(layers: Any, engine: Engine, method: str) -> None:
    layers.test.selectbox(key="one-method-widget").set_value(method).run()
    assert not layers.test.exception
    assert not layers.test.error
    picture = bundled_pictures()[0].path
    values = engine.explain(picture, "photo-cnn", [method]).pictures[0].maps[0].values
    table = layers.test.table[0].value
    products = [read_number(text) for text in table.iloc[:, -1]]
    assert sum(products[:-1]) == pytest.approx(products[-1], abs=1e-9)
    assert products[-1] == pytest.approx(float(values.max()), rel=2e-3)
    if len(table.columns) == 4 and method != "cf-cam":
        weights, activations = (table.iloc[:3, column] for column in (1, 2))
        for weight, activation, product in zip(weights, activations, products, strict=False):
            assert read_number(weight) * read_number(activation) == pytest.approx(product, rel=0.02)
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    assert any(f"row {row + 1} and column {column + 1}" in text.value for text in layers.test.markdown)
    assert len(layers.test.latex) == 2


def test_norms_are_written_as_the_roots_that_they_are(layers: Any, engine: Engine) -> None:
    layers.test.selectbox(key="one-method-widget").set_value("normgrad").run()
    assert not layers.test.exception
    assert len(layers.test.table) == 2
    value = float(
        engine.explain(bundled_pictures()[0].path, "photo-cnn", ["normgrad"]).pictures[0].maps[0].values.max()
    )
    assert any(text.value.endswith(f"= {value:.4g}.") for text in layers.test.markdown)


def test_any_cell_is_taken_apart_and_the_place_stays_at_another_layer(layers: Any, engine: Engine) -> None:
    picture = bundled_pictures()[0].path
    values = engine.explain(picture, "photo-cnn", ["grad-cam"], ["stages.0", "stages.1"]).pictures[0].maps
    fine, coarse = (heatmap.values for heatmap in values)
    before = layers.component("cards", "map")["items"][0]["frames"][0]["cells"]
    assert (before["rows"], before["columns"]) == coarse.shape
    layers.test.session_state["layers-cell"] = (0.9, 0.1)
    layers.test.run()
    assert layers.component("cards", "map")["items"][0]["frames"][0]["cells"]["chosen"] == [7, 0]
    assert read_number(layers.test.table[0].value.iloc[-1, -1]) == pytest.approx(coarse[7, 0], rel=2e-3)
    layers.test.selectbox(key="layer-widget").set_value("stages.0").run()
    assert layers.component("cards", "map")["items"][0]["frames"][0]["cells"]["chosen"] == [14, 1]
    assert read_number(layers.test.table[0].value.iloc[-1, -1]) == pytest.approx(fine[14, 1], rel=2e-3)
    assert layers.words["cell"] == ["0.9", "0.1"]
    layers.test.button(key="highest-cell").click().run()
    assert layers.component("cards", "map")["items"][0]["frames"][0]["cells"]["chosen"] == list(
        np.unravel_index(int(fine.argmax()), fine.shape)
    )


def test_layers_without_a_map_keep_their_cards(layers: Any) -> None:
    layers.test.selectbox(key="one-method-widget").set_value("cam").run()
    items = layers.component("cards", "strip")["items"]
    bare = [item for item in items if not item["frames"]]
    assert bare and all(item["lines"][1] == "No map of this layer." for item in bare)
    layers.test.selectbox(key="layer-widget").set_value(bare[0]["key"]).run()
    assert not layers.test.exception and not layers.test.error
    assert "CAM" in layers.test.info[0].value


def test_only_methods_without_passes_of_their_own_are_offered(layers: Any) -> None:
    offered = set(layers.test.selectbox(key="one-method-widget").options)
    assert {"Grad-CAM", "CF-CAM", "Eigen-CAM"} <= offered
    assert not {"Score-CAM", "RISE", "Prompt-CAM", "LeGrad"} & offered


def test_another_layer_method_or_number_of_channels_needs_no_pass(layers: Any, engine: Engine) -> None:
    passes = engine.passes
    before = layers.component("cards", "map")["items"][0]["frames"][0]
    layers.test.selectbox(key="layer-widget").set_value("stem.conv1").run()
    after = layers.component("cards", "map")["items"][0]["frames"][0]
    assert layers.component("network")["chosen"] == layers.component("cards", "strip")["chosen"] == "stem.conv1"
    assert before["image"] != after["image"]
    assert "at stem.conv1 on" in after["alt"]
    layers.test.selectbox(key="one-method-widget").set_value("layer-cam").run()
    layers.test.slider(key="channels-24").set_value(16).run()
    assert len(layers.component("cards", "channels-raising")["items"]) == 10  # all that add something there
    assert engine.passes == passes


@pytest.mark.parametrize("method", ["grad-cam", "eigen-cam", "kpca-cam"])
def test_channels_for_and_against_are_told_apart(layers: Any, method: str) -> None:
    layers.test.selectbox(key="one-method-widget").set_value(method).run()
    for key, sign in (("channels-raising", 1), ("channels-lowering", -1)):
        items = layers.component("cards", key)["items"]
        assert len(items) == 6
        adds = [read_number(item["lines"][2].split()[1]) for item in items]
        assert all(sign * product > 0 for product in adds)
        assert adds == sorted(adds, key=lambda product: -sign * product)
        for item, product in zip(items, adds, strict=True):
            weight, activation = (read_number(line.split()[1]) for line in item["lines"][:2])
            assert weight * activation == pytest.approx(product, rel=0.02)
    said = [text.value for text in layers.test.markdown]
    assert ("**With the pattern**" if method == "eigen-cam" else "**For “cat”**") in said
    assert any("adds up no channels" in text for text in said) == (method == "kpca-cam")
    assert f"adds to {'Eigen-CAM' if method == 'eigen-cam' else 'Grad-CAM'} at row" in layers.sentences


def test_choices_of_compare_carry_over_and_back(dashboard: Any) -> None:
    dashboard.test.selectbox(key="bundled").set_value("photo-vit").run()
    dashboard.test.selectbox(key="target-widget").set_value(8).run()
    dashboard.test.checkbox(key="probability").check().run()
    dashboard.turn_to("layers")
    assert not dashboard.test.error
    assert len(dashboard.component("network")["blocks"]) == 6
    assert "ship" in dashboard.component("network")["answer"]
    assert dashboard.test.checkbox(key="probability").value is True
    dashboard.test.selectbox(key="layer-widget").set_value("blocks.2.norm1").run()
    dashboard.turn_to("start")
    assert dashboard.test.selectbox(key="layer-widget").value == "blocks.2.norm1"
    assert "ship" in dashboard.rows[0]["detail"]
    assert dashboard.test.checkbox(key="probability").value is True


def test_pictures_of_the_same_name_are_told_apart(layers: Any) -> None:
    layers.upload(("scan.png", noise(1)), ("scan.png", noise(2, 150, 60)))
    picker = layers.test.selectbox(key="one-picture-widget")
    assert picker.options == ["1 · scan.png", "2 · scan.png"]
    first = read_image(layers.component("cards", "map")["items"][0]["frames"][0]["image"])
    assert first.shape == (90, 130, 3)
    picker.set_value(picker.value if picker.index else layers.test.session_state["tray"].shown[1]).run()
    second = read_image(layers.component("cards", "map")["items"][0]["frames"][0]["image"])
    assert second.shape == (150, 60, 3)
    assert not layers.test.error


def test_a_long_name_and_a_blank_map(layers: Any) -> None:
    name = "a very long name " * 12 + ".png"
    layers.upload((name, encode(np.zeros((40, 40, 3), dtype=np.uint8))))
    assert not layers.test.exception
    assert not layers.test.error
    assert name in layers.component("cards", "map")["items"][0]["frames"][0]["alt"]
    layers.test.selectbox(key="layer-widget").set_value("stem.conv1").run()
    layers.test.selectbox(key="target-widget").set_value(0).run()
    assert not layers.test.exception
    assert not layers.test.error


def test_without_a_picture_the_page_says_what_to_do(layers: Any) -> None:
    layers.test.session_state["tray"].shown = []
    layers.test.run()
    assert "No picture is chosen" in layers.sentences
    assert not layers.test.exception


def test_a_bad_model_leaves_the_page_usable(layers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.models.hub._reach_hub", lambda _: False)
    from components.choices.model import ModelChoice
    from explain.models.request import ModelRequest

    layers.test.session_state["model"] = ModelChoice(ModelRequest(source="hub", name="resnet18.a1_in1k"))
    layers.test.run()
    assert "resnet18.a1_in1k" in layers.test.error[0].value
    assert not layers.test.exception
    layers.test.button(key="model-first").click().run()
    assert not layers.test.error
    assert layers.component("network")["blocks"]


def test_what_nobody_expected_is_one_calm_sentence(layers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("secret internals")

    monkeypatch.setattr("pages.layers.rank_channels", fail)
    layers.test.run()
    assert "did not expect" in layers.sentences
    assert "secret" not in layers.sentences


def test_what_a_class_and_a_channel_want_is_shown_real_places_first(
    layers: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [decode(entry.path.read_bytes(), entry.title) for entry in bundled_pictures()[:3]]
    monkeypatch.setattr("components.maps.wanted.list_known", lambda _: pictures)
    monkeypatch.setattr(visualisation, "read_drawing_settings", lambda _: DrawingSettings(steps=8, crops=1))
    assert "press a channel above" in layers.sentences
    layers.pick("layers-wants", "class")
    assert not layers.test.exception and not layers.test.error
    found = engine.find_exemplars(pictures, "photo-cnn", "cat")
    real = layers.component("cards", "wanted-places")["items"]
    assert [item["title"] for item in real] == [one.picture.name for one in found.best]
    assert read_image(real[0]["frames"][0]["image"]).shape == found.best[0].crop.shape
    assert found.sentence in layers.sentences.replace("\\", "")
    (item,) = layers.component("cards", "wanted-drawings")["items"]
    drawing = engine.draw("photo-cnn", "cat", start=found.facets[0].mean)
    assert drawing.answer.describe() in item["lines"][0] and found.best[0].answer.describe() in item["lines"][0]
    said = " ".join(str(element.value) for element in layers.test.markdown).replace("\\", "")
    assert drawing.write_sentence(found.best[0]) in said and CAUTION in said
    small = drawing.pixels
    large = read_image(item["frames"][0]["image"])
    factor = len(large) // len(small)
    middle = large[factor // 2 :: factor, factor // 2 :: factor].astype(int)
    assert np.abs(middle - small).mean() < 8
    assert layers.words["wants"] == "class"
    card = layers.component("cards", "channels-raising")["items"][1]["key"]
    # What pressing its card does.
    layers.test.session_state["layers-wants"], layers.test.session_state["layers-wants-channel"] = "channel", int(card)
    layers.test.run()
    assert layers.words["wants"] == "channel" and layers.words["channel"] == card
    assert f"channel {card} of" in layers.component("cards", "wanted-drawings")["items"][0]["frames"][0]["alt"]


def test_a_stopped_drawing_shows_what_is_there(layers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [decode(entry.path.read_bytes(), entry.title) for entry in bundled_pictures()[:2]]
    monkeypatch.setattr("components.maps.wanted.list_known", lambda _: pictures)
    monkeypatch.setattr("components.maps.wanted.is_stopped", lambda key: True)
    monkeypatch.setattr(visualisation, "read_drawing_settings", lambda _: DrawingSettings(steps=16, crops=1, rate=0.2))
    layers.pick("layers-wants", "class")
    assert not layers.test.exception and "Nothing is drawn yet" in layers.sentences
    assert layers.test.button(key="wanted-go-on")
