"""The figures of volumes: cells that touch a lesion, maps of known worth, and what is painted over."""

import numpy as np
import pytest

from benchmarks import volumes
from explain.bundled.phantoms.draw import draw_phantom
from explain.bundled.phantoms.kinds import KINDS
from explain.maps.heatmap import Heatmap
from explain.maps.volume_map import VolumeMap
from explain.methods import get_method
from explain.passes.count import Passes
from explain.pictures.geometry import Box, Span
from explain.volumes.model_input import Block
from explain.volumes.planes import View


def _map(values: np.ndarray, lesion: np.ndarray) -> VolumeMap:
    heatmap = Heatmap(
        "grad-cam",
        get_method("grad-cam").settings(),
        "layer",
        0,
        "",
        values.astype(np.float32),
        Box.whole((1, 1)),
        0.0,
        Passes(),
    )
    spans = tuple(Span(0, side) for side in lesion.shape)
    return VolumeMap(heatmap, volumes.lay_down(lesion.astype(np.int16)), Block(spans, View()))  # type: ignore[arg-type]


def test_a_map_of_the_lesion_itself_points_at_it_and_another_does_not() -> None:
    lesion = draw_phantom(KINDS[2].name, 5).lesion
    touched = volumes.cover_cells(lesion, (8, 8, 8))
    for cell in np.ndindex(8, 8, 8):
        own = tuple(slice(at * step, (at + 1) * step) for at, step in zip(cell, (4, 8, 8), strict=True))
        assert touched[cell] == lesion[own].any()
    best = volumes.point(_map(lesion.reshape(8, 4, 8, 8, 8, 8).sum((1, 3, 5)), lesion), lesion)
    assert (best.voxel, best.cell) == (1.0, 1.0) and best.energy > 0.3
    worst = volumes.point(_map(~touched, lesion), lesion)
    assert (worst.voxel, worst.cell, worst.energy) == (0.0, 0.0, 0.0)


def test_as_much_is_painted_over_elsewhere() -> None:
    phantom = draw_phantom(KINDS[2].name, 5)
    painted = volumes.paint_other(phantom)
    changed = painted != phantom.values
    assert 0.7 * phantom.lesion.sum() < changed.sum() <= phantom.lesion.sum()
    assert not (changed & phantom.lesion).any()


def test_one_pass_methods_are_those_without_passes_of_their_own() -> None:
    names = volumes.list_one_pass()
    assert {"grad-cam", "cf-cam", "kpca-cam", "shapley-cam"} <= set(names)
    assert not {"rise", "score-cam", "legrad", "prompt-cam", "cam"} & set(names)


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        volumes.main(["floors"])
    assert "there is no part floors" in capsys.readouterr().err
