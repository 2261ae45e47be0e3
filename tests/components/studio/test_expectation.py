"""The table of what is expected, as words of a link."""

import pytest

from components.studio.expectation import read_rows, write_rows
from explain.faithfulness.expectation import Sign


def test_a_table_comes_back_from_its_words() -> None:
    rows: dict[str, dict[str, Sign]] = {"crested finch": {"crest": 1, "eye": 0}, "a @ 50 %, “b”": {"+left @": -1}}
    words = write_rows(rows)
    assert words[0] == "+crest@crested finch" and read_rows(words) == rows
    assert read_rows([]) == {}


@pytest.mark.parametrize("word", ["crest@finch", "+crest", "+@finch", "+crest@", "*crest@finch", ""])
def test_what_is_no_expectation_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="an expectation is"):
        read_rows([word])
