"""The sets of scans: what is held out, and that nothing near it is trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from explain.bundled.scan_sets import MARGIN, Scan, list_scans, split_number
from tests.support.scan_files import write_sets


def test_held_out_blocks_have_a_margin_that_is_in_neither_split() -> None:
    splits = {number: split_number(number) for number in range(1, 3065)}
    held = [number for number, split in splits.items() if split == "test"]
    assert held[:40] == [*range(161, 201)] and len(held) == 15 * 40
    trained = [number for number, split in splits.items() if split == "train"]
    assert min(abs(a - b) for a in held for b in trained if abs(a - b) < 40) == MARGIN + 1
    assert splits[160] is splits[151] is splits[201] is splits[210] is None
    assert splits[11] == splits[150] == splits[211] == "train" and splits[10] is None


def test_slices_are_listed_by_number_with_class_block_and_outline(tmp_path: Path) -> None:
    write_sets(tmp_path)
    held, trained = (list_scans("scan-mri", tmp_path, split) for split in ("test", "train"))
    assert [int(scan.path.stem) for scan in held] == [161, 162, 163]
    assert [scan.class_index for scan in held] == [0, 1, 2] and {scan.group for scan in held} == {"4"}
    assert [int(scan.path.stem) for scan in trained] == [11, 12, 13, 14, 15, 16]
    assert held[0].read().size == (64, 64)
    mark = held[0].mark((64, 64))
    assert mark.sum() == 20 * 20 and mark[20:40, 10:30].all()


def test_radiographs_are_split_by_patient_and_those_with_a_box_are_held_out(tmp_path: Path) -> None:
    write_sets(tmp_path)
    held, trained = (list_scans("chest-xray", tmp_path, split) for split in ("test", "train"))
    assert {scan.group for scan in held} == {"00000003", "00000004"}, "a third, and whoever has a box"
    assert {scan.group for scan in trained} == {"00000001", "00000002"}
    (boxed,) = [scan for scan in held if scan.box]
    assert boxed.box == (8.0, 16.0, 24.0, 48.0) and boxed.mark((64, 64)).sum() == 16 * 32
    assert boxed.class_index == 1 and boxed.view == "AP"
    assert not Scan(boxed.path, 0, "1").mark((4, 4)).any()


def test_a_folder_without_the_set_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list_scans("scan-mri", tmp_path, "test")
