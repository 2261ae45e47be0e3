"""Regions from files that nobody vouches for: what they hold is drawn, and what they cannot hold is a sentence."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest

from explain.datasets import coco, regions
from explain.datasets.coco import _unpack
from explain.datasets.marked import Marked
from explain.datasets.regions import draw_regions, list_names, read_regions
from explain.errors import DataSetError
from explain.pictures.geometry import Box
from explain.pictures.region import contains

SIZE = (6, 5)
MASK = np.zeros(SIZE, bool)
MASK[1:4, 2:4] = True
PACKED = "=3305"
"""What pycocotools 2.0.11 makes of MASK."""

RUNS = [13, 3, 3, 3, 8]


def make_coco(*annotations: dict[str, Any], **changes: Any) -> bytes:
    told = {
        "images": [{"id": 1, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 3, **one} for one in annotations],
    }
    return json.dumps({**told, **changes}).encode()


@pytest.mark.parametrize(
    "shape",
    [
        {"bbox": [2, 1, 2, 3]},
        {"segmentation": [[2, 1, 4, 1, 4, 4, 2, 4]], "bbox": [0, 0, 1, 1]},
        {"segmentation": [[2, 1, 3, 1, 3, 4, 2, 4], [3, 1, 4, 1, 4, 4, 3, 4]]},
        {"segmentation": {"size": list(SIZE), "counts": RUNS}},
        {"segmentation": {"size": list(SIZE), "counts": PACKED}},
    ],
)
def test_every_form_of_coco_is_the_same_region(shape: dict[str, Any]) -> None:
    found = read_regions(make_coco(shape), "x.json")
    assert found.names == ("cat",)
    (mask,) = draw_regions(found.find(["no", "a.png"]), SIZE).values()
    np.testing.assert_array_equal(mask, MASK)
    assert found.find(["b.png"]) == ()
    with pytest.raises(DataSetError, match="a picture of 5 × 6 pixels, and it has 9 × 9"):
        draw_regions(found.find(["a.png"]), (9, 9))


def test_an_outline_may_leave_the_picture() -> None:
    dice = np.random.default_rng(0)
    for _ in range(20):
        ring = dice.uniform(-5, 15, (5, 2))
        drawn = Marked(rings=(tuple(ring.ravel().tolist()),)).draw((9, 7))
        whole = contains([(x, y) for x, y in ring.tolist()], np.arange(7) + 0.5, np.arange(9) + 0.5)
        np.testing.assert_array_equal(drawn, whole)
    assert not Marked(box=Box(-9, -9, -1, -1)).draw((9, 7)).any()
    assert Marked(box=Box(-9, -9, 99, 99)).draw((9, 7)).all()


def test_packed_runs_are_pycocotools_own() -> None:
    # The letters are those of pycocotools 2.0.11, the runs are counted off the mask.
    dice = np.random.default_rng(4)
    mask = dice.random((7, 9)) > 0.6
    flat = np.concatenate([[False], mask.T.ravel(), [not mask.T.ravel()[-1]]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate([[0], edges])).tolist()
    assert _unpack("012000O10O10O01010O0O40L00020N60L3NM10") == runs
    assert _unpack("P`j`1") == [1_600_000]  # a long one takes several letters


def test_boxes_come_from_a_table_of_any_program() -> None:
    edges = read_regions(
        "﻿File;Label;Left;Top;Right;Bottom\nx/a.png;cat;2;1;4;4\nb.png;;0;0;1;1\nc.png;;;;\n".encode(), "t"
    )
    assert edges.pictures["x/a.png"] == (Marked("cat", Box(2, 1, 4, 4)),)
    assert edges.names == ("cat", "region") and "c.png" not in edges.pictures
    sides = read_regions(b"picture,x,y,w,h\na.png,2,1,2,3\na.png,0,0,1,1\n", "t")
    (both,) = draw_regions(sides.find(["a.png"]), SIZE).values()
    expected = MASK.copy()
    expected[0, 0] = True
    np.testing.assert_array_equal(both, expected)
    assert sides.digest != edges.digest and len(sides.digest) == 64


def test_a_name_that_two_pictures_have_says_nothing_of_either() -> None:
    known = Counter({"a.png": 2, "b.png": 1})
    assert list_names("north/a.png", "ab12", known) == ["north/a.png", "ab12"]
    assert list_names("x.tar!south/b.png", "ab12", known) == ["x.tar!south/b.png", "south/b.png", "ab12", "b.png"]
    assert list_names("", "ab12", known) == ["ab12"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "needs the columns “file” and “left”"),
        (b"file,left\na,1", "needs the columns"),
        (b"file,left,top,right,bottom\na.png,1,2,x,4", "row 2: “1 2 x 4” is no box"),
        (b"file,left,top,right,bottom\na.png,1,2,nan,4", "is no box"),
        (b"file,left,top,right,bottom\n", "has no region"),
        (b"{", "is no COCO file"),
        (b'{"images": 3}', "is no COCO file"),
        (b'{"a":' * 100_000, "is no COCO file"),
        (make_coco(images=[]), "has no region"),
        (make_coco({"bbox": [1, 2, 3]}), "annotation 1: it has neither an outline nor a box"),
        (make_coco({"bbox": [1, 2, 3, float("nan")]}), "neither an outline nor a box"),
        (make_coco({"bbox": [1, 2, 3, 1e308]}), "neither an outline nor a box"),
        (make_coco({"bbox": [1, 2, 3, 4]}, annotations=[{"image_id": 1, "segmentation": "x" * 9}]), "no list"),
        (make_coco({"segmentation": [[1, 2, 3, 4, 5, 6]] * 1001}), "no list of at most 1,000"),
        (make_coco(*[{"bbox": [1, 1, 1, 1]}] * 2001), "a picture of more than 2,000 regions"),
        (make_coco({"image_id": 9, "bbox": [1, 2, 3, 4]}), "names no picture of the file"),
        (make_coco({"image_id": [], "bbox": [1, 2, 3, 4]}), "names no picture of the file"),
        (make_coco({"segmentation": [[1, 2, 3]]}), "3 to 4096 corners"),
        (make_coco({"segmentation": [[1, 2, 3, 4, 5, "x"]]}), "no number"),
        (make_coco({"segmentation": [5]}), "corners"),
        (make_coco({"segmentation": {"size": [6, 5], "counts": [31]}}), "do not fill"),
        (make_coco({"segmentation": {"size": [6, 5], "counts": [-1, 31]}}), "do not fill"),
        (make_coco({"segmentation": {"size": [6, 5], "counts": [1.5, 28.5]}}), "do not fill"),
        (make_coco({"segmentation": {"size": [10**9, 10**9], "counts": [1]}}), "no size that is read"),
        (make_coco({"segmentation": {"size": [6, 5], "counts": "=3\x00"}}), "packed runs are damaged"),
        (make_coco({"segmentation": {"size": [6, 5], "counts": "o" * 50}}), "packed runs are damaged"),
    ],
)
def test_what_is_no_region_is_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(DataSetError, match=sentence):
        read_regions(data, "x")


def test_there_is_an_end_to_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    three = b"file,label,x,y,w,h\n" + b"".join(b"a.png,%d,1,1,1,1\n" % number for number in range(3))
    many = make_coco(*[{"bbox": [1, 1, 1, 1]}] * 3)
    with monkeypatch.context() as patch:
        patch.setattr(regions, "MOST_MARKED", 2)
        patch.setattr(coco, "MOST_MARKED", 2)
        for data in (three, many):
            with pytest.raises(DataSetError, match="more than 2 regions"):
                read_regions(data, "x")
    monkeypatch.setattr(regions, "MOST_NAMES", 2)
    with pytest.raises(DataSetError, match="3 names of regions; at most 2"):
        read_regions(three, "x")
    monkeypatch.setattr(regions, "MAX_FILE", 9)
    with pytest.raises(DataSetError, match="is larger than"):
        read_regions(three, "x")
