"""Photographs and generated pictures: what the network is given, and that the table is of the network that ships."""

from __future__ import annotations

import numpy as np
import pytest

from explain.engine.engine import Engine
from explain.models.load import load_model
from explain.models.request import parse_model
from explain.pictures.geometry import prepare
from explain.worlds.generated import (
    CLASSES,
    EXPLAINED,
    FILTERS,
    MODEL,
    halve,
    list_generated,
    list_own,
    list_small,
    read_generated,
    show_pixels,
)
from explain.worlds.training import normalise
from explain.worlds.worlds import FOLDER


def test_the_network_is_given_the_very_pixels_that_are_shown_as_squares() -> None:
    name, small, _ = list_small()[0]
    shown = show_pixels(name, small)
    assert shown.size == (256, 256) and (shown.pixels[::8, ::8] == small).all()
    loaded = load_model(parse_model(MODEL))
    assert loaded.labels == CLASSES and (FOLDER / f"{MODEL}.safetensors").stat().st_size < 300_000
    given = prepare(shown, loaded.preprocessing).tensor
    assert (given - normalise(small[None].copy())).abs().max() < 1e-5


@pytest.mark.parametrize("by", FILTERS)
def test_halving_takes_the_finest_pixels_and_leaves_the_rest(by: str) -> None:
    board = np.indices((32, 32)).sum(0)[..., None].repeat(3, 2) % 2 * 255
    rows, columns = np.mgrid[0.5:32, 0.5:32] / 32
    slow = (127 + 100 * np.sin(rows * 6) * np.cos(columns * 6))[..., None].repeat(3, 2)
    gone = halve(board.astype(np.uint8), by).astype(float)  # type: ignore[arg-type]
    assert gone.std() < 25 < board.std() / 5 and abs(gone.mean() - 127.5) < 2
    kept = halve(slow.astype(np.uint8), by).astype(float)  # type: ignore[arg-type]
    assert np.abs(kept - slow).max() < 20


def test_pictures_come_in_turn_and_are_different() -> None:
    small = list_small()
    assert [label for _, _, label in small[:4]] == [CLASSES[EXPLAINED], CLASSES[0]] * 2
    assert len({pixels.tobytes() for _, pixels, _ in small}) == len(small) == 2 * len(list_generated())
    assert {pixels.shape for _, pixels, _ in small} == {(32, 32, 3)}


def test_the_table_is_of_the_network_that_ships() -> None:
    """Its row of the photographs that ship is measured anew; the test pictures do not ship."""
    table = read_generated()
    assert table is not None
    engine = Engine("cpu", precision="float32")
    for row, change in zip(table.own, (lambda pixels: pixels, halve), strict=True):
        shown = [show_pixels(name, change(small)) for name, small in list_own()]
        said = [engine.predict(picture, MODEL, 1)[0].index for picture in shown]
        assert row.pictures == len(said) and row.generated == pytest.approx(np.mean(said), abs=1e-4)
        assert row.right == pytest.approx(1 - np.mean(said), abs=1e-4)
    whole, *halved = table.tested[: 1 + len(FILTERS)]
    assert whole.right > 0.9 and all(one.interval[1] < 0.7 for one in halved)
    assert all(row.interval[0] < row.right < row.interval[1] for row in table.tested)
    card = " ".join((FOLDER / "README.md").read_text(encoding="utf-8").split())
    for row in (whole, halved[0]):
        assert f"{100 * row.right:.1f} %" in card
        assert f"({100 * row.interval[0]:.1f} to {100 * row.interval[1]:.1f})" in card
