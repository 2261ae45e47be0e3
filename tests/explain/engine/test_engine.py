"""The engine: what it runs, what it remembers, and that nothing of one request reaches another."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.engine.question import DEFAULT_METHODS
from explain.errors import Cancelled, LayerError, MethodError, ModelError, PictureError, TargetError
from explain.maps.fusion import Fusion, fuse_values
from explain.methods import Method, MethodResult, Settings, get_method
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.passes.capture import LayerCapture
from explain.passes.count import Passes
from explain.passes.look import Ask, look_at
from explain.pictures.augmentation import Augmentation
from explain.pictures.geometry import prepare
from explain.pictures.picture import Picture
from tests.support.engine import (
    LABELS,
    NONE,
    ONE_LOOK,
    PREPROCESSING,
    build_model,
    count_weights,
    encode,
    make_method,
    make_picture,
    spend,
    stop,
    values_of,
)


def change_one_pixel(picture: Picture, name: str) -> Picture:
    pixels = picture.pixels.copy()
    pixels[20, 25] = 255 - pixels[20, 25]
    return encode(pixels, name)


# Passes


def test_four_methods_share_one_look_and_one_pass_of_the_prompts(engine: Engine, vit: LoadedModel) -> None:
    picture = make_picture()
    assert spend(engine, lambda: engine.explain(picture, vit)) == Passes(2, 1)
    assert spend(engine, lambda: engine.explain(picture, vit)) == NONE
    assert spend(engine, lambda: engine.predict(picture, vit)) == NONE
    for name in DEFAULT_METHODS:
        assert spend(engine, lambda name=name: engine.explain(picture, vit, [name])) == NONE


def test_a_cnn_needs_no_pass_for_prompts_it_has_not(engine: Engine, cnn: LoadedModel) -> None:
    found: list[Explanation] = []
    assert spend(engine, lambda: found.append(engine.explain(make_picture(), cnn))) == ONE_LOOK
    (entry,) = found[0].pictures
    assert [heatmap.method for heatmap in entry.maps] == ["grad-cam", "eigen-cam", "cf-cam"]
    assert list(entry.unavailable) == ["prompt-cam"]
    assert "needs a ViT with trained class prompts" in entry.unavailable["prompt-cam"]
    assert entry.prompt_predictions == ()


def test_a_slider_of_cf_cam_runs_nothing_and_moves_the_map(engine: Engine, cnn: LoadedModel) -> None:
    picture = make_picture()
    maps = set()
    engine.explain(picture, cnn)
    bounds = get_method("cf-cam").settings.model_json_schema()["properties"]["eps"]
    for eps in (0.1 * bounds["maximum"], 0.5 * bounds["maximum"], bounds["maximum"]):
        for sigma in (0.0, 0.5, 2.0):
            settings = {"cf-cam": {"eps": eps, "sigma": sigma}}
            before = engine.passes
            (entry,) = engine.explain(picture, cnn, settings=settings).pictures
            assert engine.passes == before
            assert entry.maps[2].settings.eps == eps and entry.maps[2].settings.sigma == sigma
            assert entry.maps[2].passes == NONE
            maps.add(entry.maps[2].values.tobytes())
    assert len(maps) >= 4


def test_another_class_layer_or_score_is_one_look_more(engine: Engine, vit: LoadedModel) -> None:
    picture = make_picture()
    best = engine.explain(picture, vit).pictures[0].targets[0]
    other = (best + 1) % len(LABELS)
    layers = [layer.name for layer in vit.layers]
    default = vit.default_layer.name
    another = next(name for name in layers if name != default)
    assert spend(engine, lambda: engine.explain(picture, vit, target=other)) == ONE_LOOK
    assert spend(engine, lambda: engine.explain(picture, vit, layer=another)) == ONE_LOOK
    assert spend(engine, lambda: engine.explain(picture, vit, layer=another, target=other)) == ONE_LOOK
    assert spend(engine, lambda: engine.explain(picture, vit, score="probability")) == ONE_LOOK
    for target in (best, other, LABELS[other]):
        for layer in (default, another):
            assert spend(engine, lambda t=target, n=layer: engine.explain(picture, vit, layer=n, target=t)) == NONE


def test_methods_without_gradients_send_nothing_backward(engine: Engine, vit: LoadedModel) -> None:
    assert spend(engine, lambda: engine.explain(make_picture(), vit, ["eigen-cam"])) == Passes(1, 0)
    assert spend(engine, lambda: engine.explain(make_picture(1), vit, ["prompt-cam"])) == Passes(2, 0)
    assert spend(engine, lambda: engine.explain(make_picture(2), vit, [])) == Passes(1, 0)
    assert spend(engine, lambda: engine.predict(make_picture(3), vit)) == Passes(1, 0)
    assert spend(engine, lambda: engine.capture(make_picture(3), vit)) == ONE_LOOK
    assert spend(engine, lambda: engine.explain(make_picture(3), vit, ["grad-cam", "cf-cam"])) == NONE


def test_each_map_says_what_was_run_for_this_answer(engine: Engine, vit: LoadedModel) -> None:
    picture = make_picture()
    first = engine.explain(picture, vit, ["grad-cam", "eigen-cam"]).pictures[0]
    assert {heatmap.passes for heatmap in first.maps} == {ONE_LOOK}
    again = engine.explain(picture, vit, ["grad-cam", "prompt-cam"]).pictures[0]
    assert {heatmap.passes for heatmap in again.maps} == {Passes(1, 0)}
    cached = engine.explain(picture, vit).pictures[0]
    assert {heatmap.passes for heatmap in cached.maps} == {NONE}
    assert {heatmap.passes for heatmap in first.maps} == {ONE_LOOK}


def test_layers_and_classes_share_one_look_and_equal_those_asked_for_alone(vit: LoadedModel, cnn: LoadedModel) -> None:
    picture = make_picture(4)
    for model in (vit, cnn):
        layers, targets = [layer.name for layer in model.layers[-3:]], [4, 0, 2]
        engine = Engine("cpu")
        (entry,) = engine.explain(picture, model, ["grad-cam", "eigen-cam"], layer=layers, target=targets).pictures
        assert engine.passes == Passes(1, 3)
        assert (entry.layers, entry.targets) == (tuple(layers), tuple(targets))
        assert entry.labels == tuple(LABELS[target] for target in targets)
        assert [(m.target, m.layer, m.method) for m in entry.maps] == [
            (target, layer, method) for target in targets for layer in layers for method in ("grad-cam", "eigen-cam")
        ]
        for heatmap in entry.maps:
            alone = Engine("cpu").explain(picture, model, [heatmap.method], heatmap.layer, heatmap.target).pictures[0]
            assert alone.maps[0].values.tobytes() == heatmap.values.tobytes()
            assert heatmap.passes == Passes(1, 3)


def test_a_layer_or_class_named_twice_is_explained_once(engine: Engine, cnn: LoadedModel) -> None:
    best = engine.explain(make_picture(), cnn, ["grad-cam"]).pictures[0].targets[0]
    layer = cnn.default_layer.name
    (entry,) = engine.explain(make_picture(), cnn, ["grad-cam"], ["auto", layer], ["auto", best, LABELS[best]]).pictures
    assert (entry.layers, entry.targets, len(entry.maps)) == ((layer,), (best,), 1)
    for request in ({"layer": []}, {"target": []}):
        with pytest.raises((LayerError, TargetError), match="at least one"):
            engine.explain(make_picture(), cnn, **request)


@pytest.mark.parametrize("fusion", ["mean", "max", "product"])
def test_fused_layers_are_the_layers_own_maps_fused(engine: Engine, vit: LoadedModel, fusion: Fusion) -> None:
    layers = [layer.name for layer in vit.layers[:2]]
    (apart,) = engine.explain(make_picture(), vit, layer=layers).pictures
    before = engine.passes
    (entry,) = engine.explain(make_picture(), vit, layer=layers, fusion=fusion).pictures
    assert engine.passes == before
    assert [heatmap.method for heatmap in entry.maps] == list(DEFAULT_METHODS)
    for heatmap in entry.maps:
        own = [m for m in apart.maps if m.method == heatmap.method]
        if len(own) == 1:  # Prompt-CAM looks at one place, whatever the layer
            assert np.array_equal(heatmap.values, own[0].values)
            continue
        assert heatmap.layer == " + ".join(layers)
        assert np.array_equal(heatmap.values, fuse_values([m.values for m in own], fusion))
    (one,) = engine.explain(make_picture(), vit, ["grad-cam"], fusion=fusion).pictures
    (plain,) = engine.explain(make_picture(), vit, ["grad-cam"]).pictures
    assert np.array_equal(one.maps[0].values, plain.maps[0].values)


@pytest.mark.parametrize("augmentation", ["flip", "flip and contrast"])
def test_augmentation_averages_the_maps_of_the_views(
    engine: Engine, cnn: LoadedModel, augmentation: Augmentation
) -> None:
    """Grad-CAM of each changed input, mirrored back, averaged; the class is that of the picture as it is."""
    picture = make_picture(6)
    tensor = prepare(picture, PREPROCESSING).tensor
    (entry,) = engine.explain(picture, cnn, ["grad-cam"], augmentation=augmentation).pictures
    layer = cnn.default_layer
    best = int(cnn.module(tensor).argmax())
    contrasts = (1.0, 0.9, 1.1) if augmentation == "flip and contrast" else (1.0,)
    maps = []
    for contrast in contrasts:
        for mirrored in (False, True):
            changed = torch.flip(tensor, [3]) if mirrored else tensor
            (look,) = look_at(cnn.module, changed * contrast, [layer], [Ask(best)])
            weights = look.gradients[layer.name, Ask(best)].mean((1, 2))
            values = torch.einsum("c,chw->hw", weights, look.activations[layer.name]).numpy()
            maps.append(values[:, ::-1] if mirrored else values)
    expected = sum(maps) / len(maps)
    assert entry.targets == (best,)
    assert np.allclose(entry.maps[0].values, expected, atol=1e-5 * np.abs(expected).max())
    assert not np.allclose(expected, maps[0], atol=1e-2 * np.abs(expected).max())
    assert engine.passes == entry.maps[0].passes == Passes(len(maps), len(maps))
    assert spend(engine, lambda: engine.explain(picture, cnn, ["grad-cam"], augmentation=augmentation)) == NONE
    assert spend(engine, lambda: engine.explain(picture, cnn, ["grad-cam"])) == NONE


# What the answer says


def test_the_answer_equals_the_plain_way(engine: Engine, cnn: LoadedModel) -> None:
    """Grad-CAM by whole-graph autograd, class by argmax, probabilities by softmax."""
    picture = make_picture(5)
    (entry,) = engine.explain(picture, cnn, ["grad-cam"]).pictures
    prepared = prepare(picture, cnn.preprocessing)
    seen: list[torch.Tensor] = []
    where = cnn.default_layer
    handle = cnn.module.get_submodule(where.name).register_forward_hook(
        lambda _m, _i, out: seen.append(out.clone()) or seen[-1]
    )
    logits = cnn.module(prepared.tensor.requires_grad_(True))[0]
    handle.remove()
    best = int(logits.argmax())
    (gradient,) = torch.autograd.grad(logits[best], seen[0])
    expected = (gradient[0].mean((1, 2))[:, None, None] * seen[0][0]).sum(0).detach()
    probabilities = logits.detach().double().softmax(0)
    assert (entry.targets, entry.maps[0].label, entry.layers) == ((best,), LABELS[best], (where.name,))
    assert np.allclose(entry.maps[0].values, expected, atol=1e-5 * float(expected.abs().max()))
    assert entry.maps[0].box == prepared.box
    assert [p.index for p in entry.predictions] == torch.argsort(probabilities, descending=True)[:5].tolist()
    for prediction in entry.predictions:
        assert prediction.probability == pytest.approx(float(probabilities[prediction.index]), rel=1e-5)
        assert prediction.label == LABELS[prediction.index]


def test_prompt_predictions_are_the_prompts_own(engine: Engine, vit: LoadedModel) -> None:
    picture = make_picture(3)
    (entry,) = engine.explain(picture, vit, target=2).pictures
    with torch.no_grad():
        scores = vit.prompted(prepare(picture, PREPROCESSING).tensor)[0].double().softmax(0)
    assert [p.index for p in entry.prompt_predictions] == torch.argsort(scores, descending=True)[:5].tolist()
    assert entry.maps[3].layer == "blocks.2.attn"
    assert entry.maps[3].target == 2
    assert engine.explain(picture, vit, ["grad-cam"]).pictures[0].prompt_predictions == ()


def test_pictures_and_methods_come_in_the_order_asked(engine: Engine, vit: LoadedModel) -> None:
    pictures = [make_picture(seed, f"{seed}.png") for seed in (2, 0, 1)]
    explanation = engine.explain(pictures, vit, ["prompt-cam", "eigen-cam", "grad-cam"])
    assert [entry.picture.name for entry in explanation.pictures] == ["2.png", "0.png", "1.png"]
    for entry in explanation.pictures:
        assert [heatmap.method for heatmap in entry.maps] == ["prompt-cam", "eigen-cam", "grad-cam"]


def test_pictures_may_be_paths(engine: Engine, cnn: LoadedModel, tmp_path: Path) -> None:
    picture = make_picture()
    path = tmp_path / "named.png"
    Image.fromarray(picture.pixels).save(path)
    found = engine.explain(path, cnn, ["grad-cam"])
    assert found.pictures[0].picture.name == "named.png"
    assert values_of(found) == values_of(engine.explain([str(path)], cnn, ["grad-cam"]))
    (tmp_path / "empty.png").touch()
    for wrong, words in (("none.png", "No such file"), ("", "directory"), ("empty.png", "empty"), ("no\0name", "null")):
        with pytest.raises(PictureError, match=words):
            engine.explain(tmp_path / wrong, cnn)


# Identity


def test_the_same_bytes_under_another_name(engine: Engine, vit: LoadedModel) -> None:
    picture = make_picture()
    first = engine.explain(picture, vit)
    before = engine.passes
    renamed = engine.explain(replace(picture, name="other.png"), vit)
    assert engine.passes == before
    assert (first.pictures[0].picture.name, renamed.pictures[0].picture.name) == ("picture.png", "other.png")
    assert values_of(first) == values_of(renamed)


def test_pictures_that_differ_in_one_pixel_never_share(engine: Engine, cnn: LoadedModel) -> None:
    picture = make_picture()
    twin = change_one_pixel(picture, picture.name)
    found = []
    assert spend(engine, lambda: found.append(engine.explain([picture, twin], cnn))) == Passes(2, 2)
    one, other = (values_of(engine.explain(p, cnn)) for p in (picture, twin))
    assert all(one[key] != other[key] for key in one)


def test_labels_of_one_model_do_not_leak_into_another(engine: Engine, cnn: LoadedModel) -> None:
    """The same weights with other names share the passes, but no word."""
    picture = make_picture()
    renamed = replace(cnn, labels=("a", "b", "c", "d", "e", "f"))
    first = engine.explain(picture, cnn).pictures[0]
    before = engine.passes
    second = engine.explain(picture, renamed).pictures[0]
    assert engine.passes == before
    assert second.labels == (renamed.labels[first.targets[0]],)
    for heatmap in second.maps:
        assert (heatmap.label,) == second.labels
        assert not any(first.labels[0] in warning for warning in heatmap.warnings)
    assert {p.label for p in second.predictions} <= set(renamed.labels)
    assert engine.explain(picture, cnn).pictures[0].labels == first.labels


def test_settings_do_not_leak_between_requests(engine: Engine, cnn: LoadedModel) -> None:
    picture = make_picture()
    plain = engine.explain(picture, cnn)
    engine.explain(picture, cnn, settings={"cf-cam": {"sigma": 0.1}, "eigen-cam": {"centre": False}})
    again = engine.explain(picture, cnn)
    assert values_of(again) == values_of(plain)
    for heatmap in again.pictures[0].maps:
        assert heatmap.settings == get_method(heatmap.method).settings()


def test_logit_and_probability_do_not_share_a_map(engine: Engine, cnn: LoadedModel) -> None:
    picture = make_picture()
    logit = engine.explain(picture, cnn, ["grad-cam"])
    probability = engine.explain(picture, cnn, ["grad-cam"], score="probability")
    assert (logit.score, probability.score) == ("logit", "probability")
    assert values_of(logit) != values_of(probability)
    alone = Engine("cpu").explain(picture, cnn, ["grad-cam"], score="probability")
    assert values_of(alone) == values_of(probability)


def test_models_do_not_share(engine: Engine) -> None:
    picture = make_picture()
    one, other = build_model("cnn", 1), build_model("cnn", 2)
    maps = values_of(engine.explain(picture, one)), values_of(engine.explain(picture, other))
    assert maps[0]["0 eigen-cam"] != maps[1]["0 eigen-cam"]
    assert values_of(Engine("cpu").explain(picture, other)) == maps[1]


# Keeping and forgetting


def test_a_look_that_failed_leaves_nothing_behind(cnn: LoadedModel, engine: Engine) -> None:
    broken = build_model("cnn", 9)
    broken.module.fc.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="damaged"):
        engine.explain(make_picture(), broken)
    assert engine.bytes_kept == 0
    broken.module.fc.weight.fill_(0.5)
    assert len(engine.explain(make_picture(), broken).pictures[0].maps) == 3


# Threads


def test_many_threads_get_what_each_would_get_alone() -> None:
    """Eight threads, 400 requests, three models of which two fit, pictures that differ in one pixel, and room for few:
    bit for bit the same maps.
    """
    models = [build_model("cnn"), build_model("vit"), build_model("convnext")]
    picture = make_picture()
    pictures = [picture, change_one_pixel(picture, "twin.png"), make_picture(1)]
    jobs = [(m, p, t) for m in models for p in pictures for t in (1, 4)]
    expected = {}
    for model, job_picture, target in jobs:
        for method in DEFAULT_METHODS:
            alone = Engine("cpu").explain(job_picture, model, [method], target=target)
            expected[model.fingerprint, job_picture.digest, target, method] = values_of(alone).get(f"0 {method}")
    engine = Engine("cpu", capture_bytes=60_000, model_bytes=count_weights(models[0]) + count_weights(models[1]))
    faults = []

    def work(seed: int) -> int:
        rng = np.random.default_rng(seed)
        for index in rng.integers(len(jobs), size=50):
            model, job_picture, target = jobs[index]
            methods = [str(name) for name in rng.permutation(DEFAULT_METHODS)[: rng.integers(1, 5)]]
            named = replace(job_picture, name=f"{seed} {index}")
            (entry,) = engine.explain(named, model, methods, target=target).pictures
            if entry.picture is not named or entry.targets != (target,):
                faults.append("another's picture or class")
            for heatmap in entry.maps:
                key = (model.fingerprint, job_picture.digest, target, heatmap.method)
                if heatmap.values.tobytes() != expected[key]:
                    faults.append(key)
                if heatmap.passes.forward > 2 or heatmap.passes.backward > 1:
                    faults.append(("another's passes", heatmap.passes))
                if heatmap.label != LABELS[target]:
                    faults.append("another's label")
        return 50

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 400
    assert faults == []
    assert all(not child._forward_hooks for model in models for child in model.module.modules())


def test_asking_the_same_at_once_runs_one_pass(engine: Engine, vit: LoadedModel) -> None:
    barrier = threading.Barrier(4)

    def work(_: int) -> dict[str, bytes]:
        barrier.wait()
        return values_of(engine.explain(make_picture(), vit))

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    assert engine.passes == Passes(2, 1)
    assert all(result == results[0] for result in results)


def test_asking_the_same_of_a_slow_method_at_once_runs_it_once(
    engine: Engine, cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    """And others are served meanwhile, by the same model."""
    calls = []
    served = threading.Event()

    def run(capture: LayerCapture, _settings: Settings) -> MethodResult:
        calls.append(1)
        assert served.wait(120), "the model was held while the method did not use it"
        scores = capture.runner.scores(lambda rows: capture.runner.picture.repeat(len(rows), 1, 1, 1), 5)
        return MethodResult(scores[:4].reshape(2, 2))

    register(make_method("slow", run, "activations", "runner"))
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(engine.explain, make_picture(), cnn, ["slow"]) for _ in range(3)]
        pool.submit(engine.explain, make_picture(1), cnn, ["grad-cam"]).result()
        served.set()
        results = [values_of(future.result()) for future in asked]
    assert len(calls) == 1
    assert engine.passes == Passes(1 + 5 + 1, 1)
    assert all(result == results[0] for result in results)


def test_works_from_within_inference_mode(vit: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a model first loaded there: its weights must be fit for a graph later."""
    monkeypatch.setattr("explain.models.load.load_model", lambda *_: build_model("vit"))
    engine = Engine("cpu")
    request = ModelRequest(source="hub", name="vit")
    with torch.inference_mode():
        first = engine.explain(make_picture(), request)
    second = engine.explain(make_picture(), request, target=(first.pictures[0].targets[0] + 1) % len(LABELS))
    assert len(second.pictures[0].maps) == 4
    assert values_of(Engine("cpu").explain(make_picture(), vit)) == values_of(first)


