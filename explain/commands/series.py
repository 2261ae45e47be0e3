"""`series`: what series there are in files, folders and zips; and the slices of one, for `show`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from explain.commands.flags import Json, app
from explain.commands.progress_lines import say_progress
from explain.errors import ExplainError
from explain.progress import Watch
from explain.storage import expand_home
from explain.volumes.planes import Plane
from explain.volumes.reading import Found, Series, read_volumes
from explain.volumes.volume import Volume

MIDDLE = "middle"
"""The slice that is shown where none is named."""

_ZIP = b"PK\x03\x04"


@app.command()
def series(
    files: Annotated[list[Path], typer.Argument(help="DICOM and NIfTI files, folders of them, or zips.")],
    as_json: Json = False,
) -> None:
    """List the series in files, folders and zips, the largest first; `show --series NUMBER --slice N` explains."""
    found = read_volumes(_check(files), Watch(_say_beginning))
    if as_json:
        print(json.dumps([_as_data(one) for one in found.series], ensure_ascii=False))
        return
    for number, one in enumerate(found.series, 1):
        part = f", {one.body_part}" if one.body_part else ""
        print(f"{number:>3}  {one.name}{part}, {one.shape[1]} × {one.shape[2]} pixels")
        for note in one.notes:
            print(f"     {note}")
    for picture in found.pictures:
        print(f"  -  {picture.name}, which belongs to no series")
    for problem in found.problems:
        print(problem, file=sys.stderr)
    if not found.series and not found.pictures:
        raise typer.Exit(2)


def _as_data(one: Series) -> dict[str, object]:
    names = ("name", "modality", "body_part", "shape", "missing", "digests", "notes")
    return {name: getattr(one, name) for name in names}


def _check(files: Sequence[Path]) -> list[Path]:
    paths = [expand_home(path) for path in files]
    for path in paths:
        if not path.exists():
            raise ExplainError(f"There is no file {path}.")
    return paths


def are_volumes(files: Sequence[Path]) -> bool:
    """Whether among files that were named there is a NIfTI file or a zip, of which only slices can be shown."""
    return any(_is_volume(expand_home(path)) for path in files)


def _is_volume(path: Path) -> bool:
    from explain.volumes.nifti import is_nifti

    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return head.startswith(_ZIP) or is_nifti(head)


def open_series(files: Sequence[Path], number: int) -> Volume:
    """A series of files, read.

    Args:
        files: files, folders and zips.
        number: of the series, as the command `series` lists them, from 1.

    Raises:
        ExplainError: there is no such series.
    """
    found = read_volumes(_check(files), Watch(_say_beginning))
    for problem in found.problems:
        print(problem, file=sys.stderr)
    volume = _choose(found, number).open(Watch(_say_beginning))
    print(f"Series {number} of {len(found.series)}: {volume.name}")
    for note in volume.notes:
        print(f"  {note}")
    return volume


def _choose(found: Found, number: int) -> Series:
    if not found.series:
        raise ExplainError(
            found.problems[0]
            if found.problems
            else "There is no series in these files. Name others, or leave --slice out."
        )
    if not 1 <= number <= len(found.series):
        listed = "; ".join(f"{place} {one.name}" for place, one in enumerate(found.series[:9], 1))
        raise ExplainError(f"There is no series {number}. There are: {listed}.")
    return found.series[number - 1]


def list_indices(volume: Volume, which: str, plane: Plane) -> list[int]:
    """The slices that are meant, from 0; of several, those that are there.

    Args:
        volume: the series.
        which: `middle`, a number, or two with a hyphen between.
        plane: in which plane.

    Raises:
        ExplainError: there is no such slice.
    """
    count, there = volume.count(plane), volume.list_there(plane)
    if which == MIDDLE:
        return [min(there, key=lambda at: abs(at - count // 2))]
    first, _, last = which.partition("-")
    if not first.isdigit() or (last and not last.isdigit()):
        raise ExplainError(f"--slice takes middle, a number, or two as 10-20, not “{which}”.")
    begin, end = int(first), int(last or first)
    if not 1 <= begin <= end <= count:
        raise ExplainError(f"There is no slice {which}: “{volume.name}” has 1 to {count} in this plane.")
    wanted = list(range(begin - 1, end))
    return [at for at in wanted if at in there] or wanted


def _say_beginning(share: float, text: str) -> None:
    if share == 0:
        say_progress(share, text)
