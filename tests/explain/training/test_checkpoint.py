"""What a training goes on from: the same optimiser to the bit, and never another training's file."""

from pathlib import Path

import pytest
import torch
from torch import nn

from explain.errors import ExplainError
from explain.training.checkpoint import Checkpoint, list_state, restore_state


def step(weights: nn.Parameter, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    (weights**3).sum().backward()
    optimiser.step()


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_an_optimiser_goes_on_as_if_never_stopped(kind: str, tmp_path: Path) -> None:
    def make(start: torch.Tensor) -> tuple[nn.Parameter, torch.optim.Optimizer]:
        weights = nn.Parameter(start.clone())
        if kind == "adamw":
            return weights, torch.optim.AdamW([weights], 0.1)
        return weights, torch.optim.SGD([weights], 0.1, momentum=0.9, nesterov=True)

    weights, optimiser = make(torch.tensor([0.3, -0.7]))
    for _ in range(3):
        step(weights, optimiser)
    checkpoint = Checkpoint(tmp_path / "checkpoint", "this one")
    checkpoint.save({"now": {"w": weights}, "optimiser": list_state(optimiser)}, {"epochs": "3"})
    kept = checkpoint.read()
    assert kept is not None and kept[1]["epochs"] == "3"
    other, restored = make(kept[0]["now"]["w"])
    restore_state(restored, kept[0]["optimiser"])
    for _ in range(3):
        step(weights, optimiser)
        step(other, restored)
    assert torch.equal(weights, other)


def test_another_training_or_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    assert Checkpoint(path, "a").read() is None and Checkpoint(None, "a").read() is None
    Checkpoint(path, "a").save({"now": {"w": torch.zeros(1)}}, {})
    with pytest.raises(ExplainError, match="other pictures, another network"):
        Checkpoint(path, "b").read()
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ExplainError, match="cannot be read"):
        Checkpoint(path, "a").read()
