"""Integrated Gradients against a loop over the steps, and the axiom of completeness."""

from typing import Any

import numpy as np
import pytest
import torch


def differentiate(case: Any, picture: torch.Tensor) -> torch.Tensor:
    own = picture.clone().requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(case.module(own.clone())[0, case.target], [own])
    return gradient


@pytest.mark.parametrize("steps", [4, 20])
def test_follows_the_paper(case: Any, run: Any, steps: int) -> None:
    found = run("integrated-gradients", case, steps=steps).values.numpy()
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(case.picture)
    for place, weight in zip(places, weights, strict=True):
        total += weight / 2 * differentiate(case, (1 + place) / 2 * case.picture)
    expected = (total * case.picture)[0].sum(0).numpy()
    assert found.shape == (12, 16)
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("baseline", ["grey", "blur"])
def test_adds_up_to_the_change_of_the_score(case: Any, run: Any, baseline: str) -> None:
    result = run("integrated-gradients", case, steps=256, baseline=baseline)
    empty = torch.zeros_like(case.picture)
    if baseline == "blur":
        coarse = torch.nn.functional.interpolate(case.picture, (4, 4), mode="area")
        empty = torch.nn.functional.interpolate(coarse, (12, 16), mode="bilinear")
    change = case.score(case.picture) - case.score(empty)
    assert abs(result.details["change of the score"] - change) < 1e-4
    assert abs(float(result.values.sum()) - change) < 0.02 * abs(change) + 2e-3
    assert abs(result.details["sum"] - float(result.values.double().sum())) < 1e-4


def test_says_when_it_does_not_add_up(case: Any, run: Any) -> None:
    result = run("integrated-gradients", case, steps=4)
    missed = abs(result.details["sum"] - result.details["change of the score"])
    assert bool(result.warnings) == (missed > 0.05 * abs(result.details["change of the score"]))
