"""Names of files; how bodies are cut is tried at the door, in `test_guard.py`."""

import pytest

from components.server.bodies import is_safe_name


@pytest.mark.parametrize(
    "name",
    ["cat.jpg", "Röntgen Thorax (1).dcm", "series/IM 0001.dcm", "…a..b...png", "..gz", "", "a:b.png", "x" * 1_024],
)
def test_what_people_call_their_files_is_a_name(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../a",
        "a/..",
        "a/../b",
        "a\\..\\b",
        "/a",
        "\\\\host\\a",
        "c:\\a",
        "a\nb",
        "a\rb",
        "a\0",
        "\x7f",
        "x" * 1_025,
    ],
)
def test_what_leads_elsewhere_is_none(name: str) -> None:
    assert not is_safe_name(name)
