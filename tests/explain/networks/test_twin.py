"""A twin that has learnt nothing."""

import torch

from explain.networks.twin import make_twin
from tests.support.engine import build_model


def test_a_twin_has_other_weights_and_the_network_keeps_its_own() -> None:
    module = build_model("cnn").module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    state = torch.random.get_rng_state()
    twin, again, other = make_twin(module), make_twin(module), make_twin(module, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state), "what is drawn elsewhere stays as it is"
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    weights = [name for name, tensor in before.items() if tensor.ndim > 1]
    assert weights and all(not torch.equal(twin.state_dict()[name], before[name]) for name in weights)
    assert all(torch.equal(twin.state_dict()[name], again.state_dict()[name]) for name in weights)
    assert any(not torch.equal(twin.state_dict()[name], other.state_dict()[name]) for name in weights)
    assert not twin.training and not any(parameter.requires_grad for parameter in twin.parameters())
