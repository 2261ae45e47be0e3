"""The largest series that are read, and what is said of larger ones."""

from __future__ import annotations

from collections.abc import Sequence

from explain.errors import PictureError

MOST_FILES = 5_000
"""The most files that are looked through for series."""

MOST_BYTES = 1_000_000_000
"""The most bytes that they have together, unpacked."""

MOST_VOXELS = 400_000_000
"""The most numbers of one stack."""


def check_voxels(shape: Sequence[int]) -> None:
    """Refuse absurd stacks, by what headers say.

    Args:
        shape: of the numbers.

    Raises:
        PictureError: there are none, or too many.
    """
    count = 1
    for side in shape:
        count *= side
    if count < 1:
        raise PictureError("The stack has no voxels. Choose another file.")
    if count > MOST_VOXELS:
        raise PictureError(
            f"The stack of {' × '.join(f'{side:,}' for side in shape)} voxels is too large: at most "
            f"{MOST_VOXELS // 1_000_000} million are read. Give a part of it."
        )


def say_too_many_files() -> str:
    """Why so many files are not looked through."""
    return f"There are more than {MOST_FILES:,} files. Give the folder of one examination."


def say_too_many_bytes() -> str:
    """Why so much is not read."""
    return f"The files hold more than {MOST_BYTES // 1_000_000:,} MB. Give the folder of one series."
