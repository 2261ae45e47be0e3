"""Changed versions of a picture: which cells go when, how they are named, and what they look like."""

import numpy as np
import torch

from explain.faithfulness.changes import WHOLE, apply, hide_in_steps, hide_shares, leave, order_cells, show_as_marked

DICE = np.random.default_rng(3)
ALL = np.ones((8, 8), dtype=bool)


def test_equal_cells_are_in_the_same_order_for_every_map() -> None:
    ones, cells = np.ones((8, 8)), np.ones((8, 8))
    cells[0, 0] = 5.0
    first, second = order_cells(ones, ALL, 7), order_cells(cells, ALL, 7)
    assert second[0] == 0 and [at for at in first if at] == [*second[1:]]
    assert [*order_cells(ones, ALL, 8)] != [*first]


def test_steps_count_by_rank_and_hide_all_in_the_end() -> None:
    changes = hide_in_steps(np.zeros((8, 8)), ALL, 0, "grey", "most")
    assert [int(one.sum()) for one in changes.hidden] == [0, 8, 16, 24, 32, 40, 48, 56, 64]
    assert np.allclose(changes.shares, np.arange(9) / 8) and changes.keys[0] == WHOLE
    part = ALL.copy()
    part[:, 5:] = False
    padded = hide_in_steps(DICE.random((8, 8)), part, 0, "blur", "least")
    assert not padded.hidden[:, ~part].any() and padded.hidden[-1].sum() == 40
    assert [int(one.sum()) for one in padded.hidden] == [round(40 * share) for share in padded.shares]


def test_a_map_and_its_opposite_share_all_steps() -> None:
    cells = DICE.random((8, 8))
    one = hide_in_steps(cells, ALL, 0, "grey", "most").keys
    assert hide_in_steps(1 - cells, ALL, 0, "grey", "least").keys == one
    assert hide_in_steps(3 * cells, ALL, 0, "grey", "most").keys == one
    assert {*hide_in_steps(cells, ALL, 0, "blur", "most").keys} & {*one} == {WHOLE}
    assert len({*one}) == 9


def test_shares_are_exact_however_many_cells_are_nothing() -> None:
    cells = np.zeros((8, 8))
    cells[2, 3] = 1.0
    changes = hide_shares(cells, ALL, 0, "harmonic", "most", (0.1, 0.5, 0.9))
    assert [int(one.sum()) for one in changes.hidden] == [6, 32, 58] and changes.hidden[:, 2, 3].all()


def test_what_is_shown_is_as_bright_as_the_map() -> None:
    shown = DICE.random((8, 8)).astype(np.float32)
    picture = torch.ones(1, 3, 8, 8)
    versions = apply(picture, show_as_marked(shown), 0)
    assert np.allclose(versions[0, 1].numpy(), shown, atol=1e-6) and torch.equal(versions[1:], picture)
    assert leave(shown).keys == (WHOLE,)


def test_the_harmonic_fill_has_hard_edges_and_the_same_noise_each_time() -> None:
    picture = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    changes = hide_shares(DICE.random((8, 8)), ALL, 0, "harmonic", "most", (0.4,))
    first, second = apply(picture, changes, 5), apply(picture, changes, 5)
    hidden = torch.from_numpy(np.kron(changes.hidden[0], np.ones((2, 2)))) > 0
    assert torch.equal(first, second) and torch.equal(first[0][:, ~hidden], picture[0][:, ~hidden])
    assert (first[0][:, hidden] != picture[0][:, hidden]).all()
    assert not torch.equal(first, apply(picture, changes, 6))
