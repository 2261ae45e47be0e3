"""CF-CAM against a plain re-implementation that follows the paper and the authors' code step by step."""

import itertools
import math
from operator import mul

import numpy as np
import pytest
import torch
from sklearn.cluster import DBSCAN

from explain.errors import MethodError
from explain.methods import get_method
from explain.methods.cf_cam.clustering import DOMINANT, NOISE, cluster_channels, dbscan, measure_eps
from explain.methods.cf_cam.filters import filter_maps
from explain.methods.cf_cam.method import cf_cam
from explain.methods.cf_cam.settings import PUBLISHED, CfCamSettings
from explain.methods.cf_cam.view import cluster_view
from explain.networks.layer import Layer
from explain.passes.capture import Derived, LayerCapture

SEEDS = range(8)


def make_capture(activations: torch.Tensor, gradients: torch.Tensor | None, derived: Derived | None = None):
    channels, height, width = activations.shape
    layer = Layer("last", (height, width), channels, "NCHW")
    return LayerCapture(layer, 0, torch.zeros(10), activations, gradients, derived=derived or Derived())


def like_a_network(seed: int, channels: int = 48, height: int = 6, width: int = 7) -> LayerCapture:
    """Channels that respond to one of five spots, or to nothing in particular, after a ReLU, some of them dead.

    Gradients are as large as a trained network's last ones, and as often against the class as for it.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    spots = [
        np.exp(-((y - random.uniform(0, height)) ** 2 + (x - random.uniform(0, width)) ** 2) / 6) for _ in range(5)
    ]
    activations, gradients = np.zeros((2, channels, height, width))
    for channel in range(channels):
        noise = random.normal(size=(height, width))
        spot = random.integers(7)
        shape = spots[spot] + 0.1 * noise if spot < 5 else 0.5 * noise
        activations[channel] = np.maximum(0, random.lognormal(sigma=0.4) * shape)
        gradients[channel] = random.choice([-3e-4, 3e-4]) * random.lognormal() + 2e-4 * random.normal(
            size=(height, width)
        )
    activations[random.integers(channels, size=2)] = 0
    return make_capture(torch.tensor(activations).float(), torch.tensor(gradients).float())


# The slow reference: loops, following the steps of the paper.


def plain_percentile(values: list[float], percentile: float) -> float:
    ordered = sorted(values)
    position = (len(ordered) - 1) * percentile / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def plain_norm(vector: np.ndarray) -> float:
    return math.hypot(*vector.ravel().tolist())


def plain_distance(first: np.ndarray, second: np.ndarray, distance: str) -> float:
    a, b = first.ravel().tolist(), second.ravel().tolist()
    if distance == "euclidean":
        return math.dist(a, b)
    norms = math.hypot(*a) * math.hypot(*b)
    return 1 - sum(map(mul, a, b)) / norms if norms else 1.0


def plain_dbscan(distances: list[list[float]], eps: float, min_samples: int) -> list[int]:
    """As in Ester et al. 1996: visit the points in order, and grow a cluster from each core not yet in one."""
    count = len(distances)
    neighbours = [[j for j in range(count) if j == i or distances[i][j] <= eps] for i in range(count)]
    labels: list[int | None] = [None] * count
    number = 0
    for start in range(count):
        if labels[start] is not None or len(neighbours[start]) < min_samples:
            continue
        labels[start] = number
        queue = list(neighbours[start])
        while queue:
            point = queue.pop(0)
            if labels[point] is not None:
                continue
            labels[point] = number
            if len(neighbours[point]) >= min_samples:
                queue += neighbours[point]
        number += 1
    return [-1 if label is None else label for label in labels]


def plain_clusters(activations, *, distance, eps, min_samples, dominant) -> np.ndarray:
    norms = [plain_norm(channel) for channel in activations]
    threshold = plain_percentile(norms, dominant)
    rest = [k for k, norm in enumerate(norms) if norm < threshold]
    labels = np.full(len(norms), -2)
    distances = [[plain_distance(activations[i], activations[j], distance) for j in rest] for i in rest]
    pairs = [distances[i][j] for i in range(len(rest)) for j in range(len(rest)) if i != j]
    radius = max(plain_percentile(pairs, eps), 1e-5) if pairs else 1e-5
    for k, label in zip(rest, plain_dbscan(distances, radius, max(2, int(min_samples * len(rest)))), strict=True):
        labels[k] = label
    return labels


def plain_value(values: np.ndarray, y: int, x: int, border: str) -> float:
    """The value at a place that may lie outside: 0, or that of the mirror image, in which the border stands twice."""
    height, width = values.shape
    if border == "zero":
        return float(values[y, x]) if 0 <= y < height and 0 <= x < width else 0.0
    while not 0 <= y < height:
        y = -1 - y if y < 0 else 2 * height - 1 - y
    while not 0 <= x < width:
        x = -1 - x if x < 0 else 2 * width - 1 - x
    return float(values[y, x])


def plain_gaussian(values: np.ndarray, sigma: float, border: str) -> np.ndarray:
    radius = int(4 * sigma + 0.5)
    reach = range(-radius, radius + 1)
    weight = {(dy, dx): math.exp(-(dy**2 + dx**2) / (2 * sigma**2)) for dy in reach for dx in reach}
    total = sum(weight.values())
    result = np.zeros(values.shape)
    for y, x in np.ndindex(*values.shape):
        result[y, x] = sum(w * plain_value(values, y + dy, x + dx, border) for (dy, dx), w in weight.items()) / total
    return result


def plain_bilateral(values: np.ndarray, sigma: float, range_sigma: float, border: str) -> np.ndarray:
    """The kernel of the authors' code, as large as the map, correlated with it; the map keeps its size."""
    height, width = values.shape
    mean = float(values.mean())
    kernel = np.zeros(values.shape)
    for y, x in np.ndindex(height, width):
        place = (y - height / 2) ** 2 + (x - width / 2) ** 2
        kernel[y, x] = math.exp(-place / (2 * sigma**2)) * math.exp(-((values[y, x] - mean) ** 2) / 2 / range_sigma**2)
    kernel = kernel / (kernel.sum() + 1e-6)
    result = np.zeros(values.shape)
    for y, x in np.ndindex(height, width):
        for dy, dx in np.ndindex(height, width):
            place = (y + dy - (height - 1) // 2, x + dx - (width - 1) // 2)
            result[y, x] += kernel[dy, dx] * plain_value(values, *place, border)
    return result


def plain_cf_cam(
    capture, *, distance, eps, min_samples, dominant, drop_noise, filter, sigma, range_sigma, filtered, border,
    filter_all, weights,
) -> np.ndarray:  # fmt: skip
    activations, gradients = capture.activations.numpy(), capture.gradients.numpy().astype(float)
    labels = plain_clusters(activations, distance=distance, eps=eps, min_samples=min_samples, dominant=dominant)

    def smooth(values: np.ndarray) -> np.ndarray:
        if filter == "none" or sigma == 0:
            return values
        if filter == "gaussian":
            return plain_gaussian(values, sigma, border)
        return plain_bilateral(values, sigma, range_sigma, border)

    kept = [k for k, label in enumerate(labels) if label != -1 or not drop_noise]
    effective = {}
    for k in kept:
        if labels[k] >= 0:
            effective[k] = np.mean([gradients[j] for j in kept if labels[j] == labels[k]], axis=0)
        else:
            effective[k] = gradients[k]
        if filtered == "gradients" and (labels[k] >= 0 or filter_all):
            effective[k] = smooth(effective[k])
    if weights != "spatial":
        effective = {k: np.full(values.shape, values.mean()) for k, values in effective.items()}
    if weights == "softmax":
        total = sum(math.exp(values[0, 0]) for values in effective.values())
        effective = {k: np.exp(values) / total for k, values in effective.items()}
    contributions: dict[object, np.ndarray] = {}
    for k in kept:
        group = int(labels[k]) if labels[k] >= 0 else f"channel {k}"
        contributions[group] = contributions.get(group, 0) + effective[k] * activations[k]
    if filtered == "contributions":
        contributions = {
            group: smooth(values) if filter_all or isinstance(group, int) else values
            for group, values in contributions.items()
        }
    return sum(contributions.values())


def assert_same_map(result: torch.Tensor, expected: np.ndarray) -> None:
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("seed", SEEDS)
def test_published_follows_the_authors_code(seed):
    capture = like_a_network(seed)
    result = cf_cam(capture, PUBLISHED)
    assert len(result.details["cluster_sizes"]) >= 1
    assert 0 < result.details["noise_share"] < 1, "no case in which noise is dropped"
    expected = plain_cf_cam(
        capture, distance="euclidean", eps=25, min_samples=0.05, dominant=75, drop_noise=True, filter="bilateral",
        sigma=5.0, range_sigma=0.1, filtered="gradients", border="zero", filter_all=False, weights="softmax",
    )  # fmt: skip
    assert_same_map(result.values, expected)


@pytest.mark.parametrize("seed", range(3))
def test_published_with_gradients_that_matter(seed):
    """Large gradients, so that the softmax and the bilateral range are far from uniform."""
    capture = like_a_network(seed)
    capture = make_capture(capture.activations, capture.gradients * 3000)
    assert_same_map(cf_cam(capture, PUBLISHED).values, plain_cf_cam(capture, **PUBLISHED.model_dump()))


@pytest.mark.parametrize("seed", SEEDS)
def test_default_follows_the_plain_version(seed):
    capture = like_a_network(seed)
    assert_same_map(cf_cam(capture, CfCamSettings()).values, plain_cf_cam(capture, **CfCamSettings().model_dump()))


VARIANTS = [
    {"weights": weights, "filter": filter, "filtered": filtered, "border": border, "filter_all": filter_all}
    for weights, filter, filtered, border, filter_all in itertools.product(
        ["spatial", "linear"], ["gaussian", "bilateral"], ["gradients", "contributions"], ["zero", "reflect"], [0, 1]
    )
] + [
    {"filter": "none", "drop_noise": False},
    {"weights": "softmax", "drop_noise": False},
    {"sigma": 0.0},
    {"eps": 0.0},
    {"eps": 25.0, "min_samples": 0.5},
    {"dominant": 100.0, "weights": "spatial"},
    {"dominant": 0.0},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=lambda changes: " ".join(map(str, changes.values())))
def test_every_setting_does_what_it_says(changes):
    capture = like_a_network(9, channels=40, height=5, width=4)
    base = {"eps": 8.0, "sigma": 0.8, "drop_noise": True}
    settings = CfCamSettings.model_validate({**base, **changes})
    assert_same_map(cf_cam(capture, settings).values, plain_cf_cam(capture, **settings.model_dump()))


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("eps", [1.0, 5.0, 25.0])
def test_labels_follow_the_plain_version(distance, eps):
    for seed in range(3):
        capture = like_a_network(seed)
        settings = CfCamSettings(distance=distance, eps=eps, min_samples=0.05)
        labels = plain_clusters(
            capture.activations.numpy(), distance=distance, eps=eps, min_samples=0.05, dominant=settings.dominant
        )
        np.testing.assert_array_equal(cluster_channels(capture, settings).labels, labels)


def test_dbscan_gives_the_labels_of_scikit_learn():
    random = np.random.default_rng(0)
    seen = set()
    for points, dimensions, eps, min_samples in itertools.product(
        (1, 2, 30, 400), (1, 2, 10), (0.05, 0.3, 2.0), (2, 5)
    ):
        places = random.normal(size=(points, dimensions))
        distances = np.linalg.norm(places[:, None] - places[None], axis=2)
        labels = dbscan(distances <= eps, min_samples)
        expected = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit(distances).labels_
        np.testing.assert_array_equal(labels, expected)
        seen.add(int(labels.max()))
    assert max(seen) > 10
    assert min(seen) == NOISE


def test_border_point_between_two_clusters_belongs_to_the_first():
    """7 is within 3 of both 10 and 4, and no core."""
    for places in ([10, 11, 12, 7, 4, 3, 2], [2, 3, 4, 7, 12, 11, 10], [7, 4, 10, 3, 11, 2, 12]):
        points = np.array(places, dtype=float)[:, None]
        labels = dbscan(np.abs(points - points.T) <= 3, 4)
        assert labels[places.index(7)] == 0
        assert set(labels) == {0, 1}
        assert labels.tolist() == DBSCAN(eps=3, min_samples=4).fit(points).labels_.tolist()


def test_gaussian_is_that_of_scipy_and_keeps_the_mean():
    from scipy.ndimage import gaussian_filter

    maps = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0))
    for sigma, (border, mode) in itertools.product((0.3, 1.0, 5.0), (("reflect", "reflect"), ("zero", "constant"))):
        result = filter_maps(maps, CfCamSettings(filter="gaussian", sigma=sigma, border=border)).numpy()
        expected = np.stack([gaussian_filter(values.numpy().astype(float), sigma, mode=mode) for values in maps])
        np.testing.assert_allclose(result, expected, atol=1e-6)
    kept = filter_maps(maps, CfCamSettings(filter="gaussian", sigma=2.0, border="reflect")).mean((1, 2))
    torch.testing.assert_close(kept, maps.mean((1, 2)))