@pytest.mark.parametrize("kind", ["cnn", "vit"])
def test_the_callers_autocast_changes_no_bit(kind: str) -> None:
    model = build_model(kind)
    expected = values_of(Engine("cpu").explain(make_picture(), model))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        engine = Engine("cpu")
        assert values_of(engine.explain(make_picture(), model)) == expected
        assert engine.capture(make_picture(1), model).gradients.dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")


# Progress and cancelling


def test_progress_names_each_picture_before_it_is_worked_on(engine: Engine, cnn: LoadedModel) -> None:
    calls = []
    pictures = [make_picture(seed, f"{seed}.png") for seed in range(3)]
    engine.explain(pictures, cnn, progress=lambda *call: calls.append((*call, engine.passes.forward)))
    assert calls == [(0, "0.png", 0), (1 / 3, "1.png", 1), (2 / 3, "2.png", 2)]


def test_cancelled_work_stops_and_what_was_done_is_kept(engine: Engine, cnn: LoadedModel) -> None:
    cancel = threading.Event()
    pictures = [make_picture(seed) for seed in range(3)]

    def progress(share: float, _what: str) -> None:
        if share > 0.5:
            cancel.set()

    with pytest.raises(Cancelled):
        engine.explain(pictures, cnn, progress=progress, cancel=cancel)
    assert engine.passes == Passes(2, 2)
    assert spend(engine, lambda: engine.explain(pictures[:2], cnn)) == NONE
    with pytest.raises(Cancelled):
        engine.explain(pictures[0], cnn, cancel=cancel)
    cancel.clear()
    assert len(engine.explain(pictures, cnn, cancel=cancel).pictures) == 3


