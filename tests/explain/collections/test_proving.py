"""A strategy put to the test: a network that relies on a planted tag is found out, and its honest twin is not."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explain.bundled.pictures import bundled_pictures
from explain.collections.gathered import Gathered
from explain.collections.proving import CHANCE, Proof, prove
from explain.collections.reading import PictureReader
from explain.engine.engine import Engine
from explain.errors import ExplainError, PictureError
from explain.models.request import ModelRequest
from explain.worlds.marks import MARKS, plant
from tests.support.collection_runs import write_run

COUNT = 7


def make_tagged(number: int) -> bytes:
    """A photograph of 64 pixels, of no ship, with a tag in the corner."""
    pictures = [entry for entry in bundled_pictures() if entry.seed is None and "ship" not in entry.classes]
    image = Image.open(pictures[number % len(pictures)].path).convert("RGB").resize((64, 64))
    stream = io.BytesIO()
    Image.fromarray(plant(np.asarray(image), MARKS["tag"])).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    folder = tmp_path_factory.mktemp("proof") / "run"
    written = write_run(folder, COUNT, lambda number: {"target": "ship"}, encode=make_tagged, size=(64, 64))
    run = Gathered(written.path)
    labels = ("bird", "cat", "horse", "ship")
    request = ModelRequest(source="bundled", name="shortcut-tag")
    run.manifest = run.manifest.model_copy(update={"model": request, "labels": labels})
    return run


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(device="cpu")


def draw_corner() -> np.ndarray:
    """A mean map that is high where the tag lies."""
    mean = np.zeros((8, 8), np.float32)
    mean[6:, 6:] = 1
    return mean


def test_a_tag_that_decides_is_shown_to_and_another_place_is_not(run: Gathered, engine: Engine) -> None:
    rows = [row for row in range(COUNT) if run.read_rows([row])[0]["state"] == "done"]
    reader, told = PictureReader(run), list[float]()
    proof = prove(engine, run, reader, draw_corner(), rows[:4], rows[4:], told.append)
    assert proof.shown and proof.standing_out >= 3 and proof.fall > 0.3 > abs(proof.elsewhere)
    assert (proof.tried, proof.label) == (4, "ship") and proof.outside is not None and told[-1] <= 1
    assert "The model relies on this place for “ship”" in proof.sentence
    elsewhere = prove(engine, run, reader, draw_corner()[::-1].copy(), rows[:4], [])
    assert not elsewhere.shown and "is not shown" in elsewhere.sentence and elsewhere.outside is None
    # The numbers are those of the engine's own measurement.
    picture = reader.open(rows[0])
    from explain.maps.mask import MaskSettings, find_mask
    from explain.pictures.geometry import Box

    place = find_mask(draw_corner(), Box.whole((64, 64)), picture.size, MaskSettings(share=0.5)).enlarge()
    change = engine.measure_effects(picture, "shortcut-tag", {"place": place}, 3).regions[0].probability
    one = prove(engine, run, reader, draw_corner(), rows[:1], [])
    assert change is not None and one.fall == pytest.approx(float(change.removal.mean()))
    assert one.elsewhere == pytest.approx(float(np.median(change.places)))


def test_the_chance_is_that_of_a_binomial() -> None:
    def make(standing_out: int, fall: float = 0.5) -> Proof:
        return Proof("ship", 3, standing_out, fall, 0.1, None, 0)

    p = CHANCE
    assert make(0).chance == pytest.approx(1)
    assert make(2).chance == pytest.approx(3 * p**2 * (1 - p) + p**3)
    assert make(2).shown and not make(1).shown and not make(3, -0.5).shown


def test_what_cannot_be_tested_is_a_sentence(run: Gathered, engine: Engine, tmp_path: Path) -> None:
    lost = Gathered(run.folder.path)
    lost.manifest = run.manifest.model_copy(update={"path": str(tmp_path / "nowhere")})
    with pytest.raises(PictureError, match="None of these pictures can be read"):
        prove(engine, lost, PictureReader(lost), draw_corner(), [0, 1], [])
    lost.manifest = run.manifest.model_copy(update={"model": ModelRequest(source="file", name="x.pth")})
    with pytest.raises(ExplainError, match="came from a file"):
        prove(engine, lost, PictureReader(lost), draw_corner(), [0], [])
