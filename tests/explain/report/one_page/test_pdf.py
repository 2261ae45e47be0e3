"""The report as PDF: a page a picture, with all that the HTML says, whatever names are like."""

from dataclasses import replace

import numpy as np
import pypdfium2
import pytest

from explain.faithfulness.unlike import SENTENCE
from explain.maps.figure import DISCLAIMER
from explain.report.one_page.content import Page
from explain.report.one_page.pdf import write_pdf


def read(data: bytes) -> list[str]:
    """The words of each page, spaces and broken lines as one space."""
    document = pypdfium2.PdfDocument(data)
    return [" ".join(page.get_textpage().get_text_range().replace("\ufffe", "").split()) for page in document]


def list_words(page: Page) -> list[str]:
    """All that is said on a page."""
    facts = [part for fact in (*page.picture, *page.model, *page.proof) for part in fact]
    said = [part for _, lines in page.sections for one in lines for part in (one.word, one.maps, one.sentence)]
    panes = [part for pane in page.panes for part in (pane.title, pane.verdict, *pane.shares)]
    answers = [part for answer in page.answers for part in (answer.label, answer.text)]
    return [*page.cautions, page.name, *facts, *said, *panes, *answers, page.explained, page.legend, *page.command]


def test_a_page_says_all_of_it(scan_page: Page, photo_page: Page) -> None:
    described = [scan_page, photo_page]
    data = write_pdf(described)
    pages = read(data)
    assert len(pages) == 2
    for page, words in zip(described, pages, strict=True):
        plain = words.replace(" ", "")
        assert [one for one in list_words(page) if one.replace(" ", "") not in plain] == []
        assert DISCLAIMER in words
    assert pages[0].count("5 mm") >= 2 and len(data) < 3e6
    about = pypdfium2.PdfDocument(data).get_metadata_dict()
    assert about["Title"] == "Report of CAMscope" and about["Author"] == "CAMscope" and about["Subject"] == DISCLAIMER


def test_it_begins_with_what_must_be_read_first(scan_page: Page) -> None:
    assert read(write_pdf([replace(scan_page, cautions=(SENTENCE,))]))[0].startswith(SENTENCE)


@pytest.mark.parametrize("shape", [(640, 60), (60, 640)])
def test_eight_maps_with_long_words_stay_on_one_page(photo_page: Page, shape: tuple[int, int]) -> None:
    page = photo_page
    panes = tuple(
        replace(pane, pixels=np.zeros((*shape, 3), np.uint8), verdict="≡ same for other classes") for pane in page.panes
    )
    answers = tuple(replace(answer, label="a long name of a class, κάτι άλλο, 猫 & <b>") for answer in page.answers)
    (words,) = read(write_pdf([replace(page, panes=panes, answers=answers)]))
    assert words.count("κάτι άλλο") == 5 and words.count("& <b>") == 5


def test_what_does_not_fit_goes_on_and_is_not_lost(photo_page: Page) -> None:
    page = photo_page
    title, lines = page.sections[0]
    many = ((title, (*lines, *(replace(lines[0], sentence=f"Sentence {n}. " + "word " * 60) for n in range(40)))),)
    pages = read(write_pdf([replace(page, sections=many)]))
    assert len(pages) == 2 and all(f"Sentence {n}." in pages[1] for n in range(40))


def test_nothing_is_opened_for_a_name(photo_page: Page) -> None:
    """reportlab fetches pictures that a text names: a name is never taken for one."""
    page = replace(photo_page, name='<img src="https://example.org/x.png" width="9" height="9"/>')
    assert "<img src=" in read(write_pdf([page]))[0]
