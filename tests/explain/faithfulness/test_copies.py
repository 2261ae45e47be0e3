"""Copies of a picture that nobody can tell from it."""

import numpy as np
import torch

from explain.faithfulness.changes import apply, show_as_marked
from explain.faithfulness.copies import NOISE, AsMarked, list_copies

STD = (0.2, 0.25, 0.3)


def test_copies_differ_from_the_picture_and_from_each_other_but_hardly() -> None:
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    copies = list_copies(STD)
    changed = [copy.change(pictures) for copy in copies]
    assert len({copy.name for copy in copies}) == len(copies) == 8
    for number, one in enumerate(changed):
        assert not torch.equal(one, pictures) and one.shape == pictures.shape
        assert all(not torch.equal(one, other) for other in changed[:number])


def test_noise_is_of_pixels_and_the_same_each_time() -> None:
    pictures = torch.zeros(1, 3, 128, 128)
    noisy = [copy for copy in list_copies(STD) if copy.noise is not None]
    for copy in noisy:
        spread = copy.change(pictures).std() * sum(STD) / 3
        assert abs(spread - NOISE) < 0.05 * NOISE
        assert torch.equal(copy.change(pictures), copy.change(pictures))


def test_a_shift_is_of_one_pixel() -> None:
    pictures = torch.zeros(1, 3, 8, 8)
    pictures[..., 4, 4] = 1
    places = {tuple(copy.change(pictures)[0, 0].nonzero()[0].tolist()) for copy in list_copies(STD) if any(copy.shift)}
    assert places == {(3, 4), (5, 4), (4, 3), (4, 5)}


def test_as_a_map_marks_it_a_picture_is_shown_as_measures_show_it() -> None:
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    shown = np.random.default_rng(0).random((4, 4)).astype(np.float32)
    view = AsMarked(shown=shown)
    assert torch.equal(view.change(picture)[0], apply(picture, show_as_marked(shown), 0)[0])
    assert view.name != AsMarked(shown=shown[::-1].copy()).name


def test_a_volume_is_shifted_by_one_voxel_along_each_axis() -> None:
    volume = torch.zeros(1, 1, 8, 8, 8)
    volume[..., 4, 4, 4] = 1
    copies = list_copies((0.25,), axes=3)
    assert len({copy.name for copy in copies}) == len(copies) == 10
    places = {tuple(copy.change(volume)[0, 0].nonzero()[0].tolist()) for copy in copies if any(copy.shift)}
    assert places == {(3, 4, 4), (5, 4, 4), (4, 3, 4), (4, 5, 4), (4, 4, 3), (4, 4, 5)}
