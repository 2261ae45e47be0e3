"""Radiographs with another border, and the figures of the card of the network that reads them."""

from __future__ import annotations

import numpy as np
import pytest

from explain.bundled.models import MODELS_FOLDER, find_bundled_model
from explain.pictures.picture import build_picture
from explain.worlds.radiographs import CLASSES, MODEL, fill, find_giver, frame, list_radiographs, read_leanings


def make(seed: int) -> tuple[np.ndarray, object]:
    pixels = np.random.default_rng(seed).integers(0, 255, (14, 21, 3), dtype=np.uint8)
    return pixels, build_picture(f"{seed}", pixels, f"{seed:064x}", ())


def test_the_border_is_a_frame_of_a_seventh_of_each_side() -> None:
    mask = frame((14, 21))
    assert not mask[2:12, 3:18].any() and mask.sum() == 14 * 21 - 10 * 15
    assert frame((256, 256)).mean() == pytest.approx(1 - (1 - 2 / 7) ** 2, abs=0.01), "half of the picture"


def test_a_part_is_filled_with_the_mean_or_with_that_of_another() -> None:
    (pixels, one), (others, other) = make(0), make(1)
    mask = frame((14, 21))
    hidden, pasted = fill(one, mask), fill(one, mask, other)  # type: ignore[arg-type]
    assert (hidden.pixels[mask] == pixels.mean((0, 1)).astype(np.uint8)).all()
    assert (hidden.pixels[~mask] == pixels[~mask]).all()
    assert (pasted.pixels[mask] == others[mask]).all() and (pasted.pixels[~mask] == pixels[~mask]).all()
    assert len({one.digest, hidden.digest, pasted.digest}) == 3  # type: ignore[attr-defined]


def test_radiographs_are_of_both_labels_and_views_and_get_borders_of_others() -> None:
    shown = list_radiographs()
    assert {(one.label, one.view) for _, one in shown} == {(label, view) for label in CLASSES for view in ("AP", "PA")}
    assert {picture.size for picture, _ in shown} == {(256, 256)} and {picture.kind for picture, _ in shown} == {"scan"}
    model = find_bundled_model(MODEL)
    assert model is not None and model.classes == CLASSES
    labels = {picture.digest: one.label for picture, one in shown}
    for number, (picture, _) in enumerate(shown):
        assert find_giver(number, "hidden") is None
        for label in CLASSES:
            giver = find_giver(number, label)  # type: ignore[arg-type]
            assert giver is not None and giver.digest != picture.digest and labels[giver.digest] == label


def test_the_figures_are_those_of_the_models_card() -> None:
    leanings = read_leanings()
    assert leanings is not None
    card = (MODELS_FOLDER / "chest-xray.md").read_text(encoding="utf-8").replace("**", "")
    border = "border, a seventh of the side"
    for shown, name, matched in (
        ("the radiograph", "as it is", "matched by view"),
        ("border hidden", f"hidden: {border}", f"hidden, matched by view: {border}"),
        (
            "middle hidden: the border alone",
            "hidden: middle, all but the border",
            "hidden, matched by view: middle, all but the border",
        ),
    ):
        one, same = leanings.areas[name], leanings.areas[matched]
        row = next(line for line in card.splitlines() if line.startswith(f"| {shown} |"))
        assert f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" in row, row
        assert f"{same.value:.3f} ({same.low:.3f} to {same.high:.3f})" in row, row
    within = {view: leanings.areas[f"{view} only"] for view in ("AP", "PA")}
    assert all(f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" in card for one in within.values())
    moved, called = leanings.carried[border].moved, leanings.carried[border].called
    assert f"{100 * moved.value:.0f} % ({100 * moved.low:.0f} to {100 * moved.high:.0f})" in card
    assert f"then called pneumonia in {100 * called['pneumonia']:.0f}," in card
    assert f"{100 * leanings.right.value:.2f} %" in card and f"on {leanings.pictures} held-out" in card
    assert all(f"{100 * leanings.pointing[method].hit:.1f} %" in card for method in ("grad-cam", "chance", "centre"))
