"""The engine: what it runs, what it remembers, and that nothing of one request reaches another."""

import ctypes
import gc
import io
import resource
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from explain.engine.engine import Engine
from explain.engine.explanation import Explanation
from explain.engine.question import DEFAULT_METHODS, complete_settings, find_target
from explain.errors import Cancelled, DeviceError, LayerError, MethodError, ModelError, PictureError, TargetError
from explain.maps.fusion import Fusion, fuse_values
from explain.methods import Method, MethodResult, Settings, get_method
from explain.methods.base import Needs, registered
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.networks.device import Precision
from explain.networks.layer_search import find_layers
from explain.networks.prompted_vit import PromptedViT
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.capture import LayerCapture
from explain.passes.count import Passes
from explain.passes.look import Ask, Look, look_at
from explain.pictures.augmentation import Augmentation
from explain.pictures.decode import decode
from explain.pictures.geometry import Preprocessing, prepare
from explain.pictures.picture import Picture

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
def test_whatever_way_it_came_in_it_is_counted(
    way: str, vit: LoadedModel, register: Callable[[Method], Method]
) -> None:
    engine = Engine("cpu", capture_bytes=1)
    cancel = threading.Event()
    register(make_method("stopping", lambda _c, _s: stop(cancel)))
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


def make_method(name: str, function: Callable[..., MethodResult], *needs: Needs) -> Method:
    return Method(
        function,
        name=name,
        title=name.title(),
        sentence="A test.",
        paper="None, 2025",
        group="gradient",
        needs=set(needs or ("gradients",)),
    )


@pytest.fixture
def register() -> Iterator[Callable[[Method], Method]]:
    """Makes a method known until the test is over."""
    with ExitStack() as known:
        yield lambda method: known.enter_context(registered(method))


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
        assert served.wait(20), "the model was held while the method did not use it"
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


def test_loading_the_same_at_once_loads_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []

    def load(request: ModelRequest, weights: bytes | None = None) -> LoadedModel:
        loads.append(request)
        time.sleep(0.05)
        return build_model("cnn")

    monkeypatch.setattr("explain.models.load.load_model", load)
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

    monkeypatch.setattr("explain.models.load.load_model", load)
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
    assert engine._machine.shelf.bytes_kept == count_weights(vit) + own


def test_the_same_weights_under_two_names_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = serve_models(monkeypatch, a=1, b=1)
    engine = Engine("cpu")
    one, other = engine.load(name_model("a")), engine.load(name_model("b"))
    assert one.module is other.module
    assert (one.request.name, other.request.name) == ("a", "b")
    assert (one.labels[5], other.labels[5]) == ("a", "b")
    assert engine._machine.shelf.bytes_kept == count_weights(one)
    assert engine.load(name_model("b")) is other and engine.load(name_model("a")) is one
    assert loads == ["a", "b"]
    engine.explain(make_picture(), one)
    assert spend(engine, lambda: engine.explain(make_picture(), other)) == NONE