# The sliders.


def correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    """Pearson's, of the maps as a person sees them, after ReLU; 0 where one of them is blank."""
    a, b = (values.relu().double().flatten() - values.relu().double().mean() for values in (first, second))
    return float(a @ b / (a.norm() * b.norm()).clamp(min=1e-30))


def ends(capture: LayerCapture, name: str) -> float:
    """Correlation of the default's maps at the two ends of a slider."""
    field = CfCamSettings.model_json_schema()["properties"][name]
    maps = [cf_cam(capture, CfCamSettings.model_validate({name: field[end]})).values for end in ("minimum", "maximum")]
    return correlation(*maps)


@pytest.mark.parametrize("same_everywhere", [False, True])
def test_sliders_move_the_default_map(same_everywhere):
    """Also where a global average makes the gradients the same at every place."""
    captures = [like_a_network(seed) for seed in SEEDS]
    if same_everywhere:
        captures = [
            make_capture(c.activations, c.gradients.mean((1, 2), keepdim=True).expand_as(c.gradients)) for c in captures
        ]
    assert np.mean([ends(capture, "eps") for capture in captures]) < 0.9
    assert np.mean([ends(capture, "sigma") for capture in captures]) < 0.9


class CountedDerived(Derived):
    """Remembers what was computed."""

    def __init__(self) -> None:
        super().__init__()
        self.computed: list[tuple] = []

    def get(self, key, compute):
        def counted():
            self.computed.append(key)
            return compute()

        return super().get(key, counted)


