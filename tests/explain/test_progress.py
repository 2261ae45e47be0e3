"""Work says how far it is, in parts that make up the whole, and stops when asked."""

import threading

import pytest

from explain.errors import Cancelled
from explain.progress import Watch


def test_a_part_counts_within_the_whole_and_goes_by_its_name() -> None:
    said: list[tuple[float, str]] = []
    watch = Watch(lambda share, text: said.append((share, text)))
    watch.report(0.1, "Reading")
    second = watch.part(0.2, 0.6, "Maps")
    second.report(0.0, "cat.png")
    second.report(0.5)
    second.part(0.5, 1.0).report(1.0, "dog.png")
    assert [text for _, text in said] == ["Reading", "Maps: cat.png", "Maps", "Maps: dog.png"]
    assert [share for share, _ in said] == pytest.approx([0.1, 0.2, 0.4, 0.6])


def test_work_that_nobody_follows_is_done_all_the_same() -> None:
    nobody = Watch()
    nobody.report(0.5, "Reading")
    nobody.part(0.0, 0.5, "Maps").report(1.0)
    nobody.stop_if_cancelled()


def test_work_stops_once_it_is_asked_to_and_so_do_its_parts() -> None:
    cancel = threading.Event()
    watch = Watch(cancel=cancel)
    part = watch.part(0.0, 0.5)
    watch.stop_if_cancelled()
    part.stop_if_cancelled()
    cancel.set()
    for follower in (watch, part):
        with pytest.raises(Cancelled, match="Nothing was changed"):
            follower.stop_if_cancelled()
