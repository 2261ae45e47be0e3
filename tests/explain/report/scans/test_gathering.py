"""Maps of slices that lie beside each other are one, and those that do not are several."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from explain.engine.explanation import Explanation
from explain.pictures.picture import Picture
from explain.report.scans.gathering import Gatherer, find_way_through, has_place
from tests.explain.report.scans.conftest import draw_map, open_series
from tests.support.engine import make_picture

Tell = Callable[[Sequence[Picture]], Explanation]


def gather(answer: Explanation) -> Gatherer:
    gatherer = Gatherer()
    for entry in answer.pictures:
        gatherer.add(entry)
    return gatherer


def test_runs_of_slices_are_one_in_any_order(tell: Tell) -> None:
    volume = open_series()
    found = gather(tell([volume.slice(at) for at in (5, 2, 6, 3, 0)])).list_maps()
    assert [scan.name for scan in found] == ["slice-1", "slice-3-to-4", "slice-6-to-7"]
    assert [scan.values.shape for scan in found] == [(1, 3, 4), (2, 3, 4), (2, 3, 4)]
    second = found[1]
    assert second.indices == (2, 3) and second.volume == volume.digest
    # In the order of their slices, not in that in which they came.
    assert np.array_equal(second.values[0], draw_map(volume.slice(2), 1).values)
    assert np.array_equal(second.values[1], draw_map(volume.slice(3), 3).values)
    np.testing.assert_allclose(second.affine[:3, 0], (0, 0, 5.0))


def test_windows_and_planes_stay_apart(tell: Tell) -> None:
    volume = open_series()
    pictures = [
        volume.slice(3),
        volume.slice(4, window="40/80"),
        volume.slice(5, "coronal"),
        volume.slice(6, "coronal"),
    ]
    assert [scan.name for scan in gather(tell(pictures)).list_maps()] == ["slice-4", "slice-5", "coronal-6-to-7"]


def test_what_lies_nowhere_or_holds_no_numbers_is_left_out(tell: Tell) -> None:
    assert not has_place(make_picture()) and gather(tell([make_picture()])).list_maps() == []
    picture = open_series().slice(3)
    entry = tell([picture]).pictures[0]
    broken = replace(entry.maps[0], values=np.full((3, 4), np.nan, np.float32))
    gatherer = Gatherer()
    gatherer.add(replace(entry, maps=(broken,)))
    assert gatherer.list_maps() == []


def test_slices_at_no_one_distance_stay_alone(tell: Tell) -> None:
    pictures = [open_series().slice(at) for at in (3, 4)]
    apart = [replace(one, placement=replace(one.placement, through=None)) for one in pictures]  # type: ignore[type-var]
    found = gather(tell(apart)).list_maps()
    assert [scan.name for scan in found] == ["slice-4", "slice-5"]
    assert apart[0].placement is not None
    np.testing.assert_allclose(find_way_through(apart[0].placement), (0, 0, 1.0))