def test_sliders_reuse_distances_and_clusters():
    derived = CountedDerived()
    capture = like_a_network(0)
    capture = make_capture(capture.activations, capture.gradients, derived)
    cf_cam(capture, CfCamSettings(eps=2.0, sigma=1.0))
    assert len([key for key in derived.computed if key[1] == "distances"]) == 1

    derived.computed.clear()
    cf_cam(capture, CfCamSettings(eps=2.0, sigma=3.0))
    cf_cam(capture, CfCamSettings(eps=2.0, sigma=1.0, weights="spatial", filter="bilateral", drop_noise=True))
    assert derived.computed == []

    cf_cam(capture, CfCamSettings(eps=7.0, sigma=1.0))
    assert [key[1] for key in derived.computed] == ["clusters"]

    derived.computed.clear()
    cluster_view(capture, CfCamSettings(eps=7.0))
    assert {key[1] for key in derived.computed} == {"k-distances", "embedding"}


def test_what_is_kept_with_the_picture_does_not_depend_on_the_class():
    first, second = like_a_network(0), like_a_network(1)
    derived = Derived()
    cf_cam(make_capture(first.activations, first.gradients, derived), CfCamSettings())
    shared = cf_cam(make_capture(first.activations, second.gradients, derived), CfCamSettings()).values
    alone = cf_cam(make_capture(first.activations, second.gradients), CfCamSettings()).values
    assert torch.equal(shared, alone)


