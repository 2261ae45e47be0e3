"""Reading files that a person named on a command line or in Python."""

from pathlib import Path

from explain.errors import ExplainError


def read_file(path: Path, kind: type[ExplainError] = ExplainError) -> bytes:
    """The file's bytes; one that cannot be read is an error of the given kind, with the reason in a sentence."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a ValueError is a name that no file can have
        raise kind(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
