"""A safetensors file's own words, and files that only claim to have some."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from explain.networks.weight_file import LONGEST_HEADER, read_metadata


class Watched(io.BytesIO):
    """Bytes that know how many of them were read; a read of more than memory holds fails as a file's would."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None and 0 <= size <= LONGEST_HEADER, "a read without a bound"
        data = super().read(size)
        self.taken += len(data)
        return data


def frame(header: bytes, claimed: int | None = None) -> bytes:
    """A header after its length, or after what it claims to be long."""
    return (len(header) if claimed is None else claimed).to_bytes(8, "little") + header


def test_the_words_of_a_file(tmp_path: Path) -> None:
    tensors = {"weight": torch.zeros(2, 3)}
    safetensors.torch.save_file(tensors, tmp_path / "said.safetensors", {"top1": "92.50", "maker": "ö"})
    safetensors.torch.save_file(tensors, tmp_path / "silent.safetensors")
    assert read_metadata(tmp_path / "said.safetensors") == {"top1": "92.50", "maker": "ö"}
    assert read_metadata(tmp_path / "silent.safetensors") == {}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(b"{}", 2**60), "too long"),
        (frame(b"{}", LONGEST_HEADER + 1), "too long"),
        (b"\xff" * 100, "too long"),
        (frame(b'{"__metadata__":{}}', 20), "cut short"),
        (frame(b"{}", LONGEST_HEADER), "cut short"),
        (b"", "Expecting value"),
        (b"\x05", "cut short"),
        (frame(b"no json at all"), "Expecting value"),
        (frame(b"\xff\xfe\xfd"), "codec can't decode"),
        (frame(b"[" * 200_000), "too deeply"),
        (frame(b"[]"), "no list of tensors"),
        (frame(b'"__metadata__"'), "no list of tensors"),
        (frame(b'{"__metadata__":[1]}'), "no list of tensors"),
        (frame(b'{"__metadata__":null}'), "no list of tensors"),
    ],
)
def test_what_is_no_header_is_refused_and_never_read_beyond_the_bound(
    data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Watched(data if reason == "cut short" else data + b"\0" * 1000)  # of tensors, which nobody asked for
    monkeypatch.setattr(Path, "open", lambda self, mode: stream)
    with pytest.raises(ValueError, match=reason):
        read_metadata(Path("weights.safetensors"))
    assert stream.taken <= 8 + LONGEST_HEADER and (reason != "too long" or stream.taken == 8)


def test_the_tensors_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    header: dict[str, Any] = {"__metadata__": {"top1": "50", "number": 3, "list": ["x"]}}
    text = json.dumps(header).encode()
    stream = Watched(frame(text) + b"\0" * 4096)
    monkeypatch.setattr(Path, "open", lambda self, mode: stream)
    assert read_metadata(Path("weights.safetensors")) == {"top1": "50"}, "words are words"
    assert stream.taken == 8 + len(text)


def test_a_file_that_is_not_there_is_that(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_metadata(tmp_path / "weights.safetensors")
