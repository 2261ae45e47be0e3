"""Hidden, exchanged and moved: what is asked for happens inside what is marked, and nothing else does."""

from __future__ import annotations

import torch

from explain.bundled.making.holes import exchange, hide, move_marks


def make_views() -> tuple[torch.Tensor, torch.Tensor]:
    """Twelve heads with a light disc at the left: `(12, 3, 64, 64)`, and where it is."""
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    head = ((y - 32) ** 2 + (x - 32) ** 2) < 28**2
    disc = ((y - 32) ** 2 + (x - 18) ** 2) < 6**2
    picture = torch.where(head, -0.2, -1.0)
    picture[disc] = 0.9
    return picture.expand(12, 3, -1, -1).clone(), disc.expand(12, -1, -1).clone()


def test_what_is_hidden_is_gone_and_all_else_stays() -> None:
    views, marks = make_views()
    hidden = hide(views, marks, torch.Generator().manual_seed(0))
    inside = hidden[:, 0][marks].view(12, -1)
    assert inside.mean(1).max() < 0.2, "a disc of 0.9 in a head of -0.2"
    far = ~(torch.nn.functional.max_pool2d(marks[:, None].float(), 15, 1, 7)[:, 0] > 0)
    assert torch.equal(hidden[:, 0][far], views[:, 0][far])
    assert len({round(float(mean), 4) for mean in inside.std(1)}) > 1, "not all are filled in one way"


def test_a_tumour_is_put_where_it_was_into_a_picture_whose_own_is_gone() -> None:
    views, marks = make_views()
    others, other_marks = views.flip(3), marks.flip(2)
    given = exchange(views, marks, others, other_marks, torch.Generator().manual_seed(0))
    core = torch.nn.functional.max_pool2d(-marks[:, None].float(), 3, 1, 1)[:, 0] == -1
    assert torch.allclose(given[:, 0][core], views[:, 0][core])
    assert given[:, 0][other_marks].mean() < 0.2


def test_marks_are_moved_off_themselves_onto_the_head() -> None:
    views, marks = make_views()
    moved = move_marks(views, marks, torch.Generator().manual_seed(0))
    assert not (moved & marks).any()
    head = views[:, 0] > -0.85
    assert ((moved & head).sum((1, 2)) / marks.sum((1, 2))).min() > 0.6
    assert len({tuple(mark.flatten().tolist()) for mark in moved}) > 6
