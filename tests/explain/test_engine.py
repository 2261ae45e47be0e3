"""The engine: what it runs, what it remembers, and that nothing of one request reaches another."""

import gc
import io
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explain.engine import DEFAULT_METHODS, Engine, complete_settings, find_target
from explain.errors import Cancelled, LayerError, MethodError, ModelError, PictureError, TargetError
from explain.explanation import Explanation
from explain.geometry import Preprocessing, prepare
from explain.heatmap import Passes
from explain.layers import find_layers
from explain.methods import MethodResult, Settings, base, get_method
from explain.models import LoadedModel, ModelRequest
from explain.picture import Picture, decode
from explain.promptcam import PromptedViT
from explain.torchvision_operators import declare_missing_operators

declare_missing_operators()

from timm.models.convnext import ConvNeXt  # noqa: E402
from timm.models.resnet import BasicBlock, ResNet  # noqa: E402
from timm.models.vision_transformer import VisionTransformer  # noqa: E402

LABELS = ("tabby cat", "tiger cat", "dog", "ship", "7", "Großer Hund")
PREPROCESSING = Preprocessing(input_size=(32, 32))
NONE, ONE_LOOK = Passes(), Passes(1, 1)


def build_model(kind: str, seed: int = 0, labels: tuple[str, ...] = LABELS) -> LoadedModel:
    torch.manual_seed(seed)
    prompted = None
    if kind == "cnn":
        module: nn.Module = ResNet(
            BasicBlock, layers=(1, 1, 1, 1), channels=(8, 12, 16, 24), output_stride=8, num_classes=len(labels)
        )
    elif kind == "convnext":
        module = ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 12, 16, 24), num_classes=len(labels))
    else:
        module = VisionTransformer(
            img_size=32, patch_size=8, embed_dim=16, depth=3, num_heads=4, num_classes=len(labels)
        )
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else nn.init.normal_(parameter, 1.0, 0.3)
    module.eval().requires_grad_(False)
    module.get_classifier().weight.mul_(0.1)  # far from certain, so that no two probabilities are both 0
    if kind == "vit":
        prompted = PromptedViT(module, len(labels)).eval().requires_grad_(False)
        nn.init.normal_(prompted.prompts)
        nn.init.normal_(prompted.score.weight)
    layers = find_layers(module, 3, (32, 32))
    return LoadedModel(
        ModelRequest(source="hub", name=kind), module, PREPROCESSING, labels, f"{kind} {seed}", layers, prompted
    )


def make_picture(seed: int = 0, name: str = "picture.png", size: tuple[int, int] = (40, 50)) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return encode(pixels, name)


def encode(pixels: np.ndarray, name: str) -> Picture:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return decode(file.getvalue(), name)


def change_one_pixel(picture: Picture, name: str) -> Picture:
    pixels = picture.pixels.copy()
    pixels[20, 25] = 255 - pixels[20, 25]
    return encode(pixels, name)


@pytest.fixture(scope="module")
def cnn() -> LoadedModel:
    return build_model("cnn")


@pytest.fixture(scope="module")
def vit() -> LoadedModel:
    return build_model("vit")


@pytest.fixture
def engine() -> Engine:
    return Engine("cpu")


def values_of(explanation: Explanation) -> dict[str, bytes]:
    """By picture and method, the map's bytes."""
    return {
        f"{index} {heatmap.method}": heatmap.values.tobytes()
        for index, entry in enumerate(explanation.pictures)
        for heatmap in entry.maps
    }


def spend(engine: Engine, work: Callable[[], object]) -> Passes:
    before = engine.passes
    work()
    return engine.passes - before


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
    for missing in (tmp_path / "none.png", tmp_path):
        with pytest.raises(PictureError):
            engine.explain(missing, cnn)


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


def test_nothing_handed_out_can_change_what_is_kept(engine: Engine, vit: LoadedModel) -> None:
    picture = make_picture()
    before = values_of(engine.explain(picture, vit))
    for heatmap in engine.explain(picture, vit).pictures[0].maps:
        for array in (heatmap.values, *heatmap.details.values()):
            if isinstance(array, np.ndarray):
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
    assert values_of(engine.explain(picture, vit)) == before


