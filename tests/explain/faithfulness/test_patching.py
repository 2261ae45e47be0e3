"""Patches: which parts are run, how estimates and runs are joined, and the words."""

import json

import numpy as np
import pytest

from explain.faithfulness.effects import Answered
from explain.faithfulness.patching import MOST_EXACT, SAMPLED, Patches, choose_measured, join


def test_up_to_so_many_parts_all_are_run_and_of_more_a_sample() -> None:
    assert choose_measured(MOST_EXACT, 0).all()
    first = choose_measured(MOST_EXACT + 1, 0)
    assert first.sum() == SAMPLED and (first == choose_measured(MOST_EXACT + 1, 0)).all()
    assert (first != choose_measured(MOST_EXACT + 1, 1)).any()


def test_what_was_run_stands_in_for_its_estimate() -> None:
    measured = np.array([True, False, True, True])
    joined, agreement = join(np.array([1.0, 5.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]), measured)
    assert joined.tolist() == [2.0, 5.0, 4.0, 6.0] and agreement == pytest.approx(1)
    assert join(np.ones(4), np.array([2.0, 4.0, 6.0]), measured)[1] == 0


def test_the_sentence_names_the_part_that_carries_most_beside_all_together() -> None:
    answered = [Answered("cat", score, 0.5, "cat") for score in (4.0, 1.0)]
    patches = Patches(
        answered[0], answered[1], ("block 0, head 0", "block 0, MLP"), np.array([0.5, 2.0]), 2.25, np.ones(2, bool)
    )
    assert patches.sentence == (
        "From this picture to the other the score of “cat” changes by −3.000. Of 2 heads and MLPs “block 0, MLP” alone "
        "changes it by −2.000; all together by −2.250, where one by one they sum to −2.500."
    )
    data = json.loads(json.dumps(patches.as_data()))
    assert data["parts"][1] == {"name": "block 0, MLP", "score_falls": 2.0, "measured": True}
