"""FEM against its rule written out: mean plus k standard deviations, channel by channel."""

import math

import numpy as np
import pytest


def add_up_slowly(activations, k, combine):
    rows, columns = activations.shape[1:]
    cam = np.zeros((rows, columns))
    for channel in activations:
        values = [channel[i, j] for i in range(rows) for j in range(columns)]
        mean = sum(values) / len(values)
        sigma = math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
        mask = np.zeros((rows, columns))
        for i in range(rows):
            for j in range(columns):
                mask[i, j] = channel[i, j] > mean + k * sigma
        cam += mean * mask if combine == "masks" else mask.mean() * channel
    return cam


@pytest.mark.parametrize("combine", ["masks", "activations"])
@pytest.mark.parametrize("k", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_rule_written_out(seed, k, combine, make_capture, draw):
    rng = np.random.default_rng(seed)
    activations = rng.lognormal(size=(12, 6, 7)) * (rng.random((12, 1, 1)) + 0.1) - (seed % 2)
    activations = activations.astype(np.float32).astype(float)
    expected = add_up_slowly(activations, k, combine)
    found = draw("fem", make_capture(activations), k=k, combine=combine).values.numpy()
    assert expected.any()
    assert np.allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("value", [0.0, 0.1, 3.7])
def test_a_channel_that_is_the_same_everywhere_has_no_unusual_place(value, make_capture, draw):
    activations = np.full((5, 7, 7), value) * np.linspace(1, 2, 5)[:, None, None]
    assert not draw("fem", make_capture(activations), k=0.0).values.any()
    activations = activations * (1 + np.random.default_rng(0).uniform(-1e-7, 1e-7, activations.shape))
    assert not draw("fem", make_capture(activations), k=0.0).values.any()


def test_the_one_bright_place_is_found(make_capture, draw):
    activations = np.zeros((2, 4, 4))
    activations[0, 1, 2] = 8
    activations[1, 1, 2] = 4
    found = draw("fem", make_capture(activations)).values.numpy()
    assert found[1, 2] == 0.5 + 0.25 and np.count_nonzero(found) == 1
