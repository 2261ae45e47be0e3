"""What kind of picture it is: what models of photographs have never seen is told from what they know."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import SPECIES
from explain.bundled.pictures import BundledPicture, bundled_pictures
from explain.pictures.decode import decode
from explain.pictures.kind import tell_kind, tell_scan
from explain.pictures.picture import alter

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
WORDS = "A heatmap shows what a model responds to and not whether it is right. "


def draw_page(size: tuple[int, int], ink: str, paper: str, noise: float = 0.0) -> np.ndarray:
    image = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(image)
    for line in range(20, size[1] - 20, 26):
        pen.text((20, line), WORDS[line % 20 :] * 2, fill=ink, font=ImageFont.load_default(18))
    grain = np.random.default_rng(0).normal(0, noise, (size[1], size[0], 1))
    return (np.asarray(image) + grain).clip(0, 255).astype(np.uint8)


def draw_lines() -> np.ndarray:
    image = Image.new("RGB", (500, 400), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((80, 60, 380, 330), outline="black", width=3)
    pen.line((20, 390, 480, 30), fill="black", width=2)
    return np.asarray(image)


def grey(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


@pytest.mark.parametrize("entry", bundled_pictures(), ids=lambda entry: entry.name)
def test_the_examples_are_photographs_scans_and_drawings(entry: BundledPicture) -> None:
    picture = decode(entry.path.read_bytes(), "")
    scanned = {"brain-slice": "slice", "chest-radiograph": "radiograph"}
    if entry.name in scanned:
        assert (picture.kind, tell_scan(picture.pixels)) == ("scan", scanned[entry.name])
    else:
        assert picture.kind == ("photograph" if entry.seed is None else "drawing")


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket", "chelsea"])
def test_photographs_in_colour_are_photographs(name: str) -> None:
    pixels = getattr(skimage.data, name)()
    assert tell_kind(pixels) == "photograph"
    assert tell_kind(cv2.resize(pixels, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)) == "photograph"


def test_a_photograph_without_colour_is_one_still() -> None:
    assert tell_kind(np.repeat(skimage.data.camera()[..., None], 3, axis=2)) == "photograph"
    assert tell_kind(grey(skimage.data.coffee())) == "photograph"


def test_drawn_birds_are_drawings() -> None:
    kinds = [tell_kind(draw_bird(species.name, 5, 224).pixels) for species in SPECIES]
    assert kinds == ["drawing"] * len(SPECIES)


@pytest.mark.parametrize(("ink", "paper"), [("black", "white"), ("#d8d8d8", "#15171a"), ("#203060", "#f4f0e4")])
@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_text_is_a_page_printed_scanned_or_on_a_screen(ink: str, paper: str, noise: float) -> None:
    assert tell_kind(draw_page((800, 600), ink, paper, noise)) == "page"


def test_a_line_drawing_is_a_page() -> None:
    assert tell_kind(draw_lines()) == "page"


def test_a_smooth_grey_picture_on_black_is_a_scan() -> None:
    y, x = np.mgrid[:256, :256] / 255.0
    body = np.exp(-(((x - 0.5) / 0.3) ** 4) - ((y - 0.5) / 0.4) ** 4)
    pixels = np.repeat((200 * body * (0.8 + 0.2 * np.sin(20 * y)))[..., None], 3, axis=2).astype(np.uint8)
    assert tell_kind(pixels) == "scan"


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2)])
def test_any_shape_has_a_kind(shape: tuple[int, int]) -> None:
    assert tell_kind(np.zeros((*shape, 3), dtype=np.uint8)) in ("photograph", "scan", "page", "drawing")


def test_a_dicom_file_is_a_scan_whatever_it_shows_and_stays_one_when_altered() -> None:
    from pydicom.data import get_testdata_file

    for name, modality in (("CT_small.dcm", "CT"), ("MR_small.dcm", "MR"), ("examples_rgb_color.dcm", "US")):
        path = Path(str(get_testdata_file(name)))
        picture = decode(path.read_bytes(), name)
        assert (picture.modality, picture.kind) == (modality, "scan")
        assert alter(picture, picture.model_pixels, "Nothing.").modality == modality


@pytest.mark.skipif(not (DATA / "xray").is_dir(), reason="the real radiographs are not on this machine")
def test_real_radiographs_are_scans_and_real_photographs_are_not() -> None:
    def count(folder: str, kind: str, step: int) -> tuple[int, int]:
        files = sorted(path for path in (DATA / folder).iterdir() if path.suffix.lower() in (".png", ".jpeg"))[::step]
        return sum(decode(path.read_bytes(), "").kind == kind for path in files), len(files)

    assert count("xray", "scan", 4) == (5, 5)
    assert count("imagenet", "photograph", 5) == (21, 21)
