"""What was measured, as files."""

import csv
import io
import json

import numpy as np

from explain.faithfulness.best import Best
from explain.faithfulness.measured import Curve, Measured, Row
from explain.faithfulness.measures import MEASURES
from explain.report.measured import encode_measured, encode_table
from tests.support.engine import make_picture


def build() -> Measured:
    figures = {name: float("nan") for name in MEASURES} | {"deletion": 0.25}
    ends = np.array([0.0, 1.0])
    curve = Curve("a", "A", "map", "deletion", ends, 1 - ends, 1 - ends, 1 - ends)
    return Measured("cat", 0.5, [Row("a", "A", "map", figures)], [curve], Best(None, "None is."), (), {})


def test_the_table_has_a_line_a_map_and_is_empty_where_nothing_was_measured() -> None:
    picture = make_picture()
    (line,) = csv.DictReader(io.StringIO(encode_table([(picture, build())]).decode()))
    assert line["map"] == "A" and line["deletion"] == "0.25" and line["road"] == "" and line["class"] == "cat"
    assert line["sha256"] == (picture.source or picture.digest)


def test_the_whole_says_what_each_measure_is() -> None:
    written = json.loads(encode_measured([(make_picture(), build())]))
    assert written["measures"]["road"]["settings"]["shares"] == [0.1, 0.3, 0.5, 0.7, 0.9]
    (entry,) = written["pictures"]
    assert entry["rows"][0]["figures"]["road"] is None and entry["curves"][0]["scores"] == [1.0, 0.0]