# Keeping and forgetting


def test_what_does_not_fit_is_forgotten_and_comes_out_the_same(vit: LoadedModel) -> None:
    pictures = [make_picture(seed) for seed in range(4)]
    roomy, tight = Engine("cpu"), Engine("cpu", capture_bytes=1)
    expected = values_of(roomy.explain(pictures, vit))
    assert values_of(tight.explain(pictures, vit)) == expected
    assert spend(tight, lambda: tight.explain(pictures[3], vit)) == NONE  # the newest always stays
    assert spend(tight, lambda: tight.explain(pictures[0], vit)) == Passes(2, 1)
    assert values_of(tight.explain(pictures, vit)) == expected
    assert spend(roomy, lambda: roomy.explain(pictures, vit)) == NONE


def test_the_least_recently_used_goes_first(cnn: LoadedModel) -> None:
    pictures = [make_picture(seed) for seed in range(3)]
    probe = Engine("cpu")
    probe.explain(pictures[0], cnn)
    engine = Engine("cpu", capture_bytes=int(2.5 * probe.bytes_kept))
    engine.explain(pictures[:2], cnn)
    engine.explain(pictures[0], cnn)
    engine.explain(pictures[2], cnn)
    assert spend(engine, lambda: engine.explain(pictures[0], cnn)) == NONE
    assert spend(engine, lambda: engine.explain(pictures[1], cnn)) == ONE_LOOK


@pytest.mark.parametrize("way", ["explain", "capture", "cancelled", "predict"])
def test_whatever_way_it_came_in_it_is_counted(way: str, vit: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine("cpu", capture_bytes=1)
    cancel = threading.Event()
    monkeypatch.setitem(base._METHODS, "stopping", make_method("stopping", lambda _c, _s: stop(cancel)))
    for seed in range(3):
        picture = make_picture(seed)
        if way == "explain":
            engine.explain(picture, vit)
        elif way == "capture":
            engine.capture(picture, vit)
        elif way == "predict":
            engine.predict(picture, vit)
        else:
            cancel.clear()
            with pytest.raises(Cancelled):
                engine.explain(picture, vit, ["stopping", "grad-cam"], cancel=cancel)
    assert spend(engine, lambda: engine.predict(make_picture(2), vit)) == NONE
    assert spend(engine, lambda: engine.predict(make_picture(1), vit)) == Passes(1, 0)


def stop(cancel: threading.Event) -> MethodResult:
    cancel.set()
    return MethodResult(torch.ones(2, 2))


def make_method(name: str, function: Callable[..., MethodResult], *needs: base.Needs) -> base.Method:
    return base.Method(
        name, name.title(), "A test.", "None, 2025", frozenset(needs or ("gradients",)), False, Settings, function
    )


def test_maps_are_counted_too(cnn: LoadedModel) -> None:
    """A slider's way leaves many maps behind; they weigh as much as what they were made of."""
    engine = Engine("cpu")
    picture = make_picture()
    engine.explain(picture, cnn)
    before = engine.bytes_kept
    for sigma in range(10):
        engine.explain(picture, cnn, ["cf-cam"], settings={"cf-cam": {"sigma": 0.3 + sigma / 10}})
    heatmap = engine.explain(picture, cnn, ["cf-cam"]).pictures[0].maps[0]
    assert engine.bytes_kept - before >= 10 * heatmap.values.nbytes


@pytest.mark.parametrize("way", ["forget", "evict"])
def test_what_is_forgotten_is_freed_at_once(way: str, vit: LoadedModel) -> None:
    """By counting references alone: a cycle would keep pictures alive until some later collection."""
    engine = Engine("cpu", capture_bytes=1)
    picture = make_picture()
    gc.collect()
    gc.disable()
    try:
        engine.explain(picture, vit)
        capture = engine.capture(picture, vit)
        kept = [weakref.ref(t) for t in (capture.activations, capture.gradients, capture.logits, capture.derived)]
        heatmap = engine.explain(picture, vit).pictures[0].maps[3]
        kept += [weakref.ref(heatmap.values), weakref.ref(heatmap.details["heads"])]
        del capture, heatmap
        assert all(reference() is not None for reference in kept)
        if way == "forget":
            engine.forget()
        else:
            engine.explain(make_picture(1), vit)
        assert [reference() for reference in kept] == [None] * len(kept)
    finally:
        gc.enable()


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
    """Six threads, three models, pictures that differ in one pixel, and room for few: bit for bit the same maps."""
    models = [build_model("cnn"), build_model("vit"), build_model("convnext")]
    picture = make_picture()
    pictures = [picture, change_one_pixel(picture, "twin.png"), make_picture(1)]
    jobs = [(m, p, t) for m in models for p in pictures for t in (1, 4)]
    expected = {}
    for model, job_picture, target in jobs:
        for method in DEFAULT_METHODS:
            alone = Engine("cpu").explain(job_picture, model, [method], target=target)
            expected[model.fingerprint, job_picture.digest, target, method] = values_of(alone).get(f"0 {method}")
    engine = Engine("cpu", capture_bytes=60_000)
    faults = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for index in rng.permutation(len(jobs)):
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

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
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


def test_loading_the_same_at_once_loads_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []

    def load(request: ModelRequest, weights: bytes | None = None) -> LoadedModel:
        loads.append(request)
        time.sleep(0.05)
        return build_model("cnn")

    monkeypatch.setattr("explain.models.load_model", load)
    request = ModelRequest(source="hub", name="cnn")
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: engine.load(request), range(4)))
    assert len(loads) == 1
    assert all(model is models[0] for model in models)


