"""A sheet of letters and pictures, as PNG and as SVG."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
from PIL import Image as Pillow

from explain.maps.sheet import Block, Image, Letters, Words, put_beside, stack, write_paragraph, write_sheet

LETTERS = Letters(16, 400, (10, 20, 30))
RED = np.full((60, 90, 3), (200, 10, 10), dtype=np.uint8)


def test_blocks_lie_below_and_beside_each_other_in_both_files() -> None:
    picture = Block(30, 20, [Image(0, 0, 30, 20, RED)])
    block = stack([write_paragraph("a < b & c", 80, LETTERS), put_beside([picture, picture], 10, 80)], 80)
    assert block.height == LETTERS.line + 20
    png = np.asarray(Pillow.open(io.BytesIO(write_sheet(block, 5, "png"))))
    assert png.shape == (block.height + 10, 90, 3)
    top = 5 + LETTERS.line
    expected = np.full((20, 80, 3), 255)
    expected[:, :30] = expected[:, 40:70] = RED[0, 0]
    np.testing.assert_array_equal(png[top : top + 20, 5:85], expected)
    root = ElementTree.fromstring(write_sheet(block, 5, "svg"))
    (text,) = (element for element in root if element.tag.endswith("text"))
    assert text.text == "a < b & c" and float(text.get("x", "")) == 5
    first, second = (element for element in root if element.tag.endswith("image"))
    assert (float(first.get("y", "")), float(second.get("x", ""))) == (top, 45)
    data = base64.b64decode(first.get("href", "").split(",")[1])
    np.testing.assert_array_equal(np.asarray(Pillow.open(io.BytesIO(data))), RED)


def test_a_paragraph_breaks_its_lines_and_cuts_a_word_that_is_too_long() -> None:
    block = write_paragraph("one two " + "x" * 40, 100, LETTERS)
    lines = [mark.text for mark in block.marks if isinstance(mark, Words)]
    assert lines[0] == "one two" and len(lines) > 2 and "".join(lines[1:]) == "x" * 40
    assert block.height == len(lines) * LETTERS.line
    assert write_paragraph("", 100, LETTERS).height == 0
