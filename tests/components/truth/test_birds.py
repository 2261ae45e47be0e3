"""Siblings differ where the region is, and nowhere else."""

from __future__ import annotations

import numpy as np

from components.truth.birds import FIRST_PAIR, draw_siblings, list_pairs


def test_all_that_changes_lies_on_the_region() -> None:
    pairs = list_pairs()
    assert FIRST_PAIR in pairs and len(pairs) == 6
    for pair, number in ((pairs[FIRST_PAIR], 3), (pairs["dagger lark"], 4)):
        marked, plain = (draw_siblings(pair, number, present) for present in (True, False))
        assert (marked.label, plain.label, marked.name) == (pair.marked, pair.plain, f"the {pair.part}")
        assert marked.region is not None and plain.region is not None
        np.testing.assert_array_equal(marked.region, plain.region)
        changed = (marked.picture.pixels != plain.picture.pixels).any(2)
        assert changed.any() and not (changed & ~marked.region).any()
        assert marked.picture.digest != plain.picture.digest
