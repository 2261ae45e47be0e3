"""The process of one run that a page began: `python -m explain.collections.page_worker TOKEN`.

It goes on when the page is closed or the server ends, and has the work done by `collect`, in a process below it.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import replace

from explain.collections.pace import Pace
from explain.collections.page_run import PageRun, Pulse
from explain.collections.run import WORKER, collect
from explain.errors import Cancelled, ExplainError
from explain.training.process_lock import take_lock

_SECONDS_BETWEEN_LOOKS = 0.1


def work(run: PageRun, command: Sequence[str] = WORKER) -> None:
    """The whole run, in this process; what `PageRun.start` has done in one of its own.

    Args:
        run: which.
        command: see `explain.collections.run.collect`.
    """
    lock = take_lock(run.lock)
    if lock is None:  # another process works on it
        return
    over, cancel = threading.Event(), threading.Event()
    threading.Thread(target=_watch, args=(run, over, cancel), daemon=True, name="page-run-cancel").start()
    pulse = Pulse(pace=Pace())

    def tell(pace: Pace) -> None:
        nonlocal pulse
        pulse = replace(pulse, pace=pace)
        pulse.write(run.pulse)

    errand = run.read_errand()
    try:
        outcome = collect(errand.order, tell, cancel, command, nice=True)
    except Cancelled:
        pulse = replace(pulse, phase="cancelled")
    except ExplainError as error:
        pulse = replace(pulse, phase="failed", message=str(error))
    except Exception as error:  # a person looks at a page, not at this process
        traceback.print_exc()
        said = f"The run ended by a fault of CAMscope ({type(error).__name__}). The log in its folder has the details."
        pulse = replace(pulse, phase="failed", message=said)
    else:
        pulse = replace(pulse, phase="done", message=" ".join(outcome.notes))
        if sum(outcome.failed.values()) == outcome.total:
            ((reason, _),) = outcome.failed.most_common(1)
            pulse = replace(pulse, phase="failed", message=f"None of the pictures could be explained. {reason}")
    finally:
        over.set()
    # What was not to be kept goes, and with it the way to take the run up again.
    if not errand.keep:
        run.clear_away()
    pulse.write(run.pulse)
    lock.close()


def _watch(run: PageRun, over: threading.Event, cancel: threading.Event) -> None:
    """Stop the run once somebody asks for it."""
    while not over.wait(_SECONDS_BETWEEN_LOOKS):
        if run.cancelling.exists():
            cancel.set()
            return


def main() -> None:
    """Work on the run whose token is given; nothing is done where another process does already."""
    run = PageRun.find(sys.argv[1]) if len(sys.argv) == 2 else None
    if run is None:
        raise SystemExit("There is no such run.")
    work(run)


if __name__ == "__main__":
    main()
