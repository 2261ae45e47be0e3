"""Views of a picture over which a map may be averaged: test-time augmentation, an option of any method.

A map that changes when the picture is mirrored or a little brighter says more of the network's noise than of the
picture; averaging keeps what the views agree on (Wang et al. 2019, "Aleatoric uncertainty estimation with test-time
augmentation", arXiv 1807.07356; for class activation maps as in pytorch-grad-cam's `aug_smooth`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Augmentation = Literal["none", "flip", "flip and contrast"]
"""`flip`: the picture and its mirror image. `flip and contrast`: both at 0.9, 1 and 1.1 times the contrast."""


@dataclass(frozen=True)
class View:
    """One changed view of a picture.

    Attributes:
        mirrored: left and right change places.
        contrast: factor on the normalised input, so that the data set's mean stays.
    """

    mirrored: bool = False
    contrast: float = 1.0

    @property
    def name(self) -> str:
        """Unique among views."""
        return f"{'mirrored ' if self.mirrored else ''}{self.contrast:g}"

    def change(self, picture: Tensor) -> Tensor:
        """The model's input `(1, C, H, W)` as this view shows it."""
        changed = picture.flip(3) if self.mirrored else picture
        return changed if self.contrast == 1.0 else changed * self.contrast

    def undo(self, values: np.ndarray) -> np.ndarray:
        """A map `(h, w)` of this view, laid back on the picture as it is."""
        return values[:, ::-1] if self.mirrored else values


def list_views(augmentation: Augmentation) -> tuple[View, ...]:
    """The views of an augmentation; the picture as it is always comes first."""
    contrasts = (1.0, 0.9, 1.1) if augmentation == "flip and contrast" else (1.0,)
    mirrored = (False,) if augmentation == "none" else (False, True)
    return tuple(View(flip, contrast) for contrast in contrasts for flip in mirrored)