def test_capture_is_left_alone():
    capture = like_a_network(0)
    activations, gradients = capture.activations.clone(), capture.gradients.clone()
    for settings in (CfCamSettings(), PUBLISHED):
        cf_cam(capture, settings)
        cluster_view(capture, settings)
    assert torch.equal(capture.activations, activations)
    assert torch.equal(capture.gradients, gradients)


# What a reader is told.


def test_details_describe_the_clustering():
    capture = like_a_network(3)
    settings = CfCamSettings(eps=10.0, distance="euclidean", min_samples=0.05, dominant=75.0)
    details = cf_cam(capture, settings).details
    labels = details["labels"]
    rest = np.flatnonzero(labels != DOMINANT)
    assert details["dominant_channels"] == 48 - len(rest) == 12
    assert details["cluster_sizes"] == [int((labels == c).sum()) for c in range(labels.max() + 1)]
    assert details["noise_share"] == pytest.approx((labels[rest] == NOISE).mean())
    activations = capture.activations.numpy()
    pairs = [plain_distance(activations[i], activations[j], "euclidean") for i in rest for j in rest if i != j]
    assert details["eps_distance"] == pytest.approx(plain_percentile(pairs, 10.0), rel=1e-5)
    assert details["min_samples"] == 2
    for value in details.values():
        assert isinstance(value, (int, float, str, list, np.ndarray))


