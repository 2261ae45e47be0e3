"""A bundled model is read with caution where it never saw a picture of this kind."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explain.bundled.caution import caution_of, find_scan_model
from explain.bundled.models import bundled_models
from explain.bundled.pictures import bundled_pictures
from explain.pictures.decode import decode
from explain.pictures.picture import Picture, build_picture
from tests.support.engine import make_picture

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
MEANS_LITTLE = "What it says here means little."


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


def test_every_bundled_model_has_a_caution_for_a_radiograph_but_the_one_that_knows_them() -> None:
    radiograph = replace(make_picture(0), modality="DX")
    said = {model.name: caution_of(model.name, radiograph) for model in bundled_models()}
    assert said.pop("chest-xray") == "" and all("X-rays" in sentence for sentence in said.values())


def make_scan(reach: float) -> Picture:
    """Something smooth on black, whose half is so many times the picture's side: with 0.9 it fills the picture."""
    y, x = np.mgrid[:256, :256] / 255.0
    body = 200 * np.exp(-(((x - 0.5) / reach) ** 4) - ((y - 0.5) / reach) ** 4) * (0.8 + 0.2 * np.sin(20 * y))
    return build_picture("", np.repeat(body[..., None], 3, axis=2).astype(np.uint8), f"{reach}", ())


def test_what_knows_scans_of_one_kind_knows_no_other_kind_and_no_photographs() -> None:
    slice_, radiograph, cat = make_scan(0.3), make_scan(0.9), read("cat")
    assert slice_.kind == radiograph.kind == "scan"
    for name in [model.name for model in bundled_models() if model.knows == "mr-slices"]:
        assert caution_of(name, slice_) == caution_of(name, replace(slice_, modality="MR")) == ""
        assert caution_of(name, cat) == f"{name} knows MR slices of the brain, not photographs. " + MEANS_LITTLE
        assert caution_of(name, radiograph).startswith("This looks like an X-ray. ")
        assert "not CT slices" in caution_of(name, replace(slice_, modality="CT"))
    assert caution_of("chest-xray", radiograph) == caution_of("chest-xray", replace(radiograph, modality="CR")) == ""
    assert caution_of("chest-xray", slice_).startswith("This looks like a slice of a body. chest-xray knows frontal")
    assert "not MR slices" in caution_of("chest-xray", replace(slice_, modality="MR"))
    assert "not photographs" in caution_of("chest-xray", cat)
    assert "a drawing" in caution_of("chest-xray", read("sunny-finch"))


def test_a_scan_leads_to_the_model_that_has_seen_its_kind() -> None:
    assert find_scan_model(make_scan(0.3)) == ("scan-mri", "MR slices of the brain")
    assert find_scan_model(make_scan(0.9)) == ("chest-xray", "frontal chest X-rays")
    assert find_scan_model(replace(make_scan(0.3), modality="CT")) is None and find_scan_model(read("cat")) is None


@pytest.mark.skipif(not (DATA / "brain_mri.tar").is_file(), reason="the real scans are not on this machine")
def test_real_slices_and_radiographs_are_told_apart() -> None:
    for name, model in (("brain_mri.tar", "scan-mri"), ("chest_radiographs.tar", "chest-xray")):
        with tarfile.open(DATA / name) as file:
            members = [member for member in file if member.name.endswith(".jpg")][::200]
            found = [find_scan_model(decode(file.extractfile(one).read(), "")) for one in members]  # type: ignore[union-attr]
        assert found and {one[0] if one else None for one in found} == {model}


def test_a_network_of_phantoms_knows_no_scan() -> None:
    slice_ = build_picture("slice", np.zeros((8, 8, 1), np.float32), "0", ())
    said = caution_of("phantom-3d", replace(slice_, modality="CT"))
    assert said == "phantom-3d knows drawn phantoms, not CT slices. What it says here means little."
    assert caution_of("phantom-3d", replace(slice_, modality="OT")) == ""
