"""One picture of those shown, for pages that look at it closely."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.choices.dropdown import dropdown
from explain.pictures.picture import Picture

ONE_PICTURE = "one-picture"
"""Key of the session's state: the digest of the picture to look at."""


def pick_one(pictures: Sequence[Picture]) -> Picture:
    """The picture to look at: the only one, or the one picked of several. It is remembered by its digest."""
    by_digest = {picture.digest: picture for picture in pictures}
    if len(pictures) == 1:
        return pictures[0]
    chosen = st.session_state.get(ONE_PICTURE)
    if chosen not in by_digest:
        chosen = pictures[0].digest
    # Numbered, because two files may have the same name.
    named = {picture.digest: f"{number} · {picture.name}" for number, picture in enumerate(pictures, start=1)}
    dropdown(
        "Picture",
        [*by_digest],
        chosen,
        "one-picture-widget",
        _choose,
        format_func=named.__getitem__,
        filter_mode=None,
        width=420,
    )
    return by_digest[chosen]


def _choose(digest: str) -> None:
    st.session_state[ONE_PICTURE] = digest
