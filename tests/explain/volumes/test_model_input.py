"""A volume as a model's input: turned, resampled, windowed; and what cannot be one, each in a sentence."""

from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest

from explain.errors import PictureError
from explain.pictures.volume_preprocessing import VolumePreprocessing
from explain.volumes.from_array import build_volume
from explain.volumes.model_input import find_block, prepare_volume
from explain.volumes.volume import Volume

_SHAPE, _STEPS = (6, 8, 10), (2.5, 1.5, 1.0)


def _choose(**changes: Any) -> VolumePreprocessing:
    given = {
        "depth": 6,
        "input_size": (8, 10),
        "channels": 1,
        "mean": (0.0,),
        "std": (1.0,),
        "spacing": _STEPS,
        "window": (0.0, 1000.0),
    }
    return VolumePreprocessing.model_validate({**given, **changes})


def _affine(steps: tuple[float, ...] = _STEPS) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(steps)[::-1]  # slices to the head, rows to the back, columns to the left
    return affine


def _numbers() -> np.ndarray:
    return np.random.default_rng(0).integers(-200, 1200, _SHAPE).astype(np.int16)


def test_the_same_voxels_come_through_exactly() -> None:
    found = prepare_volume(build_volume(_numbers(), _affine()), _choose())
    assert found.tensor.shape == (1, 1, *_SHAPE) and found.notes == ()
    assert np.allclose(found.tensor[0, 0].numpy(), np.clip(_numbers() / 1000, 0, 1), atol=1e-6)
    assert [tuple(span) for span in found.block.spans] == [(0, 6), (0, 8), (0, 10)]


@pytest.mark.parametrize(("axes", "signs"), [*product(permutations(range(3)), product((1, -1), repeat=3))])
def test_all_48_orders_of_the_axes_give_one_input(axes: tuple[int, ...], signs: tuple[int, ...]) -> None:
    """The same body, stored with its axes in any order and direction: the same input, and maps find back."""
    numbers, affine = _numbers(), _affine()
    stored = numbers.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    turned = np.eye(4)
    for own, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        turned[:3, own] = affine[:3, axis] * sign
    first = [0 if sign > 0 else _SHAPE[axis] - 1 for axis, sign in zip(axes, signs, strict=True)]
    start = np.zeros(3)
    start[list(axes)] = first
    turned[:3, 3] = (affine @ (*start, 1))[:3]
    volume = build_volume(stored, turned)
    assert np.allclose(volume.geometry.affine, turned)  # type: ignore[union-attr]
    choice = _choose(spacing=(3.0, 2.0, 1.0), depth=4, input_size=(6, 5))
    found = prepare_volume(volume, choice)
    expected = prepare_volume(build_volume(numbers, affine), choice)
    assert np.allclose(found.tensor.numpy(), expected.tensor.numpy(), atol=1e-6)
    # A map over the input, turned back, has its places in millimetres.
    cells = np.random.default_rng(1).normal(size=(4, 3, 5)).astype(np.float32)
    back, straight = found.block.turn_back(cells), expected.block.turn_back(cells)
    peak, wanted = (np.unravel_index(values.argmax(), values.shape) for values in (back, straight))
    here = turned @ found.block.place(back.shape) @ (*peak, 1)
    there = affine @ expected.block.place(straight.shape) @ (*wanted, 1)
    assert np.allclose(here, there)


def test_resampling_is_linear_and_skips_nothing() -> None:
    """Twice as coarse: each new voxel weighs its neighbours by a triangle four old ones wide. Cell by cell."""
    numbers = np.zeros((4, 4, 16), np.float32)
    numbers[:] = np.random.default_rng(2).random(16)
    choice = _choose(depth=4, input_size=(4, 8), spacing=(1.0, 1.0, 2.0), window=(0.0, 1.0))
    found = prepare_volume(build_volume(numbers, _affine((1, 1, 1))), choice).tensor[0, 0, 0, 0].numpy()
    for cell in range(8):
        middle, total, weight = 2 * cell + 1.0, 0.0, 0.0
        for voxel in range(16):
            own = max(0.0, 1 - abs(voxel + 0.5 - middle) / 2)
            total, weight = total + own * numbers[0, 0, voxel], weight + own
        assert found[cell] == pytest.approx(total / weight, abs=1e-6)


def test_without_a_spacing_the_whole_volume_is_stretched() -> None:
    choice = _choose(spacing=None, depth=3, input_size=(4, 5))
    found = prepare_volume(build_volume(_numbers()), choice)
    assert found.tensor.shape == (1, 1, 3, 4, 5)
    assert [tuple(span) for span in found.block.spans] == [(0, 6), (0, 8), (0, 10)]


