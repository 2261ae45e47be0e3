"""Layer-CAM written out, cell by cell and channel by channel."""

import numpy as np


def weigh_slowly(activations, gradients):
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for k in range(channels):
        for i in range(rows):
            for j in range(columns):
                cam[i, j] += max(gradients[k, i, j], 0) * activations[k, i, j]
    return cam


def test_equals_the_paper_written_out(random_maps, make_capture, draw):
    expected = weigh_slowly(*random_maps)
    found = draw("layer-cam", make_capture(*random_maps)).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_zero_gradients_give_zeros(make_capture, draw):
    activations = np.random.default_rng(0).normal(size=(4, 3, 5))
    assert not draw("layer-cam", make_capture(activations, np.zeros((4, 3, 5)))).values.any()


def test_is_signed_where_activations_are(make_capture, draw):
    capture = make_capture(np.array([[[-2.0, 3.0, 4.0]]]), np.array([[[1.0, 1.0, -1.0]]]))
    assert draw("layer-cam", capture).values.tolist() == [[-2, 3, 0]]
