"""The benchmark of shortcuts: who is taught, what is counted, and the intervals."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.verdict import shortcuts
from benchmarks.verdict.shortcuts import (
    CALIBRATION,
    METHODS,
    TEST,
    Tally,
    Taught,
    count,
    find_strength,
    list_taught,
    report,
    resample,
    show,
)
from explain.engine.engine import Engine
from explain.faithfulness.transplant import Transplant
from explain.worlds.shortcuts import Shortcuts
from explain.worlds.training import MEAN, STD, Pictures
from explain.worlds.worlds import PLANS
from tests.support.tags import SeesTags

CELLS = (True,) * 4 + (False,) * 60


def make_tally(plan: int, said: list[bool], collected: str = "gives away") -> Tally:
    taught = Taught(PLANS[plan], collected, 201)  # type: ignore[arg-type]
    many = dict.fromkeys(METHODS, said)
    nothing = dict.fromkeys(METHODS, [False] * len(said))
    return Tally(taught, many, nothing, nothing, many, {m: [0.5] for m in METHODS})


def test_networks_of_the_table_set_no_threshold() -> None:
    assert not {*CALIBRATION} & {*TEST} and len(TEST) >= 5
    names = [taught.name for taught in list_taught(TEST)]
    assert len({*names}) == len(names) == len(TEST) * (len(PLANS) + 4)
    assert "gives-away-tag-201" in names and "ignored-photographs-205" in names and "clean-phantoms-203" in names


def test_a_network_counts_as_one_and_its_pictures_are_not_independent() -> None:
    tallies = [make_tally(0, [True] * 30), make_tally(0, [False] * 30)]
    figure = count(tallies, "grad-cam")
    assert (figure.share, figure.pictures, figure.networks, figure.there, figure.peaks) == (0.5, 60, 2, 0.0, 0.5)
    assert figure.interval_networks == (0.0, 1.0) and 0.35 < figure.interval[0] < figure.interval[1] < 0.65
    assert resample([[True], [True, True]]) == (1.0, 1.0)


def test_an_alarm_at_the_finding_is_none_and_is_counted_beside() -> None:
    tally = make_tally(2, [True, True, False, False], "ignored")
    tally.own["grad-cam"] = [True, False, False, False]
    alarms, caught = count([tally], "grad-cam", alarms=True), count([tally], "grad-cam")
    assert (alarms.share, alarms.own, caught.share) == (0.25, 0.25, 0.5)


def test_the_report_names_its_figures_and_writes_the_table_of_test_seeds_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortcuts, "FOLDER", tmp_path)
    tallies = [make_tally(n, [True, n > 1]) for n in range(len(PLANS))] + [make_tally(0, [False] * 4, "ignored")]
    figures = report(tallies, ["gives-away-tag-202"], (1,))
    assert figures["caught_tag"] == 0.5 and figures["caught_tint"] == 1.0 and figures["false_alarm_share"] == 0.0
    assert not (tmp_path / "shortcuts.json").exists()
    report(tallies, ["gives-away-tag-202"], TEST)
    table = Shortcuts.model_validate_json((tmp_path / "shortcuts.json").read_bytes())
    assert [*table.false_alarms_of] == ["photographs"] and table.false_alarms_of["photographs"] == table.false_alarms
    assert table.not_relying == ("gives-away-tag-202",) and table.seeds == TEST


def test_strength_is_of_the_place_that_stands_out() -> None:
    assert find_strength([Transplant(None, CELLS, 12, 16, 6.0), Transplant(None, CELLS, 1, 3, 9.0)]) == 6.0
    assert find_strength([Transplant(None, CELLS, 1, 3, 9.0)]) == 0.0


def test_a_network_that_sees_nothing_but_a_tag_is_caught() -> None:
    pixels = np.random.default_rng(0).integers(60, 190, (16, 32, 32, 3), dtype=np.uint8)

    class School:
        def __init__(self) -> None:
            self.test = {"photographs": Pictures(pixels, np.arange(16) % 4)}
            self.network = SeesTags(4, MEAN, STD)

        def teach(self, taught: Taught) -> SeesTags:
            return self.network

    tally = show(Engine(), School(), Taught(PLANS[0], "gives away", 1), 3)  # type: ignore[arg-type]
    assert tally is not None and all(len(said) == 3 for said in tally.said.values()) and {*tally.said} == {*METHODS}
    assert np.mean(tally.said["grad-cam"]) == np.mean(tally.there["grad-cam"]) == 1.0
    # The mark of another world turns nothing.
    assert show(Engine(), School(), Taught(PLANS[1], "gives away", 1), 3) is None  # type: ignore[arg-type]
