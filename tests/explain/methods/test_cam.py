"""CAM against equation 2 written out."""

import numpy as np
import pytest


@pytest.mark.parametrize("target", [0, 2])
def test_equals_the_paper_written_out(random_maps, target, make_capture, draw):
    activations, _ = random_maps
    channels, rows, columns = activations.shape
    head = np.random.default_rng(target).normal(size=(3, channels)).astype(np.float32)
    expected = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            for k in range(channels):
                expected[i, j] += head[target, k] * activations[k, i, j]
    found = draw("cam", make_capture(activations, head=head, target=target)).values.numpy()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_its_mean_is_the_logit_and_it_is_grad_cam_times_the_places(make_capture, draw):
    rng = np.random.default_rng(0)
    activations, head = rng.lognormal(size=(5, 3, 4)), rng.normal(size=(3, 5))
    gradients = np.broadcast_to(head[1][:, None, None] / 12, activations.shape)  # of the mean over 12 places
    capture = make_capture(activations, gradients, head=head, target=1)
    found = draw("cam", capture).values
    assert found.mean().item() == pytest.approx(head[1] @ activations.mean((1, 2)), rel=1e-5)
    assert np.allclose(found, 12 * draw("grad-cam", capture).values, rtol=1e-4, atol=1e-5)
