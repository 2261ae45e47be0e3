"""Which regions a picture has: by a file that names it, or by what is known of the drawn birds."""

from pathlib import Path

import numpy as np
import pytest

from explain.bundled.pictures import bundled_pictures, read_parts
from explain.collections.opening import open_source
from explain.collections.region_finder import KNOWN_PARTS, RegionFinder, find_regions, name_region
from explain.errors import DataSetError
from explain.pictures.decode import decode


def test_parts_of_drawn_birds_are_known(tmp_path: Path) -> None:
    bird = next(picture for picture in bundled_pictures() if picture.seed is not None)
    cat = bundled_pictures()[0]
    for picture in (bird, cat):
        (tmp_path / picture.path.name).write_bytes(picture.path.read_bytes())
    source = open_source(tmp_path)
    regions = find_regions(KNOWN_PARTS, source)
    assert regions.digest == KNOWN_PARTS and "wing" in " ".join(regions.names)
    for item in source.items:
        found = regions.find(item, decode(source.read(item), "x"))
        assert dict(found) == (read_parts(bird) if item.uri == bird.path.name else {})
    assert find_regions("", source) == RegionFinder()


def test_a_file_marks_pictures_by_their_paths(tmp_path: Path) -> None:
    cat = bundled_pictures()[0]
    for folder in ("a", "b"):
        (tmp_path / "pictures" / folder).mkdir(parents=True)
        (tmp_path / "pictures" / folder / "1.jpg").write_bytes(cat.path.read_bytes())
    source = open_source(tmp_path / "pictures")
    table = tmp_path / "boxes.csv"
    table.write_text("file,label,left,top,right,bottom\n1.jpg,ear,0,0,9,9\na/1.jpg,eye,2,3,4,5\n")
    regions = find_regions(str(table), source)
    picture = decode(cat.path.read_bytes(), "x")
    first, second = (regions.find(item, picture) for item in source.items)
    assert list(first) == ["eye"] and int(np.sum(first["eye"])) == 4
    assert dict(second) == {}  # two are called 1.jpg, so that the name alone says nothing
    table.write_text("file,label,left,top,right,bottom\na/1.jpg,left lung,0,0,9,9\na/1.jpg,Left-lung,0,0,9,9\n")
    find_regions.cache_clear()
    with pytest.raises(DataSetError, match="would be one column"):
        find_regions(str(table), source)
    assert name_region("Left lung (1)") == "in_left_lung_1" and name_region("??") == "in_region"
