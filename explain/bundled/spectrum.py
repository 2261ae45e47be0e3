"""What natural pictures have in common: how much of each frequency they hold, and which colours go together.

A drawing that must keep to it cannot become noise. `python -m explain.bundled.making.spectrum` measures it on the
bundled photographs; `assets/models/natural-spectrum.md` says how. Importing this does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from explain.bundled.models import MODELS_FOLDER
from explain.pictures.picture import freeze

FILE = MODELS_FOLDER / "natural-spectrum.safetensors"

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""How bright red, green and blue are: ITU-R BT.601."""

SPAN = 0.98
"""How much of 0…1 is used around its middle, so that black and white have a logit."""


@dataclass(frozen=True, eq=False)
class NaturalSpectrum:
    """Of natural pictures in the logit of their colours, these taken apart so that they vary independently.

    Attributes:
        magnitude: mean Fourier magnitude, `(3, n + 1, n + 1)`, of each independent colour, the one that varies most
            first, from frequency 0 to the finest, up and down, and then to the side.
        mix: what makes logits of red, green and blue of independent colours of variance 1, `(3, 3)`.
        base: mean logits of red, green and blue, `(3,)`.
    """

    magnitude: np.ndarray
    mix: np.ndarray
    base: np.ndarray

    def fit(self, size: tuple[int, int], channels: int) -> NaturalSpectrum:
        """The same for pictures of that size, with magnitudes as `irfft2` takes them, `(channels, h, w // 2 + 1)`: none
        at frequency 0, and so that each independent colour has variance 1.

        Natural pictures look alike at any scale, so the finest frequency is taken for the finest, whatever the size.

        Args:
            size: height and width.
            channels: 3, or 1 for grey, which is made of the colour that varies most.
        """
        height, width = size
        finest = self.magnitude.shape[1] - 1
        down = np.abs(np.fft.fftfreq(height)) * 2 * finest
        across = np.fft.rfftfreq(width) * 2 * finest
        magnitude = np.stack([_look_up(plane, down, across) for plane in self.magnitude[:channels].astype(np.float64)])
        magnitude[:, 0, 0] = 0.0
        # Parseval: all columns but the first, and the last of an even width, stand for two.
        times = np.full(width // 2 + 1, 2.0)
        times[0] = 1.0
        if width % 2 == 0:
            times[-1] = 1.0
        deviation = np.sqrt((magnitude**2 * times).sum((1, 2), keepdims=True)) / (height * width)
        if channels == 1:
            return NaturalSpectrum(
                magnitude / deviation, (LUMINANCE @ self.mix)[None, :1], np.array([LUMINANCE @ self.base])
            )
        return NaturalSpectrum(magnitude / deviation, self.mix, self.base)

    def take_apart(self, pixels: np.ndarray) -> np.ndarray:
        """From colours in 0…1, `(h, w, C)`, to independent ones, `(C, h, w)`; of a spectrum fitted to C channels."""
        independent = (find_logits(pixels) - self.base) @ np.linalg.inv(self.mix).T
        return np.ascontiguousarray(independent.transpose(2, 0, 1))


def find_logits(pixels: np.ndarray) -> np.ndarray:
    """Logits of values in 0…1, black and white among them."""
    shares = 0.5 + SPAN * (np.asarray(pixels, dtype=np.float64).clip(0.0, 1.0) - 0.5)
    logits: np.ndarray = np.log(shares / (1.0 - shares))
    return logits


@cache
def read_spectrum() -> NaturalSpectrum:
    """What ships."""
    from safetensors.numpy import load_file

    tensors = load_file(FILE)
    return NaturalSpectrum(**{name: freeze(tensors[name]) for name in ("magnitude", "mix", "base")})


def _look_up(plane: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Values between those of a plane, `(len(down), len(across))`, by their logarithms, which fall evenly."""
    logs = np.log(plane)
    along = np.stack([np.interp(across, np.arange(plane.shape[1]), row) for row in logs])
    between = np.stack([np.interp(down, np.arange(plane.shape[0]), column) for column in along.T], axis=1)
    values: np.ndarray = np.exp(between)
    return values
