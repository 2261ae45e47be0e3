"""Element-wise Grad-CAM written out, cell by cell and channel by channel."""

import numpy as np


def weigh_slowly(activations, gradients):
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for k in range(channels):
        for i in range(rows):
            for j in range(columns):
                cam[i, j] += max(gradients[k, i, j] * activations[k, i, j], 0)
    return cam


def test_equals_the_paper_written_out(random_maps, make_capture, draw):
    expected = weigh_slowly(*random_maps)
    found = draw("element-wise-grad-cam", make_capture(*random_maps)).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_zero_gradients_give_zeros(make_capture, draw):
    activations = np.random.default_rng(0).normal(size=(4, 3, 5))
    assert not draw("element-wise-grad-cam", make_capture(activations, np.zeros((4, 3, 5)))).values.any()


def test_what_speaks_against_the_class_takes_nothing_away(make_capture, draw):
    activations = np.array([[[2.0]], [[3.0]], [[-1.0]]])
    gradients = np.array([[[1.0]], [[-1.0]], [[-4.0]]])
    assert draw("element-wise-grad-cam", make_capture(activations, gradients)).values.tolist() == [[6]]
