"""Counterfactual Grad-CAM against equation 3 written out."""

import numpy as np


def weigh_slowly(activations, gradients):
    channels, rows, columns = activations.shape
    cam = np.zeros((rows, columns))
    for k in range(channels):
        alpha = 0.0
        for i in range(rows):
            for j in range(columns):
                alpha += -gradients[k, i, j] / (rows * columns)
        cam += alpha * activations[k]
    return cam


def test_equals_the_paper_written_out(random_maps, make_capture, draw):
    expected = weigh_slowly(*random_maps)
    found = draw("counterfactual-grad-cam", make_capture(*random_maps)).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_shows_what_grad_cam_leaves_dark(make_capture, draw):
    capture = make_capture(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]), np.array([[[2.0, 2.0]], [[-3.0, -3.0]]]))
    assert draw("grad-cam", capture).values.tolist() == [[2, -3]]
    assert draw("counterfactual-grad-cam", capture).values.tolist() == [[-2, 3]]
