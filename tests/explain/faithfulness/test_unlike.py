"""The distance beside a slow one, its bound, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from explain.errors import ExplainError, PictureError
from explain.faithfulness.unlike import (
    CHANCE,
    FEWEST,
    NOT_MEASURED,
    SENTENCE,
    SENTENCE_OF_REFERENCES,
    Known,
    fit,
    list_described,
    read_known,
    write_known,
)
from explain.networks.layer import Layer


def draw(seed: int, count: int, channels: int = 3, shift: float = 0.0) -> np.ndarray:
    """Statistics `(n, 2, C)` whose channels move together."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(count, 1))
    means = common + 0.3 * rng.normal(size=(count, channels)) + shift
    return np.stack([means, np.exp(0.2 * rng.normal(size=(count, channels)))], 1)


def measure_slowly(known: Known, statistics: dict[str, np.ndarray]) -> list[float]:
    """Lee et al. 2018, equation 2, for one class: the covariance written out, inverted, and applied feature by feature;
    then standardised, and averaged over the layers.
    """
    scores = []
    for row in range(len(next(iter(statistics.values())))):
        total = 0.0
        for level in known.levels:
            means, spreads = statistics[level.layer][row]
            features = [*means, *(math.log(spread + level.floor) for spread in spreads)]
            size = len(features)
            standard = [(features[i] - level.mean[i]) / level.scale[i] for i in range(size)]
            covariance = level.rest * np.eye(size)
            for axis, variance in zip(level.axes, level.variances, strict=True):
                for i in range(size):
                    for j in range(size):
                        covariance[i, j] += (variance - level.rest) * axis[i] * axis[j]
            precision = np.linalg.inv(covariance)
            squared = sum(standard[i] * precision[i, j] * standard[j] for i in range(size) for j in range(size))
            total += (math.log(squared / size + 1e-4) - level.middle) / level.spread
        scores.append(total / len(known.levels))
    return scores


@pytest.mark.parametrize("seed", range(8))
def test_the_distance_is_that_of_the_written_out_covariance(seed: int) -> None:
    known = fit({"a": draw(seed, 60), "b": draw(seed + 100, 60, channels=2)}, "")
    asked = {"a": draw(seed + 200, 5), "b": draw(seed + 300, 5, channels=2, shift=1.0)}
    assert known.score(asked) == pytest.approx(measure_slowly(known, asked), rel=1e-9)


def test_a_layer_is_a_gaussian_of_what_was_fitted() -> None:
    """With as many axes as matter, the covariance is the sample's own along them."""
    statistics = draw(0, 300)
    (level,) = fit({"a": statistics}, "").levels
    features = np.concatenate([statistics[:, 0], np.log(statistics[:, 1] + level.floor)], 1)
    assert level.mean == pytest.approx(features.mean(0))
    correlation = np.corrcoef(features.T)
    for axis, variance in zip(level.axes, level.variances, strict=True):
        assert axis @ correlation @ axis == pytest.approx(variance, rel=1e-6)
    assert float(level.variances.sum()) + level.rest * (6 - len(level.variances)) == pytest.approx(6, rel=1e-6)


def test_about_one_in_forty_known_pictures_is_called_unlike_and_a_strange_one_is() -> None:
    known = fit({"a": draw(0, 400)}, "", held={"a": draw(1, 400)})
    alarms = sum(known.judge({"a": draw(2, 1000)[row : row + 1]}).unlike for row in range(1000))
    assert 5 <= alarms <= 50
    strange = known.judge({"a": draw(3, 1, shift=-9.0)})
    assert strange.unlike and strange.sentence == SENTENCE
    assert strange.chance == pytest.approx(1 / 401)
    like = known.judge({"a": known.levels[0].mean[None, :3].repeat(2, 0)[None] * [[[0.0], [0.0]]] + [[[0.0], [1.0]]]})
    assert not like.unlike and like.sentence == ""


def test_the_bound_leaves_the_share_that_it_says() -> None:
    for count in (FEWEST, 56, 400):
        known = fit({"a": draw(0, 80)}, "", held={"a": draw(1, count)})
        beyond = 1 + int((known.null > known.bound).sum())
        assert beyond / (count + 1) <= CHANCE < (beyond + 1) / (count + 1)


def test_references_are_called_what_they_are_and_each_is_scored_without_itself() -> None:
    statistics = draw(0, 60, channels=20)
    known = fit({"a": statistics}, "Compared with 60 reference pictures.", references=True)
    assert known.judge({"a": draw(1, 1, 20, shift=20.0)}).sentence == SENTENCE_OF_REFERENCES
    own = np.sort(known.score({"a": statistics}))
    assert np.median(known.null) > np.median(own), "a picture that had a part in the fit looks more like it than it is"


@pytest.mark.parametrize("count", [1, FEWEST - 1])
def test_too_few_references_are_refused(count: int) -> None:
    with pytest.raises(PictureError, match=f"{count} reference pictures are too few.*at least {FEWEST}"):
        fit({"a": draw(0, count)}, "")


def test_numbers_that_are_none_are_refused() -> None:
    known = fit({"a": draw(0, 60)}, "")
    with pytest.raises(PictureError, match="not finite"):
        known.judge({"a": np.full((1, 2, 3), np.nan)})


def test_even_references_can_be_compared_with() -> None:
    """Pictures of one grey make channels without spread."""
    even = np.zeros((FEWEST, 2, 3))
    known = fit({"a": even}, "")
    assert not known.judge({"a": even[:1]}).unlike
    assert known.judge({"a": draw(0, 1, shift=5.0)}).unlike


def test_nothing_measured_says_nothing_above_the_maps_and_why_in_the_card() -> None:
    assert NOT_MEASURED.sentence == "" and not NOT_MEASURED.unlike and NOT_MEASURED.chance is None
    assert "reference pictures" in NOT_MEASURED.made


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    known = fit({"blocks.1": draw(0, 60), "blocks.2": draw(1, 60)}, "Compared with itself.")
    path = tmp_path / "known.safetensors"
    write_known(known, path, {"fingerprint": "f"})
    again, notes = read_known(path)
    asked = {"blocks.1": draw(2, 4), "blocks.2": draw(3, 4)}
    assert again.score(asked) == pytest.approx(known.score(asked), abs=0.02), "axes are kept in float16"
    assert (again.made, notes["fingerprint"]) == ("Compared with itself.", "f")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ExplainError, match="damaged"):
        read_known(path)


@pytest.mark.parametrize(("count", "places"), [(18, [5, 9]), (5, [2, 3]), (1, [0]), (0, [])])
def test_two_layers_are_described_past_the_first_filters(count: int, places: list[int]) -> None:
    layers = [Layer(str(number), (4, 4), 8, "NCHW") for number in range(count)]
    assert list_described(layers) == tuple(layers[place] for place in places)
