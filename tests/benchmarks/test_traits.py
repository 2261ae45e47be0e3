"""The traits benchmark: its counting by plain references, and a small run."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import traits
from benchmarks.traits import Hits, find_cells, find_chance, judge, judge_cells, place_disc
from explain.bundled.birds.draw import draw_bird
from explain.bundled.birds.species import find_siblings


@pytest.mark.parametrize("seed", range(3))
def test_cells_are_judged_pixel_by_pixel(seed: int) -> None:
    mask = draw_bird("barred tit", seed).masks["wing bars"]
    verdicts = judge_cells(mask, (12, 12))
    pixels = np.argwhere(mask)
    for row, column in itertools.product(range(12), repeat=2):
        y, x = 8 * row + 4, 8 * column + 4
        nearest = np.sqrt(((pixels - (y, x)) ** 2).sum(1)).min()
        assert verdicts["at"][row, column] == (nearest <= 8)
        assert verdicts["touches"][row, column] == mask[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].any()
        assert verdicts["on"][row, column] == mask[y, x]


def test_hits_are_of_any_cell() -> None:
    verdicts = {name: np.eye(3, dtype=bool) for name in ("at", "touches")} | {"on": np.zeros((3, 3), bool)}
    assert judge([(0, 1), (2, 2)], verdicts) == Hits(1.0, 1.0, 0.0)
    assert judge([(0, 1)], verdicts) == Hits(0.0, 0.0, 0.0)


def test_chance_is_counted_over_all_draws() -> None:
    random = np.random.default_rng(0)
    allowed = np.ones((3, 3), bool)
    allowed[0, 0] = False
    verdicts = {name: random.random((3, 3)) < 0.4 for name in ("at", "touches", "on")}
    chance = find_chance(verdicts, allowed, 4)
    places = [tuple(place) for place in np.argwhere(allowed)]
    for name, verdict in verdicts.items():
        draws = [any(verdict[place] for place in draw) for draw in itertools.combinations(places, 4)]
        assert math.isclose(getattr(chance, name), np.mean(draws))


def test_the_highest_cells_do_not_touch() -> None:
    values = np.random.default_rng(1).random((12, 12))
    cells = find_cells(values, 4)
    assert cells[0] == np.unravel_index(values.argmax(), values.shape)
    assert all(max(abs(a - c), abs(b - d)) > 1 for (a, b), (c, d) in itertools.combinations(cells, 2))
    assert [values[cell] for cell in cells] == sorted((values[cell] for cell in cells), reverse=True)


@pytest.mark.parametrize("pair", find_siblings(), ids=lambda pair: pair.part)
def test_the_control_is_as_large_and_elsewhere(pair) -> None:  # type: ignore[no-untyped-def]
    for seed in range(3):
        bird = draw_bird(pair.marked, seed)
        disc = place_disc(bird, pair.part, np.random.default_rng(seed))
        mask = bird.masks[pair.part]
        assert not (disc & mask).any()
        assert disc.sum() == pytest.approx(mask.sum(), rel=0.25)
        assert (disc & np.any(list(bird.masks.values()), axis=0)).any()


def test_a_small_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(traits, "find_siblings", lambda: find_siblings()[:2])
    monkeypatch.setattr(traits, "measure_speedup", lambda: 20.0)
    assert traits.main(["--pictures", "3", "--json", str(tmp_path / "out.json")]) in (0, 1)
    written = json.loads((tmp_path / "out.json").read_text())
    assert {
        "top4_head_on_trait",
        "grad_cam_on_trait",
        "decision_flips_when_painted_over",
        "head_ranking_speedup",
    } <= set(written["figures"])
    assert written["figures"]["pictures"] == 6
    for name in ("top4_head_on_trait", "grad_cam_on_trait", "decision_flips_with_sibling_part"):
        assert 0 <= written["figures"][name] <= 1
    # Strictness orders the counts.
    for hits in written["pointing"].values():
        assert hits["at"] >= hits["touches"] >= hits["on"]
    printed = capsys.readouterr().out
    assert "crested finch" in printed and "top 4 heads" in printed and "20.0 times" in printed
