"""All that is said of a person's file, as TOML: written down by hand, or kept by the file's digest in the data folder.

A recipe holds fields of a `ModelRequest` and no weights. Imports no torch.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from explain.errors import ModelError, StorageError
from explain.rights import need
from explain.storage import find_data_folder, write_atomically

_MOST_BYTES = 16 * 2**20
_DIGEST = re.compile("[0-9a-f]{64}")
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_WIDTH = 100
_ASSUMED = "\n# Assumed, since nothing says so; take the # away to set it.\n"
_TITLE = "# What CAMscope is told of a checkpoint. Give it with --recipe.\n"


def encode_recipe(fields: Mapping[str, Any], assumed: Mapping[str, Any] | None = None) -> bytes:
    """Fields as TOML, as `decode_recipe` reads them back.

    Args:
        fields: by name; texts, numbers, switches, and lists of these.
        assumed: fields that nobody said; written as comments, for a person to change.
    """
    text = _TITLE + "".join(f"{name} = {_write(value)}\n" for name, value in fields.items() if value is not None)
    if assumed:
        text += _ASSUMED + "".join(f"# {name} = {_write(value)}\n" for name, value in assumed.items())
    return text.encode()


def _write(value: Any) -> str:
    if isinstance(value, str):
        return '"' + "".join(_escape(character) for character in value) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Sequence):
        parts = [_write(part) for part in value]
        line = f"[{', '.join(parts)}]"
        return line if len(line) <= _WIDTH else "[\n" + "".join(f"    {part},\n" for part in parts) + "]"
    raise TypeError(f"a recipe holds texts, numbers and lists, not {type(value).__name__}")


def _escape(character: str) -> str:
    """As TOML wants it: what does not print is written as its number."""
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if 0xD800 <= code < 0xE000:  # half a character, which no file can hold
        return "\ufffd"
    return f"\\u{code:04X}" if code < 0x20 or code == 0x7F else character


def decode_recipe(data: bytes, name: str = "The recipe") -> dict[str, Any]:
    """The fields of a recipe; whether they can be meant is checked where a request is built of them.

    Args:
        data: the bytes of a TOML file.
        name: what to call it in an error.

    Raises:
        ModelError: it is no such file.
    """
    if len(data) > _MOST_BYTES:
        raise ModelError(f"{name} is larger than {_MOST_BYTES // 2**20} MB. Write one with inspect FILE --write.")
    try:
        fields = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise ModelError(f"{name} is no TOML ({error}). Write one with inspect FILE --write.") from None
    nested = next((key for key, value in fields.items() if isinstance(value, dict)), None)
    if nested is not None:
        raise ModelError(f"{name} has a table “{nested[:60]}”. A recipe is plain lines such as mean = [0.5, 0.5, 0.5].")
    return fields


def remember_recipe(digest: str, fields: Mapping[str, Any]) -> bool:
    """Keep what is said of a file until it is forgotten; says whether that is anything new.

    Args:
        digest: SHA-256 of the file's bytes.
        fields: see `encode_recipe`.

    Raises:
        StorageError: the data folder cannot be written.
        RightsError: whoever acts may use no file of their own.
    """
    need("models")
    data = encode_recipe(fields)
    path = _find_path(digest)
    try:
        if path.read_bytes() == data:
            return False
    except OSError:
        pass
    write_atomically(path, data)
    return True


def recall_recipe(digest: str | None) -> dict[str, Any] | None:
    """What is kept of a file; None where nothing is, or what is there is damaged.

    Args:
        digest: SHA-256 of the file's bytes.
    """
    if digest is None:
        return None
    try:
        path = _find_path(digest)
        return decode_recipe(path.read_bytes()) if path.stat().st_size <= _MOST_BYTES else None
    except (OSError, StorageError, ModelError):
        return None


def forget_recipe(digest: str) -> bool:
    """Keep nothing of a file any longer; says whether there was something.

    Raises:
        StorageError: it cannot be removed.
    """
    try:
        _find_path(digest).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"What is remembered of the file cannot be removed ({error.strerror or error}).") from None
    return True


def _find_path(digest: str) -> Path:
    """Where the recipe of a file is kept. The digest is checked, so that it can be no way to elsewhere."""
    if not _DIGEST.fullmatch(digest):
        raise ModelError("A recipe is kept by the SHA-256 of a file, 64 hexadecimal digits.")
    return find_data_folder() / "recipes" / f"{digest}.toml"
