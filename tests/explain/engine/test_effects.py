"""Taking regions away with an engine: against passes made by hand, counted, kept, and stopped."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.errors import Cancelled, PictureError
from explain.faithfulness.effects import FILLS, Effects
from explain.faithfulness.holes import CONTROLS
from explain.models.loaded import LoadedModel
from explain.passes.count import Passes
from explain.pictures.geometry import prepare
from explain.pictures.painting import paint_over
from explain.pictures.picture import Picture
from tests.support.engine import build_model, make_picture, spend

REGIONS = {"left": (2, 4, 12, 16), "right": (20, 14, 28, 26)}


@pytest.fixture(scope="module")
def cnn() -> LoadedModel:
    return build_model("cnn")


@pytest.fixture(scope="module")
def picture(cnn: LoadedModel) -> Picture:
    """One of the very size of the model's input, so that what is painted can be painted on the picture."""
    whole = make_picture()
    pixels = np.random.default_rng(1).integers(0, 255, (*cnn.preprocessing.input_size, 3), dtype=np.uint8)
    return Picture(whole.name, pixels, pixels, whole.digest)


@pytest.fixture(scope="module")
def known(cnn: LoadedModel, picture: Picture) -> tuple[Engine, Effects]:
    engine = Engine("cpu")
    return engine, engine.measure_effects(picture, cnn, REGIONS, 2)


def test_it_equals_passes_over_pictures_painted_by_hand(
    known: tuple[Engine, Effects], cnn: LoadedModel, picture: Picture
) -> None:
    def score(one: Picture) -> float:
        with torch.no_grad():
            return float(cnn.module(prepare(one, cnn.preprocessing).tensor)[0, 2])

    _, effects = known
    seed = int(picture.digest[:8], 16)
    whole = score(picture)
    assert effects.whole.score == pytest.approx(whole, abs=1e-4) and effects.whole.label == cnn.labels[2]
    for number, how in enumerate(FILLS):
        left, right = (paint_over(picture, region, how, seed) for region in REGIONS.values())
        both = left.model_pixels.copy()
        both[14:26, 20:28] = right.model_pixels[14:26, 20:28]
        nothing = score(Picture("both", both, both, "b" * 64))
        for effect, without, other in zip(effects.regions, (left, right), (right, left), strict=True):
            change = effect.score
            assert change.removal[number] == pytest.approx(whole - score(without), abs=1e-4)
            assert change.alone[number] == pytest.approx(score(other) - nothing, abs=1e-4)
            assert change.share is not None
            expected = (whole - score(without) + score(other) - nothing) / 2
            assert change.share[number] == pytest.approx(expected, abs=1e-4)
    assert effects.regions[0].area == pytest.approx(120 / 32**2)


def test_what_was_asked_before_is_not_run_again(
    known: tuple[Engine, Effects], cnn: LoadedModel, picture: Picture
) -> None:
    engine, before = known
    again: list[Effects] = []
    assert spend(engine, lambda: again.append(engine.measure_effects(picture, cnn, REGIONS, 2))) == Passes()
    assert again[0].sentence == before.sentence
    assert spend(engine, lambda: engine.measure_effects(picture, cnn, REGIONS, "ship")) == Passes()
    one = {"left": REGIONS["left"]}
    assert spend(engine, lambda: engine.measure_effects(picture, cnn, one)) == Passes()


def test_passes_are_those_of_distinct_holes(cnn: LoadedModel, picture: Picture) -> None:
    engine = Engine("cpu")
    told: list[float] = []
    spent = spend(
        engine, lambda: engine.measure_effects(picture, cnn, REGIONS, progress=lambda share, _: told.append(share))
    )
    # The picture as it is, the other three coalitions and twice 19 places under each fill; the look, and what folding
    # the network takes.
    assert 0 <= spent.forward - (1 + len(FILLS) * (3 + 2 * CONTROLS) + 1) <= 4 and spent.backward == 0
    assert told == sorted(told) and told[-1] == 1


def test_it_can_be_stopped_and_goes_on_where_it_was(cnn: LoadedModel, picture: Picture) -> None:
    engine, cancel = Engine("cpu"), threading.Event()

    def stop(share: float, _: str) -> None:
        if share > 0.5:
            cancel.set()

    with pytest.raises(Cancelled):
        engine.measure_effects(picture, cnn, REGIONS, progress=stop, cancel=cancel)
    done = engine.passes.forward
    engine.measure_effects(picture, cnn, REGIONS)
    assert 0 < engine.passes.forward - done < 165 - 63  # 64 at a time are kept


def test_a_flip_is_named_under_each_fill(known: tuple[Engine, Effects], cnn: LoadedModel, picture: Picture) -> None:
    engine, _ = known
    seed = int(picture.digest[:8], 16)
    region = {"most": (3, 3, 30, 30)}
    effects = engine.measure_effects(picture, cnn, region)
    flips = {}
    for how in FILLS:
        with torch.no_grad():
            painted = prepare(paint_over(picture, region["most"], how, seed), cnn.preprocessing).tensor
            label = cnn.labels[int(cnn.module(painted)[0].argmax())]
        if label != effects.whole.decision:
            flips[how] = label
    assert flips and effects.regions[0].flips == flips and "flips from" in effects.sentence
    assert effects.regions[0].score.chance is None and "too large to compare" in effects.sentence


def test_a_value_has_no_probability(picture: Picture) -> None:
    value = build_model("cnn", labels=("age",))
    effects = Engine("cpu").measure_effects(picture, replace(value, outputs="value"), {"left": REGIONS["left"]})
    assert effects.whole.probability is None and effects.regions[0].probability is None
    assert "probability" not in effects.sentence and not effects.regions[0].flips


def test_what_cannot_be_asked_is_said(cnn: LoadedModel, picture: Picture) -> None:
    engine = Engine("cpu")
    with pytest.raises(PictureError, match="at least one"):
        engine.measure_effects(picture, cnn, {})
    many = {str(number): REGIONS["left"] for number in range(17)}
    with pytest.raises(PictureError, match="1 to 16"):
        engine.measure_effects(picture, cnn, many)
    with pytest.raises(PictureError, match="all that the model saw"):
        engine.measure_effects(picture, cnn, {"all": (0, 0, 32, 32)})
