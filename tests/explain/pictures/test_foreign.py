"""Files that are no pictures, or of a kind that is not read: each is named, and what to do."""

from __future__ import annotations

import pytest

from tests.support.image_files import refusal


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(64), "HEIC"),
        (b"\0\0\0\x18ftypisom" + bytes(64), "videos"),
        (b"\xff\x0a" + bytes(64), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64), "JPEG XL"),
        (b"\x1f\x8b\x08" + bytes(40), "NIfTI"),
        (bytes(344) + b"n+1\0" + bytes(64), "NIfTI"),
        (b"\n <!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\xef\xbb\xbf<HTML>", "web page"),
        (b"<?xml version='1.0'?><svg></svg>", "SVG"),
        (b"\x93NUMPY\x01\0" + bytes(20), "NumPy"),
        (b"PK\x03\x04" + bytes(40), "Unpack"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
        (b"8BPS" + bytes(40), "Photoshop"),
        (b"%PDF-1.7", "PDF"),
        (b"nothing of the kind", "AVIF, JPEG 2000"),
    ],
)
def test_each_is_named(data: bytes, words: str) -> None:
    assert words in refusal(data)
