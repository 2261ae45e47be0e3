"""A bundled model is read with caution where it never saw a picture of this kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explain.bundled.caution import caution_of
from explain.bundled.models import bundled_models
from explain.bundled.pictures import bundled_pictures
from explain.pictures.decode import decode
from explain.pictures.picture import Picture, build_picture
from tests.support.engine import make_picture


def read(name: str) -> Picture:
    entry = next(entry for entry in bundled_pictures() if entry.name == name)
    return decode(entry.path.read_bytes(), entry.title)


@pytest.mark.parametrize("model", ["imagenet-cnn", "photo-cnn", "photo-vit"])
def test_what_knows_photographs_knows_no_drawings_scans_and_pages(model: str) -> None:
    assert caution_of(model, read("cat")) == ""
    assert caution_of(model, read("sunny-finch")).startswith(f"This looks like a drawing. {model} knows photographs")
    paper = build_picture("", np.full((60, 80, 3), 255, dtype=np.uint8), "0" * 64, ())
    scan = replace(paper, modality="MR")
    assert caution_of(model, scan) == f"{model} knows everyday things, not MR slices. What it says here means little."
    assert "not medical pictures" in caution_of(model, replace(scan, modality="XX"))


@pytest.mark.parametrize("model", ["birds-cnn", "birds-vit"])
def test_what_knows_drawn_birds_knows_no_photographs(model: str) -> None:
    assert caution_of(model, read("sunny-finch")) == ""
    assert "knows twelve drawn birds, not photographs" in caution_of(model, read("cat"))


def test_a_model_of_ones_own_is_not_judged() -> None:
    scan = replace(make_picture(0), modality="CT")
    classes = next(model.classes for model in bundled_models() if model.name == "imagenet-cnn")
    assert caution_of("own", scan) == caution_of("own", scan, "file", classes) == ""
    assert caution_of("timm/own", scan, "hub", ("a", "b")) == ""
    assert caution_of("timm/resnet50", scan, "hub", classes).startswith("timm/resnet50 knows everyday things, not CT")


def test_every_bundled_model_has_a_caution_for_a_radiograph() -> None:
    radiograph = replace(make_picture(0), modality="DX")
    assert all("X-rays" in caution_of(model.name, radiograph) for model in bundled_models())
