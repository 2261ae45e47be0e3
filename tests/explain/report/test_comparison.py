"""The comparison as a figure: which panes it has, on which scale, and what stands at its foot."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from explain.engine.explanation import Explanation, PictureExplanation, Prediction
from explain.faithfulness.verdict import Mark, Verdict
from explain.maps.heatmap import Heatmap
from explain.maps.render import RenderSettings
from explain.methods import get_method
from explain.passes.count import Passes
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.report.comparison import PICTURE, build_rows, describe_making, draw_overlay, encode_figure, find_ranges

PIXELS = np.full((40, 60, 3), (40, 90, 200), dtype=np.uint8)
CROP = Box(10.0, 0.0, 50.0, 40.0)


def heat(method: str, values: Any, target: int = 3) -> Heatmap:
    made = np.asarray(values, dtype=np.float32)
    settings = get_method(method).settings()
    return Heatmap(method, settings, "layer4", target, "cat", made, CROP, 0.0, Passes())


def explain(*maps: Heatmap, name: str = "cat.png", **unavailable: str) -> PictureExplanation:
    picture = Picture(name, PIXELS, PIXELS, name)
    targets = tuple(dict.fromkeys(heatmap.target for heatmap in maps))
    labels = tuple(f"class {target}" for target in targets)
    return PictureExplanation(
        picture, (Prediction(3, "cat", 0.7),), (), targets, labels, ("layer4",), maps, unavailable
    )


def answer(*entries: PictureExplanation) -> Explanation:
    model: Any = SimpleNamespace(request=SimpleNamespace(name="net-of-mine"), fingerprint="f" * 64)
    return Explanation(model, entries)


def read_texts(svg: bytes) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg) if element.tag.endswith("text")]


def test_a_shared_scale_is_that_of_one_method_on_all_pictures() -> None:
    one = explain(heat("grad-cam", [[0, 2]]), heat("cf-cam", [[0, 90]]))
    other = explain(heat("grad-cam", [[1, 5]]), heat("cf-cam", [[0, np.nan]]), name="dog.png")
    of_one, of_other = find_ranges([one, other], RenderSettings(scale="shared"))
    assert of_one == {"grad-cam/layer4/3": (0, 5), "cf-cam/layer4/3": (0, 90)}
    assert of_other == {"grad-cam/layer4/3": (0, 5)}
    assert find_ranges([other], RenderSettings()) == [{"grad-cam/layer4/3": (1, 5)}]
    view = RenderSettings(scale="shared", style="even")
    (heatmap, _) = one.maps
    assert (draw_overlay(one, heatmap, view, (0, 5)) != draw_overlay(one, heatmap, view)).any()


def test_what_has_no_map_has_no_pane_and_is_named_below() -> None:
    entry = explain(heat("grad-cam", [[0, 2]]), heat("cf-cam", [[0, np.nan]]), **{"prompt-cam": "It has none."})
    (ends,) = find_ranges([entry], RenderSettings())
    (row,) = build_rows(answer(entry), entry, ends)
    assert [pane.title for pane in row.panes] == ["Picture", "Grad-CAM"]
    assert row.missing == ["CF-CAM", "Prompt-CAM"]
    (chosen,) = build_rows(answer(entry), entry, ends, ["grad-cam"])
    assert [pane.title for pane in chosen.panes] == ["Grad-CAM"] and not chosen.missing


def test_what_was_measured_of_a_map_stands_below_it_and_below_all_what_that_means() -> None:
    marks = (Mark("same for other classes", "It is."), Mark("contradicted", "It is."))
    entry = explain(heat("grad-cam", [[0, 2]]), heat("cf-cam", [[0, 1]]))
    entry = replace(entry, verdicts={entry.maps[0].key: Verdict(marks)})
    texts = read_texts(encode_figure(answer(entry), RenderSettings(), kind="svg"))
    assert [text for text in texts if "≡ same for other classes" in text and "✕ contradicted" in text]
    assert "None says that the model is right." in " ".join(texts)
    plain = read_texts(encode_figure(answer(replace(entry, verdicts={})), RenderSettings(), kind="svg"))
    assert "model is right" not in " ".join(plain)


def test_several_classes_have_a_row_a_method_and_a_weak_one_is_pale() -> None:
    maps = [heat(name, [[0, size]], target) for name in ("grad-cam", "cf-cam") for target, size in ((3, 1), (5, 0.03))]
    entry = explain(*maps)
    (ends,) = find_ranges([entry], RenderSettings())
    rows = build_rows(answer(entry), entry, ends)
    assert [[pane.title.split(" ")[0] for pane in row.panes] for row in rows] == [
        ["Picture", "Grad-CAM", "Grad-CAM"],
        ["Picture", "CF-CAM", "CF-CAM"],
    ]
    weak = rows[0].panes[2]
    assert weak.strength == pytest.approx(0.3) and "3 % of their highest value" in weak.note


def test_the_foot_says_how_it_was_made() -> None:
    entry = explain(heat("grad-cam", [[0, 2]]), heat("cf-cam", [[0, 1]]))
    first, second = describe_making(replace(answer(entry), fusion="max"))
    assert "net-of-mine" in first and "f" * 16 in first and "fused by max" in first and str(date.today().year) in first
    assert "CF-CAM: " in second and " 0.3" in second and "sigma 1" in second


def test_a_lent_map_names_its_model_and_is_not_missing() -> None:
    entry = explain(heat("grad-cam", [[0, 2]]), **{"prompt-cam": "It has none."})
    lent = {"cat.png": ("photo-vit", explain(heat("prompt-cam", [[0, 1]])))}
    said = " ".join(read_texts(encode_figure(answer(entry), RenderSettings(), None, "svg", lent)))
    assert "Prompt-CAM" in said and "From photo-vit, for cat." in said and "Without a map" not in said
    said = " ".join(read_texts(encode_figure(answer(entry), RenderSettings(), None, "svg")))
    assert "Without a map: Prompt-CAM." in said


def test_the_figure_as_svg_says_what_the_png_shows() -> None:
    entry = explain(heat("grad-cam", [[0, 2]]), heat("integrated-gradients", np.eye(9)))
    columns = [PICTURE, "grad-cam"]
    texts = read_texts(encode_figure(answer(entry), RenderSettings(threshold=0.2), columns, "svg"))
    said = " ".join(texts)
    for part in ("Grad-CAM", "Hatched: cropped away", "below 20 %", "net-of-mine", "Not for diagnostic use"):
        assert part in said, part
    assert "Integrated Gradients" not in texts
    png = Image.open(io.BytesIO(encode_figure(answer(entry), RenderSettings(), columns)))
    whole = Image.open(io.BytesIO(encode_figure(answer(entry), RenderSettings())))
    assert png.width < whole.width
