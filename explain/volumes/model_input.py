"""From a volume to what a network of volumes is given, and where its cells lie in the volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explain.errors import PictureError
from explain.pictures.geometry import Span
from explain.pictures.volume_preprocessing import VolumePreprocessing, check_spacing
from explain.volumes.planes import View, find_turn
from explain.volumes.volume import Volume

if TYPE_CHECKING:
    from torch import Tensor

_LEAST_COVERED = 0.02
"""Share of an input that a volume has to fill; below that it is another part of the body, or in other units."""

_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
_BLANK = 0.99  # of the voxels at one end of the window: the units are others


@dataclass(frozen=True, eq=False)
class Block:
    """The part of a volume that a model's input shows. It may reach beyond the volume.

    Attributes:
        spans: from where to where it reaches along the volume's slices, rows and columns, in voxels, whose edges lie at
            whole numbers.
        view: how the volume's axes are turned to be those of the input.
        covered: share of the input that lies on the volume, 0…1.
    """

    spans: tuple[Span, Span, Span]
    view: View
    covered: float = 1.0

    def turn_back(self, values: np.ndarray) -> np.ndarray:
        """A map `(d, h, w)` over the input, its axes those of the volume: slices, rows and columns as stored."""
        unflipped = values[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.view.flips)]
        return np.ascontiguousarray(unflipped.transpose(np.argsort(self.view.axes)))

    def place(self, shape: Sequence[int]) -> np.ndarray:
        """From a cell of a map of that shape, turned back, to the voxel (slice, row, column) there, `(4, 4)`."""
        affine = np.eye(4)
        for axis, (span, count) in enumerate(zip(self.spans, shape, strict=True)):
            affine[axis, axis] = span.length / count
            affine[axis, 3] = span.start + 0.5 * span.length / count - 0.5
        return affine


@dataclass(frozen=True, eq=False)
class VolumeInput:
    """A model's input and where it lies.

    Attributes:
        tensor: `(1, C, d, h, w)` float32, normalised.
        block: the part of the volume that it shows.
        notes: sentences on what a reader must know of it.
    """

    tensor: Tensor
    block: Block
    notes: tuple[str, ...]


def find_block(volume: Volume, preprocessing: VolumePreprocessing) -> Block:
    """The part of a volume that a model is shown.

    Raises:
        PictureError: where its voxels lie is not known or uneven, and the model asks for millimetres; or it lies nearly
            all beside the input.
    """
    sides = preprocessing.sides
    shape = volume.stored.shape[:3]
    if shape[0] < 2:
        raise PictureError(
            f"“{volume.name}” is a single slice, and this model reads volumes of {'×'.join(map(str, sides))} voxels. "
            "Open the whole series, or choose a model that reads pictures."
        )
    geometry = volume.geometry
    view = View()
    if geometry is not None and volume.stored.ndim == 3:
        view = find_turn(preprocessing.find_directions(), geometry.directions)
    if preprocessing.spacing is None:
        return Block((Span(0, shape[0]), Span(0, shape[1]), Span(0, shape[2])), view)
    own = _measure(volume)
    spans: list[Span] = [Span(0.0, 0.0)] * 3
    covered = 1.0
    for axis, (count, step) in enumerate(zip(sides, preprocessing.spacing, strict=True)):
        at = view.axes[axis]
        length, middle = count * step / own[at], shape[at] / 2
        spans[at] = Span(middle - length / 2, middle + length / 2)
        covered *= min(1.0, shape[at] / length)
    if covered < _LEAST_COVERED:
        raise PictureError(
            f"“{volume.name}” is {_describe_size(shape, own)} and would fill {100 * covered:.1g} % of this model's "
            f"input of {_describe_size(sides, preprocessing.spacing)}. Choose another volume, or check both spacings."
        )
    return Block((spans[0], spans[1], spans[2]), view, covered)


def _measure(volume: Volume) -> tuple[float, float, float]:
    """Millimetres from voxel to voxel along the volume's own axes.

    Raises:
        PictureError: they are not known, not even, or those of no scan.
    """
    if volume.geometry is None or volume.pitch is None:
        raise PictureError(
            f"This model reads voxels of a known size, and “{volume.name}” does not say where its slices lie. Give the "
            "series with its positions, or choose a model without a spacing."
        )
    if volume.geometry.step is None or volume.geometry.fault:
        fault = volume.geometry.fault.removeprefix("Other planes cannot be shown: ").rstrip(".")
        raise PictureError(
            f"This model reads an even block of voxels, and “{volume.name}” is none: {fault}. Choose another series."
        )
    own = volume.steps
    assert own is not None
    try:
        return check_spacing(own)
    except ValueError:
        said = " × ".join(f"{step:,.0f}" if step >= 1000 else f"{step:.3g}" for step in own)
        raise PictureError(
            f"“{volume.name}” says that its voxels are {said} mm, which no scan has. Check its file."
        ) from None


def _describe_size(shape: Sequence[int], steps: Sequence[float]) -> str:
    return " × ".join(f"{count * step:.4g}" for count, step in zip(shape, steps, strict=True)) + " mm"


def prepare_volume(volume: Volume, preprocessing: VolumePreprocessing) -> VolumeInput:
    """Turn, resample, window and normalise a volume for a model.

    Values pass through the window voxel by voxel before they are resampled, linearly and without aliasing; what is
    missing, padding, and what lies beside the volume has the window's lowest value. A clip in colour has no window.

    Raises:
        PictureError: see `find_block`; or it has other channels than the model takes.
    """
    import torch

    block = find_block(volume, preprocessing)
    bands = 3 if volume.stored.ndim == 4 else 1
    if preprocessing.channels not in (1, 3):
        raise PictureError(
            f"This model takes {preprocessing.channels} channels, and a volume has {bands}. Choose a model for 1 or 3."
        )
    low, high = _find_window(volume, preprocessing)
    sizes = [0, 0, 0]
    for axis, count in zip(block.view.axes, preprocessing.sides, strict=True):
        sizes[axis] = count
    weights = [
        torch.from_numpy(_weigh(span, side, size))
        for span, side, size in zip(block.spans, volume.stored.shape[:3], sizes, strict=True)
    ]
    resampled = torch.zeros(sizes[0], bands, sizes[1], sizes[2])
    counted, ends = 0, 0
    for at in torch.nonzero(weights[0].any(0)).flatten().tolist():
        if not volume.present[at]:
            continue
        greys = torch.from_numpy(_read_slice(volume, at, low, high))
        counted, ends = counted + greys.numel(), ends + int(((greys <= 0) | (greys >= 1)).sum())
        small = weights[1] @ greys @ weights[2].T
        rows = torch.nonzero(weights[0][:, at]).flatten()
        resampled[rows] += weights[0][rows, at][:, None, None, None] * small
    turned = torch.from_numpy(
        np.ascontiguousarray(block.view.turn(resampled.movedim(1, -1).numpy()).transpose(3, 0, 1, 2))
    )
    if bands == 3 and preprocessing.channels == 1:
        turned = (turned * torch.tensor(_LUMINANCE)[:, None, None, None]).sum(0, keepdim=True)
    channels = turned.expand(preprocessing.channels, *turned.shape[1:])
    mean, std = (torch.tensor(values)[:, None, None, None] for values in (preprocessing.mean, preprocessing.std))
    notes = _list_notes(volume, preprocessing, block, ends / max(counted, 1))
    return VolumeInput(((channels - mean) / std)[None], block, tuple(notes))


def _find_window(volume: Volume, preprocessing: VolumePreprocessing) -> tuple[float, float]:
    if preprocessing.window is not None or volume.stored.ndim == 4:
        return preprocessing.window or (0.0, 255.0)
    return volume.range


def _read_slice(volume: Volume, at: int, low: float, high: float) -> np.ndarray:
    """One slice in 0…1 of the window, `(1 or 3, h, w)` float32; padding and what is no number are 0."""
    numbers = volume.stored[at]
    if numbers.ndim == 3:
        return np.ascontiguousarray(numbers.transpose(2, 0, 1), dtype=np.float32) / 255
    values = numbers.astype(np.float32) * np.float32(volume.slopes[at]) + np.float32(volume.intercepts[at])
    greys = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    nothing = ~np.isfinite(values)
    if volume.padding is not None:
        nothing |= (numbers >= volume.padding[0]) & (numbers <= volume.padding[1])
    greys[nothing] = 0
    return greys[None]


def _weigh(span: Span, side: int, count: int) -> np.ndarray:
    """How much each of `side` voxels counts in each of `count` that share a span, `(count, side)` float32.

    Linear where voxels grow smaller, and as wide as the new ones where they grow larger, so that nothing is skipped.
    Rows sum to 1, but for those whose centre lies beside the volume, which are zero.
    """
    step = span.length / count
    centres = span.start + (np.arange(count) + 0.5) * step
    reach = max(step, 1.0)
    weights = np.clip(1 - np.abs(centres[:, None] - (np.arange(side) + 0.5)[None]) / reach, 0, None)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-12)
    weights[(centres <= 0) | (centres >= side)] = 0
    return weights.astype(np.float32)


def _list_notes(volume: Volume, preprocessing: VolumePreprocessing, block: Block, at_ends: float) -> list[str]:
    notes = []
    if volume.missing:
        count = len(volume.missing)
        notes.append(
            f"{count} {'slice is' if count == 1 else 'slices are'} missing in the series. The model is shown the "
            "lowest value there, which it may never have seen."
        )
    if block.covered < 0.999:
        notes.append(
            f"The volume is smaller than the model's input and fills {100 * block.covered:.0f} % of it. The rest has "
            "the lowest value."
        )
    if preprocessing.window is not None and volume.stored.ndim == 3 and at_ends > _BLANK:
        low, high = preprocessing.window
        notes.append(
            f"Nearly all of the volume lies outside of the model's window of {low:g} to {high:g}"
            f"{' ' + volume.unit if volume.unit else ''}. Check that its values are in the units that the model knows."
        )
    return notes
