"""The commands for traits, galleries and surgery, run in this process through the command line's own `main`."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explain.bundled.pictures import bundled_pictures
from explain.percent import write_percent

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def cat() -> Path:
    return next(picture.path for picture in bundled_pictures() if picture.name == "cat")


def test_traits_of_two_classes(run: Run, cat: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, printed, _ = run(f"traits {cat} --model photo-vit --class cat --class dog --top 2 --out {out}")
    assert status == 0
    data = json.loads((out / "traits.json").read_text())
    assert [entry["label"] for entry in data["classes"]] == ["cat", "dog"]
    assert len(data["scores"]) == 10
    assert [len(entry["traits"]) for entry in data["classes"]] == [2, 2]
    best = data["classes"][0]["traits"][0]
    assert f"1. head {best['head'] + 1}: without it {write_percent(best['blurred_probability'], 1)}" in printed
    assert "Heads of cat that no shown head of dog is like:" in printed
    with np.load(out / "maps.npz") as maps:
        assert len(maps.files) == 2
    with Image.open(out / "figure.png") as figure:
        assert figure.format == "PNG"


def test_the_likeliest_class_unless_told(run: Run, cat: Path, tmp_path: Path) -> None:
    run(f"traits {cat} --out {tmp_path}")
    data = json.loads((tmp_path / "traits.json").read_text())
    assert [entry["index"] for entry in data["classes"]] == [data["scores"][0]["index"]]


@pytest.mark.parametrize("place", ["", "cat", "train/cat"])
def test_gallery_of_a_folder_or_of_its_class_folder(run: Run, tmp_path: Path, place: str) -> None:
    folder, out = tmp_path / "set" / place, tmp_path / "out"
    folder.mkdir(parents=True)
    for picture in bundled_pictures()[:3]:
        shutil.copy(picture.path, folder)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / ".hidden").write_bytes(b"")
    if place:
        other = tmp_path / "set" / "dog"
        other.mkdir()
        shutil.copy(bundled_pictures()[4].path, other)
    status, printed, error = run(f"gallery {tmp_path / 'set'} --class cat --out {out} --top 1 --crops 2")
    assert status == 0
    assert "cat: 3 pictures, " in printed
    assert "left out: “broken.jpg”" in error
    with zipfile.ZipFile(io.BytesIO((out / "gallery.zip").read_bytes())) as archive:
        assert sorted(archive.namelist()) == ["gallery.json", "gallery.png", "trait-1/01.png", "trait-1/02.png"]
        assert archive.read("gallery.png") == (out / "gallery.png").read_bytes()


@pytest.mark.parametrize(
    "how", ["--box 60,50,200,180 --paint inpaint", "--outline 60,50,200,50,130,180", "--box 60,50,200,180 --swap {cat}"]
)
def test_surgery_says_before_and_after(run: Run, cat: Path, tmp_path: Path, how: str) -> None:
    status, printed, _ = run(f"surgery {cat} {how.format(cat=cat)} --class cat --top 1 --out {tmp_path}")
    assert status == 0
    assert printed.startswith("Altered: ")
    data = json.loads((tmp_path / "surgery.json").read_text())
    before, after = (data[moment]["classes"][0] for moment in ("before", "after"))
    assert f"cat: score {before['score']:.2f} → {after['score']:.2f}" in printed
    assert (before["score"] == after["score"]) == ("--swap" in how)  # the same picture has the same part there
    pixels, altered = (np.asarray(Image.open(path)) for path in (cat, tmp_path / "altered.png"))
    np.testing.assert_array_equal(altered[200:], pixels[200:])
    assert (tmp_path / "before.png").is_file() and (tmp_path / "after.png").is_file()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("traits {cat} --model photo-cnn --out {out}", "needs a ViT with trained class prompts"),
        ("traits {cat} --class zebra --out {out}", "no class “zebra”"),
        ("traits {cat} --top 0 --out {out}", "Invalid value for '--top'"),
        ("gallery {out} --class cat --out {out}", "holds no pictures of “cat”"),
        ("surgery {cat} --out {out}", "Say which region"),
        ("surgery {cat} --box 1,2,3,4 --outline 1,2,3,4,5,6 --out {out}", "Say which region"),
        ("surgery {cat} --box 1,2,3 --out {out}", "A region is a rectangle"),
        ("surgery {cat} --box 5,5,5,9 --out {out}", "holds no pixel"),
        ("surgery {cat} --outline 1,2,3,4,5 --out {out}", "takes pairs of numbers"),
        ("surgery {cat} --box 1,2,30,40 --swap {cat} --place 1,2 --out {out}", "no rectangle"),
        ("surgery {cat} --box 1,2,30,40 --paint gold --out {out}", "Invalid value for '--paint'"),
        ("traits {cat} --out {cat}", "Nothing can be written"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, cat: Path, tmp_path: Path, line: str, sentence: str) -> None:
    status, _, error = run(line.format(cat=cat, out=tmp_path / "out"))
    assert status == 2
    assert sentence in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