def test_cluster_view_shows_groups_curve_and_embedding():
    capture = like_a_network(3)
    settings = CfCamSettings(eps=10.0, distance="euclidean", min_samples=0.1)
    view = cluster_view(capture, settings)
    labels = view.clusters.labels
    assert view.groups == tuple(sorted(set(labels.tolist())))
    assert DOMINANT in view.groups
    assert NOISE in view.groups
    for group, size, activation, gradient in zip(
        view.groups, view.group_sizes, view.mean_activations, view.mean_gradients, strict=True
    ):
        members = [k for k in range(48) if labels[k] == group]
        assert size == len(members)
        np.testing.assert_allclose(activation, np.mean([capture.activations[k].numpy() for k in members], 0), atol=1e-6)
        np.testing.assert_allclose(gradient, np.mean([capture.gradients[k].numpy() for k in members], 0), atol=1e-9)
    rest = [k for k in range(48) if labels[k] != DOMINANT]
    activations = capture.activations.numpy()
    curve = sorted(
        sorted(plain_distance(activations[i], activations[j], "euclidean") for j in rest)[view.clusters.min_samples - 1]
        for i in rest
    )
    np.testing.assert_allclose(view.k_distances, curve, atol=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "changes", [{}, {"filtered": "gradients"}, {"drop_noise": True}, {"filter_all": False}, PUBLISHED.model_dump()]
)
def test_what_groups_add_is_the_map(seed, changes):
    capture = like_a_network(seed)
    settings = CfCamSettings.model_validate({"eps": 10.0, **changes})
    view = cluster_view(capture, settings)
    values = cf_cam(capture, settings).values.numpy()
    np.testing.assert_allclose(view.contributions.sum(0), values, atol=1e-5 * np.abs(values).max())
    for number, group in enumerate(view.groups):
        if group == NOISE and settings.drop_noise:
            assert not view.contributions[number].any()
            assert not view.filtered_gradients[number].any()
            continue
        members = [k for k in range(48) if view.clusters.labels[k] == group]
        gradient = np.mean([capture.gradients[k].numpy() for k in members], 0)
        activation = np.sum([capture.activations[k].numpy() for k in members], 0)
        is_filtered = settings.filter_all or group >= 0
        if settings.filtered == "gradients" and is_filtered:
            smooth = filter_maps(torch.tensor(gradient)[None], settings)[0].numpy()
            if group >= 0 or settings.filter == "gaussian":  # the bilateral filter is no linear one
                np.testing.assert_allclose(view.filtered_gradients[number], smooth, atol=1e-8)
        else:
            np.testing.assert_allclose(view.filtered_gradients[number], gradient, atol=1e-8)
        if settings.weights == "linear" and group >= 0:
            plain = view.filtered_gradients[number].mean() * activation
            np.testing.assert_allclose(view.unfiltered[number], plain, atol=1e-5 * np.abs(plain).max())
        smooth = view.unfiltered[number]
        if settings.filtered == "contributions" and is_filtered:
            smooth = filter_maps(torch.tensor(smooth)[None], settings)[0].numpy()
        np.testing.assert_allclose(view.contributions[number], smooth, atol=1e-5 * np.abs(values).max())


def test_eps_is_measured_in_units_of_the_distance():
    capture = like_a_network(3)
    settings = CfCamSettings()
    steps = [0.0, 0.3, 4.0, 25.0]
    found = [cluster_channels(capture, CfCamSettings(eps=eps)).eps for eps in steps]
    assert measure_eps(capture, settings, steps).tolist() == found
    assert found == sorted(found)
    with pytest.raises(MethodError):
        measure_eps(make_capture(capture.activations, None), settings, steps)


