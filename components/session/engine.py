"""The one engine that all sessions share, started beside the page instead of before it.

What keeps the page quick, measured by `python -m benchmarks.browser`:

- torch and timm are imported here, in a thread, after the first paint: they take seconds, and no page imports them.
- No garbage is collected after each rerun (`postScriptGC` in `.streamlit/config.toml`: 400 ms with torch loaded), and
  what has been loaded is frozen here, so that no other collection walks it either.
- What sliders move is a fragment (`@st.fragment` in a page): a slider reruns its own part, not the page.
- Threads of OpenMP sleep while they wait (`explain/__init__.py`): spinning, they take the cores from the browser.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from components.session.work import Place, Work
from explain.bundled.models import FIRST_MODEL
from explain.bundled.pictures import bundled_pictures
from explain.errors import ExplainError

if TYPE_CHECKING:
    from explain.engine.engine import Engine

_PAINT_FIRST = 0.3  # seconds: importing torch keeps a core busy that the browser needs for the first paint

_log = logging.getLogger(__name__)


@st.cache_resource(show_spinner=False)
def start_engine() -> Work[Engine]:
    """Import torch, load the first model and look once, in the background. Everyone who asks gets the same engine."""
    return Work(_start)


def _start(work: Work[Engine]) -> Engine:
    time.sleep(_PAINT_FIRST)
    work.report("Starting the engine. This is needed once after the dashboard was started, and takes some seconds.")
    from explain.engine.engine import Engine

    engine = Engine()
    try:
        # The first look is slower than any later one, and this is the one that the page asks for first.
        engine.explain(bundled_pictures()[0].path, FIRST_MODEL)
    except ExplainError as error:
        # The page will ask again and show the sentence to the person.
        _log.warning("The first model could not be loaded: %s", error)
    # Half a million objects of torch and timm live as long as the process. Frozen, no later collection walks them:
    # that walk took 400 ms, more than a four-pane comparison.
    gc.collect()
    gc.freeze()
    return engine


def await_engine(place: Place, meanwhile: Callable[[], None] | None = None) -> Engine | None:
    """The engine, once it has started. None after it could not start, which `place` then says, with the reason where
    that is something a person can mend, such as a device of no known kind.

    Args:
        place: where the page's content goes.
        meanwhile: draws what there is to see until then.
    """
    starting = start_engine()
    try:
        return place.watch(starting, "Starting …", patience=0.05, meanwhile=meanwhile)
    except ExplainError as error:
        reason = str(error)
    except Exception:
        _log.exception("The engine could not be started")
        reason = "The reason is in the server's log."
    with place.container():
        st.error(f"The engine could not be started. {reason}", icon=":material/error:")
        st.button("Try again", key="engine-again", on_click=start_engine.clear)
    return None
