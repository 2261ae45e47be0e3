"""Outlines of the parts that a drawn picture is known to have."""

from __future__ import annotations

import numpy as np
import pytest

from components.studio.parts import find_parts, outline_parts
from explain.bundled.pictures import bundled_pictures
from explain.pictures.decode import decode
from explain.pictures.region import mask_region


def test_an_outline_encloses_its_part() -> None:
    mask = np.zeros((60, 80), dtype=bool)
    mask[10:30, 20:50] = True
    (outline,) = outline_parts({"bill": mask, "crest": np.zeros_like(mask)})
    assert outline.name == "bill"
    (ring,) = outline.rings
    again = mask_region(list(ring), mask.shape)
    assert (again & mask).sum() / (again | mask).sum() > 0.9


def test_a_part_in_two_pieces_has_two_rings_and_specks_have_none() -> None:
    mask = np.zeros((60, 80), dtype=bool)
    mask[5:20, 5:20] = mask[30:50, 40:70] = True
    mask[58, 78] = True
    (outline,) = outline_parts({"eye": mask})
    assert len(outline.rings) == 2


@pytest.mark.parametrize("entry", [entry for entry in bundled_pictures() if entry.parts], ids=lambda entry: entry.name)
def test_bundled_birds_have_parts_and_photographs_have_none(entry: object) -> None:
    picture = decode(entry.path.read_bytes(), entry.path.name)  # type: ignore[attr-defined]
    parts = find_parts(picture)
    assert {"body", "bill", "eye"} <= set(parts)
    assert all(mask.shape == picture.size for mask in parts.values())
    path = bundled_pictures()[0].path
    photo = decode(path.read_bytes(), path.name)
    assert find_parts(photo) == {}
