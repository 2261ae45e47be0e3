"""The load: moves are due whether answered or not, and its figures are what they are called."""

import random

import numpy as np
import pytest

from benchmarks.load import count_wrong_maps, find_digest, make_picture, plan, summarise
from benchmarks.visitors import Answer, Moves
from explain.engine.engine import Engine


def test_moves_are_due_three_to_seven_seconds_apart_whatever_comes_of_them() -> None:
    due = plan(random.Random(0), 100.0, 600.0)
    between = np.diff(due)
    assert 100 <= due[0] < 107 and due[-1] < 700
    assert between.min() >= 3 and between.max() <= 7
    assert between.mean() == pytest.approx(5, abs=0.3)


def test_pictures_are_nearly_the_same_and_never_equal() -> None:
    pictures = [make_picture(seed) for seed in range(5)]
    assert len({find_digest(picture) for picture in pictures}) == 5
    assert make_picture(3) == pictures[3]
    assert all(50_000 < len(picture) < 120_000 for picture in pictures)


def test_what_is_late_or_says_an_error_counts_as_one_even_while_warming_up() -> None:
    moves = Moves()
    moves.note(0, 1.0, Answer(10), counts=False)
    moves.note(0, 11.0, Answer(10), counts=False)
    moves.note(1, 2.0, Answer(20, said=["The picture is empty."]), counts=True)
    assert moves.seconds == {1: [2.0]}
    assert moves.errors == ["took 11.0 s", "said: The picture is empty."]
    assert moves.received == 20


def test_the_figures() -> None:
    details = {
        "touch": {"seconds": {0: [0.1] * 20, 1: [0.1] * 19 + [0.9]}, "errors": ["took 11.0 s"]},
        "look": {"seconds": {0: [1.0] * 20, 1: [1.0] * 20, 2: [4.0] * 20}, "errors": []},
        "rss_mb": {"one": 500.0, "highest": 700.0, "after": 510.0},
        "browsers": {"painted_ms": [200.0], "errors": 1, "elsewhere": 0},
        "first_map_s": 9.0,
        "disk": {"written": 4096, "left": 1},
        "hosts": ["0100000A"],
        "server_cores": 0.5,
    }
    found = summarise(details, wrong=3)
    assert found["touch_50_p95_ms"] == pytest.approx(100)
    assert found["look_25_p95_ms"] == pytest.approx(4000)
    assert found["fairness"] == 4
    assert found["rss_growth_mb_50_sessions"] == 200
    assert found["rss_after_leaving_over_before"] == 1.02
    assert (found["errors"], found["wrong_maps"], found["bytes_on_disk_after_uploads"]) == (2, 3, 4097)
    assert found["requests_to_other_hosts"] == 1
    assert found["moves"] == {"touch": 40, "look": 60}


def test_a_wrong_map_would_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_wrong_maps(64, threads=4, kinds=4) == 0
    explain, last = Engine.explain, []

    def mix_up(engine: Engine, picture: object, *rest: object) -> object:
        last.append(picture)
        at = -2 if engine._memory._bytes_allowed < 2**28 and len(last) % 16 == 0 else -1
        return explain(engine, last[at], *rest)

    monkeypatch.setattr(Engine, "explain", mix_up)
    assert count_wrong_maps(64, threads=1, kinds=4) > 0
