"""Pictures without classes: from files and zips, each once, as many as there is room for."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image

from explain.datasets import loose
from explain.datasets.loose import read_loose
from explain.errors import Cancelled, DataSetError
from tests.support.data_sets import draw, fill, pack


def write_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


IGNORE = lambda share, text: None  # noqa: E731


def test_files_and_zips_of_files_are_read_once_each_and_opened_when_asked_for() -> None:
    inside = [
        ("deep/er/a.png", draw(1)),
        ("b.png", draw(2)),
        ("again.png", draw(1)),
        ("notes.txt", b"none"),
        (".x", b""),
    ]
    found = read_loose([("c.png", draw(3)), ("some.zip", pack(inside)), ("folder/d.png", b"\x89PNG cut short")], IGNORE)
    assert [one.data for one in found.pictures] == [draw(3), draw(1), draw(2)]
    assert (found.given, found.unreadable) == (5, 1), "the text was never taken for a picture"
    assert found.reason.startswith("“File 5”"), "a name may be a patient's"
    for one in found.pictures:
        assert one.open().digest == one.digest


def test_of_too_many_as_many_are_taken_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loose, "MOST_PICTURES", 4)
    found = read_loose(fill("a", count=10), IGNORE)
    assert [one.data for one in found.pictures] == [draw(place) for place in (0, 2, 5, 7)] and found.given == 10
    assert read_loose([(".hidden", b"x")], IGNORE).given == 0
    monkeypatch.setattr(loose, "MOST_BYTES", 1000)
    with pytest.raises(DataSetError, match="take more than"):
        read_loose(fill("a", count=10), IGNORE)


def test_kinds_are_counted_and_reading_can_be_stopped() -> None:
    page = np.full((90, 90, 3), 255, np.uint8)
    page[10:80:10, 10:80:2] = 0
    files = [("a.png", write_png(page)), ("b.png", draw(0))]
    assert read_loose(files, IGNORE).kinds == {"page": 1, "photograph": 1}
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        read_loose(files, IGNORE, stop)


@pytest.mark.parametrize(
    ("entry", "words"),
    [("../Mary Smith.png", "points outside"), ("Mary Smith/bomb.bmp", "more than 100 times its size")],
)
def test_a_hostile_zip_is_refused_and_names_nobody(entry: str, words: str) -> None:
    with pytest.raises(DataSetError, match=words) as refused:
        read_loose([("Mary Smith.zip", pack([(entry, bytes(30_000_000))]))], IGNORE)
    assert "Smith" not in str(refused.value)
