"""KPCA-CAM against scikit-learn's KernelPCA."""

import numpy as np
import pytest
from sklearn.decomposition import KernelPCA

from explain.errors import MethodError

KERNELS = ["sigmoid", "rbf", "poly", "linear", "cosine"]


def project_slowly(activations, kernel, gamma):
    channels, rows, columns = activations.shape
    places = np.array([activations[:, i, j] for i in range(rows) for j in range(columns)])
    places = places - places.mean(0)
    pca = KernelPCA(n_components=1, kernel=kernel, gamma=gamma / channels, eigen_solver="dense")
    projected = pca.fit_transform(places)[:, 0]
    if sum(projected * places.mean(1)) < 0:
        projected = -projected
    return projected.reshape(rows, columns)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", range(8))
def test_equals_scikit_learn(seed, kernel, make_capture, draw):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 40)), int(rng.integers(2, 13)), int(rng.integers(2, 13)))
    activations = np.maximum(rng.normal(size=shape), 0) if seed % 2 == 0 else rng.normal(0.5, 1, size=shape)
    activations = activations.astype(np.float32).astype(float)
    gamma = [1.0, 0.3, 4.0][seed % 3]
    expected = project_slowly(activations, kernel, gamma)
    found = draw("kpca-cam", make_capture(activations), kernel=kernel, gamma=gamma)
    assert np.allclose(found.values, expected, rtol=0, atol=1e-4 * np.ptp(expected))


def test_linear_is_eigen_cam(make_capture, draw):
    capture = make_capture(np.random.default_rng(3).lognormal(size=(7, 5, 6)))
    linear = draw("kpca-cam", capture, kernel="linear")
    eigen = draw("eigen-cam", capture)
    assert np.allclose(linear.values, eigen.values, atol=1e-4) and linear.rules == eigen.rules


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("value", [0.0, 3.7])
def test_activations_that_do_not_vary_give_zeros(value, kernel, make_capture, draw):
    result = draw("kpca-cam", make_capture(np.full((6, 4, 3), value)), kernel=kernel)
    assert not result.values.any() and result.rules == ()


def test_a_grid_too_fine_is_a_sentence(make_capture, draw):
    with pytest.raises(MethodError, match="“layer” has 65×64"):
        draw("kpca-cam", make_capture(np.ones((1, 65, 64))))


def test_activations_that_are_no_numbers_are_a_sentence(make_capture, draw):
    with pytest.raises(MethodError, match="no finite numbers, so KPCA-CAM"):
        draw("kpca-cam", make_capture(np.full((2, 3, 3), np.inf)))
