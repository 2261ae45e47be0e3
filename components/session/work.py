"""Work that may take long: in a thread of its own, with progress and a way to stop it; short work shows neither."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from explain.engine.admission import ASKING, Kind, Ticket
from explain.rights import acting_for, find_actor

T = TypeVar("T")

PATIENCE = 0.7
"""Seconds before anything is said about work in progress, so that short work does not flicker."""

_LOOK_AGAIN = 0.15


def find_session() -> str:
    """Whose session this is; empty in a thread that belongs to none."""
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.session_id


class Work(Generic[T]):
    """A function that has been started in a thread of its own.

    The function is given this object, to `report` how far it is and to see in `cancel` that it should stop.

    Args:
        function: what to do. It must not call Streamlit: its thread belongs to no session.
        pane: where on the page the result goes. Newer work for the same pane takes the place of older, where that asks
            the engine; empty where both are wanted.
        kind: how it waits for other people's work, where it asks the engine; see `explain.engine.admission`.
    """

    def __init__(self, function: Callable[[Work[T]], T], pane: str = "", kind: Kind = "look") -> None:
        self.cancel = threading.Event()
        # Known here alone: in the thread that does the work, there is no session.
        self._ticket = Ticket(find_session(), pane, kind, self.cancel)
        self._actor = find_actor()
        self._progress: tuple[float | None, str] = (None, "")
        self._future: Future[T] = Future()
        threading.Thread(target=self._run, args=(function,), daemon=True).start()

    def report(self, text: str, share: float | None = None) -> None:
        """Say what is being done, and which share of the whole is done (0…1) where that is known."""
        self._progress = (share, text)

    @property
    def progress(self) -> tuple[float | None, str]:
        """The last report: share done, or None, and text; while it waits for others, its place in the queue."""
        return self._progress[0], self.waits or self._progress[1]

    @property
    def waits(self) -> str:
        """Its place in the queue, and how long that may take; empty where it does not wait for others."""
        return self._ticket.describe_wait()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, and say whether it has come."""
        try:
            self._future.exception(timeout=seconds)
        except NotYet:
            return False
        return True

    def result(self) -> T:
        """What the function gave back or raised; waits for it."""
        return self._future.result()

    def _run(self, function: Callable[[Work[T]], T]) -> None:
        ASKING.set(self._ticket)
        try:
            with acting_for(self._actor):
                found = function(self)
            self._future.set_result(found)
        except BaseException as error:
            self._future.set_exception(error)


class Place:
    """One place on the page for the result of work, and for its progress until then.

    Nothing is put there while work is short, so that what stands there stays until its successor is ready. As soon as
    progress has to be shown, what stood there is gone: an old map is never seen beside a new choice.

    Args:
        name: unique on the page.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waits = 0
        self._progress = st.empty()
        self._result: DeltaGenerator | None = None

    def container(self) -> DeltaGenerator:
        """Where to put the result."""
        if self._result is None:
            return st.container(key=self._name)
        self._progress.empty()
        return self._result.container(key=self._name)

    def watch(
        self,
        work: Work[T],
        text: str,
        stop_key: str | None = None,
        patience: float = PATIENCE,
        meanwhile: Callable[[], None] | None = None,
    ) -> T:
        """Wait for work and give back its result; progress is shown only when it takes long.

        The person's next click ends the waiting, and with it the work.

        Args:
            work: what to wait for.
            text: what is being done, until the work itself reports.
            stop_key: offer a button to stop. What was stopped can be seen by `is_stopped`.
            patience: seconds before progress is shown.
            meanwhile: draws what else there is to see until then.
        """
        started = time.monotonic()
        try:
            if work.wait(patience):
                return work.result()
            if self._result is None:
                # An element of its own, not a new content of the one above: Streamlit sends only the last of several
                # changes to one element, and what was in it would stay on the page until the run ends.
                self._result = st.empty()
            self._waits += 1
            with self._progress.container():
                with st.container(key=f"progress-{self._name}-{self._waits}"):
                    bar = st.empty()
                    if stop_key is not None:
                        # Each wait of a run has a button of its own: two slow ones would share a key.
                        key = f"stop-{self._name}-{self._waits}"
                        # Of no fragment, whichever this runs in: what is pressed in one is put off until its run is
                        # over, which is when the work is done; what is pressed outside ends the run.
                        with ThreadState.scoped(fragment_id=None):
                            st.button("Stop", key=key, on_click=_stop, args=(stop_key,))
                if meanwhile is not None:
                    meanwhile()
            while True:
                share, said = work.progress
                # Each of these calls is also where Streamlit ends this run when the person clicks elsewhere.
                sentence = work.waits or f"{said or text} · {time.monotonic() - started:.0f} s"
                if share is None:
                    bar.markdown(sentence)
                else:
                    bar.progress(share, sentence)
                if work.wait(_LOOK_AGAIN):
                    return work.result()
        except Exception:
            self._progress.empty()  # what is said instead stands alone
            raise
        finally:
            work.cancel.set()


def _stop(key: str) -> None:
    st.session_state["stopped"] = key


def is_stopped(key: str) -> bool:
    """Whether the person stopped this very work and has not asked for anything else since."""
    return st.session_state.get("stopped") == key


def go_on() -> None:
    """Forget that work was stopped, so that it starts again."""
    st.session_state.pop("stopped", None)
