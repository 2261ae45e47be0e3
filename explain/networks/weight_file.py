"""What a safetensors file says of itself, read without its tensors. Importing this does not import torch."""

from __future__ import annotations

import io
import json
from pathlib import Path

LONGEST_HEADER = 16 * 2**20
"""The most bytes of a header that are read; networks of thousands of tensors stay below a tenth of that."""


def read_metadata(file: Path | bytes) -> dict[str, str]:
    """The words that whoever wrote a safetensors file put into its header; none where nothing was.

    A header is a JSON object after its own length as eight little-endian bytes. The file is not trusted: however long
    its header claims to be, no more than `LONGEST_HEADER` bytes are read of it.

    Raises:
        OSError: the file cannot be read.
        ValueError: it does not start with such a header, or with one that is too long or cut short.
    """
    with io.BytesIO(file) if isinstance(file, bytes) else file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError("the header is too long")
        text = stream.read(length)
    if len(text) < length:
        raise ValueError("the header is cut short")
    try:
        header = json.loads(text)
    except RecursionError:
        raise ValueError("the header is nested too deeply") from None
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("the header is no list of tensors")
    return {key: word for key, word in metadata.items() if isinstance(word, str)}
