"""What happens without a region, on the page: outlines of few corners, and bars."""

import numpy as np

from components.studio.charts import AGAINST, FOR, draw_effects
from components.studio.effects import Chosen, build_region_row, describe_numbers, make_key, simplify
from explain.faithfulness.effects import Answered, Change, Effect, Effects
from explain.pictures.geometry import Box
from explain.pictures.picture import build_picture
from explain.pictures.region import contains


def make_change(mean: float) -> Change:
    removal = np.array([mean - 1, mean, mean, mean + 1])
    return Change(removal, removal / 2, removal / 4, np.zeros((19, 4)))


EFFECTS = Effects(
    Answered("cat", 3.0, 0.9, "cat"),
    [Effect(name, 0.1, make_change(mean), make_change(mean / 10), {}) for name, mean in (("ear", 3.0), ("eye", -2.0))],
)


def test_an_outline_by_hand_keeps_its_place_with_few_corners() -> None:
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    drawn = [(100 + 60 * np.cos(a), 90 + 40 * np.sin(a) + np.sin(9 * a)) for a in angles]
    corners = simplify(drawn)
    assert 8 <= len(corners) <= 24
    at = np.arange(200) + 0.5
    before, after = contains(drawn, at, at), contains(corners, at, at)
    assert (before & after).sum() / (before | after).sum() > 0.95
    assert simplify([(1.2, 2.0), (9.7, 2.0), (9.7, 8.0), (1.2, 8.0)]) == ((1, 2), (10, 2), (10, 8), (1, 8))


def test_bars_are_signed_and_carry_range_and_other_places() -> None:
    bars, dots = draw_effects(EFFECTS, Chosen("removal", False)).data
    assert list(bars.x) == [-2, 3] and list(bars.marker.color) == [AGAINST, FOR]  # the first is on top
    assert list(bars.error_x.array) == list(bars.error_x.arrayminus) == [1, 1]
    assert len(dots.x) == 38 and set(dots.x) == {0}
    (bars,) = draw_effects(EFFECTS, Chosen("share", True)).data
    np.testing.assert_allclose(bars.x, [-5, 7.5])  # per cent
    assert "19 other places" in describe_numbers(EFFECTS, Chosen("removal", False))
    assert "Dots" not in describe_numbers(EFFECTS, Chosen("alone", False))


def test_the_picture_shows_its_regions_and_what_the_model_saw() -> None:
    picture = build_picture("p", np.zeros((40, 60, 3), dtype=np.uint8), "0" * 64, ())
    regions = {"ear": ((12, 4), (30, 4), (30, 20), (12, 20))}
    row = build_region_row(picture, Box(10, 0, 50, 40), regions, None, True)
    assert [outline.name for outline in row.outlines] == ["ear", ""] and "frame" in row.notes[0]
    assert not build_region_row(picture, Box(0, 0, 60, 40), regions, None, False).notes


def test_another_question_has_another_key() -> None:
    class Model:
        fingerprint = "f"

    picture = build_picture("p", np.zeros((4, 4, 3), dtype=np.uint8), "0" * 64, ())
    one, other = {"a": (0, 0, 1, 1)}, {"a": (0, 0, 1, 2)}
    keys = {make_key(Model(), target, picture, regions) for target in (None, 1) for regions in (one, other)}  # type: ignore[arg-type]
    assert len(keys) == 4
