"""The rows of a table that somebody wrote, as CSV from whatever program."""

from __future__ import annotations

import csv
import io


def read_rows(data: bytes) -> list[list[str]]:
    """The cells of each row, without the blanks around them; no rows where it is no CSV.

    Args:
        data: the file, UTF-8 with or without a mark; fields are parted by that of commas, semicolons and tabs of which
            the first line has most.
    """
    text = data.decode("utf-8-sig", errors="replace")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]
    except csv.Error:
        return []
