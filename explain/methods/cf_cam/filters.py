"""The filters over CF-CAM's maps: Gaussian and bilateral."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explain.methods.cf_cam.settings import CfCamSettings
from explain.methods.space import list_space

if TYPE_CHECKING:
    from torch import Tensor

Cell = tuple[float, ...] | None
"""How long a cell is along each axis of space, in one unit; None where all are as long."""


def filter_groups(maps: Tensor, clusters: int, settings: CfCamSettings, cell: Cell = None) -> Tensor:
    """Filter the first `clusters` of `(n, h, w)` maps, or of a volume's, or all of them if the settings say so."""
    if settings.filter_all:
        return filter_maps(maps, settings, cell)
    import torch

    return torch.cat([filter_maps(maps[:clusters], settings, cell), maps[clusters:]])


def filter_maps(maps: Tensor, settings: CfCamSettings, cell: Cell = None) -> Tensor:
    """Smooth each of `(n, h, w)` maps, or of a volume's `(n, d, h, w)`, by the chosen filter. Sigma 0 and `none` change
    nothing.

    Sigma is in cells along the axis whose cells are shortest. Along others it is as long, and so fewer cells.
    """
    if settings.filter == "none" or settings.sigma == 0 or not len(maps):
        return maps
    lengths = cell or (1.0,) * (maps.ndim - 1)
    sigmas = [settings.sigma * (min(lengths) / length) for length in lengths]
    if settings.filter == "bilateral":
        return _bilateral(maps, sigmas, settings.range_sigma, settings.border)
    for axis in reversed(list_space(maps)):
        matrix = maps.new_tensor(_gaussian_matrix(maps.shape[axis], sigmas[axis - 1], settings.border))
        # Weights on the right, so that each is one product for all maps.
        last = axis == maps.ndim - 1
        maps = maps @ matrix.T if last else (maps.transpose(axis, -1).contiguous() @ matrix.T).transpose(axis, -1)
    return maps


def to_device_of(index: NDArray[np.int64], like: Tensor) -> Tensor:
    """An index of numpy as a tensor beside another."""
    import torch

    return torch.from_numpy(index).to(like.device)


def _mirrored(positions: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Positions outside `0…size-1` folded back into it, the cell at the border repeated."""
    folded = positions % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


def _gaussian_matrix(size: int, sigma: float, border: str) -> NDArray[np.float64]:
    """The Gaussian filter along an axis of `size` cells as a matrix `(size, size)`, cut off at 4 sigma."""
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    rows = np.repeat(np.arange(size), len(offsets))
    columns = (np.arange(size)[:, None] + offsets).ravel()
    values = np.tile(kernel, size)
    if border == "zero":
        inside = (columns >= 0) & (columns < size)
        rows, columns, values = rows[inside], columns[inside], values[inside]
    matrix = np.zeros((size, size))
    np.add.at(matrix, (rows, _mirrored(columns, size)), values)
    return matrix


def _bilateral(maps: Tensor, sigmas: Sequence[float], range_sigma: float, border: str) -> Tensor:
    """The authors' "bilateral" filter: each map `(h, w)` is correlated with one kernel of its own size.

    The kernel is a Gaussian over the place, centred at `(h/2, w/2)`, times a Gaussian over the map's own values around
    their mean, divided by its sum + 1e-6. Unlike a true bilateral filter it is the same at every place. A volume's map
    `(d, h, w)` has one axis more of both.
    """
    import torch
    from torch.nn import functional

    space, sides = list_space(maps), maps.shape[1:]
    squares: Tensor | float = 0.0
    for axis, (side, sigma) in enumerate(zip(sides, sigmas, strict=True)):
        along = torch.arange(side, device=maps.device).reshape([-1 if at == axis else 1 for at in range(len(sides))])
        squares = squares + ((along - side / 2) * (sigmas[-1] / sigma)) ** 2
    spatial = torch.exp(-squares / (2 * sigmas[-1] ** 2))  # type: ignore[arg-type]
    deviations = maps - maps.mean(space, keepdim=True)
    kernels = spatial * torch.exp(-(deviations**2) / (2 * range_sigma**2))
    kernels = kernels / (kernels.sum(space, keepdim=True) + 1e-6)
    # Even kernels have one cell more after the centre than before: the padding of convolutions of the same size.
    before = [(side - 1) // 2 for side in sides]
    if border == "zero":
        pads = [pad for side, own in zip(sides[::-1], before[::-1], strict=True) for pad in (own, side - 1 - own)]
        padded = functional.pad(maps, pads)
    else:
        padded = maps
        for axis, side, own in zip(space, sides, before, strict=True):
            places = _mirrored(np.arange(-own, 2 * side - 1 - own), side)
            padded = padded.index_select(axis, to_device_of(places, maps))
    correlate = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[len(sides)]
    return correlate(padded[None], kernels[:, None], groups=len(maps))[0]
