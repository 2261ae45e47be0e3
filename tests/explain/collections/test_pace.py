"""How far a run is, as people read it."""

from __future__ import annotations

from explain.collections.pace import Pace, describe_pace, write_duration


def test_a_pace_is_told_in_a_line() -> None:
    pace = Pace(10_000, 1_200, 3, 12.34, 713.0, "Explaining")
    assert describe_pace(pace) == "Explaining: 1,200 of 10,000 pictures, 3 failed, 12.3 a second, 12 min left"
    assert describe_pace(Pace()) == "Listing the pictures"
    assert [write_duration(seconds) for seconds in (40, 720, 12_600)] == ["40 s", "12 min", "3.5 h"]
