"""Drawing what raises a score: MACO (Fel et al. 2023, arXiv 2306.06805).

A picture is held in the Fourier domain. How much of each frequency there is stays that of natural pictures; only where
things lie, the phase, is free, and climbs the score. So a drawing cannot become the noise of high frequencies that
climbing by pixels ends in. A picture is `σ(M·z + b)` with `z = irfft2(r · exp(iφ))`, section 3 there.

Unlike the authors' code this keeps the magnitude to the letter: where a real picture's frequencies are each other's
opposites their phases are, too (`bind`). Then the variance of z is that of r, and nothing needs to be made even.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explain.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor


class DrawingSettings(Settings):
    """How a drawing is made."""

    steps: int = setting(
        64, "Steps", "How many times the drawing is changed so that the score rises.", low=8, high=512, step=8
    )
    crops: int = setting(
        4, "Crops", "Parts of the drawing that are shown to the model in each step.", low=1, high=32, step=1
    )
    smallest: float = setting(
        0.5,
        "Smallest crop",
        "Side of the smallest crop, as a share of the drawing's. 1: the whole of it is always shown.",
        low=0.1,
        high=1.0,
        step=0.05,
    )
    rate: float = setting(
        0.3, "Rate", "How far a step changes the phases, in radians.", low=0.01, high=3.0, step=0.01, advanced=True
    )
    noise: float = setting(
        0.05,
        "Noise",
        "Standard deviation of what is added to each crop, of colours in 0…1, so that no single pixel decides.",
        low=0.0,
        high=0.5,
        step=0.01,
        advanced=True,
    )


@dataclass(frozen=True, eq=False)
class Canvas:
    """What a drawing is drawn on, and how a model is shown it.

    Attributes:
        magnitude: of each frequency, `(C, h, w // 2 + 1)`.
        mix: from independent colours to the logits of the model's, `(C, C)`.
        base: logits of the middle colour, `(C,)`.
        width: of the drawing in pixels, w.
        input_size: height and width of the model's input.
        mean: subtracted from each channel in 0…1, `(C,)`.
        std: divides each channel after that, `(C,)`.
    """

    magnitude: Tensor
    mix: Tensor
    base: Tensor
    width: int
    input_size: tuple[int, int]
    mean: Tensor
    std: Tensor

    def spread(self, phase: Tensor) -> Tensor:
        """The independent colours of phases `(C, h, w // 2 + 1)` in radians, `(C, h, w)`."""
        import torch

        return torch.fft.irfft2(
            torch.polar(self.magnitude, bind(phase, self.width)), s=(self.magnitude.shape[1], self.width)
        )

    def paint(self, phase: Tensor) -> Tensor:
        """The drawing, `(C, h, w)` in 0…1."""
        logits = (self.mix @ self.spread(phase).flatten(1) + self.base[:, None]).reshape(
            -1, self.magnitude.shape[1], self.width
        )
        return logits.sigmoid()

    def show(self, drawing: Tensor, middles: Tensor, sides: Tensor) -> Tensor:
        """Square parts of a drawing as the model's input, still in 0…1, `(n, C, H, W)`.

        Args:
            drawing: `(C, h, w)`.
            middles: of the parts, x and y in −1…1, `(n, 2)`.
            sides: of the parts as shares of the drawing's, `(n,)`.
        """
        import torch
        from torch.nn import functional

        ways = torch.zeros(len(sides), 2, 3, dtype=drawing.dtype, device=drawing.device)
        ways[:, 0, 0] = ways[:, 1, 1] = sides
        ways[:, :, 2] = middles
        places = functional.affine_grid(ways, [len(sides), len(drawing), *self.input_size], align_corners=False)
        many = drawing.expand(len(sides), *drawing.shape)
        return functional.grid_sample(many, places, padding_mode="border", align_corners=False)

    def normalise(self, colours: Tensor) -> Tensor:
        """What the model takes for colours in 0…1, `(n, C, H, W)`."""
        return (colours - self.mean[:, None, None]) / self.std[:, None, None]


def bind(phase: Tensor, width: int) -> Tensor:
    """Phases that a real picture of that width can have: in the columns of frequency 0 and of the finest, the phase of
    a frequency is the opposite of its opposite's, so that `irfft2` drops nothing.
    """
    import torch

    rows = phase.shape[-2]
    own = torch.zeros(phase.shape[-1], dtype=torch.bool, device=phase.device)
    own[0] = True
    if width % 2 == 0:
        own[-1] = True
    opposite = phase[..., -torch.arange(rows, device=phase.device) % rows, :]
    return torch.where(own, (phase - opposite) / 2, phase)


class Climb:
    """A drawing under way: it can be looked at, and gone on with, after any step. The same seed gives the same, on
    a GPU but for the last digits: gradients of crops are added up in an order of chance there.

    Args:
        canvas: what it is drawn on.
        objective: from the model's input `(n, C, H, W)` to what is to rise, `(n,)`, differentiable.
        phase: to start from, `(C, h, w // 2 + 1)` in radians.
        settings: how.
        seed: of the crops and the noise.

    Attributes:
        curve: the objective's mean over the crops at each step so far.
    """

    def __init__(
        self,
        canvas: Canvas,
        objective: Callable[[Tensor], Tensor],
        phase: Tensor,
        settings: DrawingSettings,
        seed: int,
    ) -> None:
        import torch

        self.canvas = canvas
        self.curve: list[float] = []
        self._objective = objective
        self._settings = settings
        self._seed = seed
        with torch.inference_mode(False):
            self._phase = phase.clone().requires_grad_(True)
            self._optimiser = torch.optim.NAdam([self._phase], lr=settings.rate)
            self._pull = torch.zeros(phase.shape[1], canvas.width, device=phase.device)

    @property
    def drawing(self) -> Tensor:
        """As it is, `(C, h, w)` in 0…1."""
        import torch

        with torch.inference_mode(False), torch.no_grad():
            return self.canvas.paint(self._phase)

    @property
    def alpha(self) -> np.ndarray:
        """How much of each pixel of the drawing did work, `(h, w)` float32 in 0…1: the sum over the steps of
        `|∂f/∂x|`, its mean over the colours, over its own 80th percentile. Nothing before the first step.
        """
        pull = self._pull.cpu().numpy()
        most = float(np.percentile(pull, 80))
        share: np.ndarray = (pull / most if most > 0 else pull).clip(0.0, 1.0).astype(np.float32)
        return share

    def step(self) -> None:
        """Change the drawing once so that the score of its crops rises."""
        import torch

        with torch.inference_mode(False), torch.enable_grad():
            drawing = self.canvas.paint(self._phase)
            crops = self._cut(drawing)
            total = self._objective(self.canvas.normalise(crops)).mean()
            by_pixel, by_phase = torch.autograd.grad(
                total, [drawing, self._phase], allow_unused=True, materialize_grads=True
            )
            self._phase.grad = -by_phase
            self._optimiser.step()
            self._pull += by_pixel.abs().mean(0)
        self.curve.append(float(total.detach()))

    def _cut(self, drawing: Tensor) -> Tensor:
        """Crops of this step, with noise. Drawn on the CPU, so that they are the same on every device."""
        import torch

        count, smallest = self._settings.crops, self._settings.smallest
        random = torch.Generator().manual_seed(self._seed * 1_000_003 + len(self.curve))
        sides = smallest + (1 - smallest) * torch.rand(count, generator=random)
        # Near the middle, 0.15 of the side around it (the paper's), and never beyond a border.
        middles = 0.3 * torch.randn(count, 2, generator=random)
        reach = (1 - sides)[:, None]
        middles = torch.minimum(torch.maximum(middles, -reach), reach)
        crops = self.canvas.show(drawing, middles.to(drawing), sides.to(drawing))
        return crops + self._settings.noise * torch.randn(crops.shape, generator=random).to(drawing)


def draw_phase(shape: tuple[int, int, int], seed: int) -> Tensor:
    """Phases of no picture at all: each as likely as any other, in radians."""
    import torch

    random = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=random) * 2 - 1) * torch.pi
