"""The parts of a picture that was drawn by a program, which knows where each of them is."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from components.browser.canvas import Outline
from explain.bundled.pictures import find_bundled, read_parts
from explain.pictures.picture import Picture

_SMALLEST = 6  # pixels of a patch of a part worth an outline


def outline_parts(masks: Mapping[str, np.ndarray]) -> list[Outline]:
    """Outlines of the parts that can be seen, `(H, W)` bool each."""
    outlines = []
    for name, mask in masks.items():
        found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        # Contours run through the middles of pixels, whose edges lie at whole numbers.
        rings = [ring[:, 0] + 0.5 for ring in found if len(ring) > 2 and cv2.contourArea(ring) >= _SMALLEST]
        if rings:
            outlines.append(Outline(name, [[(float(x), float(y)) for x, y in ring] for ring in rings]))
    return outlines


def find_parts(picture: Picture) -> Mapping[str, np.ndarray]:
    """The parts of a picture, `(H, W)` bool each; none where they are not known."""
    entry = find_bundled(picture.digest)
    return {} if entry is None else read_parts(entry)
