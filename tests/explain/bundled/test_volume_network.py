"""The network for drawn volumes: its grids, and that it is small."""

import torch

from explain.bundled.volume_network import PhantomCnn
from explain.networks.layer_search import find_layers


def test_grids_and_size() -> None:
    network = PhantomCnn(8).eval()
    assert network(torch.zeros(2, 1, 32, 64, 64)).shape == (2, 8)
    assert 2 * sum(tensor.numel() for tensor in network.state_dict().values()) < 2e6
    grids = {layer.name: layer.grid for layer in find_layers(network, 1, (32, 64, 64))}
    assert grids["fine"] == (16, 16, 16) and grids["coarse"] == (8, 8, 8)
