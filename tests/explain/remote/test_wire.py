"""What crosses is read back as it was written, and what is something else is refused in a sentence."""

import io
import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save

from explain.errors import Cancelled, DeviceError, ExplainError, MethodError
from explain.remote.store import UnknownDigest
from explain.remote.wire import (
    pack_picture,
    read_ask,
    read_error,
    read_frames,
    unpack_picture,
    write_error,
    write_frame,
)
from tests.support.engine import make_picture

DIGEST = "0" * 64


def test_frames_are_read_as_they_were_written() -> None:
    stream = io.BytesIO(write_frame(b"P", b"one") + write_frame(b"A", b"") + write_frame(b"M", b"x" * 100_000))
    assert [(letter, len(data)) for letter, data in read_frames(stream)] == [(b"P", 3), (b"A", 0), (b"M", 100_000)]
    for cut in (write_frame(b"M", b"one")[:-1], b"M\0\0"):
        with pytest.raises(ExplainError, match="ended too early"):
            list(read_frames(io.BytesIO(cut)))
    with pytest.raises(ExplainError, match="no answer"):
        list(read_frames(io.BytesIO(b"M" + b"\xff" * 8)))


@pytest.mark.parametrize("error", [MethodError("a"), Cancelled("b"), DeviceError("c"), ExplainError("d")])
def test_errors_keep_their_kind(error: ExplainError) -> None:
    again = read_error(write_error(error))
    assert type(again) is type(error) and str(again) == str(error)


def test_an_unknown_digest_keeps_what_it_is() -> None:
    again = read_error(write_error(UnknownDigest(DIGEST)))
    assert isinstance(again, UnknownDigest) and again.digest == DIGEST


def test_no_class_is_made_but_those_that_are_known() -> None:
    for name in ("SystemExit", "annotations", "make_printable", "__builtins__", "Popen"):
        again = read_error(json.dumps({"name": name, "args": ["said"]}).encode())
        assert type(again) is ExplainError and str(again) == "said"
    for data in (b"", b"[]", b"{}", b"\xff", pickle.dumps(MethodError("x"))):
        assert "no answer" in str(read_error(data))


def test_a_packed_picture_is_the_picture_under_a_digest_of_its_own() -> None:
    picture = make_picture(1, "Doe.png")
    data = pack_picture(picture)
    again = unpack_picture(data, DIGEST, "picture")
    assert (again.model_pixels == picture.model_pixels).all() and (again.pixels == picture.pixels).all()
    # Its random masks are its own, and whoever sends it cannot have it taken for another one.
    assert again.digest == picture.digest[:8] + DIGEST[8:] and again.name == "picture" and b"Doe" not in data
    for wrong in (b"", b"\x89PNG", pickle.dumps(picture.pixels), save({"pixels": np.zeros((2, 2, 3), np.uint8)})):
        with pytest.raises(ExplainError, match="damaged, or is something else"):
            unpack_picture(wrong, DIGEST, "picture")
    for pixels in (np.zeros(3, np.uint8), np.zeros((2, 2, 3), np.int64), np.zeros((0, 2, 3), np.uint8)):
        with pytest.raises(ExplainError, match="no picture"):
            unpack_picture(save({"pixels": pixels}, {"answer": "{}"}), DIGEST, "picture")


def test_a_question_is_checked() -> None:
    told = {"job": "0" * 32, "model": {"source": "bundled", "name": "photo-cnn"}}
    assert read_ask(json.dumps(told).encode()).arguments == {}
    for changes in (
        {"job": "../x"},
        {"pictures": [{"digest": "/etc/passwd"}]},
        {"code": "x"},
        {"asking": {"session": "Doe", "number": 1}},
        {"arguments": "x"},
    ):
        with pytest.raises(ExplainError, match="no question for an engine"):
            read_ask(json.dumps(told | changes).encode())
