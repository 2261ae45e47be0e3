"""Who asks for the address of a page that is not for them sees a sentence, and nothing of what is on it."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.support.people import asking, make_actor


def show(view: str) -> None:
    from importlib import import_module

    from components.session.work import Place

    if view == "collection":
        import_module("pages.collection").show_page()
    else:
        import_module(f"pages.studio_views.{view}").show_view(Place("body"))


@pytest.mark.parametrize(
    ("view", "sentence"),
    [("train", "let you train"), ("attention", "let you train"), ("collection", "let you open or begin runs")],
)
def test_a_viewer_at_the_address_of_a_trainer(view: str, sentence: str) -> None:
    with asking(make_actor(key="a" * 64)):
        page = AppTest.from_function(show, args=(view,), default_timeout=30).run()
    assert not page.exception
    assert sentence in page.info[0].value and "Ask whoever runs this server" in page.info[0].value
    offered = {element.label for element in (*page.file_uploader, *page.selectbox, *page.button)}
    assert not {"Run", "Start training", "Pictures to learn from"} & offered and not page.dataframe
