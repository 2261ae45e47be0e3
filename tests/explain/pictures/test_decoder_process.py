"""JPEG Lossless and JPEG-LS are decoded beside the server, which outlives what ends the decoder."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame

from explain.errors import PictureError
from explain.pictures import decoder_process, dicom_frames
from explain.pictures.decode import decode
from explain.pictures.decoder_process import DecoderProcess

pytest.importorskip("gdcm")
FILES = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture(scope="module")
def process() -> Iterator[DecoderProcess]:
    process = DecoderProcess()
    yield process
    process.close()


def frame_of(name: str) -> tuple[pydicom.Dataset, bytes]:
    dataset = pydicom.dcmread(FILES / name)
    return dataset, get_frame(dataset.PixelData, 0, number_of_frames=1)


def test_the_same_numbers_as_uncompressed(process: DecoderProcess) -> None:
    dataset, frame = frame_of("MR_small_jpeg_ls_lossless.dcm")
    plain = pydicom.dcmread(FILES / "MR_small.dcm").pixel_array
    assert np.array_equal(process.decode(dataset, frame), plain)


def test_a_damaged_frame_costs_a_sentence_and_not_the_process(process: DecoderProcess) -> None:
    """Some of these end the decoder; after each, a whole frame is decoded as ever."""
    dataset, frame = frame_of("MR_small_jpeg_ls_lossless.dcm")
    whole, rng, refused = process.decode(dataset, frame), random.Random(7), 0
    for _ in range(5):
        damaged = bytearray(frame)
        for _ in range(5):
            damaged[rng.randrange(60)] = rng.randrange(256)
        try:
            process.decode(dataset, bytes(damaged))
        except ValueError:
            refused += 1
    assert refused and np.array_equal(process.decode(dataset, frame), whole)


def test_a_decoder_that_takes_too_long_is_ended(process: DecoderProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, frame = frame_of("MR_small_jpeg_ls_lossless.dcm")
    process.decode(dataset, frame)
    assert process._process is not None
    process._process.send_signal(signal.SIGSTOP)  # it would answer within a millisecond
    monkeypatch.setattr(decoder_process, "_SECONDS", 0.1)
    with pytest.raises(ValueError, match="cannot be decoded"):
        process.decode(dataset, frame)
    monkeypatch.undo()
    assert process.decode(dataset, frame).size


def test_a_frame_of_another_size_never_gets_that_far(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked to decode")

    monkeypatch.setattr(dicom_frames, "_decoder", type("Never", (), {"decode": refuse})())
    data = (FILES / "SC_rgb_jpeg_gdcm.dcm").read_bytes()
    assert b"\xff\xc3" in data
    at = data.index(b"\xff\xc3") + 5
    with pytest.raises(PictureError, match="contradicts itself"):
        decode(data[:at] + b"\x7f\xff" + data[at + 2 :], "a")


def test_jpeg_lossless_is_a_picture() -> None:
    assert decode((FILES / "SC_rgb_jpeg_gdcm.dcm").read_bytes(), "a").size == (100, 100)
