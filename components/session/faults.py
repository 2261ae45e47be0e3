"""What nobody expected: the log gets the whole story, the person one calm sentence."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from explain.errors import ExplainError

P = ParamSpec("P")

UNEXPECTED = (
    "Something went wrong that CAMscope did not expect. Nothing you chose is lost: change a choice, or reload the "
    "page. The reason is in the server's log."
)

_log = logging.getLogger(__name__)


def show_faults(draw: Callable[P, None]) -> Callable[P, None]:
    """Draw a part of a page; show what it refuses as its sentence, and anything else as one that names no internals."""

    @functools.wraps(draw)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except ExplainError as error:
            st.error(str(error), icon=":material/error:")
        except Exception:
            _log.exception("A part of the page could not be drawn")
            st.error(UNEXPECTED, icon=":material/error:")

    return guarded
