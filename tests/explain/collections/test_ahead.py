"""What is done ahead comes in order, and no more of it waits than there is room for."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from explain.collections.ahead import do_ahead


def await_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize("threads", [1, 3])
def test_what_is_done_comes_in_order(threads: int) -> None:
    def do(key: int) -> int:
        time.sleep(0.002 * (key % 3))
        return key * key

    assert list(do_ahead(do, range(20), lambda done: 1, 5, threads)) == [key * key for key in range(20)]
    assert list(do_ahead(do, [], lambda done: 1, 5, threads)) == []


def test_no_more_waits_than_there_is_room_for() -> None:
    begun: list[int] = []
    with closing(do_ahead(lambda key: begun.append(key) or 10, range(50), int, 25, 2)) as taken:
        for count in (1, 2):
            next(taken)
            # Thirty wait, and each of the two threads may have looked when twenty did.
            await_until(lambda count=count: len(begun) >= count + 3)
            time.sleep(0.02)
            assert len(begun) <= count + 4
    # Whoever stopped lets no other begin.
    await_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "collection-ahead"])
    assert len(begun) <= 8


def test_what_is_too_large_for_the_room_is_done_alone() -> None:
    assert list(do_ahead(lambda key: key, [100, 200, 300], int, 1, 1)) == [100, 200, 300]


def test_an_error_comes_when_its_turn_does() -> None:
    def do(key: int) -> int:
        if key == 2:
            raise ZeroDivisionError
        return key

    taken = do_ahead(do, range(5), lambda done: 1, 9, 2)
    assert [next(taken), next(taken)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(taken)
