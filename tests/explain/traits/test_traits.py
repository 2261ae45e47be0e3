"""The eyes of class prompts, against whole passes of the network with heads blurred by hand."""

import io
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.errors import Cancelled, MethodError, TargetError
from explain.models.loaded import LoadedModel
from explain.passes.count import Passes
from explain.passes.prompts import HeadRanking
from explain.pictures.geometry import prepare
from explain.traits.traits import ClassView, Trait, compare_classes, encode_figure, encode_maps, look_with_eyes_of
from tests.support.network import build_network, make_picture, wrap_network
from tests.support.prompted import VARIANTS, build_small, rank_whole, score_whole, wrap_model

OTHER_KINDS: dict[str, dict[str, Any]] = {
    "registers": {"reg_tokens": 3},
    "query and key norms": {"qk_norm": True},
    "layer scale": {"init_values": 0.5},
    "no class token": {"class_token": False, "global_pool": "avg"},
}
KINDS: dict[str, dict[str, Any]] = {
    **{variant: {"variant": variant} for variant in VARIANTS},
    **{kind: {"variant": "deep", **options} for kind, options in OTHER_KINDS.items()},
}


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return wrap_model(build_small("deep"), "small")


@pytest.fixture
def engine() -> Engine:
    return Engine("cpu")


def spend(engine: Engine, work: Callable[[], object]) -> Passes:
    before = engine.passes
    work()
    return engine.passes - before


# Truth


