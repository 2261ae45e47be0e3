"""What is drawn from the seed alone, so that siblings of one seed share it."""

from __future__ import annotations

import math

import numpy as np


class Dice:
    """Numbers drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.numbers = iter(self.generator.random(192).tolist())

    def throw(self, low: float = 0.0, high: float = 1.0) -> float:
        """The next number, between `low` and `high`."""
        return low + (high - low) * next(self.numbers)

    def choose(self, count: int) -> int:
        """The next number as one of `range(count)`."""
        return int(self.throw(0, count))


def throw_light(dice: Dice, size: int) -> np.ndarray:
    """What every pixel is multiplied by: brightness, tint, and a soft fall from one side, `(S, S, 3)`."""
    strength, tint = dice.throw(0.84, 1.06), np.array([dice.throw(0.95, 1.05) for _ in range(3)])
    angle, fall = dice.throw(0, 2 * math.pi), dice.throw(0.0, 0.16)
    ramp = np.linspace(-1, 1, size)
    light = 1 + fall * (math.cos(angle) * ramp[None, :] + math.sin(angle) * ramp[:, None])
    return (strength * light[..., None] * tint).astype(np.float32)
