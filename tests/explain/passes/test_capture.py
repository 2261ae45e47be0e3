"""What a method is given: what is derived from it is worked out once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explain.networks.layer import Layer
from explain.passes.capture import Derived, LayerCapture


def test_derived_values_are_worked_out_once_and_counted() -> None:
    derived = Derived()
    calls = []

    def compute() -> tuple:
        calls.append(1)
        return np.zeros(10), torch.zeros(3), "text"

    first = derived.get("key", compute)
    assert derived.get("key", compute) is first and len(calls) == 1
    assert derived.bytes_kept == 10 * 8 + 3 * 4
    assert derived.get("other", lambda: derived.get("key", compute)) is first  # one may build on another
    with pytest.raises(ZeroDivisionError):
        derived.get("bad", lambda: 1 // 0)
    assert derived.get("bad", lambda: 5) == 5


@pytest.mark.parametrize("need", ["gradients", "curvature", "head", "attention", "prompts", "runner"])
def test_what_a_method_needs_is_given_or_named(need: str) -> None:
    capture = LayerCapture(Layer("layer", (2, 2), 3, "NCHW"), 0, torch.zeros(7), torch.ones(3, 2, 2))
    with pytest.raises(LookupError, match=f'holds no {need}: add "{need}" to what the method needs'):
        getattr(capture, f"need_{need}")()
    there = torch.zeros(3, 2, 2)
    assert getattr(replace(capture, **{need: there}), f"need_{need}")() is there
