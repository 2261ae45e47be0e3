"""Sums and channels behind a map's value, against plain loops over the definition and the map itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from explain.engine.engine import Engine
from explain.errors import MethodError
from explain.maps.channels import Breakdown, break_down, rank_channels
from explain.methods import all_methods, get_method
from explain.methods.cf_cam.settings import PUBLISHED
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture
from tests.support.engine import build_model, make_picture

AT_A_LAYER = [
    name for name, method in all_methods().items() if method.place == "layer" and "runner" not in method.needs
]
WEIGHING = [name for name in AT_A_LAYER if getattr(get_method(name).formula, "split", None) is not None]
LOCAL_CF_CAM = {"eps": 20.0, "min_samples": 0.1, "dominant": 80.0}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in AT_A_LAYER),
    ("cf-cam", LOCAL_CF_CAM),
    ("cf-cam", {**LOCAL_CF_CAM, "filter": "bilateral"}),
    ("cf-cam", {**LOCAL_CF_CAM, "filter": "none", "drop_noise": True}),
    ("cf-cam", {**LOCAL_CF_CAM, "filtered": "gradients", "weights": "spatial", "filter_all": False}),
    ("cf-cam", PUBLISHED.model_dump()),
    ("eigen-cam", {"centre": False}),
    ("eigengrad-cam", {"centre": False}),
    ("normgrad", {"inserted": "scaling"}),
    ("normgrad", {"inserted": "bias"}),
    ("normgrad", {"inserted": "wide convolution"}),
    *(("normgrad", {"inserted": name, "positive": True}) for name in ("convolution", "scaling", "bias")),
    ("normgrad", {"inserted": "wide convolution", "positive": True, "step": 0.01}),
    ("shapley-cam", {"utility": "residual softmax"}),
    ("finer-cam", {"classes": 1, "weighting": "probability"}),
    ("fem", {"k": 0.5, "combine": "activations"}),
    *(("kpca-cam", {"kernel": kernel}) for kernel in ("rbf", "poly", "linear", "cosine")),
]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine("cpu")


def make_capture(seed: int, gradients: bool = True) -> LayerCapture:
    random = np.random.default_rng(seed)
    shape = tuple(int(size) for size in random.integers((1, 1, 1), (20, 8, 8)))
    activations = random.normal(size=shape)
    if seed % 2:
        activations = np.maximum(activations, 0)
    gradient = random.normal(size=shape) * 10.0 ** -random.integers(0, 4)
    return LayerCapture(
        layer=Layer("layer", shape[1:], shape[0], "NCHW"),
        target=0,
        logits=torch.zeros(3),
        activations=torch.from_numpy(activations.astype(np.float32)),
        gradients=torch.from_numpy(gradient.astype(np.float32)) if gradients else None,
    )


def find_parts(name: str, capture: LayerCapture, place: tuple[int, int], **settings: Any) -> Breakdown:
    method = get_method(name)
    parts = break_down(method, method.settings.model_validate(settings), capture, place)
    assert parts is not None
    return parts


@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=lambda value: value if isinstance(value, str) else "")
def test_the_parts_of_every_formula_make_the_map_at_every_cell(
    engine: Engine, name: str, settings: dict[str, Any]
) -> None:
    """The oracle: what a page writes out is worked out from what the method was given, and is the engine's map."""
    model, picture = build_model("cnn"), make_picture(2)
    explanation = engine.explain(picture, model, [name], "layer4", 2, {name: settings}).pictures[0]
    assert not explanation.unavailable
    values = explanation.maps[0].values
    complete = explanation.maps[0].settings
    capture = engine.capture(picture, model, "layer4", 2, method=name, settings=complete)
    assert np.abs(values).max() > 0
    for place in np.ndindex(values.shape):
        parts = find_parts(name, capture, (place[0], place[1]), **settings)
        totals = [math.fsum(each.products.tolist()) for each in parts.sums]
        made = math.prod(map(math.sqrt, totals)) if parts.roots else totals[-1]
        assert made == pytest.approx(parts.value)
        assert made == pytest.approx(values[place], rel=2e-4, abs=2e-5 * float(np.abs(values).max()))
        for each in parts.sums:
            assert each.factors.shape == (len(each.products), len(each.columns)) and len(each.names) == len(
                each.products
            )
            assert "$" in each.columns[0]


