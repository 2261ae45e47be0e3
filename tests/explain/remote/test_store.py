"""What is put is kept by its digest, for a while, and never more than its share."""

import hashlib

import pytest

from explain.errors import ExplainError
from explain.remote.store import Store, UnknownDigest
from tests.support.clock import Clock


def test_what_is_put_is_there_by_its_digest() -> None:
    store = Store()
    digest = store.put(b"one")
    assert digest == hashlib.sha256(b"one").hexdigest()
    assert store.have(digest) and store.get(digest) == b"one" and store.put(b"one") == digest
    assert store.bytes_kept == 3
    store.forget()
    assert not store.have(digest)
    with pytest.raises(UnknownDigest, match="Ask again") as told:
        store.get(digest)
    assert told.value.digest == digest


def test_the_least_recently_used_goes_first_and_no_more_is_kept_than_fits() -> None:
    store = Store(budget=10)
    one, two = store.put(b"aaaa"), store.put(b"bbbb")
    assert store.have(one)  # and is used by that
    three = store.put(b"cccc")
    assert [store.have(digest) for digest in (one, two, three)] == [True, False, True]
    assert store.bytes_kept == 8
    with pytest.raises(ExplainError, match="takes at most 0 MB"):
        store.put(b"d" * 11)
    assert store.bytes_kept == 8


def test_what_nobody_asks_for_goes_with_time() -> None:
    clock = Clock()
    store = Store(seconds=10, clock=clock)
    one, two = store.put(b"one"), store.put(b"two")
    clock.now = 6
    assert store.have(one)
    clock.now = 12
    assert [store.have(one), store.have(two)] == [True, False]
    clock.now = 30
    assert store.bytes_kept == 0