def test_embedding_is_classical_scaling():
    """Points of a plane keep all their distances."""
    random = np.random.default_rng(0)
    plane = random.normal(size=(30, 2)) @ random.normal(size=(2, 12))
    capture = make_capture(torch.tensor(plane).float().reshape(30, 3, 4), torch.ones(30, 3, 4))
    flat = cluster_view(capture, CfCamSettings(distance="euclidean")).embedding
    assert flat.shape == (30, 2)
    expected = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(flat[:, None] - flat[None], axis=2), expected, atol=1e-5)


def test_published_weights_are_reported_as_blind_to_the_class():
    capture = like_a_network(0)
    assert any("hardly depends on the class" in warning for warning in cf_cam(capture, PUBLISHED).warnings)
    other = make_capture(capture.activations, -capture.gradients)
    assert correlation(cf_cam(capture, PUBLISHED).values, cf_cam(other, PUBLISHED).values) > 0.99
    loud = make_capture(capture.activations, capture.gradients * 3000)
    assert not any("hardly depends" in warning for warning in cf_cam(loud, PUBLISHED).warnings)
    assert not any("hardly depends" in warning for warning in cf_cam(capture, CfCamSettings()).warnings)


def warnings_of(capture: LayerCapture, **settings: object) -> str:
    return " ".join(cf_cam(capture, CfCamSettings.model_validate(settings)).warnings)


def test_warnings_name_degenerate_clusterings():
    capture = like_a_network(0)
    assert "are noise" in warnings_of(capture, eps=0.0, min_samples=0.5)
    assert "only the dominant" in warnings_of(capture, eps=0.0, min_samples=0.5, drop_noise=True)
    assert "own gradients" in warnings_of(capture, eps=0.0, min_samples=0.5, drop_noise=False)
    assert "One cluster" in warnings_of(odd_captures()["constant channels"])
    some_in_one = {"eps": 25.0, "distance": "euclidean", "min_samples": 0.2}
    assert cf_cam(capture, CfCamSettings.model_validate(some_in_one)).details["cluster_sizes"][1:] == []
    assert "here nearly Grad-CAM, smoothed" in warnings_of(capture, **some_in_one, drop_noise=False)
    assert "One cluster" in warnings_of(capture, **some_in_one, drop_noise=True)
    assert "nothing was clustered" in warnings_of(capture, dominant=0.0)


# Captures with little or nothing in them.


def odd_captures() -> dict[str, LayerCapture]:
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=random)

    half_dead = draw(20, 4, 4).relu()
    half_dead[::2] = 0
    apart = 1e3 * torch.eye(16).reshape(16, 4, 4)
    return {
        "one channel": make_capture(draw(1, 4, 4), draw(1, 4, 4)),
        "two channels": make_capture(draw(2, 4, 4), draw(2, 4, 4)),
        "three channels": make_capture(draw(3, 4, 4), draw(3, 4, 4)),
        "four channels": make_capture(draw(4, 4, 4), draw(4, 4, 4)),
        "one cell": make_capture(draw(24, 1, 1), draw(24, 1, 1)),
        "one row": make_capture(draw(24, 1, 9), draw(24, 1, 9)),
        "one column": make_capture(draw(24, 9, 1), draw(24, 9, 1)),
        "no activation": make_capture(torch.zeros(24, 4, 4), draw(24, 4, 4)),
        "no gradient": make_capture(draw(24, 4, 4).relu(), torch.zeros(24, 4, 4)),
        "constant channels": make_capture(torch.arange(24.0)[:, None, None].expand(24, 4, 4), draw(24, 4, 4)),
        "equal channels": make_capture(draw(1, 4, 4).expand(24, 4, 4), draw(24, 4, 4)),
        "half of the channels dead": make_capture(half_dead, draw(20, 4, 4)),
        "channels far apart": make_capture(apart * torch.arange(1, 17)[:, None, None], draw(16, 4, 4)),
        "huge": make_capture(1e15 * draw(24, 4, 4), 1e15 * draw(24, 4, 4)),
        "tiny": make_capture(1e-20 * draw(24, 4, 4), 1e-15 * draw(24, 4, 4)),
    }


