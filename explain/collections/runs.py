"""The runs that a page may open: those in the data folder, and those that were named when the server started.

A path that a person types never reaches the disk: a run goes by a digest, and only these folders are looked at.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from explain.collections.question import RunManifest
from explain.collections.run_folder import RunFolder
from explain.errors import ExplainError, StorageError
from explain.rights import need
from explain.storage import find_data_folder

VARIABLE = "CAMSCOPE_COLLECTIONS"
"""Names further folders of runs for the page, with the system's path separator between."""

FOLDER = "collections"
"""In the data folder: where runs lie that the page lists."""


@dataclass(frozen=True)
class Run:
    """A run that can be opened.

    Attributes:
        key: what links and the page call it: a digest, and no path.
        title: the name of its folder.
        path: its folder.
        manifest: what was asked.
    """

    key: str
    title: str
    path: Path
    manifest: RunManifest


def list_runs() -> list[Run]:
    """All runs that the page may open, by their titles. Folders that are no runs are passed over.

    Raises:
        RightsError: whoever acts may open none.
    """
    need("collections")
    named = [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    try:
        inside = sorted((find_data_folder() / FOLDER).glob("*/manifest.json"))
    except (StorageError, OSError):
        inside = []
    found: dict[str, Run] = {}
    for path in [*named, *(manifest.parent for manifest in inside)]:
        try:
            manifest = RunFolder(path).read_manifest()
        except ExplainError:
            continue
        key = hashlib.sha256(f"{path.absolute()}\n{manifest.digest}".encode()).hexdigest()[:16]
        found[key] = Run(key, path.name, path, manifest)
    return sorted(found.values(), key=lambda run: run.title.casefold())
