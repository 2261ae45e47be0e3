"""Copies of a picture that nobody can tell from it: a little noise, a pixel's shift, a breath of light.

Stronger changes would test something else: under noise of a tenth of the pixels' spread, a small network's answer
itself changed for a sixth of the pictures.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from explain.faithfulness.bank import hide
from explain.methods.occlusion import make_baseline
from explain.pictures.augmentation import View

if TYPE_CHECKING:
    from torch import Tensor

NOISE = 2 / 255
"""Spread of the noise, of the pixels' whole range."""

LIGHT = 0.02
"""How much brighter or darker, as a share."""


@dataclass(frozen=True)
class Copy(View):
    """A copy of a picture. A map of it lies where one of the picture itself does, to within a pixel.

    Attributes:
        noise: seed of the noise; None for none.
        shift: pixels of the input along each axis: down and to the right, and of a volume from slice to slice before.
        light: factor on the normalised input.
        spread: of the noise, in units of the normalised input.
    """

    noise: int | None = None
    shift: tuple[int, ...] = (0, 0)
    light: float = 1.0
    spread: float = 0.0

    @property
    def name(self) -> str:
        """Unique among views."""
        return f"copy {self.noise} {self.shift} {self.light:g}"

    def change(self, picture: Tensor) -> Tensor:
        """The model's input `(1, C, H, W)` or `(1, C, D, H, W)` as this copy shows it."""
        import torch

        changed = picture * self.light
        if self.noise is not None:
            generator = torch.Generator().manual_seed(self.noise)
            changed = changed + self.spread * torch.randn(picture.shape, generator=generator).to(picture)
        if any(self.shift):
            changed = torch.roll(changed, self.shift, tuple(range(2, changed.ndim)))
        return changed


def list_copies(std: tuple[float, ...], axes: int = 2) -> tuple[Copy, ...]:
    """Eight copies of a picture, ten of a volume.

    Args:
        std: by which the model's preprocessing divides: noise is of the pixels, and the input is in units of this.
        axes: of space that the input has.
    """
    spread = NOISE * len(std) / sum(std)
    noisy = [Copy(noise=seed, spread=spread) for seed in (0, 1)]
    shifted = [
        Copy(shift=tuple(by if axis == at else 0 for at in range(axes))) for axis in range(axes) for by in (1, -1)
    ]
    lit = [Copy(light=1 + LIGHT), Copy(light=1 - LIGHT)]
    return (*noisy, *shifted, *lit)


@dataclass(frozen=True, eq=False)
class AsMarked(View):
    """A picture shown only as bright as a map is, on grey; as `show_as_marked` of `explain.faithfulness.changes`.

    Attributes:
        shown: the map `(h, w)` float32, 0…1.
    """

    shown: np.ndarray = field(default_factory=lambda: np.ones((1, 1), dtype=np.float32))

    @property
    def name(self) -> str:
        """Unique among views."""
        return f"as marked {self.shown.shape} {hashlib.sha256(self.shown.tobytes()).hexdigest()}"

    def change(self, picture: Tensor) -> Tensor:
        """The model's input `(1, C, H, W)` as this view shows it."""
        import torch

        return hide(picture, make_baseline(picture, "grey"), torch.from_numpy(1 - self.shown)[None].to(picture))
