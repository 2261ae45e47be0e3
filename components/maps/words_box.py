"""A box for the words of a language model, which no one confuses with what was measured. Not there by itself."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from components.session.work import Place, Work
from components.words import escape
from explain.errors import ExplainError
from explain.pictures.picture import Picture
from explain.report.language_model import HEADING, LanguageModel, find_language_model, open_language_model

_SAID = "language-model-said"


def show_words(pictures: Sequence[Picture]) -> None:
    """A section where whoever started the dashboard named a folder with an image-text model; it writes when asked."""
    folder = find_language_model()
    if folder is None:
        return
    said: dict[str, str] = st.session_state.setdefault(_SAID, {})
    with st.expander(HEADING, icon=":material/chat:"):
        for picture in pictures:
            st.markdown(f"**{escape(picture.name)}**")
            pressed = st.button("Ask it about this picture", key=f"words-{picture.digest}")
            place = Place(f"words-of-{picture.digest}")
            if pressed and picture.digest not in said:
                try:
                    said[picture.digest] = place.watch(_write(folder, picture), "Writing …")
                except ExplainError as error:
                    st.warning(str(error))
            if picture.digest in said:
                with place.container():
                    st.text(said[picture.digest])
        st.caption("It was shown the picture alone: no class, no map. It may be wrong, and explains nothing.")


def _write(folder: str, picture: Picture) -> Work[str]:
    return Work(lambda work: _open(folder).describe(picture))


@st.cache_resource(max_entries=1, show_spinner=False)
def _open(folder: str) -> LanguageModel:
    """The model, read once."""
    return open_language_model(folder)
