"""Pictures compared with those a model knows: what is said of which, at no pass of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from explain.bundled.models import bundled_models, find_calibration
from explain.bundled.pictures import bundled_pictures
from explain.datasets.loose import LoosePicture
from explain.engine import known_pictures
from explain.engine.engine import Engine
from explain.errors import PictureError
from explain.faithfulness.unlike import FEWEST, SENTENCE, SENTENCE_OF_REFERENCES, read_known
from explain.models.loaded import LoadedModel
from explain.passes.count import Passes
from tests.support.engine import encode, make_picture

MODELS = [model.name for model in bundled_models() if model.knows in ("photographs", "drawings")]


@pytest.fixture(scope="module")
def shared() -> Engine:
    return Engine("cpu")


def draw_radiograph() -> np.ndarray:
    """Two dark lungs in a grey chest, without an edge or a colour."""
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    chest = 150 * np.exp(-(x**2 + 0.5 * y**2)) + 40 * np.exp(-40 * x**2)
    lungs = sum(90 * np.exp(-((x - side) ** 2 * 14 + y**2 * 3)) for side in (-0.4, 0.4))
    return np.clip(chest - lungs + 40, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


def draw_text() -> np.ndarray:
    page = Image.new("RGB", (400, 300), "white")
    for row in range(12):
        ImageDraw.Draw(page).text((10, 10 + 24 * row), "the model sees light on water " * 3, "black", font_size=16)
    return np.asarray(page)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_photographs_and_drawings_ships_what_its_pictures_look_like(shared: Engine, name: str) -> None:
    path = find_calibration(name)
    assert path.stat().st_size < 100_000
    known, notes = read_known(path)
    assert notes["fingerprint"] == shared.load(name).fingerprint, (
        f"{name} has other weights now: run python -m benchmarks.calibration {name}"
    )
    assert notes["how"] and len(known.null) >= FEWEST and known.made.startswith("Compared with")


@pytest.mark.parametrize("name", ["photo-cnn", "imagenet-cnn"])
@pytest.mark.parametrize("draw", [draw_radiograph, draw_text, lambda: make_picture(0, size=(200, 200)).pixels])
def test_what_the_model_never_learned_from_is_met_with_one_sentence(
    shared: Engine, name: str, draw: Callable[[], np.ndarray]
) -> None:
    (entry,) = shared.explain(encode(draw(), "x.png"), name, "fem").pictures
    assert "means little" in entry.caution and entry.caution.count(".") <= 2


def test_noise_is_measured_to_be_unlike(shared: Engine) -> None:
    (entry,) = shared.explain(make_picture(1, size=(200, 200)), "imagenet-cnn", "fem").pictures
    assert entry.unlike.unlike and entry.caution == SENTENCE == entry.unlike.sentence
    assert entry.unlike.value is not None and entry.unlike.bound is not None
    assert entry.unlike.value > entry.unlike.bound >= np.quantile(entry.unlike.null, 0.9)


def test_of_the_examples_that_are_not_drawn_the_scans_alone_are_called_strange(shared: Engine) -> None:
    shown = [entry.path for entry in bundled_pictures() if entry.seed is None]
    answer = shared.explain(shown, "imagenet-cnn", "fem")
    told = {entry.picture.name: entry.caution for entry in answer.pictures if entry.caution}
    assert told and all("slice" in name or "radiograph" in name for name in told), told
    assert all("X-ray or a scan" in caution for caution in told.values())


def test_it_takes_no_pass_of_its_own(shared: Engine) -> None:
    before = shared.passes
    shared.explain(make_picture(2), "photo-cnn", "eigen-cam")
    assert shared.passes - before == Passes(forward=1)


def test_a_model_of_ones_own_is_compared_with_references_once(engine: Engine, cnn: LoadedModel) -> None:
    rng = np.random.default_rng(0)
    even = [encode(np.full((40, 50, 3), rng.integers(100, 156, 3), np.uint8), f"{n}.png") for n in range(FEWEST)]
    (plain,) = engine.explain(make_picture(0), cnn, "eigen-cam").pictures
    assert plain.unlike.value is None and plain.caution == ""
    before = engine.passes
    (told,) = engine.explain(make_picture(0), cnn, "eigen-cam", references=even).pictures
    assert engine.passes - before == Passes(forward=FEWEST)
    assert told.caution == SENTENCE_OF_REFERENCES and told.unlike.references
    before = engine.passes
    (known,) = engine.explain(even[0], cnn, "eigen-cam", references=even).pictures
    assert engine.passes - before == Passes(forward=1), "for its map alone: the references are remembered"
    assert known.caution == ""
    packed = [LoosePicture(one.digest, b"not opened") for one in even]
    before = engine.passes
    (again,) = engine.explain(make_picture(0), cnn, "eigen-cam", references=packed).pictures
    assert engine.passes == before and again.unlike == told.unlike, "known by their digests, and not opened again"


def test_references_are_refused_where_they_are_too_few_or_no_pictures(engine: Engine, cnn: LoadedModel) -> None:
    with pytest.raises(PictureError, match="3 reference pictures are too few"):
        engine.explain(make_picture(0), cnn, references=[make_picture(seed) for seed in range(3)])
    with pytest.raises(PictureError, match="1 reference pictures are too few"):
        engine.explain(make_picture(0), cnn, references=[make_picture(0)] * FEWEST)
    with pytest.raises(PictureError):
        engine.explain(make_picture(0), cnn, references=[b"no picture"] * FEWEST)


def test_without_its_file_a_bundled_model_says_that_nothing_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_pictures, "find_calibration", lambda name: find_calibration("gone"))
    (entry,) = Engine("cpu").explain(make_picture(0), "photo-cnn", "fem").pictures
    assert entry.unlike.value is None and "missing" in entry.unlike.made
