"""What channels do: the arithmetic, the ranks and the words."""

import json
from dataclasses import replace

import numpy as np
import pytest

from explain.faithfulness.channels import Channels, Paths, Replaced, Shift, draw_pairs, find_shift
from explain.faithfulness.effects import Answered


def make(removal: list[float], claims: list[float]) -> Channels:
    shift = Shift(np.array(removal), np.zeros(len(removal)), 1.0)
    replaced = {"mean": Replaced(shift, shift, {1: "dog"}, np.array(claims))}
    return Channels(Answered("cat", 4.0, 0.9, "cat"), "layer4", np.ones(3), np.ones((3, 2, 2)), replaced, 16)


def test_a_channel_is_taken_from_all_and_added_to_none() -> None:
    shift = find_shift(np.array([4.0, 1.0, 5.0]), np.array([0.5, 2.0, -1.0]))
    assert shift.removal.tolist() == [1.0, 4.0] and shift.alone.tolist() == [1.5, 3.0] and shift.together == 6.0


def test_the_sentence_names_the_channel_that_does_most_and_how_weights_agree() -> None:
    found = make([0.1, -0.5, 0.2], [1.0, -2.0, 3.0])
    assert found.rank().tolist() == [1, 2, 0]
    assert found.sentence == (
        "Of the 3 channels of “layer4”, number 1 does most: with it at its mean the score of “cat” changes by +0.500, "
        "its probability from 90.0 % to 140.0 %, and the decision flips to “dog”. Rank correlation of what Grad-CAM's "
        "weights say of the channels with what they do: 1.00 with the mean instead."
    )
    assert "cannot be compared" in make([0.1, 0.2, 0.3], [2.0, 2.0, 2.0]).sentence
    data = json.loads(json.dumps(found.as_data()))
    assert data["set_to"]["mean"]["score"]["removal"] == [0.1, -0.5, 0.2] and data["label"] == "cat"


def test_of_one_picture_alone_zero_is_told_and_not_its_mean() -> None:
    found = make([0.1, -0.5, 0.2], [1.0, -2.0, 3.0])
    zero = Replaced(Shift(np.array([0.4, 0.1, 0.2]), np.zeros(3), 1.0), None, {}, np.ones(3))
    alone = replace(found, pictures=1, replaced={**found.replaced, "zero": zero})
    assert "number 0 does most: with it at zero the score of “cat” changes by −0.400" in alone.sentence


def test_rank_correlation_is_spearmans() -> None:
    assert make([0.1, 0.3, 0.2], [5.0, 900.0, 6.0]).replaced["mean"].agreement == pytest.approx(1)
    assert make([0.1, 0.3, 0.2], [3.0, 1.0, 2.0]).replaced["mean"].agreement == pytest.approx(-1)


def test_paths_beat_random_pairs_or_none_is_drawn() -> None:
    random = np.linspace(-1, 1, 64)
    paths = Paths("cat", ("a", "b"), np.array([4, 7]), np.array([1]), np.array([[-2.0], [0.5]]), random)
    assert paths.drawn.tolist() == [[True], [False]] and paths.threshold < 1
    assert "1 of 2 paths" in paths.sentence and "from channel 4 through channel 1" in paths.sentence
    assert "+2.000" in paths.sentence and json.loads(json.dumps(paths.as_data()))["drawn"] == [[True], [False]]
    weak = Paths("cat", ("a", "b"), paths.sources, paths.sinks, paths.effects * 0, random)
    assert weak.sentence.startswith("No path")


def test_pairs_are_drawn_from_all_channels_and_the_same_each_time() -> None:
    pairs = draw_pairs((3, 50), 1, 400)
    assert {*pairs[:, 0].tolist()} == {0, 1, 2} and 45 < len({*pairs[:, 1].tolist()}) <= 50
    assert (pairs == draw_pairs((3, 50), 1, 400)).all() and (pairs != draw_pairs((3, 50), 2, 400)).any()
