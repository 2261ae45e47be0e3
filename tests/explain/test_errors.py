"""Names that strangers gave, as they stand in sentences."""

import pytest

from explain.datasets.given import GivenFile
from explain.errors import PictureError, make_printable
from explain.pictures.decode import decode


@pytest.mark.parametrize(
    ("text", "longest", "start", "shown"),
    [
        ("cat.png", 80, 40, "cat.png"),
        ("a\x07b\n\u202ec", 80, 40, "a�b��c"),
        ("Katze – ähnlich 猫.png", 80, 0, "Katze – ähnlich 猫.png"),
        ("0123456789", 10, 4, "0123456789"),
        ("0123456789", 9, 0, "…23456789"),
        ("0123456789", 9, 4, "0123…6789"),
        ("", 9, 4, ""),
    ],
)
def test_a_name_is_printable_and_no_longer_than_asked(text: str, longest: int, start: int, shown: str) -> None:
    assert make_printable(text, longest, start) == shown
    assert len(shown) <= longest


def test_the_sentences_it_stands_in() -> None:
    name = "".join(chr(97 + place % 26) for place in range(200))
    with pytest.raises(PictureError, match=f"^“{name[:40]}…{name[-39:]}”: The file is empty"):
        decode(b"", name)
    assert GivenFile((name, name), bytes).path == "…" + f"{name}/{name}"[-239:]