@pytest.mark.parametrize("name", WEIGHING)
@pytest.mark.parametrize("seed", range(4))
def test_channels_for_and_against_are_those_of_a_loop_over_channels(name: str, seed: int) -> None:
    capture, method = make_capture(seed), get_method(name)
    if "head" in method.needs or "curvature" in method.needs:
        extra = torch.from_numpy(np.random.default_rng(seed).normal(size=capture.activations.shape)).float()
        capture = LayerCapture(
            capture.layer,
            0,
            capture.logits,
            capture.activations,
            capture.gradients,
            curvature=extra,
            head=extra.mean((1, 2))[None],
        )
    settings, place = method.settings(), (0, 0)
    assert method.formula is not None and method.formula.split is not None
    weights, weighed = method.formula.split(capture, settings)
    products = []
    for k in range(len(weighed)):
        products.append((float(weights.expand(weighed.shape)[k, 0, 0]) * float(weighed[k, 0, 0]), k))
    raising = [k for product, k in sorted(products, key=lambda pair: (-pair[0], pair[1])) if product > 0]
    lowering = [k for product, k in sorted(products, key=lambda pair: (pair[0], pair[1])) if product < 0]
    ranking = rank_channels(method, settings, capture, place, 5)
    assert ranking is not None and ranking.count == len(products)
    assert [channel.index for channel in ranking.raising] == raising[:5]
    assert [channel.index for channel in ranking.lowering] == lowering[:5]
    assert ranking.counts == (len(raising), len(lowering))
    assert ranking.strength == pytest.approx(sum(abs(product) for product, _ in products))
    for channel in (*ranking.raising, *ranking.lowering):
        assert channel.weight * channel.weighed == pytest.approx(channel.product)
        np.testing.assert_array_equal(channel.values, capture.activations[channel.index].numpy())


def test_each_method_ranks_channels_by_its_own_weights() -> None:
    """The list is not that of Grad-CAM whichever method is chosen."""
    capture, ranked = make_capture(2), {}
    for name in ("grad-cam", "hires-cam", "counterfactual-grad-cam", "eigen-cam"):
        ranking = rank_channels(get_method(name), get_method(name).settings(), capture, (0, 0), 20)
        assert ranking is not None
        ranked[name] = [channel.index for channel in ranking.raising]
    assert len({tuple(found) for found in ranked.values()}) == 4
    against = rank_channels(get_method("grad-cam"), get_method("grad-cam").settings(), capture, (0, 0), 20)
    assert against is not None
    assert ranked["counterfactual-grad-cam"] == [channel.index for channel in against.lowering]


def test_groups_of_cf_cam_are_filtered_where_they_stand() -> None:
    """Before the filter, each cluster's weight times its activations; after it, what the map is made of."""
    random = np.random.default_rng(0)
    base = random.normal(size=(3, 6, 6))
    activations = np.concatenate([base[k] + 0.01 * random.normal(size=(4, 6, 6)) for k in range(3)])
    capture = LayerCapture(
        Layer("layer", (6, 6), 12, "NCHW"),
        0,
        torch.zeros(3),
        torch.from_numpy(activations.astype(np.float32)),
        torch.from_numpy(random.normal(size=(12, 6, 6)).astype(np.float32)),
    )
    settings = {"eps": 25.0, "min_samples": 0.2, "dominant": 100.0}
    (groups,) = find_parts("cf-cam", capture, (2, 3), **settings).sums
    clusters = [k for k, name in enumerate(groups.names) if name.startswith("cluster")]
    assert len(clusters) > 1
    for k in clusters:
        weight, activation, before = groups.factors[k]
        assert weight * activation == pytest.approx(before, rel=1e-4)
        assert groups.products[k] != pytest.approx(before, rel=1e-4)
    (plain,) = find_parts("cf-cam", capture, (2, 3), **settings, sigma=0.0).sums
    assert len(plain.columns) == 2 and plain.product == "Product"
    np.testing.assert_allclose(plain.products, groups.factors[:, 2], rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in WEIGHING if get_method(name).needs <= {"activations", "gradients"}])
def test_a_layer_of_zeros_adds_up_to_zero(name: str) -> None:
    zeros = torch.zeros(4, 3, 3)
    capture = LayerCapture(Layer("layer", (3, 3), 4, "NCHW"), 0, torch.zeros(3), zeros, zeros)
    parts = find_parts(name, capture, (1, 2))
    assert parts.value == 0.0 and not parts.sums[0].products.any()
    ranking = rank_channels(get_method(name), get_method(name).settings(), capture, (1, 2), 3)
    assert ranking is not None and ranking.raising == ranking.lowering == ()


@pytest.mark.parametrize("name", ["normgrad", "kpca-cam"])
def test_what_weighs_no_channels_ranks_none(name: str) -> None:
    method = get_method(name)
    assert rank_channels(method, method.settings(), make_capture(0), (0, 0), 3) is None
    assert break_down(get_method("rise"), get_method("rise").settings(), make_capture(0), (0, 0)) is None


def test_refuses_what_it_cannot_rank(engine: Engine) -> None:
    method = get_method("grad-cam")
    with pytest.raises(LookupError, match="gradients"):
        rank_channels(method, method.settings(), make_capture(0, gradients=False), (0, 0), 3)
    capture = make_capture(0)
    capture.activations[0, 0, 0] = float("nan")
    with pytest.raises(MethodError, match="no finite numbers"):
        rank_channels(method, method.settings(), capture, (0, 0), 3)
    with pytest.raises(MethodError, match="CAM"):
        engine.capture(make_picture(2), build_model("cnn"), "layer1", 2, method="cam")
    with pytest.raises(MethodError, match="prompts"):
        engine.capture(make_picture(2), build_model("cnn"), method="prompt-cam")
