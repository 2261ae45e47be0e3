"""Guided Grad-CAM is the product of two methods that have references of their own."""

from typing import Any

import numpy as np


def test_is_the_product(case: Any, run: Any, enlarge: Any) -> None:
    for channels in ("strongest", "sum"):
        coarse = np.maximum(run("grad-cam", case).values.numpy().astype(float), 0)
        fine = run("guided-backpropagation", case, channels=channels).values.numpy()
        expected = fine * enlarge(coarse, 12, 16)
        found = run("guided-grad-cam", case, channels=channels).values.numpy()
        assert np.allclose(found, expected, atol=1e-5 * np.abs(expected).max() + 1e-12)
