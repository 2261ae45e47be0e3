"""Judging maps with an engine: what it runs, what it says in a world where the answer is known, and when it stops."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from explain.engine.engine import Engine
from explain.engine.masked import FILLS, FULL_LOOK
from explain.engine.sight import Sight
from explain.engine.transplanting import LOOKED_AT
from explain.errors import Cancelled, MethodError
from explain.faithfulness.verdict import FEWEST_OTHERS, Verdict
from explain.models.loaded import LoadedModel, finish_loading
from explain.models.request import ModelRequest
from explain.passes.count import Passes
from explain.passes.folding import PASSES
from explain.pictures.geometry import Preprocessing
from tests.support.engine import build_model, encode, make_picture, spend

FAST = ("grad-cam", "eigen-cam")


class Corner(nn.Module):
    """Says “bright corner” by the light in the upper left quarter alone, “rest” by that of all else."""

    def __init__(self) -> None:
        super().__init__()
        self.light = nn.Conv2d(3, 1, 4, stride=4, bias=False)
        self.parts = nn.Conv2d(1, 2, 8, bias=False)
        nn.init.constant_(self.light.weight, 1 / 48)
        nn.init.zeros_(self.parts.weight)
        with torch.no_grad():
            self.parts.weight[0, 0, :4, :4] = 1.0
            self.parts.weight[1, 0, 4:] = 0.5

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.parts(self.light(pictures).relu()).flatten(1)


@pytest.fixture(scope="module")
def corner() -> LoadedModel:
    request = ModelRequest(source="module", name="corner")
    preprocessing = Preprocessing(input_size=(32, 32), mean=(0.0,) * 3, std=(1.0,) * 3)
    return finish_loading(request, Corner(), None, "corner", preprocessing, ("bright corner", "rest"), ())


def last(engine: Engine, *asked: object, **more: object) -> dict[str, Verdict]:
    (*_, found) = engine.judge(*asked, **more)  # type: ignore[arg-type]
    return dict(found)


def test_where_the_answer_is_known_the_true_map_is_backed(corner: LoadedModel) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(60, 120, (32, 32, 3)).astype(np.uint8)
    pixels[:16, :16] += 100
    picture = encode(pixels, "corner.png")
    found = last(Engine(), picture, corner, ["hires-cam"], layer="light", target=0)
    assert found["hires-cam/light/0"].words == ("backed", "one place decides")
    (_, place) = found["hires-cam/light/0"].marks
    assert "“bright corner”" in place.sentence and place.value is not None and place.value > 0.8


def test_moving_a_setting_or_asking_for_more_methods_takes_no_masked_pass() -> None:
    engine, cnn, picture = Engine(), build_model("cnn"), make_picture()
    first = last(engine, picture, cnn, FAST)
    assert {key.split("/")[0] for key in first} == {*FAST}
    assert spend(engine, lambda: last(engine, picture, cnn, FAST)) == Passes()
    more = spend(engine, lambda: last(engine, picture, cnn, ["hires-cam"]))
    assert more.forward == 0 and more.backward == 0  # the gradients are Grad-CAM's
    assert spend(engine, lambda: last(engine, picture, cnn, ["cf-cam"], settings={"cf-cam": {"eps": 2.0}})) == Passes()


@pytest.mark.parametrize("tried", [0, 8])
def test_all_masks_are_run_once_and_counted(monkeypatch: pytest.MonkeyPatch, tried: int) -> None:
    """Where the processor has half precision, some masks are tried in both."""
    monkeypatch.setattr("explain.engine.masked.has_half", lambda _: tried > 0)
    engine, cnn, picture = Engine(), build_model("cnn"), make_picture()
    looks = 1 + 1 + FEWEST_OTHERS + 8  # the picture, for its rivals once more; others; copies
    steps = [dict(found) for found in engine.judge(picture, cnn, FAST)]
    masked = len(FILLS) * (2 + FULL_LOOK) + PASSES + tried  # batch norms are folded once for all banks
    assert engine.passes.forward == looks + masked + LOOKED_AT  # all of which it calls the same: no place can be tried
    assert spend(engine, lambda: last(engine, make_picture(1), cnn, FAST)).forward == 1 + 1 + 8 + masked - PASSES
    assert not any(verdict.settled for step in steps[:-1] for verdict in step.values())
    assert all(verdict.settled for verdict in steps[-1].values())


def test_verdicts_come_with_an_explanation_where_they_are_asked_for() -> None:
    engine, cnn, picture = Engine(), build_model("cnn"), make_picture()
    assert engine.explain(picture, cnn, FAST).verdicts == ({},)
    explanation = engine.explain(picture, cnn, FAST, verdicts=True)
    (found,) = explanation.verdicts
    assert {*found} == {heatmap.key for heatmap in explanation.pictures[0].maps}
    with pytest.raises(MethodError, match="Leave out fusion"):
        engine.explain(picture, cnn, FAST, fusion="mean", layer=["layer3", "layer4"], verdicts=True)


def test_prompts_are_judged_by_their_own_answers_and_slow_methods_say_what_is_missing() -> None:
    engine, vit, picture = Engine(), build_model("vit"), make_picture()
    found = last(engine, picture, vit, ["prompt-cam"])
    assert len(found) == 1 and not {"not measured"} & {*next(iter(found.values())).words}
    slow = last(engine, picture, vit, ["rise"], settings={"rise": {"masks": 20}})
    (verdict,) = slow.values()
    assert sum("many times" in what for what in verdict.missing) == 2


def test_it_stops_when_told() -> None:
    cancel = threading.Event()
    steps = Engine().judge(make_picture(), build_model("cnn"), FAST, cancel=cancel)
    next(steps)
    cancel.set()
    with pytest.raises(Cancelled):
        next(steps)


def test_one_answer_alone_has_no_other_class() -> None:
    one = build_model("cnn", labels=("age",))
    value = replace(one, outputs="value")
    (verdict,) = last(Engine(), make_picture(), value, ["grad-cam"]).values()
    assert verdict.words == ("blank",) or any("no other class" in what for what in verdict.missing)


@pytest.mark.parametrize("answers", [2, 21_000])
def test_two_answers_and_very_many(answers: int) -> None:
    many = build_model("cnn", labels=tuple(f"class {number}" for number in range(answers)))
    (verdict,) = last(Engine(), make_picture(), many, ["grad-cam"]).values()
    assert verdict.settled and verdict.words and "not measured" not in verdict.words


@pytest.mark.parametrize(
    ("size", "colour", "sentence"),
    [((40, 50), 124, "the same everywhere"), ((1, 1), 200, "the same everywhere"), ((8, 400), None, "so narrow")],
)
def test_a_picture_without_parts_has_a_sentence(size: tuple[int, int], colour: int | None, sentence: str) -> None:
    cnn = build_model("cnn")
    padded = replace(cnn, preprocessing=cnn.preprocessing.model_copy(update={"fit": "pad"}))
    picture = make_picture(size=size) if colour is None else encode(np.full((*size, 3), colour, np.uint8), "even.png")
    (verdict,) = last(Engine(), picture, padded, ["grad-cam"]).values()
    assert verdict.settled and sentence in verdict.marks[0].sentence


def test_a_scan_is_told_that_the_pictures_it_is_compared_with_are_none() -> None:
    scan = replace(make_picture(), modality="CT")
    (verdict,) = last(Engine(), scan, build_model("cnn"), ["grad-cam"]).values()
    assert sum("other scans" in what for what in verdict.missing) == 1


def test_a_bank_is_the_same_whoever_asks_for_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, as measures do, or after a first look, as verdicts do."""
    monkeypatch.setattr("explain.engine.masked.has_half", lambda _: True)
    cnn, picture = build_model("cnn"), make_picture()
    judged, measured = Engine(), Engine()
    last(judged, picture, cnn, FAST)
    measured.measure(picture, cnn, FAST, measures=["hiding"])
    one, other = (engine._memory.recall(Sight(picture, cnn)) for engine in (judged, measured))
    assert one is not None and other is not None
    for key, bank in other.banks.items():
        assert len(bank.masks) == FULL_LOOK and (bank.answers == one.banks[key].answers).all()