@pytest.mark.parametrize("name", odd_captures())
def test_odd_captures_give_finite_maps(name):
    capture = odd_captures()[name]
    with np.errstate(all="raise", under="ignore"):
        for distance, weights, filter, filtered, border, drop_noise, eps in itertools.product(
            ["euclidean", "cosine"], ["spatial", "linear", "softmax"], ["gaussian", "bilateral"],
            ["gradients", "contributions"], ["zero", "reflect"], [False, True], [0.0, 25.0],
        ):  # fmt: skip
            settings = CfCamSettings(
                distance=distance, weights=weights, filter=filter, filtered=filtered, border=border,
                drop_noise=drop_noise, eps=eps,
            )  # fmt: skip
            result = cf_cam(capture, settings)
            assert result.values.shape == capture.layer.grid
            assert result.values.isfinite().all(), settings
            assert math.isfinite(result.details["eps_distance"])
            view = cluster_view(capture, settings)
            assert view.embedding.shape == (len(capture.activations), 2)
            for values in (view.embedding, view.k_distances, view.mean_activations, view.mean_gradients):
                assert np.isfinite(values).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_few_channels_follow_the_plain_version(channels):
    for seed, settings in itertools.product(range(4), (CfCamSettings(), PUBLISHED)):
        capture = like_a_network(seed + 20, channels=channels + 2, height=3, width=3)
        capture = make_capture(capture.activations[:channels] + 0.01, capture.gradients[:channels])
        assert_same_map(cf_cam(capture, settings).values, plain_cf_cam(capture, **settings.model_dump()))


def test_no_activation_gives_a_map_of_zeros():
    assert cf_cam(odd_captures()["no activation"], CfCamSettings()).values.count_nonzero() == 0


def test_all_noise_leaves_the_dominant_channels():
    capture = odd_captures()["channels far apart"]
    settings = CfCamSettings(
        distance="euclidean", eps=0.0, min_samples=0.5, drop_noise=True, filter="none", weights="spatial", dominant=75
    )
    result = cf_cam(capture, settings)
    assert result.details["noise_share"] == 1.0
    assert result.details["cluster_sizes"] == []
    expected = (capture.activations[-4:] * capture.gradients[-4:]).sum(0)
    torch.testing.assert_close(result.values, expected)


def test_a_dead_channel_is_far_from_all_others_under_cosine():
    """It has no direction, so it must neither join a cluster nor, with others like it, make one."""
    capture = odd_captures()["half of the channels dead"]
    labels = cluster_channels(capture, CfCamSettings(distance="cosine", eps=5.0)).labels
    assert (labels[::2] == NOISE).all()


def test_equal_channels_are_at_distance_zero_whatever_their_size():
    """The squares of large activations cancel to rounding, which must not pass for a distance."""
    pattern = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(0))
    activations = 1e6 * torch.cat([pattern.expand(9, 4, 4), 2 * pattern.expand(3, 4, 4)])
    clusters = cluster_channels(make_capture(activations, torch.ones(12, 4, 4)), PUBLISHED)
    assert clusters.eps == 1e-5
    assert clusters.labels.tolist() == [0] * 9 + [DOMINANT] * 3


def test_refuses_what_it_cannot_compare():
    capture = like_a_network(0)
    with pytest.raises(MethodError, match="needs the gradients"):
        cf_cam(make_capture(capture.activations, None), CfCamSettings())
    for broken in (float("nan"), float("inf")):
        activations = capture.activations.clone()
        activations[3, 2, 1] = broken
        with pytest.raises(MethodError, match=r"“last” hold values that are no finite numbers"):
            cf_cam(make_capture(activations, capture.gradients), CfCamSettings())


def test_is_registered_with_its_two_sliders_first():
    method = get_method("cf-cam")
    assert method.needs == {"gradients"}
    assert not method.class_agnostic
    assert method.presets["published"] == PUBLISHED
    plain = [
        name
        for name, field in CfCamSettings.model_fields.items()
        if not field.json_schema_extra["advanced"]  # type: ignore[index, call-overload]
    ]
    assert plain == ["eps", "sigma"]
