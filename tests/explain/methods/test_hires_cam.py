"""HiRes-CAM written out, cell by cell and channel by channel."""

import numpy as np


def weigh_slowly(activations, gradients):
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for k in range(channels):
        for i in range(rows):
            for j in range(columns):
                cam[i, j] += gradients[k, i, j] * activations[k, i, j]
    return cam


def test_equals_the_paper_written_out(random_maps, make_capture, draw):
    expected = weigh_slowly(*random_maps)
    found = draw("hires-cam", make_capture(*random_maps)).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_zero_gradients_give_zeros(make_capture, draw):
    activations = np.random.default_rng(0).normal(size=(4, 3, 5))
    assert not draw("hires-cam", make_capture(activations, np.zeros((4, 3, 5)))).values.any()


def test_gradients_that_are_the_same_everywhere_are_grad_cam(random_maps, make_capture, draw):
    activations, gradients = random_maps
    capture = make_capture(activations, np.ones_like(gradients) * gradients[:, :1, :1])
    assert np.allclose(draw("hires-cam", capture).values, draw("grad-cam", capture).values, atol=1e-5)
