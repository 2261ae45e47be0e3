"""Per cent is written in one way: a number, a space, the sign."""

from __future__ import annotations

import re
from pathlib import Path

from explain.percent import write_percent

ROOT = Path(__file__).resolve().parents[2]


def test_a_share_is_written_with_a_space_and_as_many_digits_as_asked_for() -> None:
    assert write_percent(0.984) == "98 %"
    assert write_percent(0.9846, 1) == "98.5 %"


def test_nothing_else_writes_a_share_to_be_read_by_people() -> None:
    """Python's own format leaves no space: “98%” would stand beside “98 %”."""
    places = [path for part in ("explain", "components", "pages") for path in (ROOT / part).rglob("*.py")]
    assert [path.name for path in places if re.search(r":[0-9]?\.[0-9]%[}\"]", path.read_text("utf-8"))] == []
