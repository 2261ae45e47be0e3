"""What single channels do: which ones speak for a class, and what each adds to a map's value at one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explain.errors import MethodError
from explain.methods.base import Method
from explain.passes.capture import LayerCapture
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Channel:
    """One channel of a layer, and what it does for the class.

    Attributes:
        index: its number in the layer, from 0.
        gradient: mean over places of the class's gradient: Grad-CAM's weight of this channel.
        activation: mean over places of its activation.
        values: its activations `(h, w)`, float32.
    """

    index: int
    gradient: float
    activation: float
    values: np.ndarray

    @property
    def contribution(self) -> float:
        """Mean gradient times mean activation: what the channel adds to the mean of the Grad-CAM map."""
        return self.gradient * self.activation


@dataclass(frozen=True, eq=False)
class Ranking:
    """The channels of a layer that do most for or against a class.

    Attributes:
        channels: the strongest first, by the size of their contribution.
        count: how many channels the layer has.
        total: the sum of all contributions, which is the mean of the Grad-CAM map.
        strength: the sum of the sizes of all contributions.
    """

    channels: tuple[Channel, ...]
    count: int
    total: float
    strength: float


@dataclass(frozen=True)
class Term:
    """One channel's part of a map's value at a place: `weight · activation = product`."""

    channel: int
    weight: float
    activation: float
    product: float


@dataclass(frozen=True)
class Breakdown:
    """A map's value at one place as the sum that it is.

    Attributes:
        place: row and column of the cell.
        terms: the channels that count most there, the strongest first.
        others: how many channels there are beside them.
        rest: what those others add up to.
        value: the sum of all.
    """

    place: tuple[int, int]
    terms: tuple[Term, ...]
    others: int
    rest: float
    value: float


def rank_channels(capture: LayerCapture, count: int) -> Ranking:
    """The `count` channels that do most for or against the class: largest |mean gradient · mean activation|.

    Raises:
        MethodError: without gradients, or if something is not finite.
    """
    import torch

    if capture.gradients is None:
        raise MethodError("Channels are ranked by the gradients of the class, and this capture has none.")
    gradients, activations = _mean(capture.gradients), _mean(capture.activations)
    contributions = gradients * activations
    if not torch.isfinite(contributions).all():
        raise MethodError(
            f"The activations or gradients of the layer “{capture.layer.name}” hold values that are no finite numbers, "
            "so its channels cannot be ranked. Choose another layer, or check the model's weights."
        )
    order = contributions.abs().argsort(descending=True, stable=True)[:count].tolist()
    channels = tuple(
        Channel(k, float(gradients[k]), float(activations[k]), capture.activations[k].cpu().numpy().copy())
        for k in order
    )
    return Ranking(channels, len(contributions), float(contributions.sum()), float(contributions.abs().sum()))


def break_down(
    method: Method, settings: Settings, capture: LayerCapture, place: tuple[int, int], count: int = 3
) -> Breakdown | None:
    """Split a map's value at one place into what each channel adds there; None for a method that is no such sum.

    Args:
        method: whose map it is.
        settings: what the map was made with.
        capture: what it was made from.
        place: row and column of a cell.
        count: how many channels to name.

    Raises:
        MethodError: the method cannot work on this capture.
    """
    if method.formula is None:
        return None
    weights, activations = method.formula.split(capture, settings)
    row, column = place
    there = activations[:, row, column].cpu().double()
    shape = (len(activations), *capture.activations.shape[1:])
    weighing = weights.expand(shape)[:, row, column].cpu().double()
    products = weighing * there
    order = products.abs().argsort(descending=True, stable=True).tolist()
    terms = tuple(Term(k, float(weighing[k]), float(there[k]), float(products[k])) for k in order[:count])
    rest = float(products[order[count:]].sum())
    return Breakdown(place, terms, len(order) - len(terms), rest, float(products.sum()))


def _mean(maps: Tensor) -> Tensor:
    """Mean over places, `(C,)` float64, on the CPU, as not every device has float64."""
    return maps.cpu().double().mean((1, 2))
