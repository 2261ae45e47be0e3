"""A checkpoint that was cut into several safetensors files, put together again. Imports no torch."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from typing import Any

from explain.errors import ModelError

_SHARD = re.compile(r"-0*(\d{1,5})-of-0*(\d{1,5})(?=\.\w+$)")
_LONGEST_HEADER = 100_000_000
_ALIGNED = 8


def is_shard(name: str) -> bool:
    """Whether a file is called as one part of several: `model-00001-of-00002.safetensors`."""
    found = _SHARD.search(name)
    return found is not None and int(found.group(2)) > 1


def join_shards(parts: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
    """One safetensors file of all its parts, whatever order they come in: the same parts give the same bytes.

    Args:
        parts: name and bytes of each.

    Returns:
        What to call it, and its bytes. Whether its tensors are whole is found out where it is read.

    Raises:
        ModelError: a part is missing, is of another checkpoint, or is no safetensors file.
    """
    numbered = {name: found.groups() for name, _ in parts if (found := _SHARD.search(name))}
    whole = {_SHARD.sub("", name) for name in numbered}
    counts = {int(count) for _, count in numbered.values()}
    if len(whole) != 1 or len(counts) != 1 or len(numbered) != len(parts):
        raise ModelError("These are parts of different checkpoints. Give all the parts of one.")
    name, count = whole.pop(), counts.pop()
    ordered = sorted(parts, key=lambda part: int(numbered[part[0]][0]))
    missing = sorted({*range(1, count + 1)} - {int(number) for number, _ in numbered.values()})
    if missing:
        listed = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        one = len(missing) == 1
        raise ModelError(
            f"“{name}” was cut into {count} parts, and part{'' if one else 's'} {listed} {'is' if one else 'are'} "
            "missing. Give all of them at once."
        )
    header: dict[str, Any] = {}
    bodies: list[memoryview] = []
    start = 0
    for part, data in ordered:
        entries, body = _split(data, part)
        for key, entry in entries.items():
            if key == "__metadata__":
                header.setdefault(key, entry)
                continue
            if key in header:
                raise ModelError(f"“{part}” holds {key[:100]}, which another part has too. Copy the parts again.")
            header[key] = {**entry, "data_offsets": [start + at for at in entry["data_offsets"]]}
        bodies.append(body)
        start += len(body)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    return name, b"".join([struct.pack("<Q", len(text)), text, *bodies])


def _split(data: bytes, name: str) -> tuple[dict[str, Any], memoryview]:
    """What the header of a safetensors file says of its tensors, and all that follows.

    Raises:
        ModelError: it is no such file.
    """
    why = "is pickled, and only safetensors are put together" if data[:2] == b"PK" else "is damaged. Copy it again"
    refusal = ModelError(f"“{name}” is part of a checkpoint and {why}, or save the checkpoint as one file.")
    length = struct.unpack("<Q", data[:8])[0] if len(data) > 8 else _LONGEST_HEADER
    if length >= min(_LONGEST_HEADER, len(data) - 7):
        raise refusal
    try:
        entries = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        raise refusal from None
    body = memoryview(data)[8 + length :]
    if not isinstance(entries, dict):
        raise refusal
    for key, entry in entries.items():
        at = entry.get("data_offsets") if isinstance(entry, dict) else None
        if key == "__metadata__":
            continue
        if not (isinstance(at, list) and len(at) == 2 and all(type(edge) is int for edge in at)):
            raise refusal
        if not 0 <= at[0] <= at[1] <= len(body):
            raise refusal
    return entries, body