def test_without_a_window_the_range_of_the_volume_is_taken() -> None:
    volume = build_volume(_numbers(), _affine())
    low, high = volume.range
    found = prepare_volume(volume, _choose(window=None)).tensor[0, 0].numpy()
    assert np.allclose(found, np.clip((_numbers() - low) / (high - low), 0, 1), atol=1e-5)


def test_a_smaller_volume_is_padded_and_said_to_be() -> None:
    found = prepare_volume(build_volume(_numbers(), _affine()), _choose(depth=12))
    inside = found.tensor[0, 0, 3:9].numpy()
    assert np.allclose(inside, np.clip(_numbers() / 1000, 0, 1), atol=1e-6)
    assert not found.tensor[0, 0, :3].any() and not found.tensor[0, 0, 9:].any()
    assert "fills 50 %" in found.notes[0]


def test_padding_and_missing_slices_have_the_lowest_value() -> None:
    numbers = np.full(_SHAPE, 500, np.int16)
    numbers[0, 0, 0] = -2000
    volume = build_volume(numbers, _affine())
    present = volume.present.copy()
    present[3] = False
    found = prepare_volume(replace(volume, present=present, padding=(500.0, 500.0)), _choose(window=(-3000.0, 1000.0)))
    assert not found.tensor[0, 0, 3].any() and not found.tensor[0, 0, 1].any()
    assert found.tensor[0, 0, 0, 0, 0] == pytest.approx(0.25)
    assert "1 slice is missing" in found.notes[0]


def test_other_units_are_noticed() -> None:
    found = prepare_volume(build_volume(_numbers() * 20, _affine()), _choose(window=(0.0, 10.0)))
    assert "lies outside of the model's window of 0 to 10" in found.notes[-1]


def test_grey_for_colour_and_colour_for_grey() -> None:
    grey = build_volume(_numbers(), _affine())
    colour = prepare_volume(grey, _choose(channels=3, mean=(0.1, 0.2, 0.3), std=(1.0, 0.5, 0.25)))
    plain = prepare_volume(grey, _choose()).tensor[0, 0]
    for channel, (mean, std) in enumerate([(0.1, 1.0), (0.2, 0.5), (0.3, 0.25)]):
        assert np.allclose(colour.tensor[0, channel].numpy(), (plain.numpy() - mean) / std, atol=1e-5)
    frames = np.random.default_rng(3).integers(0, 256, (6, 8, 10, 3)).astype(np.uint8)
    clip = replace(grey, stored=frames, geometry=None, pitch=None)
    choice = _choose(spacing=None, channels=3, mean=(0.0,) * 3, std=(1.0,) * 3)
    found = prepare_volume(clip, choice).tensor[0].numpy()
    assert np.allclose(found, frames.transpose(3, 0, 1, 2) / 255, atol=1e-6)
    assert prepare_volume(clip, _choose(spacing=None)).tensor.shape == (1, 1, 6, 8, 10)


def _without_places(volume: Volume) -> Volume:
    return replace(volume, geometry=None, pitch=None)


def _uneven(volume: Volume) -> Volume:
    fault = "Other planes cannot be shown: the slices lie 4 and 7 mm apart."
    assert volume.geometry is not None
    return replace(volume, geometry=replace(volume.geometry, step=None, fault=fault))


def _absurd(volume: Volume) -> Volume:
    assert volume.geometry is not None
    return replace(volume, geometry=replace(volume.geometry, step=4000.0))


@pytest.mark.parametrize(
    ("change", "choice", "said"),
    [
        (_without_places, {}, "does not say where its slices lie"),
        (_uneven, {}, "is none: the slices lie 4 and 7 mm apart"),
        (_absurd, {}, "voxels are 4,000 × 1.5 × 1 mm, which no scan has"),
        (lambda volume: volume, {"spacing": (20.0, 20.0, 20.0)}, "would fill 0.\\d+ % of this model's input"),
        (lambda volume: volume, {"channels": 2, "mean": (0.0, 0.0), "std": (1.0, 1.0)}, "takes 2 channels"),
        (lambda volume: replace(volume, stored=volume.stored[:1]), {}, "is a single slice"),
    ],
)
def test_what_cannot_be_an_input_gets_a_sentence(change: Any, choice: dict[str, Any], said: str) -> None:
    volume = change(build_volume(_numbers(), _affine()))
    with pytest.raises(PictureError, match=said):
        prepare_volume(volume, _choose(**choice))


def test_a_block_knows_what_it_covers() -> None:
    block = find_block(build_volume(_numbers(), _affine()), _choose(depth=12, input_size=(4, 10)))
    assert block.covered == pytest.approx(0.5)
    assert [tuple(span) for span in block.spans] == [(-3, 9), (2, 6), (0, 10)]
