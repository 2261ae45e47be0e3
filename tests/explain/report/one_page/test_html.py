"""The report as HTML: one file that asks for nothing, runs nothing and can be read aloud."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

from explain.faithfulness.unlike import SENTENCE
from explain.maps.figure import DISCLAIMER
from explain.report.one_page.content import Page
from explain.report.one_page.html import write_html


class Reader(HTMLParser):
    """What a screen reader meets: elements with their attributes, and the words."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data


def read(data: bytes) -> Reader:
    reader = Reader()
    reader.feed(data.decode())
    assert reader.open == []
    return reader


def test_it_is_one_file_without_a_script(scan_page: Page, photo_page: Page) -> None:
    data = write_html([scan_page, photo_page])
    reader = read(data)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in reader.found}
    given = [pair for _, attributes in reader.found for pair in attributes.items()]
    asked = [value or "" for name, value in given if name in ("src", "href")]
    assert len(asked) > 10 and all(value.startswith("data:image/png;base64,") for value in asked)
    assert not any(name.startswith("on") for name, _ in given)
    assert not re.search(rb"https?://|url\(", data) and b"<b>box</b>" not in data


def test_it_can_be_read_aloud(scan_page: Page) -> None:
    reader = read(write_html([scan_page]))
    pictures = [attributes for tag, attributes in reader.found if tag == "img"]
    assert len(pictures) == 5 and all(attributes["alt"] for attributes in pictures)
    assert all(attributes["aria-hidden"] == "true" for tag, attributes in reader.found if tag == "svg")
    headings = [int(tag[1]) for tag, _ in reader.found if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(headings))
    assert dict(reader.found)["html"] == {"lang": "en"} and DISCLAIMER in reader.words
    for word in (
        "◆ backed",
        "Grad-CAM and Eigen-CAM",
        "5 mm",
        "Right" if False else "Learned from",
        "python -m explain show",
    ):
        assert word in reader.words


def test_it_begins_with_what_must_be_read_first(scan_page: Page) -> None:
    words = read(write_html([replace(scan_page, cautions=(SENTENCE,))])).words.split("CAMscope", 1)[1]
    body = words[words.index("\n") :].strip()
    assert body.startswith(SENTENCE)