def serve_models(monkeypatch: pytest.MonkeyPatch, **seeds: int) -> list[str]:
    """Let `load_model` build a small network for each of these names; gives back the names as they are loaded."""
    loads = []

    def load(request: ModelRequest, weights: bytes | None = None) -> LoadedModel:
        loads.append(request.name)
        if request.name not in seeds:
            raise ModelError(f"There is no model “{request.name}”.")
        return replace(build_model("cnn", seeds[request.name]), request=request, labels=(*LABELS[:5], request.name))

    monkeypatch.setattr("explain.models.load_model", load)
    return loads


def name_model(name: str) -> ModelRequest:
    return ModelRequest(source="hub", name=name)


def count_weights(model: LoadedModel) -> int:
    return sum(tensor.nbytes for tensor in model.module.state_dict().values())


def test_models_used_longest_ago_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = serve_models(monkeypatch, a=1, b=2, c=3)
    engine = Engine("cpu", model_bytes=2 * count_weights(build_model("cnn")))
    for name in ("a", "b", "a", "c", "a", "b"):
        engine.load(name_model(name))
    assert loads == ["a", "b", "c", "b"]
    for _ in range(2):  # a failure is neither kept nor in the way of the next attempt
        with pytest.raises(ModelError):
            engine.load(name_model("bad"))
    assert loads[4:] == ["bad", "bad"]


def test_the_newest_model_stays_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = serve_models(monkeypatch, a=1, b=2)
    engine = Engine("cpu", model_bytes=1)
    first = engine.load(name_model("a"))
    assert engine.load(name_model("a")) is first
    engine.load(name_model("b"))
    engine.load(name_model("a"))
    assert loads == ["a", "b", "a"]


def test_prompts_are_counted_and_their_network_once(vit: LoadedModel) -> None:
    engine = Engine("cpu")
    engine.load(vit)
    own = sum(tensor.nbytes for tensor in (vit.prompted.prompts, *vit.prompted.score.parameters()))
    assert engine._shelf.bytes_kept == count_weights(vit) + own


