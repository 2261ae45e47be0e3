"""The filters over CF-CAM's maps: Gaussian and bilateral."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explain.methods.cf_cam.settings import CfCamSettings

if TYPE_CHECKING:
    from torch import Tensor


def filter_groups(maps: Tensor, clusters: int, settings: CfCamSettings) -> Tensor:
    """Filter the first `clusters` of `(n, h, w)` maps, or all of them if the settings say so."""
    if settings.filter_all:
        return filter_maps(maps, settings)
    import torch

    return torch.cat([filter_maps(maps[:clusters], settings), maps[clusters:]])


def filter_maps(maps: Tensor, settings: CfCamSettings) -> Tensor:
    """Smooth each of `(n, h, w)` maps by the chosen filter, sigma in cells. Sigma 0 and `none` change nothing."""
    if settings.filter == "none" or settings.sigma == 0 or not len(maps):
        return maps
    if settings.filter == "bilateral":
        return _bilateral(maps, settings.sigma, settings.range_sigma, settings.border)
    height, width = maps.shape[1:]
    rows = maps.new_tensor(_gaussian_matrix(height, settings.sigma, settings.border))
    columns = maps.new_tensor(_gaussian_matrix(width, settings.sigma, settings.border))
    # Weights on the right, so that each is one product for all maps.
    return ((maps @ columns.T).transpose(1, 2).contiguous() @ rows.T).transpose(1, 2)


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


def _bilateral(maps: Tensor, sigma: float, range_sigma: float, border: str) -> Tensor:
    """The authors' "bilateral" filter: each map `(h, w)` is correlated with one kernel of its own size.

    The kernel is a Gaussian over the place, centred at `(h/2, w/2)`, times a Gaussian over the map's own values around
    their mean, divided by its sum + 1e-6. Unlike a true bilateral filter it is the same at every place.
    """
    import torch
    from torch.nn import functional

    count, height, width = maps.shape
    y = torch.arange(height, device=maps.device)[:, None] - height / 2
    x = torch.arange(width, device=maps.device)[None, :] - width / 2
    spatial = torch.exp(-(y**2 + x**2) / (2 * sigma**2))
    deviations = maps - maps.mean((1, 2), keepdim=True)
    kernels = spatial * torch.exp(-(deviations**2) / (2 * range_sigma**2))
    kernels = kernels / (kernels.sum((1, 2), keepdim=True) + 1e-6)
    # Even kernels have one cell more after the centre than before: the padding of convolutions of the same size.
    top, left = (height - 1) // 2, (width - 1) // 2
    if border == "zero":
        padded = functional.pad(maps, (left, width - 1 - left, top, height - 1 - top))
    else:
        rows = to_device_of(_mirrored(np.arange(-top, 2 * height - 1 - top), height), maps)
        columns = to_device_of(_mirrored(np.arange(-left, 2 * width - 1 - left), width), maps)
        padded = maps[:, rows][:, :, columns]
    return functional.conv2d(padded[None], kernels[:, None], groups=count)[0]
