"""The one engine that all sessions share, started beside the page instead of before it; or one elsewhere.

What keeps the page quick, measured by `python -m benchmarks.browser`:

- torch and timm are imported here, in a thread, and no page imports them: they take seconds. That begins when the
  server starts, before anyone comes (`start_with_server`), and makes way for a page that is being painted.
- No garbage is collected after each rerun (`postScriptGC` in `.streamlit/config.toml`: 400 ms with torch loaded), and
  what has been loaded is frozen here, so that no other collection walks it either.
- What sliders move is a fragment (`@st.fragment` in a page): a slider reruns its own part, not the page.
- Threads of OpenMP sleep while they wait (`explain/__init__.py`): spinning, they take the cores from the browser.

Where `CAMSCOPE_ENGINE` names an engine elsewhere, nothing of that is needed: no network and no torch is here then.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import streamlit as st

from components.access.person import start_access
from components.server.settings import read_server_settings
from components.server.start import serve
from components.session.idle import start_letting_go
from components.session.work import Place, Work
from explain.bundled.models import FIRST_MODEL
from explain.bundled.pictures import bundled_pictures
from explain.engine.admission import ASKING
from explain.engine.figures import Figures, gather_figures
from explain.errors import ExplainError
from explain.networks.device import measure_half

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.remote.client import EngineClient

_PAINT_FIRST = 0.3  # seconds: importing torch keeps a core busy that the browser needs for the first paint
_LONGEST_RUN = 3.0  # seconds that a page may take to be drawn, before the engine goes on all the same
_MOST_PATIENCE = 10.0  # seconds that all pages together may hold a step up

_making_way_until = 0.0  # by time.monotonic

_log = logging.getLogger(__name__)


@asynccontextmanager
async def start_with_server(_: object) -> AsyncIterator[None]:
    """Start the engine when the server starts, so that the first visitor need not wait for it."""
    start_access()
    start_engine()
    async with serve(_look_at_engine):
        yield


def _look_at_engine() -> Figures | None:
    """How the engine is; None while it has not started, or does not answer."""
    work = start_engine()
    if not work.wait(0):
        return None
    try:
        engine = work.result()
        return cast("EngineClient", engine).read_figures() if is_elsewhere() else gather_figures(engine)
    except Exception:  # the page says why
        return None


def is_elsewhere() -> bool:
    """Whether the engine is another process's, so that what needs networks here cannot be done."""
    return read_server_settings().engine is not None


def find_half_speed() -> float:
    """How fast networks are in half precision where they run; see `measure_half`."""
    engine = start_engine().result()
    if is_elsewhere():
        return cast("EngineClient", engine).half_speed
    return measure_half(engine.device)


def needs_own_engine() -> bool:
    """For what takes a network here: whether there is none, which is then said."""
    if not is_elsewhere():
        return False
    from explain.remote.model import ELSEWHERE

    st.info(f"{ELSEWHERE} Nobody can train here; all that looks at pictures goes on working.", icon=":material/dns:")
    return True


def make_way(seconds: float = _LONGEST_RUN) -> None:
    """Let the engine's start pause while a page is drawn.

    Args:
        seconds: for how long, from now on, whatever was said before.
    """
    global _making_way_until
    _making_way_until = time.monotonic() + seconds


@st.cache_resource(show_spinner=False)
def start_engine() -> Work[Engine]:
    """Import torch, load the first model and look once, in the background. Everyone who asks gets the same engine."""
    return Work(_start)


def _start(work: Work[Engine]) -> Engine:
    if is_elsewhere():
        return _reach()
    ASKING.set(None)  # nobody's question: who gives up waiting for the engine, as by a reload, does not stop its start
    work.report("Starting the engine. This is needed once after the dashboard was started, and takes some seconds.")
    _await_paint()
    import explain.networks.torchvision_operators  # noqa: F401  torch itself, which takes longest

    _await_paint()
    from explain.engine.engine import Engine

    engine = Engine()
    _await_paint()
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
    start_letting_go(engine.forget_unused)
    return engine


def _reach() -> Engine:
    """An engine elsewhere. Whether it answers is seen, and said, whenever it is asked: it may come and go."""
    from explain.remote.client import EngineClient
    from explain.remote.web import WORD, Web

    settings = read_server_settings()
    if settings.engine_word is None:
        raise ExplainError(f"{settings.engine} is asked only by who knows its word: set {WORD}.")
    start_letting_go(lambda _: 0)
    # It has those methods of an engine that pages ask: see `explain.remote.calls.CALLS`.
    return cast("Engine", EngineClient(Web(str(settings.engine), settings.engine_word.get_secret_value())))


def _await_paint() -> None:
    """Wait while a page is being drawn, but not for ever: many people may come at once."""
    patience = time.monotonic() + _MOST_PATIENCE
    while time.monotonic() < min(_making_way_until, patience):
        time.sleep(0.05)


def await_engine(place: Place, meanwhile: Callable[[], None] | None = None) -> Engine | None:
    """The engine, once it has started. None after it could not start, which `place` then says, with the reason where
    that is something a person can mend, such as a device of no known kind.

    Args:
        place: where the page's content goes.
        meanwhile: draws what there is to see until then.
    """
    make_way(_PAINT_FIRST)
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


def say_passes(engine: Engine) -> None:
    """How often networks have run so far, and where."""
    passes = engine.passes
    st.caption(
        f"Passes of the network since the engine started, for everyone who uses it: {passes.forward} forward, "
        f"{passes.backward} backward. The maps of a picture share them; sliders need none. Runs on "
        f"{engine.description}."
    )
