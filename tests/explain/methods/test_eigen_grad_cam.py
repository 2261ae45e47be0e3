"""EigenGrad-CAM against numpy's full SVD of gradient times activation."""

import numpy as np
import pytest

from explain.errors import MethodError
from explain.methods.eigen_cam import SIGN_BY_MEAN


def project_slowly(activations, gradients, centre):
    channels, rows, columns = activations.shape
    places = np.zeros((rows * columns, channels))
    for i in range(rows):
        for j in range(columns):
            for k in range(channels):
                places[i * columns + j, k] = gradients[k, i, j] * activations[k, i, j]
    if centre:
        places = places - places.mean(0)
    _, _, rights = np.linalg.svd(places, full_matrices=False)
    projected = places @ rights[0]
    if sum(projected * places.mean(1)) < 0:
        projected = -projected
    return projected.reshape(rows, columns)


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_svd(seed, centre, make_capture, draw):
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 40)), int(rng.integers(2, 8)), int(rng.integers(2, 8)))
    activations, gradients = rng.lognormal(size=shape), rng.normal(size=shape) * 1e-3
    expected = project_slowly(activations, gradients, centre)
    found = draw("eigengrad-cam", make_capture(activations, gradients), centre=centre)
    assert np.allclose(found.values, expected, rtol=0, atol=1e-4 * np.ptp(expected))
    assert found.rules == (SIGN_BY_MEAN,)


def test_turning_the_class_round_turns_the_map(make_capture, draw):
    rng = np.random.default_rng(0)
    activations, gradients = rng.lognormal(size=(9, 4, 4)), rng.normal(size=(9, 4, 4))
    one = draw("eigengrad-cam", make_capture(activations, gradients)).values
    other = draw("eigengrad-cam", make_capture(activations, -gradients)).values
    assert np.allclose(one, -other, atol=1e-5)


def test_zero_gradients_give_zeros_and_no_rule(make_capture, draw):
    result = draw("eigengrad-cam", make_capture(np.ones((4, 3, 3)), np.zeros((4, 3, 3))))
    assert not result.values.any() and result.rules == ()


def test_gradients_that_are_no_numbers_are_a_sentence(make_capture, draw):
    with pytest.raises(MethodError, match=r"activations or gradients of the layer “layer”.*EigenGrad-CAM"):
        draw("eigengrad-cam", make_capture(np.ones((2, 3, 3)), np.full((2, 3, 3), np.nan)))
