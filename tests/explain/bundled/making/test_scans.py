"""Scans as tensors: seen as the dashboard shows them to the model, and moved together with their marks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from explain.bundled.making.examples import Variation
from explain.bundled.making.scans import Scans, move_about
from explain.bundled.scan_sets import find_declared, list_scans
from explain.pictures.geometry import prepare
from tests.support.scan_files import write_sets


def test_pictures_are_seen_as_the_dashboard_shows_them_to_the_model(tmp_path: Path) -> None:
    write_sets(tmp_path)
    for name in ("scan-mri", "chest-xray"):
        source = Scans(tmp_path, name)
        read = source.read("test")
        views = source.view(read.pictures)
        for view, scan in zip(views, list_scans(name, tmp_path, "test"), strict=True):
            shown = prepare(scan.read(), find_declared(name).preprocessing).tensor[0]
            assert torch.allclose(view, shown, atol=1e-5)
    assert read.cells is not None and read.cells.sum((1, 2, 3)).tolist()[-1] == (16 * 224 / 64) * (32 * 224 / 64)


def test_a_mark_moves_with_its_picture() -> None:
    grey = torch.zeros(8, 1, 96, 96)
    grey[:, :, 30:60, 20:50] = 0.8
    marks = grey[:, 0] > 0
    variation = Variation(zoom=0.15, light=0.0, erase=0.0)
    moved, found = move_about(grey, marks, torch.Generator().manual_seed(0), variation)
    light = moved[:, 0] > 0.4
    assert ((light & found).sum((1, 2)) / (light | found).sum((1, 2))).min() > 0.9
    assert len({tuple(mark.flatten().tolist()) for mark in found}) == 8


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    write_sets(tmp_path)
    source = Scans(tmp_path, "scan-mri")
    with pytest.raises(ValueError, match="read at 192 pixels, not 64"):
        source.vary(source.read("test"), 64, torch.Generator(), Variation(0.1, 0.1, 0.0))
