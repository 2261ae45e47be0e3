"""A network's twin that has learnt nothing: what a map of it shows is not what the network has learnt."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def make_twin(module: nn.Module, seed: int = 0) -> nn.Module:
    """The same network as it was before it learnt anything, in evaluation mode and without gradients: every part that
    can draw its weights anew has done so. What a network holds besides, such as the places of a transformer's tokens,
    stays as it is.

    Source: the model randomisation test of Adebayo et al. 2018, arXiv 1810.03292, all layers at once.

    Args:
        module: the network; not changed.
        seed: of the weights.
    """
    import torch

    twin = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for part in twin.modules():
            draw_anew = getattr(part, "reset_parameters", None)
            if callable(draw_anew):
                draw_anew()
    return twin.eval().requires_grad_(False)
