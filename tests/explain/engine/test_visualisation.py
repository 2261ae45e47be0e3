"""What a class or a channel wants to see, with an engine: against passes by hand, kept, stopped and gone on with."""

import threading

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.engine.visualisation import grow_cell
from explain.engine.wanted import Drawing, Exemplars
from explain.errors import Cancelled, ExplainError
from explain.models.loaded import LoadedModel, get_layer
from explain.passes.count import Passes
from explain.percent import write_percent
from explain.pictures.geometry import Box, prepare
from explain.pictures.picture import Picture
from tests.support.engine import build_model, make_picture, spend

SETTINGS = {"steps": 16, "crops": 2}


@pytest.fixture(scope="module")
def cnn() -> LoadedModel:
    return build_model("cnn")


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [make_picture(seed, f"picture {seed}") for seed in range(5)]


@pytest.fixture(scope="module")
def drawn(cnn: LoadedModel) -> tuple[Engine, Drawing]:
    engine = Engine("cpu")
    return engine, engine.draw(cnn, "dog", settings=SETTINGS)


def look(cnn: LoadedModel, picture: Picture, layer: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores, activations and the gradient of the third class there, by one pass of our own."""
    kept = []

    def keep(_module: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        kept.append(output.clone().requires_grad_(True))
        return kept[0]

    handle = cnn.module.get_submodule(layer).register_forward_hook(keep)
    with torch.enable_grad():
        scores = cnn.module(prepare(picture, cnn.preprocessing).tensor)[0]
        (gradient,) = torch.autograd.grad(scores[2], kept)
    handle.remove()
    return scores.detach(), kept[0].detach()[0], gradient[0]


def test_exemplars_of_a_class_are_those_of_the_highest_score(cnn: LoadedModel, pictures: list[Picture]) -> None:
    layer = get_layer(cnn)
    found = Engine("cpu").find_exemplars([*pictures, pictures[0]], cnn, "dog", most=3)
    looks = {picture.name: look(cnn, picture, layer.name) for picture in pictures}
    ranked = sorted(looks, key=lambda name: float(looks[name][0][2]), reverse=True)
    assert [one.picture.name for one in found.best] == ranked[:3] and found.looked_at == 5
    for one in found.best:
        scores, activations, gradient = looks[one.picture.name]
        cells = (activations * gradient).sum(0)
        assert one.answer.score == pytest.approx(float(scores[2]), abs=1e-4)
        assert one.answer.probability == pytest.approx(float(scores.softmax(0)[2]), abs=1e-5)
        assert one.value == pytest.approx(float(cells.max()), abs=1e-5)
        assert float(cells[one.cell]) == pytest.approx(one.value, abs=1e-5)
    assert found.answering == sum(int(scores.argmax()) == 2 for scores, *_ in looks.values())


def test_exemplars_of_a_channel_are_those_of_the_highest_cell(cnn: LoadedModel, pictures: list[Picture]) -> None:
    layer = cnn.layers[-2]
    engine = Engine("cpu")
    found = engine.find_exemplars(pictures, cnn, layer=layer.name, channel=3)
    channels = {picture.name: look(cnn, picture, layer.name)[1][3] for picture in pictures}
    assert [one.picture.name for one in found.best] == sorted(channels, key=lambda n: -float(channels[n].max()))
    for one in found.best:
        assert one.value == pytest.approx(float(channels[one.picture.name].max()), rel=1e-6, abs=1e-5)
        assert one.answer.score == pytest.approx(float(channels[one.picture.name].mean()), rel=1e-6, abs=1e-5)
        assert one.answer.probability is None
    direction = [2.0 * (number == 3) for number in range(layer.channels)]
    twice = engine.find_exemplars(pictures, cnn, layer=layer.name, channel=direction)
    assert twice.best[0].value == pytest.approx(2 * found.best[0].value, abs=1e-5)
    assert twice.best[0].picture is found.best[0].picture


def test_a_picture_is_run_once(cnn: LoadedModel, pictures: list[Picture]) -> None:
    engine = Engine("cpu")
    assert spend(engine, lambda: engine.find_exemplars(pictures, cnn, channel=0)) == Passes(5, 0)
    assert spend(engine, lambda: engine.find_exemplars(pictures, cnn, channel=1)) == Passes()


def test_facets_have_the_mean_of_their_pictures(cnn: LoadedModel, pictures: list[Picture]) -> None:
    direction = np.ones(get_layer(cnn).channels).tolist()
    found = Engine("cpu").find_exemplars(pictures, cnn, channel=direction)
    (facet,) = found.facets
    assert facet.count == found.answering == len(facet.exemplars) and found.silhouette is None
    mean, std = torch.tensor(cnn.preprocessing.mean), torch.tensor(cnn.preprocessing.std)
    shown = [prepare(one.picture, cnn.preprocessing).tensor[0].permute(1, 2, 0) * std + mean for one in facet.exemplars]
    assert np.allclose(facet.mean, torch.stack(shown).mean(0).numpy(), atol=1e-5)
    assert "too few" in found.sentence and str(found.answering) in found.sentence
    assert found.as_data()["facets"][0]["count"] == facet.count


def test_a_cell_grows_by_half_of_itself() -> None:
    assert grow_cell(Box(0, 0, 40, 20), (1, 2), (2, 4)) == Box(15.0, 5.0, 35.0, 25.0)


def test_a_drawing_raises_its_class_and_is_answered_as_a_whole(drawn: tuple[Engine, Drawing], cnn: LoadedModel) -> None:
    _, drawing = drawn
    assert len(drawing.curve) == 16 and drawing.is_whole
    assert np.mean(drawing.curve[-4:]) > np.mean(drawing.curve[:4])
    assert drawing.pixels.shape == (32, 32, 3) and drawing.pixels.dtype == np.uint8
    assert drawing.alpha.shape == (32, 32) and drawing.alpha.max() == 1
    pixels = torch.from_numpy(drawing.pixels).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in (cnn.preprocessing.mean, cnn.preprocessing.std))
    with torch.no_grad():
        scores = cnn.module(((pixels - mean) / std)[None])[0]
    assert drawing.score == pytest.approx(float(scores[2]), rel=0.01)  # a byte a colour
    assert drawing.probability == pytest.approx(float(scores.softmax(0)[2]), abs=0.02)
    assert drawing.answer.likeliest == cnn.labels[int(scores.argmax())]


def test_what_was_drawn_is_not_drawn_again(drawn: tuple[Engine, Drawing], cnn: LoadedModel) -> None:
    engine, drawing = drawn
    assert spend(engine, lambda: engine.draw(cnn, 2, settings=SETTINGS)) == Passes()
    assert engine.draw(cnn, "dog", settings=SETTINGS) is drawing
    other = engine.draw(cnn, "dog", settings=SETTINGS, seed=1)
    assert not np.array_equal(other.pixels, drawing.pixels)
    engine.forget()
    again = engine.draw(cnn, "dog", settings=SETTINGS)
    assert again is not drawing and np.array_equal(again.pixels, drawing.pixels)


def test_stopped_half_way_it_is_what_is_there_and_goes_on_from_there(
    drawn: tuple[Engine, Drawing], cnn: LoadedModel
) -> None:
    engine, cancel = Engine("cpu"), threading.Event()
    with pytest.raises(Cancelled):
        done = threading.Event()
        done.set()
        engine.draw(cnn, "dog", settings=SETTINGS, cancel=done)
    told = []

    def stop_after_a_chunk(share: float, text: str) -> None:
        told.append((share, text))
        cancel.set()

    half = engine.draw(cnn, "dog", settings=SETTINGS, progress=stop_after_a_chunk, cancel=cancel)
    assert told == [(0.0, "Drawing “dog”")] and len(half.curve) == 8 and not half.is_whole
    assert "Stopped after 8 of 16 steps." in half.write_sentence()
    assert engine.draw(cnn, "dog", settings=SETTINGS, cancel=cancel) is half, "a look at what is there runs nothing"
    whole = engine.draw(cnn, "dog", settings=SETTINGS)
    assert np.array_equal(whole.pixels, drawn[1].pixels) and whole.curve == drawn[1].curve
    assert np.array_equal(whole.alpha, drawn[1].alpha)


def test_a_drawing_of_a_channel_starts_from_a_picture(cnn: LoadedModel, pictures: list[Picture]) -> None:
    engine, layer = Engine("cpu"), cnn.layers[-2].name
    start = pictures[0].pixels.astype(np.float32) / 255
    drawing = engine.draw(cnn, layer=layer, channel=3, start=start, settings=SETTINGS)
    assert drawing.probability is None and drawing.goal.name == f"channel 3 of {layer}"
    assert drawing.curve[-1] > drawing.curve[0]
    assert drawing.pixels.tobytes() != engine.draw(cnn, layer=layer, channel=3, settings=SETTINGS).pixels.tobytes()


def test_a_vision_transformer_draws_too() -> None:
    vit = build_model("vit")
    drawing = Engine("cpu").draw(vit, layer="blocks.1.norm1", channel=1, settings={"steps": 8, "crops": 1})
    assert len(drawing.curve) == 8 and np.isfinite(drawing.curve).all()


def test_sentences_hold_the_numbers(drawn: tuple[Engine, Drawing], cnn: LoadedModel, pictures: list[Picture]) -> None:
    engine, drawing = drawn
    found: Exemplars = engine.find_exemplars(pictures, cnn, "dog")
    text = drawing.write_sentence(found.best[0])
    assert drawing.probability is not None and found.best[0].answer.probability is not None
    for probability in (drawing.probability, found.best[0].answer.probability):
        assert write_percent(probability, 1) in text
    assert drawing.as_data()["curve"] == list(drawing.curve)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "either of them"),
        ({"target": "dog", "channel": 1}, "either of them"),
        ({"target": "auto"}, "by its name"),
        ({"target": "zebra"}, "no class “zebra”"),
        ({"channel": 999}, "no channel 999"),
        ({"channel": [1.0, 2.0]}, "finite numbers"),
        ({"channel": 0, "layer": "nowhere"}, "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(cnn: LoadedModel, asked: dict[str, object], said: str) -> None:
    with pytest.raises(ExplainError, match=said):
        Engine("cpu").draw(cnn, **asked)  # type: ignore[arg-type]


def test_bad_settings_starts_and_pictures_are_refused_in_a_sentence(cnn: LoadedModel) -> None:
    engine = Engine("cpu")
    with pytest.raises(ExplainError, match="does not take steps = 3"):
        engine.draw(cnn, "dog", settings={"steps": 3})
    with pytest.raises(ExplainError, match="starts from a picture"):
        engine.draw(cnn, "dog", start=np.zeros((4, 4)))
    with pytest.raises(ExplainError, match="no picture"):
        engine.find_exemplars([], cnn, "dog")