def watch_moves(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend that a model is moved; gives back where to, as it happens."""
    moves: list[str] = []
    monkeypatch.setattr(
        "explain.engine.shelf.move", lambda module, device: moves.append(device) if module is model.module else None
    )
    return moves


def test_what_is_given_up_leaves_the_device_and_comes_back_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.engine.machine.find_device", lambda _name: "meta")
    monkeypatch.setattr("explain.engine.machine.Machine.prepare", lambda *_: torch.zeros(1, 3, 32, 32))
    monkeypatch.setattr("explain.engine.machine.set_arithmetic", lambda *_: torch.no_grad())
    monkeypatch.setattr("explain.engine.machine.describe_device", lambda *_: "a test")
    model = build_model("cnn", 1)
    moves = watch_moves(model, monkeypatch)
    engine = Engine("cuda", model_bytes=1)
    engine.load(model)
    assert moves[-1] == "meta"
    engine.load(build_model("cnn", 2))
    assert moves[-1] == "cpu"
    engine.explain(make_picture(), model, ["grad-cam"])
    assert moves[-1] == "meta"
    with engine._machine.shelf.lock_of(model), ThreadPoolExecutor(1) as pool:  # in use by this thread
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
    assert len(engine._machine.shelf._locks) == 1
    assert len(engine._machine.shelf._loading) == 0


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


# Several pictures at once


def watch_looks(monkeypatch: pytest.MonkeyPatch, most: int = 1000) -> list[int]:
    """How many pictures each look is given, as it happens; more than `most` do not fit the memory."""
    sizes: list[int] = []

    def look(module: nn.Module, pictures: torch.Tensor, *rest: object) -> tuple[Look, ...]:
        sizes.append(len(pictures))
        if len(pictures) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return look_at(module, pictures, *rest)

    monkeypatch.setattr("explain.engine.observer.look_at", look)
    return sizes


def agree(found: Explanation, expected: Explanation) -> bool:
    """Whether all maps are the same but for the last digits."""
    pairs = [
        (one, other)
        for entry, wanted in zip(found.pictures, expected.pictures, strict=True)
        for one, other in zip(entry.maps, wanted.maps, strict=True)
    ]
    return all(np.allclose(a.values, b.values, atol=1e-4 * np.abs(b.values).max()) for a, b in pairs)


def test_on_the_cpu_pictures_go_one_by_one_unless_told_otherwise(
    cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [make_picture(seed) for seed in (0, 1, 2, 1, 3, 4)]
    sizes = watch_looks(monkeypatch)
    expected = Engine("cpu").explain(pictures, cnn, ["grad-cam", "eigen-cam"])
    assert sizes == [1, 1, 1, 1, 1]
    sizes.clear()
    engine = Engine("cpu", batch=5)
    engine.predict(pictures[2], cnn)
    found = engine.explain(pictures, cnn, ["grad-cam", "eigen-cam"])
    # The first five hold one that is known by its scores and one twice; the sixth is alone.
    assert sizes == [1, 3, 1, 1]
    assert agree(found, expected)
    for entry, number in zip(found.pictures, (1, 1, 1, 0, 1, 1), strict=True):
        assert {heatmap.passes for heatmap in entry.maps} == {Passes(number, number)}
    assert engine.passes == Passes(6, 5)
    assert spend(engine, lambda: engine.explain(pictures, cnn, ["grad-cam", "eigen-cam"])) == NONE


def test_a_batch_that_does_not_fit_what_is_kept_comes_out_the_same(cnn: LoadedModel) -> None:
    pictures = [make_picture(seed) for seed in range(4)]
    tight = Engine("cpu", capture_bytes=1, batch=4)
    assert agree(tight.explain(pictures, cnn), Engine("cpu").explain(pictures, cnn))


# Out of memory


def test_what_does_not_fit_the_memory_goes_in_smaller_chunks(cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [make_picture(seed) for seed in range(6)]
    expected = Engine("cpu").explain(pictures, cnn)
    sizes = watch_looks(monkeypatch, most=2)
    engine = Engine("cpu", batch=5)
    assert agree(engine.explain(pictures, cnn), expected)
    assert sizes == [5, 2, 3, 1, 2, 1]
    assert engine.passes == Passes(6, 6)


def test_out_of_memory_once_drops_what_was_kept_and_goes_on(
    cnn: LoadedModel, vit: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine("cpu")
    engine.explain([make_picture(seed) for seed in range(3)], vit)
    kept = engine.bytes_kept
    expected = values_of(Engine("cpu").explain(make_picture(), cnn))
    fails = iter([True])

    def look(*args: object) -> tuple[Look, ...]:
        if next(fails, False):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return look_at(*args)

    monkeypatch.setattr("explain.engine.observer.look_at", look)
    assert values_of(engine.explain(make_picture(), cnn)) == expected
    assert engine.bytes_kept < kept
    assert engine._machine.shelf.bytes_kept == count_weights(cnn)
    assert spend(engine, lambda: engine.explain(make_picture(), cnn)) == NONE


@pytest.mark.parametrize("text", ["CUDA out of memory.", "MPS backend out of memory (MPS allocated: 5 GB)"])
def test_out_of_memory_for_good_is_a_sentence_and_the_engine_lives_on(
    text: str, cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine("cpu")
    before = values_of(engine.explain(make_picture(), cnn))
    tries = []

    def fail(*_: object) -> None:
        tries.append(1)
        raise RuntimeError(text)

    with monkeypatch.context() as patch:
        patch.setattr("explain.engine.observer.look_at", fail)
        for call in (engine.explain, engine.predict, engine.capture):
            with pytest.raises(DeviceError, match="memory of CPU is too small"):
                call(make_picture(7), cnn)
    assert len(tries) == 6
    with ThreadPoolExecutor(1) as pool:  # no lock was left behind
        assert values_of(pool.submit(engine.explain, make_picture(), cnn).result(20)) == before
    assert len(engine.explain(make_picture(7), cnn).pictures[0].maps) == 3


def test_a_method_that_runs_out_of_memory_once_goes_on(
    engine: Engine, cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    fails = iter([True])

    def run(_capture: LayerCapture, _settings: Settings) -> MethodResult:
        if next(fails, False):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return MethodResult(torch.ones(2, 2))

    register(make_method("hungry", run))
    assert len(engine.explain(make_picture(), cnn, ["hungry"]).pictures[0].maps) == 1


def test_another_fault_is_not_mistaken_for_it(
    engine: Engine, cnn: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("explain.engine.observer.look_at", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        engine.explain(make_picture(), cnn)


# Precision


@pytest.mark.parametrize("kind", ["cnn", "vit", "convnext"])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_near_and_what_is_kept_is_full(kind: str, precision: Precision) -> None:
    model = build_model(kind)
    exact, half = Engine("cpu"), Engine("cpu", precision=precision)
    wanted, found = (engine.capture(make_picture(), model, target=1) for engine in (exact, half))
    tolerance = 0.05 if precision == "bfloat16" else 0.01
    for name in ("logits", "activations", "gradients"):
        one, other = getattr(found, name), getattr(wanted, name)
        assert one.dtype == torch.float32
        assert 0 < (one - other).norm() / other.norm() < tolerance, name
    (one,), (other,) = (e.explain(make_picture(), model, ["grad-cam"], target=1).pictures for e in (half, exact))
    assert np.corrcoef(one.maps[0].values.ravel(), other.maps[0].values.ravel())[0, 1] > 0.98
    assert (exact.description, half.description) == ("CPU", f"CPU, {precision}")
    assert half.explain(make_picture(), model).device == f"CPU, {precision}"
    assert next(model.module.parameters()).dtype == torch.float32


def test_methods_that_run_the_network_run_it_in_half_precision_too(
    cnn: LoadedModel, register: Callable[[Method], Method]
) -> None:
    def run(capture: LayerCapture, _settings: Settings) -> MethodResult:
        scores = capture.runner.scores(lambda rows: capture.runner.picture.repeat(len(rows), 1, 1, 1), 4)
        product = torch.ones(64, 64).mul(1 / 3) @ torch.ones(64, 1)  # the method itself calculates in full
        assert product.dtype == torch.float32
        return MethodResult(scores.reshape(2, 2))

    register(make_method("slow", run, "activations", "runner"))
    exact, half = (Engine("cpu", precision=p).explain(make_picture(), cnn, ["slow"]) for p in ("float32", "bfloat16"))
    one, other = exact.pictures[0].maps[0].values, half.pictures[0].maps[0].values
    assert 0 < np.abs(one - other).max() < 0.05 * np.abs(one).max()


# Leaks


def measure_resident_bytes() -> int:
    """What the process has in memory, after everything that can be given back was."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure_tensor_bytes() -> int:
    """Bytes of all tensors alive, however they are held."""
    tensors = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, nn.Parameter)]
    return sum(tensor.nbytes for tensor in tensors if not tensor.is_meta)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_a_thousand_requests_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, register: Callable[[Method], Method]
) -> None:
    """Mixed requests over five models, most of pictures never seen before; some fail, some are cancelled."""
    seeds = {name: number for number, name in enumerate(("cnn", "vit", "convnext", "cnn b", "vit b"))}
    monkeypatch.setattr(
        "explain.models.load.load_model", lambda r, _w=None: build_model(r.name.split()[0], seeds[r.name])
    )
    register(make_method("failing", lambda _c, _s: 1 // 0))
    engine = Engine("cpu", capture_bytes=200_000, model_bytes=4 * count_weights(build_model("vit")))
    rng = np.random.default_rng(0)
    stopped = threading.Event()

    request = ModelRequest(source="hub", name="cnn")

    def ask(number: int) -> None:
        nonlocal request
        if number % 10 == 0:
            request = ModelRequest(source="hub", name=str(rng.choice([*seeds])))
        model = engine.load(request)
        kind = rng.integers(10)
        picture = make_picture(int(number if kind else 0))
        layers = [model.layers[index].name for index in rng.integers(len(model.layers), size=2)]
        methods = [str(rng.choice(DEFAULT_METHODS))]
        if kind == 1:
            with pytest.raises(ZeroDivisionError):
                engine.explain(picture, model, [*methods, "failing"])
        elif kind == 2:
            stopped.clear()
            with pytest.raises(Cancelled):
                engine.explain(
                    [picture, make_picture()], model, methods, progress=lambda *_: stopped.set(), cancel=stopped
                )
        elif kind == 3:
            with pytest.raises(TargetError):
                engine.explain(picture, model, target="unicorn")
        elif kind == 4:
            engine.explain([picture, make_picture()], model, methods, augmentation="flip")
        elif kind < 7:
            sigma = {"cf-cam": {"sigma": float(rng.uniform(0.3, 2))}}
            score = "probability" if kind == 5 else "logit"
            engine.explain(picture, model, methods, layers, [0, int(rng.integers(6))], sigma, score=score)
        else:
            engine.predict(picture, model)
            engine.capture(make_picture(), model)
        for child in model.module.modules():
            assert not child.training
            assert not (child._forward_hooks or child._forward_pre_hooks or child._backward_hooks)
        assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.module.parameters())

    def measure() -> tuple[int, int]:
        assert 0 < engine.bytes_kept <= 200_000
        engine.forget()
        engine._machine.shelf.give_up_others(engine.load(ModelRequest(source="hub", name="cnn")))
        return measure_resident_bytes(), measure_tensor_bytes()

    for number in range(100):
        ask(number)
    resident, tensors = measure()
    for number in range(100, 1000):
        ask(number)
    resident_now, tensors_now = measure()
    assert resident_now <= 1.05 * resident
    assert tensors_now <= 1.05 * tensors
    assert len(engine._machine.shelf._locks) <= 5


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


def test_a_map_that_does_not_depend_on_the_class_is_drawn_once(engine: Engine, cnn: LoadedModel) -> None:
    answer = engine.explain(make_picture(0), cnn, ["eigen-cam", "grad-cam"], target=[0, 3]).pictures[0]
    first, second = (heatmap for heatmap in answer.maps if heatmap.method == "eigen-cam")
    assert first.values is second.values
    assert [first.target, second.target] == [0, 3]
    assert [first.label, second.label] == [cnn.labels[0], cnn.labels[3]]
    one, other = (heatmap for heatmap in answer.maps if heatmap.method == "grad-cam")
    assert not np.array_equal(one.values, other.values)
