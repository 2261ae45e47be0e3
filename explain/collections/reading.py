"""The pictures of a run, where they can be read still: found again by their ids, and checked by their digests."""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property
from pathlib import Path

from explain.collections.gathered import Gathered
from explain.collections.opening import open_source
from explain.collections.source import Item, Source
from explain.datasets.given import UnreadableFile
from explain.errors import DataSetError, PictureError
from explain.pictures.decode import decode
from explain.pictures.picture import Picture


class PictureReader:
    """Reads pictures of a run from where the run found them. Safe to share by threads.

    Args:
        run: the run.
    """

    def __init__(self, run: Gathered) -> None:
        self._run = run
        self._lock = threading.Lock()

    @cached_property
    def _source(self) -> Source | None:
        path = self._run.manifest.path
        try:
            return None if path is None else open_source(Path(path))
        except DataSetError:
            return None

    @cached_property
    def _items(self) -> dict[str, Item]:
        """By id, the pictures of a source in which a path alone does not say where one lies."""
        assert self._source is not None
        return {item.id: item for item in self._source.items}

    def read(self, row: int) -> bytes:
        """The bytes of a row's picture.

        Raises:
            PictureError: the source is not there, the name was not kept, or the picture has changed since the run.
        """
        told = self._run.read_rows([row])[0]
        if told["uri"] is None or not told["digest"]:
            raise PictureError("Where this picture lies was not kept, so only its map can be shown.")
        with self._lock:
            if self._source is None:
                raise PictureError(
                    "The collection is not where it was when it was explained, so only maps can be shown. Put it back."
                )
            try:
                plain = self._source.kind in ("folder", "zip")
                item = Item(str(told["uri"])) if plain else self._items.get(str(told["id"]))
                if item is None:
                    raise UnreadableFile("It is not in the collection any more.")
                data = self._source.read(item)
            except (UnreadableFile, DataSetError) as error:
                raise PictureError(f"The picture cannot be read. {error}") from None
        if hashlib.sha256(data).hexdigest() != told["digest"]:
            raise PictureError("The picture has changed since the run, so its map does not belong to it.")
        return data

    def open(self, row: int) -> Picture:
        """A row's picture, decoded as it was in the run.

        Raises:
            PictureError: as `read`.
        """
        name = str(self._run.read_rows([row])[0]["uri"]).rpartition("/")[2]
        return decode(self.read(row), name, white=self._run.manifest.question.white)
