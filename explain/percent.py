"""Shares in per cent, written in one way everywhere."""

from __future__ import annotations


def write_percent(share: float, digits: int = 0) -> str:
    """A share, 0 to 1, as people read it: `98 %`, with digits `98.5 %`."""
    return f"{100 * share:.{digits}f} %"
