"""The named regions of a collection's pictures: those that a file marks, or the known parts of drawn birds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from explain.bundled.birds.species import PARTS
from explain.bundled.pictures import find_bundled, read_parts
from explain.collections.source import Item, Source
from explain.datasets.regions import Regions, draw_regions, find_name, list_names, read_regions
from explain.errors import DataSetError
from explain.pictures.picture import Picture
from explain.storage import read_file

KNOWN_PARTS = "parts"
"""In place of a file: the parts of bundled drawn birds."""


@dataclass(frozen=True)
class RegionFinder:
    """Finds the regions of a picture.

    Attributes:
        names: of all regions there are.
        digest: of what they come from.
        marked: by a file; None for known parts.
        known: how many pictures of the collection have each file's name.
    """

    names: tuple[str, ...] = ()
    digest: str = ""
    marked: Regions | None = None
    known: Counter[str] = field(default_factory=Counter)

    def find(self, item: Item, picture: Picture) -> Mapping[str, np.ndarray]:
        """A picture's regions by their names, `(H, W)` bool; none where there are none of it, or of another size."""
        digest = picture.source or picture.digest
        if self.marked is None:
            bundled = find_bundled(digest) if self.names else None
            return {} if bundled is None else read_parts(bundled)
        try:
            return draw_regions(self.marked.find(list_names(item.uri, digest, self.known)), picture.size)
        except DataSetError:
            return {}


@lru_cache(maxsize=1)
def find_regions(said: str, source: Source) -> RegionFinder:
    """What finds regions.

    Args:
        said: the path of a file, see `read_regions`; or `parts`; empty for no regions.
        source: of the pictures.

    Raises:
        DataSetError: the file cannot be read, or two regions are called alike.
    """
    if not said:
        return RegionFinder()
    if said == KNOWN_PARTS:
        return RegionFinder(tuple(PARTS), KNOWN_PARTS)
    path = Path(said)
    regions = read_regions(read_file(path, DataSetError), path.name)
    taken = Counter(map(name_region, regions.names))
    alike = [name for name in regions.names if taken[name_region(name)] > 1]
    if alike:
        raise DataSetError(f"“{alike[0]}” and “{alike[1]}” would be one column. Give these regions other names.")
    return RegionFinder(regions.names, regions.digest, regions, Counter(find_name(item.uri) for item in source.items))


def name_region(name: str) -> str:
    """A region as columns end: `in_left_lung`."""
    return "in_" + (re.sub(r"\W+", "_", name.casefold()).strip("_") or "region")
