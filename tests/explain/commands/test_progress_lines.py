"""Progress goes to the error stream, as a share of the whole."""

from __future__ import annotations

import pytest

from explain.commands.progress_lines import say_progress


def test_a_part_is_told_as_a_share_of_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    say_progress(0.5, "Looking")
    say_progress(0.5, "Looking", before=0.5, part=0.25)
    told = capsys.readouterr()
    assert told.out == "" and told.err == "[ 50 %] Looking\n[ 62 %] Looking\n"
