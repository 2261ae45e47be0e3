"""One step of training for one pass: against SGD on a copy, for each meaning of the network's numbers."""

import copy

import pytest
import torch
from torch import nn

from explain.errors import MethodError
from explain.networks.meaning import Outputs
from explain.passes.meta_step import take_step


def build(outputs: int) -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, outputs)
    )
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize(("outputs", "count", "target"), [("classes", 3, 2), ("findings", 3, 1), ("logit", 1, 0)])
def test_equals_a_step_of_sgd_on_a_copy(outputs: Outputs, count: int, target: int) -> None:
    module, picture = build(count), torch.randn(1, 3, 8, 8)
    trained = copy.deepcopy(module).requires_grad_(True)
    numbers = trained(picture)
    if outputs == "classes":
        loss = nn.functional.cross_entropy(numbers, torch.tensor([target]))
    else:  # of one logit the first answer is no
        picked, wanted = (numbers[0, target], 1.0) if outputs == "findings" else (numbers[0, 0], 0.0)
        loss = nn.functional.binary_cross_entropy_with_logits(picked, torch.tensor(wanted))
    loss.backward()
    torch.optim.SGD(trained.parameters(), lr=0.1).step()
    before = copy.deepcopy(module.state_dict())
    with torch.inference_mode():
        found = take_step(module, picture, target, 0.1, outputs)
    assert [*found] == [name for name, _ in module.named_parameters()]
    for name, values in trained.named_parameters():
        assert torch.allclose(found[name], values, atol=1e-6) and not found[name].requires_grad
    for name, values in module.state_dict().items():
        assert torch.equal(values, before[name])


def test_a_value_is_refused() -> None:
    with pytest.raises(MethodError, match="a value"):
        take_step(build(1), torch.randn(1, 3, 8, 8), 0, 0.1, "value")
