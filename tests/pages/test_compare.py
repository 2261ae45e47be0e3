"""The Compare page, driven without a browser."""

from __future__ import annotations

import hashlib
import io
import math
import re
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.choices.pictures import read_example_digests
from components.maps import curves, verdicts
from components.maps.eps_strip import list_eps
from explain.bundled.pictures import bundled_pictures
from explain.engine import judging
from explain.engine.engine import Engine
from explain.engine.masked import FILLS, FULL_LOOK
from explain.maps.mask import MaskSettings
from explain.pictures.decode import decode
from explain.pictures.picture import Picture
from explain.report.language_model import HEADING
from explain.report.masks import find_masks
from explain.report.sentence import write_sentence

DATA = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
MAPS = ("grad-cam", "eigen-cam", "cf-cam")


def encode(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def decode_example(name: str) -> Picture:
    entry = next(entry for entry in bundled_pictures() if entry.name == name)
    return decode(entry.path.read_bytes(), entry.name)


@pytest.fixture(scope="module")
def cat() -> bytes:
    from skimage.data import chelsea

    return encode(chelsea())


def test_an_example_is_explained_without_a_click(dashboard: Any) -> None:
    assert not dashboard.test.exception
    assert [row["label"] for row in dashboard.rows] == [bundled_pictures()[0].title]
    assert [pane["key"] for pane in dashboard.rows[0]["panes"]] == ["picture", *MAPS, "prompt-cam"]
    for name in MAPS:
        assert dashboard.values(name).max() > 0
        assert dashboard.pane(name)["time"]
    choices = dashboard.pane("picture")["choices"]
    assert len(choices) == 5
    assert [choice["chosen"] for choice in choices] == [True, False, False, False, False]
    assert [choice["share"] for choice in choices] == sorted((c["share"] for c in choices), reverse=True)


def test_prompt_cam_beside_a_cnn_is_lent_by_the_model_that_can(dashboard: Any, engine: Engine) -> None:
    pane = dashboard.pane("prompt-cam")
    assert pane["origin"].startswith("from photo-vit: cat ")
    (alone,) = engine.explain(bundled_pictures()[0].path, "photo-vit", ["prompt-cam"], target="cat").pictures[0].maps
    assert np.array_equal(dashboard.values("prompt-cam"), alone.values)
    assert "Prompt-CAM is from photo-vit: in the figure, but not in the other files" in dashboard.sentences
    dashboard.test.slider(key="setting:prompt-cam.traits").set_value(1).run()
    assert not np.array_equal(dashboard.values("prompt-cam"), alone.values)
    dashboard.test.toggle(key="agreement").set_value(True).run()
    assert "Left out, as of another model: Prompt-CAM." in dashboard.sentences
    dashboard.test.button(key="missing-switch").click().run()
    assert dashboard.test.selectbox(key="bundled").value == "photo-vit"
    assert dashboard.pane("prompt-cam")["origin"] == ""
    assert "missing-switch" not in {button.key for button in dashboard.test.button}


def test_a_page_of_its_own_opens_with_all_four_methods(open_dashboard: Callable[..., Any]) -> None:
    dashboard = open_dashboard({})
    assert [pane["key"] for pane in dashboard.rows[0]["panes"]] == ["picture", *MAPS, "prompt-cam"]
    assert all(dashboard.values(name).max() > 0 for name in (*MAPS, "prompt-cam"))
    entry = bundled_pictures()[0]
    best = dashboard.pane("picture")["choices"][0]
    assert best["chosen"] and best["label"] in entry.classes
    assert dashboard.pane("prompt-cam")["origin"].startswith(f"from photo-vit: {entry.classes[0]} ")
    assert not any("prompts find" in warning for warning in dashboard.pane("prompt-cam")["warnings"])
    heading = dashboard.rows[0]["detail"]
    assert f"Explained: {best['label']}" in heading and "imagenet-cnn · layer bn2, 7×7 cells" in heading


def test_a_method_that_nobody_can_lend_is_a_line_and_no_pane(open_dashboard: Callable[..., Any]) -> None:
    coffee = next(entry for entry in bundled_pictures() if entry.name == "coffee")
    digest = hashlib.sha256(coffee.path.read_bytes()).hexdigest()
    dashboard = open_dashboard({"model": "imagenet-cnn", "picture": digest, "method": ["grad-cam", "prompt-cam"]})
    assert [pane["key"] for pane in dashboard.rows[0]["panes"]] == ["picture", "grad-cam"]
    assert r"Not for imagenet\-cnn: Prompt-CAM needs a ViT with trained class prompts" in dashboard.sentences


def test_good_and_bad_files_are_uploaded_together(dashboard: Any, cat: bytes) -> None:
    dashboard.test.slider(key="setting:cf-cam.sigma").set_value(3.5).run()
    long_name = "a very long name " * 12 + ".png"
    dashboard.upload(
        (long_name, cat), ("empty.png", b""), ("text.png", b"not a picture at all"), ("cut.png", cat[: len(cat) // 2])
    )
    assert not dashboard.test.exception
    assert [row["label"] for row in dashboard.rows] == [long_name]
    for name in ("empty.png", "text.png", "cut.png"):
        assert sum(name in error.value for error in dashboard.test.error) == 1
    assert dashboard.test.slider(key="setting:cf-cam.sigma").value == 3.5
    assert dashboard.pane("picture")["choices"][0]["label"] == "cat"


def test_pictures_of_the_same_name_stay_apart(dashboard: Any, cat: bytes) -> None:
    other = encode(np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8))
    dashboard.upload(("scan.png", cat), ("scan.png", other), ("again.png", cat))
    assert [row["label"] for row in dashboard.rows] == ["again.png", "scan.png"]
    assert len({row["key"] for row in dashboard.rows}) == 2
    assert dashboard.rows[0]["picture"]["width"] == 451
    assert dashboard.rows[1]["picture"]["width"] == 160
    assert not np.array_equal(dashboard.values("grad-cam", 0), dashboard.values("grad-cam", 1))


def test_each_session_has_its_own_pictures(open_dashboard: Callable[[], Any], cat: bytes) -> None:
    one, two = open_dashboard(), open_dashboard()
    one.upload(("mine.png", cat))
    two.test.run()
    assert [row["label"] for row in one.rows] == ["mine.png"]
    assert [row["label"] for row in two.rows] == [bundled_pictures()[0].title]


def test_sliders_run_no_pass_and_move_only_their_map(dashboard: Any, engine: Engine) -> None:
    before, passes = {name: dashboard.values(name) for name in MAPS}, engine.passes
    for setting, kind, value in (("sigma", "slider", 4.0), ("eps", "select_slider", 10.0)):
        getattr(dashboard.test, kind)(key=f"setting:cf-cam.{setting}").set_value(value).run()
        now = {name: dashboard.values(name) for name in MAPS}
        assert not np.array_equal(now["cf-cam"], before["cf-cam"]), setting
        assert np.array_equal(now["grad-cam"], before["grad-cam"])
        assert np.array_equal(now["eigen-cam"], before["eigen-cam"])
        before = now
    assert "no pass" in dashboard.pane("cf-cam")["time"]
    assert dashboard.pane("grad-cam")["time"] == "from memory"
    dashboard.test.toggle(key="eps-strip-on").set_value(True).run()
    strip = dashboard.component("cards", "eps-strip")
    assert [float(item["key"]) for item in strip["items"]] == list_eps() and strip["chosen"] == "10.0"
    assert engine.passes == passes


def test_a_preset_moves_the_sliders(dashboard: Any, engine: Engine) -> None:
    passes = engine.passes
    dashboard.open("more-cf-cam")
    preset = dashboard.test.selectbox(key="setting:cf-cam:preset")
    preset.set_value("published").run()
    assert dashboard.test.slider(key="setting:cf-cam.sigma").value == 5.0
    dashboard.open("more-cf-cam")
    assert dashboard.test.selectbox(key="setting:cf-cam.weights").value == "softmax"
    dashboard.test.slider(key="setting:cf-cam.sigma").set_value(1.0).run()
    dashboard.open("more-cf-cam")
    assert dashboard.test.selectbox(key="setting:cf-cam:preset").value == "own settings"
    assert engine.passes == passes


def test_another_class_is_explained(dashboard: Any) -> None:
    before = {name: dashboard.values(name) for name in MAPS}
    dashboard.test.selectbox(key="target-widget").set_value(8).run()
    assert "ship" in dashboard.rows[0]["detail"]
    assert not np.array_equal(dashboard.values("grad-cam"), before["grad-cam"])
    assert np.array_equal(dashboard.values("eigen-cam"), before["eigen-cam"])
    assert "ship" in dashboard.pane("grad-cam")["alt"]


def test_the_probability_can_be_explained_instead(dashboard: Any) -> None:
    before = dashboard.values("grad-cam")
    dashboard.test.checkbox(key="probability").check().run()
    after = dashboard.values("grad-cam")
    assert not np.allclose(after / np.abs(after).max(), before / np.abs(before).max(), atol=1e-3)
    assert "by its probability" in dashboard.rows[0]["detail"]
    assert not dashboard.test.exception


def test_memory_does_not_grow_with_every_move_of_a_slider(dashboard: Any) -> None:
    """Streamlit's full collection after each run is switched off, so something else must keep memory in bounds."""

    def move(count: int) -> None:
        for step in range(count):
            dashboard.test.slider(key="setting:cf-cam.sigma").set_value(0.1 * (step % 40)).run()

    def read_megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

    move(10)
    before = read_megabytes()
    move(20)
    assert read_megabytes() - before < 40


def test_another_layer_is_explained(dashboard: Any, engine: Engine) -> None:
    widget = dashboard.test.selectbox(key="layer-widget")
    assert widget.value == "auto"
    assert widget.options[0].startswith("Best: ")
    before = dashboard.values("grad-cam")
    first = engine.load("photo-cnn").layers[0]
    dashboard.test.selectbox(key="layer-widget").set_value(first.name).run()
    after = dashboard.values("grad-cam")
    assert after.shape == first.grid
    assert not np.array_equal(after, before)


def test_another_model_keeps_the_class_by_name_and_gives_up_the_layer_with_a_word(
    dashboard: Any, engine: Engine
) -> None:
    layer = engine.load("photo-cnn").layers[0].name
    dashboard.test.selectbox(key="target-widget").set_value(3).run()
    dashboard.test.selectbox(key="layer-widget").set_value(layer).run()
    dashboard.test.selectbox(key="bundled").set_value("photo-vit").run()
    assert not dashboard.test.exception
    assert "cat" in dashboard.rows[0]["detail"]
    assert dashboard.test.selectbox(key="layer-widget").value == "auto"
    assert f"photo-vit has no layer “{layer}”" in dashboard.sentences
    dashboard.test.selectbox(key="bundled").set_value("imagenet-cnn").run()
    assert "imagenet-cnn knows no class “cat”" in dashboard.sentences
    assert "photo-vit has no layer" not in dashboard.sentences, "of another model it is no news"
    dashboard.test.selectbox(key="bundled").set_value("photo-vit").run()
    assert "knows no class" not in dashboard.sentences
    assert dashboard.values("prompt-cam").max() > 0
    dashboard.test.slider(key="setting:prompt-cam.traits").set_value(1).run()
    assert not dashboard.test.exception


def test_without_methods_and_without_pictures_the_page_says_what_to_do(dashboard: Any) -> None:
    dashboard.pick("methods-front", [])
    assert "No method is chosen" in dashboard.sentences
    dashboard.test.session_state["tray"].shown = []
    dashboard.test.run()
    assert "No picture is chosen" in dashboard.sentences
    assert not dashboard.test.exception


def test_fewer_methods_are_fewer_columns(dashboard: Any) -> None:
    dashboard.pick("methods-front", ["eigen-cam"])
    assert [pane["key"] for pane in dashboard.rows[0]["panes"]] == ["picture", "eigen-cam"]
    assert not [slider for slider in dashboard.test.slider if "cf-cam" in str(slider.key)]


def test_a_picture_that_fails_costs_a_sentence_in_its_row(
    dashboard: Any, cat: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    explain = Engine.explain

    def fail_on_noise(self: Engine, picture: Any, *args: Any, **kwargs: Any) -> Any:
        if picture.name == "noise.png":
            raise RuntimeError("secret internals")
        return explain(self, picture, *args, **kwargs)

    monkeypatch.setattr(Engine, "explain", fail_on_noise)
    noise = encode(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    dashboard.upload(("noise.png", noise), ("cat.png", cat))
    assert not dashboard.test.exception
    failed = dashboard.row("noise.png")["panes"]
    assert [pane["key"] for pane in failed] == ["picture"]
    assert "could not be explained" in failed[0]["message"]
    assert "secret" not in str(dashboard.rows)
    assert dashboard.row("cat.png")["panes"][1]["map"] is not None


def test_what_nobody_expected_is_one_calm_sentence(dashboard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("secret internals")

    monkeypatch.setattr("components.maps.rows.describe_picture", fail)
    dashboard.test.run()
    assert not dashboard.test.exception
    assert "did not expect" in dashboard.sentences
    assert "secret" not in dashboard.sentences


def test_a_model_out_of_reach_is_one_sentence_and_the_way_back_works(
    dashboard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explain.models.hub._reach_hub", lambda _: False)
    from components.choices.model import ModelChoice
    from explain.models.request import ModelRequest

    dashboard.test.session_state["model"] = ModelChoice(ModelRequest(source="hub", name="resnet18.a1_in1k"))
    dashboard.test.run()
    assert "resnet18.a1_in1k" in dashboard.test.error[0].value
    assert dashboard.rows == []
    dashboard.test.button(key="model-first").click().run()
    assert not dashboard.test.error
    assert dashboard.values("grad-cam").max() > 0


def test_stopped_work_says_so_and_goes_on(dashboard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    monkeypatch.setattr("pages.compare_views.grid.is_stopped", lambda key: bool(keys.append(key)))
    dashboard.test.run()
    monkeypatch.undo()
    dashboard.test.session_state["stopped"] = keys[-1]
    dashboard.test.run()
    assert "Stopped" in dashboard.sentences
    assert dashboard.rows == []
    dashboard.test.button(key="go-on").click().run()
    assert dashboard.values("grad-cam").max() > 0


@pytest.mark.usefixtures("own_home")
def test_a_checkpoint_of_ones_own(dashboard: Any) -> None:
    weights, picture = DATA / "squeezenet1_0_imagenet.safetensors", DATA / "imagenet" / "n02123045_tabby.JPEG"
    if not weights.is_file():
        pytest.skip("the shared data are not here")
    dashboard.upload((picture.name, picture.read_bytes()))
    dashboard.give_file((weights.name, weights.read_bytes()))
    dashboard.test.selectbox(key="model-labels").set_value("imagenet").run()
    dashboard.use_file()
    assert not dashboard.test.exception
    assert not dashboard.test.error
    labels = [choice["label"] for choice in dashboard.pane("picture")["choices"]]
    assert any("cat" in label or "tabby" in label for label in labels), labels
    assert dashboard.values("cf-cam").shape == (13, 13)
    dashboard.test.button(key="own-file-open").click().run()
    dashboard.test.text_input(key="model-architecture").set_value("torchvision/resnet18").run()
    assert "resnet18" in dashboard.test.error[0].value
    dashboard.use_file()
    assert dashboard.test.session_state["model"].request.architecture == "torchvision/squeezenet1_0"
    assert dashboard.rows, "the model and its maps stay"


def test_a_chest_radiograph(dashboard: Any, engine: Engine) -> None:
    folder = DATA / "xray"
    if not folder.is_dir():
        pytest.skip("the shared data are not here")
    paths = sorted(folder.glob("*.png"))[:2]
    dashboard.upload(*[(path.name, path.read_bytes()) for path in paths])
    assert [row["label"] for row in dashboard.rows] == [path.name for path in paths]
    assert not dashboard.test.error
    default = engine.load("photo-cnn").default_layer
    assert default is not None
    assert dashboard.values("grad-cam").shape == default.grid


def test_a_computed_tomogram(dashboard: Any) -> None:
    from pydicom.data import get_testdata_file

    path = Path(str(get_testdata_file("CT_small.dcm")))
    dashboard.upload(("DOE_JOHN.dcm", path.read_bytes()))
    (row,) = dashboard.rows
    assert row["label"] == f"Picture 1 · {row['key'][:6]}"
    assert "128 × 128" in row["notes"][0]
    assert "photo-cnn knows everyday things, not CT slices" in row["caution"]
    assert not dashboard.test.error
    everything = "".join(str(getattr(element, "proto", "")) for element in dashboard.test)
    assert "DOE_JOHN" not in everything and "http:" not in everything and "https:" not in everything
    assert row["remedy"] == ["Load your model", "caution:"]
    dashboard.test.selectbox(key="names-widget").set_value("shown").run()
    assert [row["label"] for row in dashboard.rows] == ["DOE_JOHN.dcm"]
    assert "names" not in dashboard.words
    dashboard.test.selectbox(key="names-widget").set_value("hidden").run()
    assert dashboard.words["names"] == "hidden" and "DOE" not in dashboard.rows[0]["label"]
    dashboard.turn_to("layers")
    assert any("not CT slices" in text.value for text in dashboard.test.markdown)
    dashboard.test.button(key="caution-use-0").click().run()
    assert dashboard.test.session_state["model-source"] == "file", "a model of one's own is asked for"


# Compare by


def test_layers_side_by_side_are_the_maps_of_each_layer(dashboard: Any, engine: Engine) -> None:
    dashboard.pick("methods-front", ["grad-cam"])
    dashboard.pick("compare-by", "layers")
    assert not dashboard.test.exception
    (row,) = dashboard.rows
    names = [pane["key"] for pane in row["panes"]]
    layers = [layer.name for layer in engine.load("photo-cnn").layers]
    assert names == ["picture", *[name for name in layers if name in names]] and len(names) == 5
    for name in names[1:]:
        (alone,) = engine.explain(bundled_pictures()[0].path, "photo-cnn", ["grad-cam"], layer=name).pictures[0].maps
        assert np.array_equal(dashboard.values(name), alone.values)


def test_classes_side_by_side_are_the_three_likeliest_or_those_chosen(dashboard: Any, engine: Engine) -> None:
    dashboard.pick("methods-front", ["grad-cam", "eigen-cam"])
    dashboard.pick("compare-by", "classes")
    best = engine.predict(decode(bundled_pictures()[0].path.read_bytes(), "p"), "photo-cnn", 3)
    assert [pane["title"] for pane in dashboard.rows[0]["panes"]] == ["Picture", *(p.label for p in best)]
    assert len(dashboard.rows) == 2
    assert not np.array_equal(dashboard.values("0"), dashboard.values("1"))
    assert np.array_equal(dashboard.values("0", 1), dashboard.values("1", 1))  # Eigen-CAM never asks for the class
    dashboard.test.multiselect(key="compare-with").set_value(["8"]).run()
    assert [pane["title"] for pane in dashboard.rows[0]["panes"]] == ["Picture", "ship"]


def test_models_side_by_side_each_at_its_best_layer(dashboard: Any, engine: Engine) -> None:
    dashboard.pick("methods-front", ["grad-cam", "prompt-cam"])
    dashboard.pick("compare-by", "models")
    assert not dashboard.test.exception
    names = [pane["key"] for pane in dashboard.rows[0]["panes"]]
    assert names == ["picture", "photo-cnn", "imagenet-cnn", "photo-vit"]
    for model in ("photo-cnn", "photo-vit"):
        (alone,) = engine.explain(bundled_pictures()[0].path, model, ["grad-cam"]).pictures[0].maps
        assert np.array_equal(dashboard.values(model), alone.values)
    assert [pane["key"] for pane in dashboard.rows[1]["panes"]] == ["picture", "photo-vit"]
    assert dashboard.values("photo-vit", 1).max() > 0
    assert r"Not for photo\-cnn: Prompt-CAM." in dashboard.sentences
    assert (
        "Left out, as they do not know what is shown: birds-cnn, birds-vit, chest-xray, scan-mri and scan-mri-tumour."
        in dashboard.sentences
    )
    assert "Figure, raw maps and manifest are of one model" in dashboard.sentences


def test_the_difference_of_two_and_how_far_they_agree(dashboard: Any) -> None:
    dashboard.open("compare-difference")
    dashboard.test.selectbox(key="compare-difference-a").set_value("grad-cam")
    dashboard.test.selectbox(key="compare-difference-b").set_value("eigen-cam").run()
    one, other = (np.maximum(dashboard.values(name), 0) for name in ("grad-cam", "eigen-cam"))
    expected = one / one.max() - other / other.max()
    assert np.allclose(dashboard.values("difference"), expected, atol=1e-6)
    dashboard.test.toggle(key="agreement").set_value(True).run()
    assert not dashboard.test.exception
    assert "Most alike: " in dashboard.sentences and "Agreement is no proof" in dashboard.sentences


def test_maps_of_a_bundled_model_are_checked_unasked_and_it_is_known_what_that_takes(
    open_dashboard: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"model": "photo-cnn", "method": ["grad-cam"]}
    monkeypatch.setattr(verdicts, "LONGEST_UNASKED", math.inf)
    monkeypatch.setattr(judging, "_LONGEST", 0.0)  # trying places in other pictures has tests of its own

    def judge(dashboard: Any) -> int:
        """Passes of the network, once the fragment under the maps has run and the work is done."""
        before = engine.passes.forward
        with monkeypatch.context() as quick:
            quick.setattr(verdicts, "STILL", 0.0)
            dashboard.test.run()
        dashboard.test.session_state["judging"].work.result()
        return engine.passes.forward - before

    picture = read_example_digests()["owl"]
    first = open_dashboard({**words, "picture": picture})
    assert first.test.toggle(key="verdicts-switch").value
    masked, copies = len(FILLS) * (FULL_LOOK + 2), 8
    # The picture for its rivals, masked passes, copies; once a network, how batch norms are worked in. Maps of other
    # pictures ship with the model.
    assert judge(first) - (1 + masked + copies) in (0, 2, 8, 10)  # and masks tried in half precision
    assert judge(first) == 0, "what is known is not measured again"
    for _ in engine.judge(decode_example("owl"), "photo-cnn", ["cf-cam"]):
        pass
    before = engine.passes.forward
    for _ in engine.judge(decode_example("owl"), "photo-cnn", ["cf-cam"], settings={"cf-cam": {"eps": 2.0}}):
        pass
    assert engine.passes.forward == before, "nor does a moved slider take a pass"
    (found,) = first.test.session_state["judging"].found.values()
    assert [verdict.settled for verdict in found.values()] == [True]
    first.test.run()  # what was measured by now is told in the sentence too
    (late,) = first.test.session_state["judging"].write_sentences().values()
    known = first.rows[0]["sentence"]
    assert known.startswith("The model says “") and late != known
    (entry,) = first.test.session_state["judging"].entries.values()
    assert late == write_sentence(replace(entry, verdicts=found)).text

    first.test.toggle(key="verdicts-switch").set_value(False).run()
    assert first.words["verdicts"] == "0" and "judging" not in first.test.session_state
    assert not open_dashboard({**words, "verdicts": "0"}).test.toggle(key="verdicts-switch").value
    old = open_dashboard({**words, "verdicts": "1"})
    assert old.test.toggle(key="verdicts-switch").value and old.words["verdicts"] == "1"
    fused = open_dashboard({**words, "augmentation": "flip"})
    switch = fused.test.toggle(key="verdicts-switch-not")
    assert not switch.value and switch.disabled
    assert "verdicts" not in fused.words

    monkeypatch.setattr(verdicts, "LONGEST_UNASKED", 0.0)  # a slow machine: it asks first, and says so under the maps
    slow = open_dashboard({**words, "picture": picture})
    switch = slow.test.toggle(key="verdicts-switch-asked")
    assert not switch.value and re.fullmatch(r"Check these maps \(about .*\)", switch.label)
    (unmeasured,) = slow.test.session_state["judging"].found.values()
    assert [verdict.words for verdict in unmeasured.values()] == [("not measured",)]
    assert slow.test.session_state["judging"].list_settled() == {}, "and that is nothing to take along"
    switch.set_value(True).run()
    assert slow.words["verdicts"] == "1" and slow.test.session_state["judging"].judge is not None


def test_curves_and_a_table_are_measured_once_the_section_is_opened(
    open_dashboard: Callable[..., Any], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partialmethod(Engine.measure, measures=("insertion", "deletion"))  # the others take as long again
    monkeypatch.setattr(Engine, "measure", few)
    dashboard = open_dashboard({"model": "photo-cnn", "method": ["grad-cam", "eigen-cam"]})
    before = engine.passes
    dashboard.test.run()
    assert engine.passes == before, "nothing is measured before"
    for _ in range(120):
        dashboard.open("curves")
        if dashboard.test.get("plotly_chart"):
            break
        time.sleep(0.5)
    assert not dashboard.test.exception
    table = dashboard.test.dataframe[0].value
    assert [*table["map"]][:3] == ["Grad-CAM", "Eigen-CAM", "All bright"]
    assert [*table.columns][2:5] == ["insertion", "deletion", "deletion to blur"]
    assert "random maps. A map does better than chance" in dashboard.sentences
    said = " ".join(str(element.value) for element in dashboard.test.markdown)
    assert "on this picture" in said.lower() and dashboard.words["curves"] == "1"
    spent = engine.passes
    dashboard.open("curves")
    assert engine.passes == spent and dashboard.test.get("plotly_chart")


def test_curves_of_who_is_away_are_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.session_state", {})
    measuring = curves._ask("key")
    assert curves._ask("key") is measuring
    measuring.let_go(20)
    assert measuring.stopped and curves._ask("key") is not measuring and not curves._ask("key").stopped


def test_masks_are_outlined_on_the_maps_and_take_no_pass(open_dashboard: Callable[..., Any], engine: Engine) -> None:
    words = {"model": "photo-cnn", "method": ["grad-cam", "layer-cam"], "verdicts": "0", "mask.share": "0.3"}
    closed = open_dashboard(words)
    assert closed.pane("grad-cam")["outlines"] == [] and closed.pane("grad-cam")["outlined"] == ""
    before = engine.passes
    dashboard = open_dashboard({**words, "masks": "1"})
    assert dashboard.words["masks"] == "1" and dashboard.words["mask.share"] == "0.3"
    picture = decode_example(bundled_pictures()[0].name)
    entry = engine.explain(picture, "photo-cnn", ["grad-cam", "layer-cam"]).pictures[0]

    def check(settings: MaskSettings) -> None:
        for found in find_masks(entry, settings):
            pane = dashboard.pane(found.heatmap.method)
            assert pane["outlined"] == f"{found.sentence}." and pane["outlines"][0]["rings"]
        (table,) = dashboard.test.table
        assert [*table.value["Map"]] == ["Grad-CAM", "Layer-CAM"] and "Other methods" in table.value.columns

    def set_value(widget: Any, value: Any) -> None:
        dashboard.test.session_state["masks"] = True  # a browser keeps the section open, AppTest does not
        widget.set_value(value).run()

    check(MaskSettings(share=0.3))
    set_value(dashboard.test.slider(key="mask.share"), 0.6)
    check(MaskSettings(share=0.6))
    set_value(dashboard.test.selectbox(key="mask.pieces"), "largest")
    check(MaskSettings(share=0.6, pieces="largest"))
    set_value(dashboard.test.selectbox(key="mask.threshold"), "otsu")
    check(MaskSettings(share=0.6, pieces="largest", threshold="otsu"))
    assert engine.passes == before and dashboard.words["mask.threshold"] == "otsu"
    assert "mask.share" in open_dashboard({**words, "masks": "1", "mask.share": "7"}).sentences


def test_a_language_models_words_have_a_box_of_their_own_where_a_folder_is_named(
    open_dashboard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = {"model": "photo-cnn", "method": ["grad-cam"], "verdicts": "0"}
    assert HEADING not in [section.label for section in open_dashboard(words).test.expander]
    monkeypatch.setenv("CAMSCOPE_WORDS", str(tmp_path))
    dashboard = open_dashboard(words)
    assert HEADING in [section.label for section in dashboard.test.expander]
    button = next(button for button in dashboard.test.button if str(button.key).startswith("words-"))
    button.click().run()
    assert "holds no config.json" in dashboard.sentences and not dashboard.test.exception
