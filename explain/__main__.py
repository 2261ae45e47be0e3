"""The command line: `python -m explain show|measure|effects|draw|plant|collect|series|inspect|replay|models …`."""

from __future__ import annotations

import logging
import os
import sys

from explain.commands import show, measure, effects, draw, plant, collect, compare_methods  # noqa: F401 isort: skip - each adds its commands, in the order shown
from explain.commands import series, inspect, prompts, attention, lists  # noqa: F401 isort: skip
from explain.commands.flags import app
from explain.errors import ExplainError


def main() -> None:
    """Run the command line; what CAMscope refuses is one sentence on stderr and exit status 2.

    What nobody expected is a sentence too, with exit status 1. The whole story is told where `CAMSCOPE_LOG` names a
    file to write it to.
    """
    log = logging.getLogger("explain")
    handler = _open_log()
    log.addHandler(handler)
    try:
        app()
    except ExplainError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        log.exception("The command failed")
        print(
            f"Something went wrong that CAMscope did not expect: {type(error).__name__}: {error}. Set CAMSCOPE_LOG to "
            "the name of a file, and try again, to have the whole story there.",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
    finally:
        log.removeHandler(handler)
        handler.close()


def _open_log() -> logging.Handler:
    """Where the log goes: a file, if one is named; else nowhere, because each command says what matters itself."""
    name = os.environ.get("CAMSCOPE_LOG")
    if not name:
        return logging.NullHandler()
    try:
        return logging.FileHandler(name, encoding="utf-8")
    except OSError as error:
        print(f"CAMSCOPE_LOG: nothing can be written to {name}: {error.strerror or error}.", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
