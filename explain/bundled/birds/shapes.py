"""Outlines as polygons: ellipses, smooth curves, ribbons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def rotate(angle: float) -> np.ndarray:
    """The matrix that turns by an angle in degrees, from x towards y."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[c, -s], [s, c]])


def ellipse(centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0, count: int = 40) -> np.ndarray:
    """An ellipse as a polygon `(count, 2)`, turned by an angle in degrees."""
    t = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], 1) * radii @ rotate(angle).T + centre


def smooth(points: Sequence[tuple[float, float]], steps: int = 7) -> np.ndarray:
    """A closed Catmull-Rom curve through the points."""
    p1 = np.array(points, dtype=float)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[:, None] for p in (p0, p1, p2, p3))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curve.reshape(-1, 2)


def ribbon(points: np.ndarray, half_widths: np.ndarray | float) -> np.ndarray:
    """The outline of a line of varying width along open `points` `(n, 2)`."""
    along = np.gradient(points, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.linalg.norm(along, axis=1, keepdims=True)
    offset = across * np.broadcast_to(np.asarray(half_widths, dtype=float), len(points))[:, None]
    return np.concatenate([points + offset, (points - offset)[::-1]])
