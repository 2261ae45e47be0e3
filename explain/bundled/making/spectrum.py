"""Measures what natural pictures have in common: `python -m explain.bundled.making.spectrum [--out FILE]`.

Square crops of random place and size of each bundled photograph, made equally small, are seen in the logit of their
colours. `mix` is what makes colours of their covariance of independent ones; the magnitude is the mean over the crops
of their Fourier magnitudes, through a Hann window, since a picture's borders do not go on at the other side.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from explain.bundled.pictures import bundled_pictures
from explain.bundled.spectrum import FILE, NaturalSpectrum, find_logits

SIDE = 128
"""Of a crop, in pixels."""

CROPS = 40
"""Of each photograph."""

SMALLEST = 0.5
"""Side of a crop, as a share of the photograph's shorter one."""


def measure_spectrum(crops: np.ndarray) -> NaturalSpectrum:
    """What crops `(n, s, s, 3)` uint8 have in common; `s` is even."""
    logits = find_logits(crops / 255)
    colours = logits.reshape(-1, 3)
    variances, directions = np.linalg.eigh(np.cov(colours.T))
    # The one that varies most first, and each so that more of it is brighter or, of no brightness, redder.
    directions = directions[:, ::-1] * np.where(directions[:, ::-1].sum(0) < 0, -1.0, 1.0)
    mix, base = directions * np.sqrt(variances[::-1]), colours.mean(0)
    independent = (logits - base) @ np.linalg.inv(mix).T
    side = crops.shape[1]
    ramp = np.hanning(side + 1)[:side]
    window = np.outer(ramp, ramp)[None, :, :, None]
    centred = independent - independent.mean((1, 2), keepdims=True)
    magnitude = np.abs(np.fft.rfft2(centred * window, axes=(1, 2))).mean(0).transpose(2, 0, 1)
    up, down = magnitude[:, : side // 2 + 1], magnitude[:, -np.arange(side // 2 + 1)]
    return NaturalSpectrum((up + down) / 2, mix, base)


def cut_crops(seed: int = 0) -> Iterator[np.ndarray]:
    """Crops of the bundled photographs, `(SIDE, SIDE, 3)` uint8 each."""
    random = np.random.default_rng(seed)
    for entry in bundled_pictures():
        if entry.seed is not None or entry.scan:
            continue
        with Image.open(entry.path) as image:
            pixels = np.asarray(image.convert("RGB"))
        height, width = pixels.shape[:2]
        for _ in range(CROPS):
            side = int(random.uniform(SMALLEST, 1.0) * min(height, width))
            top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
            crop = np.ascontiguousarray(pixels[top : top + side, left : left + side])
            yield cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def main(arguments: list[str] | None = None) -> int:
    """Measure and write."""
    from safetensors.numpy import save_file

    parser = argparse.ArgumentParser(description="Measure what natural pictures have in common.")
    parser.add_argument("--out", type=Path, default=FILE, help="where to write it")
    options = parser.parse_args(arguments)
    spectrum = measure_spectrum(np.stack([*cut_crops()]))
    tensors = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in vars(spectrum).items()}
    save_file(tensors, options.out, {"crops": str(CROPS), "side": str(SIDE), "from": "the bundled photographs"})
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
