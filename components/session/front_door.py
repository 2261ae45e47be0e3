"""The way into a page that Streamlit would otherwise open past `app.py`."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import streamlit as st


def go_through_front_door(file: str) -> None:
    """Start again with `app.py`, which leads to the page that was asked for.

    Until `st.navigation` has been called once in a server's life, Streamlit takes `pages/` for pages that stand alone.
    The very first visitor, if they ask for another page than the front one, would get it unstyled and past any gate.

    Args:
        file: the page's file, whose name is its address.
    """
    front = st.Page(lambda: None, title="CAMscope", default=True)
    asked = st.Page(lambda: None, title="CAMscope", url_path=Path(file).stem)
    st.navigation([front, asked], position="hidden")
    st.rerun()


def link_to_page(address: str, label: str, icon: str) -> None:
    """A link to another page of this session.

    Args:
        address: the page's address.
        label: what the link says.
        icon: before it.
    """
    st.page_link(st.Page(lambda: None, title=label, url_path=address), label=label, icon=icon)


def open_page(address: str) -> NoReturn:
    """Go to another page of this session, with what has been chosen.

    Args:
        address: the page's address; `start` for the front page.
    """
    st.switch_page(st.Page(lambda: None, title=address, url_path=address, default=address == "start"))
