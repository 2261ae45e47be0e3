"""Shares in per cent, and other figures in so many decimals, written in one way everywhere."""

from __future__ import annotations


def write_percent(share: float, digits: int = 0) -> str:
    """A share, 0 to 1, as people read it: `98 %`, with digits `98.5 %`.

    `0 %` is said of nothing and `100 %` of the whole alone: what would only be rounded to them is `under 0.1 %` or
    `over 99.9 %`.
    """
    rounded, least = round(100 * float(share), digits), 10.0**-digits
    if rounded == 0:
        return f"under {least:.{digits}f} %" if share > 0 else "0 %"
    if rounded == 100:
        return f"over {100 - least:.{digits}f} %" if share < 1 else "100 %"
    return f"{write_decimals(rounded, digits)} %"


def write_share(share: float) -> str:
    """A share, 0 to 1, in per cent, with a digit more near its ends: `98 %`, `0.4 %`."""
    return write_percent(share, 0 if 0.01 <= share <= 0.99 else 1)


def write_decimals(value: float, digits: int) -> str:
    """A number in so many decimals with a true minus, and none before a zero: `−1.25`, `0.00`."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "−")


def write_change(value: float, digits: int) -> str:
    """The same of a change, whose sign is always said: `+1.25`, `−1.25`, `+0.00`."""
    written = write_decimals(value, digits)
    return written if written.startswith("−") else f"+{written}"
