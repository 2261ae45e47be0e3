"""The command line: `python -m explain show|inspect|replay|train-prompts|traits|gallery|surgery|models|layers …`."""

from __future__ import annotations

import sys

from explain.commands import show, inspect, prompts, lists  # noqa: F401 isort: skip - each adds its commands, in the order shown
from explain.commands.flags import app
from explain.errors import ExplainError


def main() -> None:
    """Run the command line; what CAMscope refuses is one sentence on stderr and exit status 2."""
    try:
        app()
    except ExplainError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
