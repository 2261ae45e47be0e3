"""Occlusion against a loop over windows."""

from typing import Any

import numpy as np
import pytest
import torch

from explain.methods import get_method


def draw_slowly(case: Any, window: tuple[int, int], stride: tuple[int, int], filling: torch.Tensor) -> np.ndarray:
    height, width = case.picture.shape[2:]
    whole = case.score(case.picture)
    total, times = np.zeros((height, width)), np.zeros((height, width))
    top = 0
    while True:
        left = 0
        while True:
            hidden = case.picture.clone()
            place = (slice(top, top + window[0]), slice(left, left + window[1]))
            hidden[:, :, place[0], place[1]] = filling[:, :, place[0], place[1]]
            total[place] += whole - case.score(hidden)
            times[place] += 1
            if left + window[1] >= width:
                break
            left += stride[1]
        if top + window[0] >= height:
            break
        top += stride[0]
    return total / times


@pytest.mark.parametrize(("window", "stride"), [(25, 20), (50, 30), (30, 8)])
def test_is_the_mean_fall_of_the_windows_over_a_place(case: Any, run: Any, window: int, stride: int) -> None:
    found = run("occlusion", case, window=window, stride=stride).values.numpy()
    windows = (round(12 * window / 100), round(16 * window / 100))
    strides = (max(1, round(12 * stride / 100)), max(1, round(16 * stride / 100)))
    expected = draw_slowly(case, windows, strides, torch.zeros_like(case.picture))
    assert np.abs(expected).max() > 0
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_blurred_filling(case: Any, run: Any, enlarge: Any) -> None:
    found = run("occlusion", case, window=50, stride=30, fill="blur").values.numpy()
    coarse = case.picture.reshape(3, 4, 3, 4, 4).mean((2, 4)).double().numpy()
    filling = torch.from_numpy(np.stack([enlarge(channel, 12, 16) for channel in coarse])[None]).float()
    expected = draw_slowly(case, (6, 8), (4, 5), filling)
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_passes_are_as_many_as_announced(case: Any) -> None:
    method = get_method("occlusion")
    settings = method.settings(window=25, stride=25)
    capture = case.capture()
    method.function(capture, settings)
    assert capture.runner.spent.forward == method.count_passes(case.layer, settings) == 17