@pytest.mark.parametrize(
    ("kind", "seed"), [*((variant, seed) for variant in VARIANTS for seed in range(2)), *((k, 0) for k in OTHER_KINDS)]
)
def test_everything_equals_whole_passes_with_the_heads_blurred(engine: Engine, kind: str, seed: int) -> None:
    model = build_small(seed=seed, **KINDS[kind])
    loaded, picture = wrap_model(model), make_picture(seed, 32)
    tensor = prepare(picture, loaded.preprocessing).tensor

    def chance(target: int, *blurred: int) -> float:
        return float(score_whole(model, tensor, target, list(blurred)).softmax(0)[target])

    view = look_with_eyes_of(engine, picture, loaded, [5, "class 2"], traits=3)
    scores = model(tensor)[0].double().numpy()
    np.testing.assert_allclose(view.scores, scores, atol=1e-4)
    np.testing.assert_allclose(view.probabilities, np.exp(scores) / np.exp(scores).sum(), rtol=1e-3)
    assert [p.index for p in view.predictions] == np.argsort(-view.scores).tolist()
    assert [seen.target for seen in view.classes] == [5, 2]
    for seen in view.classes:
        order, steps = rank_whole(model, tensor, seen.target)
        found = seen.ranking
        assert list(found.order) == order
        assert seen.probability == pytest.approx(chance(seen.target), rel=1e-3)
        assert found.alone == pytest.approx([chance(seen.target, head) for head in range(6)], rel=1e-3)
        assert found.least_first == pytest.approx(steps, rel=1e-3)
        assert found.most_first == pytest.approx([chance(seen.target, *order[:k]) for k in range(1, 7)], rel=1e-3)
        assert seen.without_traits == pytest.approx(chance(seen.target, *order[:3]), rel=1e-3)
        assert seen.label == f"class {seen.target}"
        assert [(trait.head, trait.rank) for trait in seen.traits] == [(h, r) for r, h in enumerate(order[:3], 1)]
        for trait in seen.traits:
            assert trait.blurred_probability == pytest.approx(chance(seen.target, trait.head), rel=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_maps_are_the_softmax_row_of_the_last_block(engine: Engine, variant: Any) -> None:
    model = build_small(variant, reg_tokens=2)
    loaded, picture = wrap_model(model), make_picture(4, 32)
    kept = {}
    block = model.backbone.blocks[-1]
    handle = block.attn.register_forward_pre_hook(lambda _module, given: kept.update(tokens=given[0][0]))
    model(prepare(picture, loaded.preprocessing).tensor)
    handle.remove()
    joint = block.attn.qkv(kept["tokens"]).reshape(-1, 3, 6, 8)
    view = look_with_eyes_of(engine, picture, loaded, [7])
    for head in range(6):
        scores = joint[7, 0, head] @ joint[:, 1, head].T / 8**0.5
        weights = torch.softmax(scores, 0)[-16:].reshape(4, 4).numpy()
        np.testing.assert_allclose(view.classes[0].attention[head], weights, atol=1e-5)
    first = view.classes[0].traits[0]
    row, column = np.unravel_index(first.values.argmax(), (4, 4))
    assert first.peak == (column * 8 + 4, row * 8 + 4)


def test_the_mean_map_is_prompt_cams(engine: Engine, loaded: LoadedModel) -> None:
    picture = make_picture(1, 32)
    seen = look_with_eyes_of(engine, picture, loaded, [3], traits=4).classes[0]
    heatmap = engine.explain(picture, loaded, ["prompt-cam"], target=3).pictures[0].maps[0]
    np.testing.assert_allclose(seen.mean, heatmap.values, atol=1e-7)


def test_half_precision_ranks_as_well(loaded: LoadedModel) -> None:
    seen = look_with_eyes_of(Engine("cpu", precision="half"), make_picture(1, 32), loaded, [3]).classes[0]
    found = seen.ranking
    assert sorted(found.order) == list(range(6)) and 0 <= seen.probability <= 1
    assert all(0 <= probability <= 1 for probability in (*found.alone, *found.least_first, *found.most_first))


# Passes


def test_one_pass_a_picture_and_none_for_another_class(engine: Engine, loaded: LoadedModel) -> None:
    picture = make_picture(0, 32)
    assert spend(engine, lambda: look_with_eyes_of(engine, picture, loaded, [0, 1, 2])) == Passes(1, 0)
    assert spend(engine, lambda: look_with_eyes_of(engine, picture, loaded, range(20))) == Passes(0, 0)
    assert spend(engine, lambda: look_with_eyes_of(engine, picture, loaded, [0], traits=6)) == Passes(0, 0)
    assert spend(engine, lambda: look_with_eyes_of(engine, make_picture(1, 32), loaded)) == Passes(1, 0)


def test_what_the_eyes_saw_serves_the_maps_and_the_other_way_round(engine: Engine, loaded: LoadedModel) -> None:
    first, second = make_picture(0, 32), make_picture(1, 32)
    look_with_eyes_of(engine, first, loaded, [0])
    assert spend(engine, lambda: engine.explain(first, loaded, ["prompt-cam"], target=0)) == Passes(1, 0)
    alone = Engine("cpu").explain(first, loaded, ["prompt-cam", "grad-cam"], target=0).pictures[0]
    both = engine.explain(first, loaded, ["prompt-cam", "grad-cam"], target=0).pictures[0]
    assert alone.predictions == both.predictions
    for ours, theirs in zip(both.maps, alone.maps, strict=True):
        assert np.array_equal(ours.values, theirs.values)
    engine.explain(second, loaded, ["prompt-cam"], target=0)
    assert spend(engine, lambda: look_with_eyes_of(engine, second, loaded, [0, 9])) == Passes(0, 0)


def test_predictions_after_the_eyes_are_the_networks_own(engine: Engine, loaded: LoadedModel) -> None:
    picture = make_picture(2, 32)
    expected = Engine("cpu").predict(picture, loaded)
    look_with_eyes_of(engine, picture, loaded)
    assert engine.predict(picture, loaded) == expected


def test_what_is_kept_of_a_picture_grows_with_the_classes_asked_only(loaded: LoadedModel) -> None:
    engine = Engine("cpu")
    picture = make_picture(0, 32)
    look_with_eyes_of(engine, picture, loaded, [0])
    one = engine.bytes_kept
    look_with_eyes_of(engine, picture, loaded, [0, 1])
    assert engine.bytes_kept - one == 6 * 4 * 4 * 4  # one more class: its attention


# Questions


def test_the_likeliest_class_unless_told(engine: Engine, loaded: LoadedModel) -> None:
    view = look_with_eyes_of(engine, make_picture(0, 32), loaded)
    assert [seen.target for seen in view.classes] == [int(view.scores.argmax())]
    assert view.classes[0].probability == view.predictions[0].probability
    assert len(view.classes[0].traits) == 4


def test_a_network_with_fewer_heads_shows_all(engine: Engine, loaded: LoadedModel) -> None:
    seen = look_with_eyes_of(engine, make_picture(0, 32), loaded, [0], traits=50).classes[0]
    assert len(seen.traits) == 6
    assert seen.without_traits == seen.ranking.most_first[-1] == seen.ranking.least_first[-1]


def test_bad_questions_are_sentences(engine: Engine, loaded: LoadedModel) -> None:
    picture = make_picture(0, 32)
    with pytest.raises(MethodError, match="at least one trait"):
        look_with_eyes_of(engine, picture, loaded, [0], traits=0)
    with pytest.raises(TargetError, match="at least one class"):
        look_with_eyes_of(engine, picture, loaded, [])
    with pytest.raises(TargetError, match="no class 20"):
        look_with_eyes_of(engine, picture, loaded, [20])
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Cancelled):
        look_with_eyes_of(engine, picture, loaded, [0], cancel=stopped)
    assert engine.passes == Passes(0, 0)
    cnn = wrap_network(build_network("resnet18", size=32), "resnet18", 32)
    with pytest.raises(MethodError, match="trained class prompts"):
        look_with_eyes_of(engine, picture, cnn, [0])