def test_the_same_weights_under_two_names_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = serve_models(monkeypatch, a=1, b=1)
    engine = Engine("cpu")
    one, other = engine.load(name_model("a")), engine.load(name_model("b"))
    assert one.module is other.module
    assert (one.request.name, other.request.name) == ("a", "b")
    assert (one.labels[5], other.labels[5]) == ("a", "b")
    assert engine._shelf.bytes_kept == count_weights(one)
    assert engine.load(name_model("b")) is other and engine.load(name_model("a")) is one
    assert loads == ["a", "b"]
    engine.explain(make_picture(), one)
    assert spend(engine, lambda: engine.explain(make_picture(), other)) == NONE


def watch_moves(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend that a model is moved; gives back where to, as it happens."""
    moves: list[str] = []
    monkeypatch.setattr(
        "explain.shelf.move", lambda module, device: moves.append(device) if module is model.module else None
    )
    return moves


def test_what_is_given_up_leaves_the_device_and_comes_back_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.engine.find_device", lambda _name: "meta")
    monkeypatch.setattr("explain.engine.Engine._prepare", lambda *_: torch.zeros(1, 3, 32, 32))
    monkeypatch.setattr("explain.engine.set_arithmetic", lambda *_: torch.no_grad())
    monkeypatch.setattr("explain.engine.describe_device", lambda *_: "a test")
    model = build_model("cnn", 1)
    moves = watch_moves(model, monkeypatch)
    engine = Engine("cuda", model_bytes=1)
    engine.load(model)
    assert moves[-1] == "meta"
    engine.load(build_model("cnn", 2))
    assert moves[-1] == "cpu"
    engine.explain(make_picture(), model, ["grad-cam"])
    assert moves[-1] == "meta"
    with engine._shelf.lock_of(model), ThreadPoolExecutor(1) as pool:  # in use by this thread
        pool.submit(engine.load, build_model("cnn", 3)).result()
    assert moves[-1] == "meta"
    engine.load(build_model("cnn", 4))
    assert moves[-1] == "cpu"


def test_locks_live_as_long_as_what_they_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    serve_models(monkeypatch, **{name: number for number, name in enumerate("abcdef")})
    engine = Engine("cpu", model_bytes=1)
    for name in "abcdef":
        engine.explain(make_picture(), name_model(name))
    with pytest.raises(ModelError):
        engine.load(name_model("bad"))
    gc.collect()
    assert len(engine._shelf._locks) == 1
    assert len(engine._shelf._loading) == 0


def test_works_from_within_inference_mode(vit: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a model first loaded there: its weights must be fit for a graph later."""
    monkeypatch.setattr("explain.models.load_model", lambda *_: build_model("vit"))
    engine = Engine("cpu")
    request = ModelRequest(source="hub", name="vit")
    with torch.inference_mode():
        first = engine.explain(make_picture(), request)
    second = engine.explain(make_picture(), request, target=(first.pictures[0].targets[0] + 1) % len(LABELS))
    assert len(second.pictures[0].maps) == 4
    assert values_of(Engine("cpu").explain(make_picture(), vit)) == values_of(first)


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


def test_cancelled_between_methods(engine: Engine, cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = threading.Event()
    monkeypatch.setitem(base._METHODS, "stopping", make_method("stopping", lambda _c, _s: stop(cancel)))
    monkeypatch.setitem(base._METHODS, "never", make_method("never", lambda _c, _s: pytest.fail("ran on")))
    with pytest.raises(Cancelled):
        engine.explain(make_picture(), cnn, ["stopping", "never"], cancel=cancel)
    cancel.clear()
    assert len(engine.explain(make_picture(), cnn, ["grad-cam"]).pictures[0].maps) == 1


def test_a_method_that_cannot_work_on_this_picture_costs_no_other(
    engine: Engine, cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_capture: object, _settings: object) -> MethodResult:
        raise MethodError("Picky does not like this layer. Choose another.")

    monkeypatch.setitem(base._METHODS, "picky", make_method("picky", refuse))
    (entry,) = engine.explain(make_picture(), cnn, ["grad-cam", "picky", "eigen-cam"]).pictures
    assert [heatmap.method for heatmap in entry.maps] == ["grad-cam", "eigen-cam"]
    assert entry.unavailable == {"picky": "Picky does not like this layer. Choose another."}


# What cannot be


@pytest.mark.parametrize(
    ("target", "index"),
    [(0, 0), (5, 5), ("3", 3), (" ship ", 3), ("SHIP", 3), ("großer hund", 5), (np.int64(2), 2), ("+1", 1)],
)
def test_classes_by_index_and_by_label(cnn: LoadedModel, target: int | str, index: int) -> None:
    assert find_target(cnn, target) == index


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("cat", "Did you mean tabby cat, tiger cat?"),
        ("HUND", "Did you mean Großer Hund?"),
        ("zebra", "It knows 6 classes"),
        (6, "classes 0 to 5"),
        (-1, "classes 0 to 5"),
        ("-1", "classes 0 to 5"),
        ("--1", "no class “--1”"),
        ("²", "no class “²”"),
        ("٣", "no class “٣”"),
        ("1.0", "no class “1.0”"),
        ("999999999", "classes 0 to 5"),
        ("9" * 5000, "no class “9999"),
        ("", "Name a class"),
    ],
)
def test_classes_that_do_not_exist(engine: Engine, cnn: LoadedModel, target: int | str, words: str) -> None:
    with pytest.raises(TargetError, match=None) as caught:
        engine.explain(make_picture(), cnn, target=target)
    assert words in str(caught.value)
    assert engine.passes == NONE


