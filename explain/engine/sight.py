"""One view of one picture under one model: what is looked at, and the key under which it is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

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
