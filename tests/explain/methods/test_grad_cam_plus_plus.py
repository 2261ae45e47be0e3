"""Grad-CAM++ against equations 5, 7 and 19 written out."""

import numpy as np
import pytest


def weigh_slowly(activations, gradients, eps=0.0):
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for k in range(channels):
        total = sum(activations[k, a, b] for a in range(rows) for b in range(columns))
        weight = 0.0
        for i in range(rows):
            for j in range(columns):
                g = gradients[k, i, j]
                if g != 0:
                    alpha = g**2 / (2 * g**2 + total * g**3 + eps)  # equation 19
                    weight += alpha * max(g, 0)  # equation 5
        cam += weight * activations[k]  # equation 7, without its ReLU
    return cam


@pytest.mark.parametrize("eps", [0.0, 1e-6])
def test_equals_the_paper_written_out(random_maps, eps, make_capture, draw):
    activations, gradients = random_maps
    activations = np.abs(activations)  # signed activations may come near a pole; see below
    expected = weigh_slowly(activations, gradients, eps)
    found = draw("grad-cam++", make_capture(activations, gradients), absolute_eps=eps).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_signed_activations_away_from_the_pole(random_maps, make_capture, draw):
    activations, gradients = random_maps
    gradients = gradients / np.abs(gradients).max() / max(1, np.abs(activations.sum((1, 2))).max())
    expected = weigh_slowly(activations, gradients)
    found = draw("grad-cam++", make_capture(activations, gradients)).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("scale", [1e-3, 1e-8, 1e-25])
def test_tiny_gradients_keep_their_map(scale, make_capture, draw):
    """A trained network's last gradients squared are below 1e-6, where an absolute eps would decide the map."""
    rng = np.random.default_rng(0)
    activations, gradients = np.abs(rng.normal(size=(6, 4, 5))), rng.normal(size=(6, 4, 5)) * scale
    expected = weigh_slowly(activations, gradients / scale * 1e-6)
    found = draw("grad-cam++", make_capture(activations, gradients)).values.numpy()
    assert np.isfinite(found).all() and found.max() > 0
    assert np.allclose(found / found.max(), expected / expected.max(), atol=2e-2 if scale == 1e-3 else 1e-4)


def test_a_denominator_that_cancels_out_gives_nothing(make_capture, draw):
    activations = np.array([[[-1.0, -1.0]], [[1.0, 3.0]]])
    gradients = np.array([[[1.0, 1.0]], [[1.0, 1.0]]])  # 2 + (-2) * 1 = 0 in the first channel
    expected = 2 / (2 + 4) * activations[1]
    assert np.allclose(draw("grad-cam++", make_capture(activations, gradients)).values, expected)


def test_gradients_that_only_lower_the_score_give_zeros(make_capture, draw):
    rng = np.random.default_rng(1)
    capture = make_capture(rng.normal(size=(4, 3, 3)), -np.abs(rng.normal(size=(4, 3, 3))))
    for eps in (0.0, 1e-6):
        assert not draw("grad-cam++", capture, absolute_eps=eps).values.any()
