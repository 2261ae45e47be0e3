"""Smooth Grad-CAM++ against loops over copies, channels and places."""

from typing import Any

import numpy as np
import torch


def differentiate(case: Any, picture: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Activations and gradients `(C, h, w)` of one picture, with a hook of its own."""
    kept = []
    handle = case.module.get_submodule(case.layer.name).register_forward_hook(
        lambda _module, _inputs, output: kept.append(output.requires_grad_(True))
    )
    with torch.enable_grad():
        score = case.module(picture.clone())[0, case.target]
        (gradient,) = torch.autograd.grad(score, kept)
    handle.remove()
    return kept[0].detach()[0].double().numpy(), gradient[0].double().numpy()


def draw_slowly(case: Any, copies: int, noise: float, seed: int) -> np.ndarray:
    activations, _ = differentiate(case, case.picture)
    generator = torch.Generator().manual_seed(seed)
    span = float(case.picture.max() - case.picture.min())
    gradients = [
        differentiate(case, case.picture + noise / 100 * span * torch.randn(case.picture.shape, generator=generator))[1]
        for _ in range(copies)
    ]
    first, second, third = (sum(gradient**power for gradient in gradients) / copies for power in (1, 2, 3))
    drawn = np.zeros(activations.shape[1:])
    for k, activation in enumerate(activations):
        weight = 0.0
        for i in range(activation.shape[0]):
            for j in range(activation.shape[1]):
                below = 2 * second[k, i, j] + activation.sum() * third[k, i, j]
                alpha = second[k, i, j] / below if below else 0.0
                weight += alpha * max(first[k, i, j], 0)
        drawn += weight * activation
    return drawn


def test_follows_the_paper(early_case: Any, run: Any) -> None:
    found = run("smooth-grad-cam++", early_case, copies=5, noise=12.0, seed=3).values.numpy()
    expected = draw_slowly(early_case, 5, 12.0, 3)
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max() + 1e-9)


def test_the_seed_decides(early_case: Any, run: Any) -> None:
    first, again, other = (run("smooth-grad-cam++", early_case, seed=seed, noise=40).values for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_noise_copies_make_no_difference(early_case: Any, run: Any) -> None:
    few, many = (run("smooth-grad-cam++", early_case, copies=copies, noise=0).values for copies in (2, 9))
    assert torch.allclose(few, many, rtol=1e-4, atol=1e-6)


def test_activations_are_those_of_the_clean_picture(early_case: Any, run: Any) -> None:
    """At much noise, the map is still a sum of the clean activations: zero where they all are."""
    clean, _ = differentiate(early_case, early_case.picture)
    found = run("smooth-grad-cam++", early_case, noise=50, copies=3).values.numpy()
    assert not found[(clean == 0).all(0)].any()
