"""T-TAME's loss written out in NumPy, cell by cell, on a 4×4 grid with three pictures; its slope by differences."""

import numpy as np
import pytest
import torch

from explain.pictures.geometry import Preprocessing
from explain.training.attention_loss import choose_masks, find_loss, find_variation, make_reference, mask_pictures
from explain.training.attention_recipe import AttentionRecipe

LABELS = np.array([2, 0, 2])
SCORES = np.random.default_rng(0).standard_normal((3, 5))
MASKS = np.random.default_rng(1).random((3, 5, 4, 4))


def write_out(masks: np.ndarray, scores: np.ndarray, recipe: AttentionRecipe) -> float:
    count = len(LABELS)
    crossed = 0.0
    for row, label in enumerate(LABELS):
        crossed -= (scores[row, label] - np.log(np.exp(scores[row]).sum())) / count
    chosen = [
        masks[picture, LABELS[other]]
        for picture in range(count)
        for other in (range(count) if recipe.others else [picture])
    ]
    area, variation = 0.0, 0.0
    for mask in chosen:
        for row in range(4):
            for column in range(4):
                value = mask[row, column]
                area += (value + 0.0005) ** recipe.area_power / (16 * len(chosen))
                if row:
                    variation += (value - mask[row - 1, column]) ** 2
                if column:
                    variation += (value - mask[row, column - 1]) ** 2
                # The four edges; a corner is in two of them.
                variation += 0.3 * value**2 * ((row in (0, 3)) + (column in (0, 3)))
    # Published: a sum over the B × B maps over 2 B, here as it would be for 32 pictures and 14 cells.
    variation = variation / len(chosen) / 2 * 32 * 14 / 4
    return recipe.keep_class * crossed + recipe.area * area + recipe.smooth * variation


@pytest.mark.parametrize("others", [True, False])
def test_the_loss_and_its_slope(others: bool) -> None:
    recipe = AttentionRecipe(others=others, keep_class=1.3, area=2.1, area_power=0.4, smooth=0.02)
    masks = torch.tensor(MASKS, requires_grad=True)
    scores = torch.tensor(SCORES, requires_grad=True)
    loss = find_loss(scores, torch.tensor(LABELS), masks, recipe)
    assert loss.item() == pytest.approx(write_out(MASKS, SCORES, recipe), rel=1e-12)
    loss.backward()
    assert masks.grad is not None and scores.grad is not None
    step = 1e-6
    rng = np.random.default_rng(2)
    for at in [tuple(rng.integers(MASKS.shape)) for _ in range(12)] + [(0, 2, 0, 0), (2, 0, 3, 1)]:
        moved = np.zeros_like(MASKS)
        moved[at] = step
        slope = (write_out(MASKS + moved, SCORES, recipe) - write_out(MASKS - moved, SCORES, recipe)) / (2 * step)
        assert float(masks.grad[at]) == pytest.approx(slope, abs=1e-7)
    for at in np.ndindex(SCORES.shape):
        moved = np.zeros_like(SCORES)
        moved[at] = step
        slope = (write_out(MASKS, SCORES + moved, recipe) - write_out(MASKS, SCORES - moved, recipe)) / (2 * step)
        assert float(scores.grad[at]) == pytest.approx(slope, abs=1e-7)


def test_others_are_all_pairs_of_the_batch() -> None:
    chosen = choose_masks(torch.tensor(MASKS), torch.tensor(LABELS), others=True)
    for picture in range(3):
        for other in range(3):
            assert torch.equal(chosen[picture, other], torch.tensor(MASKS[picture, LABELS[other]]))


def test_the_variation_is_the_published_sum_for_32_pictures_on_14_cells() -> None:
    masks = torch.rand(32, 32, 14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rows, columns = masks.diff(dim=2).square().sum(), masks.diff(dim=3).square().sum()
    border = sum(edge.square().sum() for edge in (masks[:, :, 0], masks[:, :, -1], masks[..., 0], masks[..., -1]))
    assert float(find_variation(masks)) == pytest.approx(float((rows + columns + 0.3 * border) / (2 * 32)))


def test_what_a_masked_picture_fades_to() -> None:
    preprocessing = Preprocessing(input_size=(8, 8), mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5))
    pictures = torch.randn(2, 3, 8, 8)
    black = make_reference(pictures, "black", preprocessing)
    assert torch.allclose(black.flatten(), torch.tensor([-2.5, -1.6, -0.6]))  # 0 as the network is given it
    assert not make_reference(pictures, "mean", preprocessing).any()
    blur = make_reference(pictures, "blur", preprocessing)
    assert blur.shape == pictures.shape and blur.std() < pictures.std() / 2
    for hidden in (black, blur):
        assert torch.allclose(mask_pictures(pictures, torch.ones(2, 1, 4, 4), hidden), pictures, atol=1e-6)
        nothing = mask_pictures(pictures, torch.zeros(2, 1, 4, 4), hidden)
        assert torch.allclose(nothing, hidden.expand_as(pictures), atol=1e-6)
    half = mask_pictures(pictures, torch.full((2, 1, 4, 4), 0.5), black)
    assert torch.allclose(half, (pictures + black) / 2, atol=1e-6)
