"""Rows of a table, however its fields are parted."""

import pytest

from explain.datasets.table import read_rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_fields_are_parted_as_in_the_first_line(delimiter: str) -> None:
    written = delimiter.join(("file", " group ")) + "\r\n" + delimiter.join(('"a, b; c"', "ärm ")) + "\n"
    assert read_rows(written.encode("utf-8-sig")) == [["file", "group"], ["a, b; c", "ärm"]]


def test_what_is_no_table_has_no_rows() -> None:
    assert read_rows(b"") == []
    assert read_rows(b'"' + b"a" * 200_000) == []  # longer than a field may be
    assert read_rows(b"\xff,b\n") == [["\ufffd", "b"]]