def test_cancelled_between_methods(engine: Engine, cnn: LoadedModel, register: Callable[[Method], Method]) -> None:
    cancel = threading.Event()
    register(make_method("stopping", lambda _c, _s: stop(cancel)))
    register(make_method("never", lambda _c, _s: pytest.fail("ran on")))
    with pytest.raises(Cancelled):
        engine.explain(make_picture(), cnn, ["stopping", "never"], cancel=cancel)
    cancel.clear()
    assert len(engine.explain(make_picture(), cnn, ["grad-cam"]).pictures[0].maps) == 1


def test_a_method_that_cannot_work_on_this_picture_costs_no_other(
    engine: Engine, cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    def refuse(_capture: object, _settings: object) -> MethodResult:
        raise MethodError("Picky does not like this layer. Choose another.")

    register(make_method("picky", refuse))
    (entry,) = engine.explain(make_picture(), cnn, ["grad-cam", "picky", "eigen-cam"]).pictures
    assert [heatmap.method for heatmap in entry.maps] == ["grad-cam", "eigen-cam"]
    assert entry.unavailable == {"picky": "Picky does not like this layer. Choose another."}


def test_a_method_that_cannot_work_on_one_layer_works_on_the_others(
    engine: Engine, cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    first, *others = [layer.name for layer in cnn.layers]

    def refuse_first(capture: LayerCapture, _settings: object) -> MethodResult:
        if capture.layer.name == first:
            raise MethodError("Picky does not like this layer. Choose another.")
        return MethodResult(capture.activations.sum(0))

    register(make_method("picky", refuse_first))
    (entry,) = engine.explain(make_picture(), cnn, ["picky"], layer=[first, *others]).pictures
    assert [heatmap.layer for heatmap in entry.maps] == others
    assert "picky" in entry.unavailable


def test_a_methods_own_rules_outlive_augmentation(engine: Engine, cnn: LoadedModel) -> None:
    (alone,) = engine.explain(make_picture(), cnn, ["eigen-cam"]).pictures[0].maps
    (averaged,) = engine.explain(make_picture(), cnn, ["eigen-cam"], augmentation="flip").pictures[0].maps
    assert alone.own_rules and averaged.own_rules == alone.own_rules
    assert set(averaged.own_rules) <= set(averaged.rules)


def test_an_estimate_is_the_passes_times_the_time_of_one(engine: Engine, cnn: LoadedModel) -> None:
    slow = get_method("score-cam")
    assert engine.estimate_seconds(cnn, slow) is None  # no picture was seen yet
    engine.explain(make_picture(), cnn, ["grad-cam"])
    assert engine.estimate_seconds(cnn, get_method("grad-cam")) is None
    one = engine._observer._pace[cnn.fingerprint]
    first, last = cnn.layers[0], cnn.layers[-1]
    count = slow.count_passes(last, slow.settings())
    assert engine.estimate_seconds(cnn, slow, last.name) == pytest.approx(one * count)
    ablation = get_method("ablation-cam")
    early, late = (engine.estimate_seconds(cnn, ablation, layer.name) / layer.channels for layer in (first, last))
    assert late < early < one
    judge, device = engine._judge, engine._machine
    judge._masked._note_pace(cnn, one / 10)  # on a CPU hardly quicker than one alone, and not counted on
    assert engine.estimate_seconds(cnn, slow, last.name) == pytest.approx(one * count)
    vars(device)["device"] = "cuda"
    assert engine.estimate_seconds(cnn, slow, last.name) == pytest.approx(one / 10 * count)


def test_a_map_that_does_not_depend_on_the_class_is_drawn_once(engine: Engine, cnn: LoadedModel) -> None:
    answer = engine.explain(make_picture(0), cnn, ["eigen-cam", "grad-cam"], target=[0, 3]).pictures[0]
    first, second = (heatmap for heatmap in answer.maps if heatmap.method == "eigen-cam")
    assert first.values is second.values
    assert [first.target, second.target] == [0, 3]
    assert [first.label, second.label] == [cnn.labels[0], cnn.labels[3]]
    one, other = (heatmap for heatmap in answer.maps if heatmap.method == "grad-cam")
    assert not np.array_equal(one.values, other.values)
