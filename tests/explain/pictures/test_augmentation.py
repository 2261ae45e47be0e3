"""Views of a picture, against the definition written out."""

import numpy as np
import pytest
import torch

from explain.pictures.augmentation import View, list_views

PICTURE = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("augmentation", "names"),
    [
        ("none", ["1"]),
        ("flip", ["1", "mirrored 1"]),
        ("flip and contrast", ["1", "mirrored 1", "0.9", "mirrored 0.9", "1.1", "mirrored 1.1"]),
    ],
)
def test_the_picture_as_it_is_comes_first(augmentation: str, names: list[str]) -> None:
    views = list_views(augmentation)
    assert [view.name for view in views] == names
    assert torch.equal(views[0].change(PICTURE), PICTURE)


@pytest.mark.parametrize("view", list_views("flip and contrast"))
def test_a_view_changes_every_pixel_as_it_says(view: View) -> None:
    changed = view.change(PICTURE)
    for row in range(4):
        for column in range(5):
            source = 4 - column if view.mirrored else column
            assert torch.allclose(changed[0, :, row, column], PICTURE[0, :, row, source] * view.contrast)


@pytest.mark.parametrize("view", list_views("flip and contrast"))
def test_a_map_is_laid_back_where_it_came_from(view: View) -> None:
    """A cell that marks the brightest place of the changed picture marks that of the picture as it is."""
    row, column = divmod(int(PICTURE[0, 0].argmax()), 5)
    marked = (view.change(PICTURE)[0, 0] == view.change(PICTURE)[0, 0].max()).numpy().astype(np.float32)
    assert view.undo(marked)[row, column] == 1 and view.undo(marked).sum() == 1
