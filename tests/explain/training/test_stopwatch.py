"""Pauses do not count, a stop is heard, and draws follow from seed and number alone."""

import pytest
import torch

from explain.errors import Cancelled
from explain.training.stopwatch import Stopwatch, seeded


def test_pauses_do_not_count_and_a_stop_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, answers = [100.0], iter([False, True])
    monkeypatch.setattr("explain.training.stopwatch.time.perf_counter", lambda: clock[0])

    def should_stop() -> bool:
        clock[0] += 60
        return next(answers)

    watch = Stopwatch(should_stop)
    began = watch.read()
    clock[0] += 2
    watch.stop_if_asked()
    assert watch.read() - began == 2
    with pytest.raises(Cancelled):
        watch.stop_if_asked()


def test_draws_follow_from_seed_and_number_and_disturb_nobody() -> None:
    cpu = torch.device("cpu")

    def draw(seed: int, number: int) -> float:
        with seeded(seed, number, cpu):
            return float(torch.rand(1))

    torch.manual_seed(5)
    undisturbed = float(torch.rand(1))
    torch.manual_seed(5)
    assert draw(0, 1) == draw(0, 1) != draw(0, 2) and draw(1, 1) not in (draw(0, 1), draw(0, 2))
    assert float(torch.rand(1)) == undisturbed
