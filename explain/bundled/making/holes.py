"""Hiding what is marked in scans, and putting it elsewhere, so that a network in training must look at it."""

from __future__ import annotations

import torch
from torch.nn import functional

_TRIES = 12
_COARSE = 4  # what is smooth is worked out at a quarter of the size


def hide(views: torch.Tensor, marks: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The views without what is marked: each filled in one of three ways, with a border of random width.

    The ways are what lies around it, spread inwards; its mean and spread, as noise; and what lies at the mirrored
    place. No single one may become the sign of a hole.

    Args:
        views: `(B, C, S, S)`.
        marks: `(B, S, S)` bool.
        generator: source of every draw.
    """
    wide = _widen(marks, generator)
    soft = _soften(wide)
    outside = (~wide)[:, None].float()
    ways = [_spread(views, outside), _make_noise(views, outside, wide, generator), views.flip(3)]
    way = torch.randint(0, len(ways), (len(views), 1, 1, 1), generator=generator)
    filled = torch.where(way == 0, ways[0], torch.where(way == 1, ways[1], ways[2]))
    # What is mirrored holds the tumour itself where that lies in the middle.
    overlap = (wide & wide.flip(2)).any(2).any(1)[:, None, None, None] & (way == 2)
    filled = torch.where(overlap, ways[0], filled)
    return views * (1 - soft) + filled * soft


def exchange(
    views: torch.Tensor,
    marks: torch.Tensor,
    others: torch.Tensor,
    other_marks: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Other views, their own tumours hidden, with what is marked in the views at the place where it lies there."""
    bare = hide(others, other_marks, generator)
    soft = _soften(_widen(marks, generator))
    return bare * (1 - soft) + views * soft


def move_marks(views: torch.Tensor, marks: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The marks at another place of the head, off their own: the best of some that are drawn.

    Args:
        views: `(B, C, S, S)`, normalised to -1…1.
        marks: `(B, S, S)` bool.
        generator: source of the places.
    """
    count, side, _ = marks.shape
    small = _COARSE
    head = functional.avg_pool2d((views[:, :1] > -0.85).float(), small)[:, 0]
    coarse = functional.max_pool2d(marks[:, None].float(), small)[:, 0]
    shifts = torch.randint(-side // small // 2, side // small // 2, (count, _TRIES, 2), generator=generator)
    rows = torch.arange(side // small)
    area = coarse.sum((1, 2)).clamp_min(1)
    best, found = torch.full((count,), -1e9), torch.zeros(count, 2, dtype=torch.long)
    index = torch.arange(count)[:, None, None]
    for at in shifts.unbind(1):
        y, x = rows[None] - at[:, :1], rows[None] - at[:, 1:]
        inside = ((y >= 0) & (y < len(rows)))[:, :, None] & ((x >= 0) & (x < len(rows)))[:, None]
        moved = coarse[index, y.clamp(0, len(rows) - 1)[:, :, None], x.clamp(0, len(rows) - 1)[:, None]] * inside
        worth = (moved * head).sum((1, 2)) / area - 3 * (moved * coarse).sum((1, 2)) / area
        better = worth > best
        best, found = torch.where(better, worth, best), torch.where(better[:, None], at, found)
    rows = torch.arange(side)
    y, x = rows[None] - small * found[:, :1], rows[None] - small * found[:, 1:]
    inside = ((y >= 0) & (y < side))[:, :, None] & ((x >= 0) & (x < side))[:, None]
    return marks[index, y.clamp(0, side - 1)[:, :, None], x.clamp(0, side - 1)[:, None]] & inside & ~marks


def _widen(marks: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The marks with a border of one to four pixels, the same for all of a batch."""
    border = int(torch.randint(1, 5, (), generator=generator))
    return functional.max_pool2d(marks[:, None].float(), 2 * border + 1, 1, border)[:, 0] > 0.5


def _soften(marks: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(marks[:, None].float(), 3, 1, 1, count_include_pad=False)


def _spread(views: torch.Tensor, outside: torch.Tensor) -> torch.Tensor:
    """Inside, a mean of what lies outside that is nearer the nearer it is: blurred over three widths, the least that
    reaches there; at a quarter of the size, since the result is smooth.
    """
    known = functional.avg_pool2d(outside, _COARSE)
    light = functional.avg_pool2d(views * outside, _COARSE)
    filled, left = torch.zeros_like(light), torch.ones_like(known)
    for width in (3, 7, 15):
        weight = _blur(known, width)
        filled = filled + left * _blur(light, width) / weight.clamp_min(1e-4) * (weight > 0.05)
        left = left * (weight <= 0.05)
    return functional.interpolate(filled, size=views.shape[2:], mode="bilinear", align_corners=False)


def _blur(planes: torch.Tensor, width: int) -> torch.Tensor:
    """Twice a box of `width`: next to a bell."""
    for _ in range(2):
        planes = functional.avg_pool2d(planes, width, 1, width // 2, count_include_pad=False)
    return planes


def _make_noise(
    views: torch.Tensor, outside: torch.Tensor, marks: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Noise of the mean and spread of a ring of about eight pixels round the marks, a little smooth."""
    inside = functional.max_pool2d(marks[:, None].float(), _COARSE)
    ring = functional.max_pool2d(inside, 5, 1, 2) * functional.avg_pool2d(outside, _COARSE)
    light, square = (functional.avg_pool2d(planes, _COARSE) for planes in (views, views.square()))
    area = ring.sum((2, 3), keepdim=True).clamp_min(1)
    mean = (light * ring).sum((2, 3), keepdim=True) / area
    spread = ((square * ring).sum((2, 3), keepdim=True) / area - mean.square()).clamp_min(0).sqrt()
    grain = torch.randn(len(views), 1, *views.shape[2:], generator=generator)
    return mean + spread * functional.avg_pool2d(grain, 3, 1, 1) * 2
