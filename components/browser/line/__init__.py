"""The line to the server: a page whose line was cut is drawn again once it is mended.

Streamlit's browser side asks for that only where a run was under way. The server may be another by then, one that was
started anew or that a proxy chose: it knows nothing of this page, and takes no notice of what is pressed within a part
that it has not drawn itself. Drawn again, the page has what its address says, and asks for what is not there.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_mount = st.components.v2.component("camscope_line", js=Path(__file__).with_name("line.js").read_text(encoding="utf-8"))


def watch_line() -> None:
    """Have the page drawn again whenever its line to the server comes back. Call it once a page."""
    with st.container(key="line"):
        _mount(key="line-watch", height=1, on_mended_change=_draw_again)


def _draw_again() -> None:
    """That the browser asks is enough for the page to be drawn."""
