"""One view of one picture under one model: what is looked at, and the key under which it is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from explain.faithfulness.probe import find_allowed
from explain.faithfulness.references import describe_unlikeness, list_references
from explain.pictures.augmentation import View
from explain.pictures.geometry import Box, find_box, prepare
from explain.pictures.picture import Picture

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel

SightKey = tuple[str, str, str, str]
"""Fingerprint of the model, what its numbers are taken to mean, digest of the picture, name of the view."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What is looked at.

    Attributes:
        picture: the picture.
        loaded: the model it is shown to.
        view: as which of its views.
    """

    what: ClassVar[str] = "picture"
    """What is looked at, in a word."""

    picture: Picture
    loaded: LoadedModel
    view: View = View()  # noqa: RUF009 - frozen

    @property
    def key(self) -> SightKey:
        """Equal for equal content, whatever picture and model are called."""
        return self.loaded.fingerprint, self.loaded.outputs, self.picture.digest, self.view.name

    def prepare(self) -> Tensor:
        """The model's input, `(1, C, h, w)`.

        Raises:
            PictureError: the model takes no such picture.
        """
        return self.view.change(prepare(self.picture, self.loaded.preprocessing).tensor)

    def measure_cell(self, grid: Sequence[int]) -> tuple[float, ...] | None:
        """How long a cell is along each axis, of so many, in one unit; None where all are taken to be as long."""
        return None

    @cached_property
    def box(self) -> Box:
        """The rectangle of the picture, in its pixels, that the model sees."""
        return find_box(self.picture.size, self.loaded.preprocessing)

    # ---- what a test of its maps must know of it

    @property
    def seed(self) -> int:
        """Of masks, the same for the same content."""
        return int(self.picture.digest[:8], 16)

    @property
    def is_even(self) -> bool:
        """Whether it is the same everywhere, so that it has no parts."""
        pixels = self.picture.model_pixels
        return bool((pixels == pixels[:1, :1]).all())

    @property
    def allowed(self) -> np.ndarray:
        """The cells of the model's input that may be hidden, see `find_allowed`."""
        return find_allowed(self.picture.size, self.box.spans)

    def name_others(self, count: int) -> tuple[str, ...]:
        """The digests of what `list_others` gives."""
        return tuple(other.picture.digest for other in self.list_others(count))

    def list_others(self, count: int) -> list[Sight]:
        """So many others under the same model, with whose maps its own are compared, as far as there are."""
        besides = self.picture.source or self.picture.digest
        return [Sight(one, self.loaded) for one in list_references(self.loaded.labels, besides, count)]

    def describe_unlikeness(self) -> str:
        """Why these others say little about its maps, as the end of a sentence; empty where they do."""
        return describe_unlikeness(self.picture)
