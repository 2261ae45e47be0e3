"""Shares in per cent, written in one way everywhere."""

from __future__ import annotations


def write_percent(share: float, digits: int = 0) -> str:
    """A share, 0 to 1, as people read it: `98 %`, with digits `98.5 %`."""
    return f"{100 * share:.{digits}f} %"


def write_share(share: float) -> str:
    """A share, 0 to 1, in per cent, with a digit more near its ends: `98 %`, `0.4 %`."""
    return write_percent(share, 0 if 0.01 <= share <= 0.99 else 1)
