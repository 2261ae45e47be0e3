"""The largest series that are read, and what is said of larger ones."""

from __future__ import annotations

from collections.abc import Sequence

from explain.errors import PictureError
from explain.free_memory import find_free_memory

MOST_FILES = 5_000
"""The most files that are looked through for series."""

MOST_BYTES = 1_000_000_000
"""The most bytes that they have together, unpacked."""

MOST_VOXELS = 400_000_000
"""The most numbers of one stack."""


_COPIES = 2
"""Of its numbers while a stack is read: slice by slice, and as one."""


def check_voxels(shape: Sequence[int], bytes_each: int = 1) -> None:
    """Refuse absurd stacks, and those for which there is no memory, by what headers say.

    Args:
        shape: of the numbers.
        bytes_each: of each number.

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
    needed, free = _COPIES * count * bytes_each, find_free_memory()
    if free is not None and needed > free:
        raise PictureError(
            f"The stack of {' × '.join(f'{side:,}' for side in shape)} voxels takes {needed / 1e6:,.0f} MB of memory "
            f"to be read, and {free / 1e6:,.0f} MB are free. Give a part of it, or close other programs."
        )


def say_too_many_files() -> str:
    """Why so many files are not looked through."""
    return f"There are more than {MOST_FILES:,} files. Give the folder of one examination."


def say_too_many_bytes() -> str:
    """Why so much is not read."""
    return f"The files hold more than {MOST_BYTES // 1_000_000:,} MB. Give the folder of one series."