# Two classes


def make_view(maps: dict[int, np.ndarray]) -> ClassView:
    traits = tuple(Trait(head, rank, values, (0, 0), 0.5) for rank, (head, values) in enumerate(maps.items(), 1))
    return ClassView(0, "A", 0.0, 0.5, HeadRanking(tuple(maps), (), (), ()), traits, np.stack(list(maps.values())))


def test_a_trait_with_a_counterpart_and_one_without() -> None:
    rng = np.random.default_rng(0)
    left, right = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    left[:, 0], right[:, 3] = 1, 1
    near, far = ((left + rng.uniform(0, spread, (4, 4))).astype(np.float32) for spread in (0.01, 0.5))
    one, other = make_view({2: left, 5: right}), make_view({1: far, 0: near})
    found = compare_classes(one, other)
    assert [pair.found for pair in found.counterparts] == [True, False]
    assert found.counterparts[0].closest.head == 0
    assert found.counterparts[0].correlation == pytest.approx(np.corrcoef(left.ravel(), near.ravel())[0, 1])
    assert [trait.head for trait in found.own] == [5]
    np.testing.assert_allclose(found.difference, one.mean - other.mean)
    assert found.difference[0, 3] > 0 > found.difference[0, 0]
    assert compare_classes(one, one).own == ()


def test_a_flat_map_has_no_counterpart_and_is_none() -> None:
    flat = np.full((4, 4), 0.1, np.float32)
    found = compare_classes(make_view({0: flat}), make_view({0: flat}))
    assert found.counterparts[0].correlation == 0
    assert len(found.own) == 1


# What leaves


def test_plain_data_survives_json(engine: Engine, loaded: LoadedModel) -> None:
    view = look_with_eyes_of(engine, make_picture(0, 32), loaded, [4])
    data = json.loads(json.dumps(view.as_data()))
    assert [entry["index"] for entry in data["scores"]] == [p.index for p in view.predictions]
    for entry in data["scores"]:
        assert entry["score"] == view.scores[entry["index"]]
        assert entry["label"] == f"class {entry['index']}"
    assert sum(entry["probability"] for entry in data["scores"]) == pytest.approx(1)
    (seen,), (written,) = view.classes, data["classes"]
    assert written["ranking"] == list(seen.ranking.order) and written["alone"] == list(seen.ranking.alone)
    assert written["curve"] == [seen.probability, *seen.ranking.least_first]
    assert written["without_top"] == [seen.probability, *seen.ranking.most_first]
    np.testing.assert_array_equal(data["classes"][0]["traits"][0]["attention"], view.classes[0].traits[0].values)


def test_the_figure_and_the_maps_can_be_read(engine: Engine, loaded: LoadedModel) -> None:
    picture = replace(make_picture(0, 32), name="Großer Vogel.png")
    view = look_with_eyes_of(engine, picture, loaded, [4, 5], traits=2)
    sheet = cv2.imdecode(np.frombuffer(encode_figure(picture, view, title="Title"), np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape[1] == 2 * 32 + 3 * 384 + 2 * 24
    with np.load(io.BytesIO(encode_maps(view))) as maps:
        assert set(maps.files) == {"4", "5"}
        np.testing.assert_array_equal(maps["5"], view.classes[1].attention)


def test_nothing_handed_out_can_be_changed(engine: Engine, loaded: LoadedModel) -> None:
    view = look_with_eyes_of(engine, make_picture(0, 32), loaded, [4])
    for array in (view.scores, view.probabilities, view.classes[0].attention, view.classes[0].traits[0].values):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
