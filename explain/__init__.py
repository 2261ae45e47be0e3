"""CAMscope's library: where an image model looks, and how far the picture can be trusted."""

import os

# OpenMP threads that spin while they wait make torch up to 20 times slower as soon as anything else runs on the
# machine (a browser, a second session). The policy is read once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explain.engine.engine import Engine
    from explain.report.export import save
    from explain.report.one_page.writing import save_report

__all__ = ["Engine", "save", "save_report"]


def __getattr__(name: str) -> Any:
    """`from explain import Engine` without paying for it where only a part of the library is needed."""
    if name == "Engine":
        from explain.engine.engine import Engine

        return Engine
    if name == "save":
        from explain.report.export import save

        return save
    if name == "save_report":
        from explain.report.one_page.writing import save_report

        return save_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
