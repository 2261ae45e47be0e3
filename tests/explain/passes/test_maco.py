"""Drawing by phases: the magnitude against the prescribed one, the gradient against finite differences."""

import numpy as np
import pytest
import torch
from torch import Tensor

from explain.bundled.spectrum import read_spectrum
from explain.passes.maco import Canvas, Climb, DrawingSettings, bind, draw_phase

torch.manual_seed(0)
FILTER = torch.randn(1, 3, 3, 3, dtype=torch.float64)


def make_canvas(height: int, width: int, channels: int = 3, dtype: torch.dtype = torch.float64) -> Canvas:
    """On the bundled spectrum, for a model that is shown twice the drawing's size."""
    spectrum = read_spectrum().fit((height, width), channels)
    magnitude, mix, base = (
        torch.tensor(array, dtype=dtype) for array in (spectrum.magnitude, spectrum.mix, spectrum.base)
    )
    mean, std = torch.full((channels,), 0.4, dtype=dtype), torch.full((channels,), 0.25, dtype=dtype)
    return Canvas(magnitude, mix, base, width, (2 * height, 2 * width), mean, std)


def rise(inputs: Tensor) -> Tensor:
    """An objective that is no plain sum."""
    return torch.nn.functional.conv2d(inputs, FILTER.to(inputs)).tanh().square().mean((1, 2, 3))


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 3), (7, 9, 3), (6, 11, 1)])
def test_the_magnitude_is_the_prescribed_one_whatever_the_phase(height: int, width: int, channels: int) -> None:
    canvas = make_canvas(height, width, channels)
    phase = 5 * torch.randn(canvas.magnitude.shape, dtype=torch.float64)
    independent = canvas.spread(phase)
    assert (torch.fft.rfft2(independent).abs() - canvas.magnitude).abs().max() < 1e-5
    assert independent.var((1, 2), correction=0).numpy() == pytest.approx(1.0, abs=1e-9)
    drawing = canvas.paint(phase)
    assert drawing.shape == (channels, height, width) and 0 < drawing.min() < drawing.max() < 1


def test_bound_phases_are_those_of_the_picture_that_comes_of_them() -> None:
    canvas = make_canvas(6, 8)
    phase = torch.randn(canvas.magnitude.shape, dtype=torch.float64)
    angles = torch.fft.rfft2(canvas.spread(phase)).angle()
    bound = bind(phase, 8)
    assert torch.allclose(angles.cos()[:, 1:], bound.cos()[:, 1:]) and torch.allclose(angles.sin(), bound.sin())
    assert torch.equal(bound[..., 1:-1], phase[..., 1:-1])


def test_the_gradient_by_phases_is_that_of_finite_differences() -> None:
    canvas = make_canvas(6, 7)
    middles, sides = torch.tensor([[0.1, -0.2], [0.0, 0.0]]).double(), torch.tensor([0.7, 1.0]).double()

    def score(phase: Tensor) -> Tensor:
        return rise(canvas.normalise(canvas.show(canvas.paint(phase), middles, sides))).mean()

    phase = torch.randn(canvas.magnitude.shape, dtype=torch.float64).requires_grad_(True)
    (gradient,) = torch.autograd.grad(score(phase), [phase])
    for place in [(0, 1, 2), (1, 0, 1), (2, 2, 0), (0, 5, 3)]:
        step = torch.zeros_like(phase)
        step[place] = 1e-5
        with torch.no_grad():
            expected = (score(phase + step) - score(phase - step)) / 2e-5
        assert float(gradient[place]) == pytest.approx(float(expected), rel=1e-5, abs=1e-10)


def test_a_crop_is_what_lies_there() -> None:
    canvas = make_canvas(8, 8)
    drawing = torch.arange(8.0).double().repeat(3, 8, 1)
    whole, left = canvas.show(drawing, torch.tensor([[0.0, 0.0], [-0.5, 0.0]]), torch.tensor([1.0, 0.5]))
    expected = torch.arange(16.0).double() / 2 - 0.25
    assert torch.allclose(whole[0, 0], expected.clip(0, 7))
    assert torch.allclose(left[0, 0], (torch.arange(16.0).double() / 4 - 0.375).clip(0))


def test_it_climbs_and_says_where_the_work_was_done() -> None:
    canvas = make_canvas(8, 8, dtype=torch.float32)

    def left_half(inputs: Tensor) -> Tensor:
        return inputs[..., :8].mean((1, 2, 3)) - inputs[..., 8:].mean((1, 2, 3)) * 0

    climb = Climb(canvas, left_half, draw_phase((3, 8, 5), 0), DrawingSettings(smallest=1.0, noise=0.0), 0)
    assert not climb.alpha.any()
    for _ in range(24):
        climb.step()
    assert climb.curve[-1] > climb.curve[0] + 0.1
    assert climb.alpha[:, :3].min() > 0 and not climb.alpha[:, 5:].any() and climb.alpha.max() == 1
    assert climb.drawing[:, :, :4].mean() > climb.drawing[:, :, 4:].mean()


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    def draw(seed: int) -> np.ndarray:
        climb = Climb(
            make_canvas(8, 8, dtype=torch.float32), rise, draw_phase((3, 8, 5), seed), DrawingSettings(), seed
        )
        for _ in range(3):
            climb.step()
        return climb.drawing.numpy()

    assert np.array_equal(draw(1), draw(1)) and not np.array_equal(draw(1), draw(2))
