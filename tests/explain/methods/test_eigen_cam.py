"""Eigen-CAM against numpy's full SVD, with its sign rule written out."""

import numpy as np
import pytest
import torch

from explain.errors import MethodError
from explain.methods import MethodResult, get_method
from explain.methods.eigen_cam import SIGN_BY_MEAN, SIGN_BY_PLACE, find_first_eigenvector
from explain.networks.layer import Layer
from explain.passes.capture import LayerCapture

SHAPES = [(3, 5, 4), (40, 3, 3), (7, 1, 9), (1, 4, 4), (16, 4, 4), (9, 12, 10), (64, 2, 2), (5, 1, 1)]


def draw(activations: np.ndarray, **settings: bool) -> np.ndarray:
    return run(activations, **settings).values.numpy()


def run(activations: np.ndarray, **settings: bool) -> MethodResult:
    channels, rows, columns = activations.shape
    capture = LayerCapture(
        Layer("layer", (rows, columns), channels, "NCHW"),
        0,
        torch.zeros(3),
        torch.from_numpy(activations.astype(np.float32)),
    )
    method = get_method("eigen-cam")
    return method.function(capture, method.settings(**settings))


def project_slowly(activations: np.ndarray, centre: bool) -> np.ndarray:
    """`A v_1`, places as rows, turned so that it agrees with the mean over channels."""
    channels, rows, columns = activations.shape
    places = np.zeros((rows * columns, channels))
    for i in range(rows):
        for j in range(columns):
            places[i * columns + j] = activations[:, i, j]
    if centre:
        for k in range(channels):
            places[:, k] -= sum(places[:, k]) / len(places)
    _, _, rights = np.linalg.svd(places, full_matrices=False)
    projected = np.array([sum(place * rights[0]) for place in places])
    agreement = sum(value * sum(place) / channels for value, place in zip(projected, places, strict=True))
    return (projected if agreement >= 0 else -projected).reshape(rows, columns)


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_svd(seed: int, centre: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = SHAPES[seed]
    # ReLU'd like a CNN's for even seeds, signed and with a strong mean like a ViT's for odd ones
    activations = np.maximum(rng.normal(size=shape), 0) if seed % 2 == 0 else rng.normal(0.5, 1, size=shape)
    activations = activations.astype(np.float32).astype(np.float64)
    found = draw(activations, centre=centre)
    expected = project_slowly(activations, centre)
    assert found.dtype == np.float32 and found.shape == shape[1:]
    assert np.allclose(found, expected, atol=2e-5 * max(np.abs(expected).max(), 1e-3))


@pytest.mark.parametrize("gap", [0.3, 1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize(("channels", "rows", "columns"), [(300, 12, 11), (110, 20, 15), (60, 7, 7)])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
def test_equals_the_svd_however_near_the_next_singular_value(
    seed: int, channels: int, rows: int, columns: int, gap: float
) -> None:
    """Above 96 on the shorter side the eigenvector is looked for in a Krylov space; below, all are computed."""
    rng = np.random.default_rng(seed)
    count = min(channels, rows * columns)
    left, right = (np.linalg.qr(rng.normal(size=(n, count)))[0] for n in (rows * columns, channels))
    values = np.array([1, 1 - gap, *np.sort(rng.uniform(0, 1 - gap, count - 2))[::-1]]) * 100
    activations = (left * values @ right.T).T.reshape(channels, rows, columns).astype(np.float32)
    places = activations.reshape(channels, -1).T.astype(float)
    lefts, found_values, _ = np.linalg.svd(places, full_matrices=False)
    expected = (lefts[:, 0] * found_values[0]).reshape(rows, columns)
    expected = expected if expected.ravel() @ places.mean(1) > 0 else -expected
    assert np.allclose(draw(activations, centre=False), expected, rtol=0, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("size", [1, 2, 96, 97, 200])
def test_the_first_eigenvector_of_matrices_that_leave_no_choice_or_too_much(size: int) -> None:
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(size, size, dtype=torch.float64)).Q
    for values in (torch.zeros(size), torch.ones(size), torch.linspace(-3, 1, size), torch.arange(size) // 2):
        matrix = basis * values.double() @ basis.T
        value, vector = find_first_eigenvector((matrix + matrix.T) / 2)
        assert value.item() == pytest.approx(values.max().item(), abs=1e-9)
        assert vector.norm().item() == pytest.approx(1)
        assert torch.allclose(matrix @ vector, value * vector, atol=1e-6 * size)


def test_a_picture_whose_raw_singular_vector_is_inverted_comes_out_upright() -> None:
    inverted = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        object_ = np.zeros((6, 7))
        object_[2:4, 1:4] = 1
        activations = rng.uniform(0.5, 2, (12, 1, 1)) * object_ + rng.uniform(0, 0.3, (12, 6, 7))
        places = activations.reshape(12, -1).T
        places = places - places.mean(0)
        raw = (places @ np.linalg.svd(places, full_matrices=False)[2][0]).reshape(6, 7)
        inverted += raw[object_ == 1].max() < raw[object_ == 0].min()
        result = run(activations)
        assert result.values.numpy()[object_ == 1].min() > result.values.numpy()[object_ == 0].max()
        assert result.rules == (SIGN_BY_MEAN,)
    assert inverted > 0, "no case in which the raw vector is inverted"


@pytest.mark.parametrize("seed", range(8))
def test_sign_agrees_with_the_mean_activation(seed: int) -> None:
    """Turning all activations turns the map with them, so that a bright object never comes out dark."""
    rng = np.random.default_rng(seed)
    object_ = np.zeros((6, 7))
    object_[2:4, 1 + seed % 5 : 3 + seed % 5] = 1
    activations = rng.uniform(0.5, 2, (12, 1, 1)) * object_ + rng.normal(0, 0.05, (12, 6, 7))
    found = draw(activations)
    assert found[object_ == 1].min() > found[object_ == 0].max()
    assert np.allclose(draw(-activations), -found, atol=1e-5)


def test_of_a_tie_the_furthest_place_is_positive() -> None:
    """Two opposed channels have no mean, so that the mean cannot choose the sign."""
    pattern = np.array([[0.0, 1.0, 0.5], [0.2, 0.1, 0.4]])
    for turned in (1, -1):
        result = run(np.stack([turned * pattern, -turned * pattern]))
        assert result.rules == (SIGN_BY_PLACE,)
        found = result.values.numpy()
        assert found[0, 1] > 0
        assert np.unravel_index(np.abs(found).argmax(), found.shape) == (0, 1)
        assert np.allclose(np.abs(found), np.abs(pattern - pattern.mean()) * np.sqrt(2), atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_sign_after_a_layernorm_does_not_hang_on_rounding(seed: int) -> None:
    """Without weights a LayerNorm leaves a mean of rounding noise in every place; other noise, same sign."""
    torch.manual_seed(seed)
    normed = torch.nn.functional.layer_norm(torch.randn(20, 24), (24,)).T.reshape(24, 4, 5).numpy()
    found = draw(normed)
    assert found.flat[np.abs(found).argmax()] > 0
    noise = np.random.default_rng(seed).normal(0, 3e-8, normed.shape)
    for shift in (noise, -noise):
        assert np.allclose(draw(normed + shift), found, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 3.7])
def test_activations_that_do_not_vary_give_zeros(value: float) -> None:
    """Zeros and not rounding noise, which a colour scale of its own would stretch into a pattern."""
    assert not draw(np.full((6, 4, 3), value)).any()
    assert run(np.full((6, 4, 3), value)).rules == ()
    rng = np.random.default_rng(0)
    channels = rng.uniform(0, 9, (31, 1, 1)) * np.ones((31, 7, 5))
    assert not draw(channels * (1 + rng.uniform(-1e-7, 1e-7, channels.shape))).any()


def test_uncentred_constant_is_constant() -> None:
    assert np.allclose(draw(np.full((4, 3, 3), 2.0), centre=False), 4.0, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_a_sentence(bad: float) -> None:
    activations = np.ones((3, 4, 4))
    activations[1, 2, 2] = bad
    with pytest.raises(MethodError, match="“layer”"):
        draw(activations)
