"""Score-CAM against algorithm 1 of the paper, one channel at a time."""

from typing import Any

import numpy as np
import pytest
import torch

from explain.methods import get_method


def draw_slowly(case: Any, enlarge: Any, channels: list[int], weights: str) -> np.ndarray:
    activations = case.capture().activations.numpy().astype(float)
    height, width = case.picture.shape[2:]
    empty = case.score(torch.zeros_like(case.picture))
    scores = []
    for k in channels:
        mask = enlarge(activations[k], height, width)
        span = mask.max() - mask.min()
        mask = (mask - mask.min()) / span if span else np.zeros_like(mask)
        scores.append(case.score(case.picture * torch.from_numpy(mask).float()) - empty)
    if weights == "softmax":
        powers = [np.exp(score) for score in scores]
        scores = [power / sum(powers) for power in powers]
    drawn = np.zeros(activations.shape[1:])
    for k, weight in zip(channels, scores, strict=True):
        drawn += weight * activations[k]
    return drawn


@pytest.mark.parametrize("weights", ["softmax", "increase"])
def test_follows_the_paper(case: Any, run: Any, enlarge: Any, weights: str) -> None:
    found = run("score-cam", case, weights=weights).values.numpy()
    expected = draw_slowly(case, enlarge, list(range(9)), weights)
    assert np.abs(expected).max() > 0
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_strongest_channels_are_those_that_vary_most(case: Any, run: Any, enlarge: Any) -> None:
    variances = [float(np.var(channel)) for channel in case.capture().activations.numpy().astype(float)]
    strongest = sorted(sorted(range(9), key=lambda k: -variances[k])[:4])
    found = run("score-cam", case, channels=4).values.numpy()
    assert np.allclose(found, draw_slowly(case, enlarge, strongest, "softmax"), atol=1e-4 * np.abs(found).max())


def test_more_channels_than_there_are_is_all(case: Any, run: Any) -> None:
    assert torch.equal(run("score-cam", case, channels=9).values, run("score-cam", case).values)
    assert torch.equal(run("score-cam", case, channels=4000).values, run("score-cam", case).values)


def test_channels_without_a_pattern_share_one_pass(case: Any, run: Any, enlarge: Any) -> None:
    case.module.last[0].weight[2:] = 0  # seven channels the same everywhere, some of them zero
    capture = case.capture()
    found = run("score-cam", case).values.numpy()
    assert np.allclose(found, draw_slowly(case, enlarge, list(range(9)), "softmax"), atol=1e-4 * np.abs(found).max())
    method = get_method("score-cam")
    varying = sum(bool(channel.max() > channel.min()) for channel in capture.activations)
    method.function(capture, method.settings())
    assert varying <= 2 and capture.runner.spent.forward == varying + 1


def test_half_precision_is_close(case: Any, run: Any) -> None:
    full, half = (run("score-cam", case, precision=precision).values for precision in ("full", "half"))
    assert torch.allclose(full, half, atol=0.05 * float(full.abs().max()))
    assert not torch.equal(full, half)
