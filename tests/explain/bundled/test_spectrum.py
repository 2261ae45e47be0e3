"""What natural pictures have in common, as it ships and as it is measured."""

import numpy as np
import pytest

from explain.bundled.making.spectrum import SIDE, cut_crops, measure_spectrum
from explain.bundled.spectrum import FILE, find_logits, read_spectrum


def test_what_ships_is_small_and_falls_as_natural_pictures_do() -> None:
    assert FILE.stat().st_size <= 100_000
    magnitude = read_spectrum().magnitude
    assert magnitude.shape == (3, SIDE // 2 + 1, SIDE // 2 + 1) and (magnitude > 0).all()
    along = magnitude[0, 0]
    assert along[2] > 3 * along[10] > 9 * along[60]


@pytest.mark.slow
def test_it_ships_as_the_script_measures_it() -> None:
    made, shipped = measure_spectrum(np.stack([*cut_crops()])), read_spectrum()
    assert np.allclose(made.mix, shipped.mix, atol=1e-3) and np.allclose(made.base, shipped.base, atol=1e-3)
    assert np.allclose(made.magnitude, shipped.magnitude, rtol=1e-3)


def test_independent_colours_are_independent() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    crops[..., 1] = crops[..., 0] // 2 + crops[..., 1] // 4
    spectrum = measure_spectrum(crops)
    apart = np.concatenate([spectrum.take_apart(crop / 255).reshape(3, -1) for crop in crops], axis=1)
    assert np.cov(apart) == pytest.approx(np.eye(3), abs=1e-2)
    variances = (spectrum.mix**2).sum(0)
    assert variances[0] > variances[1] > variances[2]


def test_taking_apart_is_the_way_back_of_mixing() -> None:
    spectrum = read_spectrum().fit((6, 5), 3)
    pixels = np.random.default_rng(1).random((6, 5, 3))
    apart = spectrum.take_apart(pixels)
    back = np.einsum("ij,jhw->hwi", spectrum.mix, apart) + spectrum.base
    assert np.allclose(back, find_logits(pixels))


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (128, 100)])
def test_fitted_magnitudes_have_variance_one(size: tuple[int, int]) -> None:
    for channels in (1, 3):
        fitted = read_spectrum().fit(size, channels)
        assert fitted.magnitude.shape == (channels, size[0], size[1] // 2 + 1)
        phases = np.random.default_rng(0).uniform(-3, 3, fitted.magnitude.shape)
        phases[..., 0] = 0
        if size[1] % 2 == 0:
            phases[..., -1] = 0
        pictures = np.fft.irfft2(fitted.magnitude * np.exp(1j * phases), s=size)
        assert pictures.var((1, 2)) == pytest.approx(1.0, abs=1e-9)
        assert fitted.mix.shape == (channels, channels) and fitted.base.shape == (channels,)
