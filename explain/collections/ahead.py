"""Doing what is next while something else is worked on: in threads, in order, and never more than there is room for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key")
Done = TypeVar("Done")


def do_ahead(
    do: Callable[[Key], Done], keys: Sequence[Key], weigh: Callable[[Done], int], room: int, threads: int
) -> Generator[Done, None, None]:
    """What is done of each key, in their order, while threads are at the next ones.

    Args:
        do: what is done of one, in a thread.
        keys: of which.
        weigh: how much of `room` it takes until it is taken, such as its bytes.
        room: when so much waits, no other is begun.
        threads: how many work at once.

    Raises:
        Exception: whatever `do` raised, when its turn comes. When whoever takes them stops, no other is begun.
    """
    ahead = _Ahead(do, keys, weigh, room)
    for _ in range(min(threads, len(keys))):
        threading.Thread(target=ahead.work, daemon=True, name="collection-ahead").start()
    try:
        yield from ahead.take()
    finally:
        ahead.stop()


class _Ahead(Generic[Key, Done]):
    """What waits to be taken, and what is next."""

    def __init__(self, do: Callable[[Key], Done], keys: Sequence[Key], weigh: Callable[[Done], int], room: int):
        self._do, self._keys, self._weigh, self._room = do, keys, weigh, room
        self._done: list[Future[Done]] = [Future() for _ in keys]
        self._change = threading.Condition()
        self._begun, self._held = 0, 0

    def work(self) -> None:
        """Do one after another, until all are begun."""
        while True:
            with self._change:
                # Whoever waits for one waits for nothing that comes after it: what is held is taken in the end.
                self._change.wait_for(lambda: self._held < self._room or self._begun >= len(self._keys))
                if self._begun >= len(self._keys):
                    return
                number = self._begun
                self._begun += 1
            try:
                done = self._do(self._keys[number])
            except BaseException as error:
                self._done[number].set_exception(error)
                continue
            with self._change:
                self._held += self._weigh(done)
            self._done[number].set_result(done)

    def take(self) -> Iterator[Done]:
        """One after another, as they are done."""
        for number in range(len(self._done)):
            done = self._done[number].result()
            self._done[number] = Future()  # whoever took it is the only one that holds it
            with self._change:
                self._held -= self._weigh(done)
                self._change.notify_all()
            yield done

    def stop(self) -> None:
        """Begin no other."""
        with self._change:
            self._begun = len(self._keys)
            self._change.notify_all()
