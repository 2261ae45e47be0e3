"""What is counted of an engine is what happened, and no slider waits for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from explain.engine.counted import SECONDS, Hits, Spread
from explain.engine.engine import Engine
from explain.models.loaded import LoadedModel
from tests.support.engine import make_picture


@pytest.mark.parametrize(("seconds", "place"), [(0.0, 0), (0.1, 0), (0.2, 1), (299.0, 7), (300.5, 8)])
def test_a_time_is_counted_where_it_belongs(seconds: float, place: int) -> None:
    spread = Spread()
    spread.add(seconds)
    assert spread.counts == [int(at == place) for at in range(len(SECONDS) + 1)] and spread.total == seconds
    kept = spread.copy()
    spread.add(1.0)
    assert sum(kept.counts) == 1 and kept.total == seconds


def test_of_many_threads_none_is_lost() -> None:
    hits = Hits()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: hits.count("maps", at % 2 == 0), range(2_000)))
    assert hits.read() == {("maps", True): 1_000, ("maps", False): 1_000}


def test_what_is_asked_again_was_there(engine: Engine, cnn: LoadedModel) -> None:
    before = engine.read_counted().hits
    assert not any(kind == "captures" for kind, _ in before)
    engine.explain(make_picture(), cnn, ["grad-cam"])
    first = engine.read_counted()
    engine.explain(make_picture(), cnn, ["grad-cam", "hires-cam"])
    second = engine.read_counted()
    assert (first.hits["captures", False], first.hits["maps", False]) == (1, 1)
    assert (second.hits["maps", True], second.hits["maps", False]) == (1, 2)
    assert second.hits["captures", True] == 1
    assert second.bytes_kept["captures"] == engine.bytes_kept > 0
    assert second.device_bytes == 0, "a CPU has no memory of its own"
