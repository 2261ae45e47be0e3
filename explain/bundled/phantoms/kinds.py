"""The kinds of phantoms: one row for each place, size and texture of the lesion that decides."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

from explain.errors import PictureError

Place = Literal["hollow", "solid"]
"""Which organ the lesion lies in: the one darker than it, or the one brighter."""

Size = Literal["small", "large"]
"""About 6 or about 10 mm from middle to edge."""

Texture = Literal["smooth", "grainy"]
"""The same everywhere, or grains of one voxel."""


@dataclass(frozen=True)
class Kind:
    """What tells a phantom from the others; nothing else in it does.

    Attributes:
        place: see `Place`.
        size: see `Size`.
        texture: see `Texture`.
    """

    place: Place
    size: Size
    texture: Texture

    @property
    def name(self) -> str:
        """As a class is named: `small grainy lesion, hollow organ`."""
        return f"{self.size} {self.texture} lesion, {self.place} organ"


_PLACES: tuple[Place, ...] = ("hollow", "solid")
_SIZES: tuple[Size, ...] = ("small", "large")
_TEXTURES: tuple[Texture, ...] = ("smooth", "grainy")

KINDS = tuple(Kind(place, size, texture) for place, size, texture in product(_PLACES, _SIZES, _TEXTURES))
"""All eight, in the order of the classes."""


def find_kind(name: str) -> Kind:
    """The kind of that name.

    Raises:
        PictureError: there is none.
    """
    found = next((kind for kind in KINDS if kind.name == name), None)
    if found is None:
        raise PictureError(f"There is no phantom “{name}”. Choose one of: {'; '.join(kind.name for kind in KINDS)}.")
    return found
