"""XGrad-CAM against equation 8 written out."""

import numpy as np


def weigh_slowly(activations, gradients):
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for k in range(channels):
        total = sum(activations[k, i, j] for i in range(rows) for j in range(columns))
        weight = 0.0
        for i in range(rows):
            for j in range(columns):
                if total != 0:
                    weight += activations[k, i, j] / total * gradients[k, i, j]
        cam += weight * activations[k]
    return cam


def test_equals_the_paper_written_out(random_maps, make_capture, draw):
    expected = weigh_slowly(*random_maps)
    found = draw("xgrad-cam", make_capture(*random_maps)).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_a_dead_channel_adds_nothing(make_capture, draw):
    activations = np.stack([np.zeros((2, 2)), np.array([[0.0, 1.0], [3.0, 0.0]])])
    gradients = np.full((2, 2, 2), 2.0)
    assert np.allclose(draw("xgrad-cam", make_capture(activations, gradients)).values, 2 * activations[1])


def test_a_channel_that_cancels_out_does_not_blow_up(make_capture, draw):
    """Its total is rounding noise, and a weight divided by it would be the whole map."""
    noise = np.float32(1e-8)
    activations = np.stack([np.array([[1.0, -1.0 + noise]]), np.array([[1.0, 2.0]])])
    found = draw("xgrad-cam", make_capture(activations, np.array([[[1.0, 5.0]], [[1.0, 1.0]]]))).values
    assert np.allclose(found, [[1, 2]])


def test_constant_gradients_are_grad_cam(random_maps, make_capture, draw):
    activations, gradients = random_maps
    capture = make_capture(np.abs(activations) + 0.1, np.ones_like(gradients) * gradients[:, :1, :1])
    assert np.allclose(draw("xgrad-cam", capture).values, draw("grad-cam", capture).values, rtol=1e-4, atol=1e-6)