def test_a_number_that_is_a_label_but_no_index(cnn: LoadedModel) -> None:
    assert find_target(cnn, "7") == 4


def test_a_label_of_two_classes_asks_which() -> None:
    """ImageNet has two cranes: the bird and the machine."""
    model = build_model("cnn", labels=("crane", "dog", "Crane"))
    with pytest.raises(TargetError) as caught:
        find_target(model, "crane")
    assert "0" in str(caught.value) and "2" in str(caught.value)
    assert find_target(model, "dog") == 1


@pytest.mark.parametrize(
    ("request_", "error", "words"),
    [
        ({"layer": "layer9"}, LayerError, "“layer9”"),
        ({"methods": ["grad-cam", "gradcam"]}, MethodError, "“gradcam”"),
        ({"settings": {"nope": {}}}, MethodError, "“nope”"),
        ({"settings": {"cf-cam": {"epsilon": 3}}}, MethodError, "CF-CAM does not take epsilon = 3"),
        ({"settings": {"cf-cam": {"eps": -1}}}, MethodError, "CF-CAM does not take eps = -1"),
        ({"settings": {"cf-cam": {"sigma": float("nan")}}}, MethodError, "CF-CAM does not take sigma = nan"),
        ({"settings": {"cf-cam": {"distance": "manhattan"}}}, MethodError, "distance = 'manhattan'"),
        ({"settings": {"grad-cam": {"eps": 1}}}, MethodError, "Grad-CAM does not take eps"),
        ({"settings": {"prompt-cam": {"traits": 0}}}, MethodError, "Prompt-CAM does not take traits = 0"),
        ({"methods": ["grad-cam"], "settings": {"cf-cam": {"eps": -1}}}, MethodError, "eps = -1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_before_anything_runs(
    engine: Engine, cnn: LoadedModel, request_: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        engine.explain(make_picture(), cnn, **request_)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert engine.passes == NONE


def test_settings_may_be_objects_or_plain_values() -> None:
    settings = get_method("cf-cam").settings(eps=3)
    complete = complete_settings(["grad-cam", "cf-cam"], {"cf-cam": settings})
    assert list(complete) == ["grad-cam", "cf-cam"]
    assert complete["cf-cam"] == settings == complete_settings(["cf-cam"], {"cf-cam": {"eps": 3}})["cf-cam"]
    assert complete["grad-cam"] == get_method("grad-cam").settings()
    with pytest.raises(MethodError):
        complete_settings(["grad-cam"], {"grad-cam": settings})
