"""Photographs and generated pictures with their finest pixels or without, and what a network made of many of them."""

from __future__ import annotations

from functools import lru_cache

from components.truth.specimen import Specimen
from explain.methods import get_method
from explain.percent import write_percent
from explain.worlds.generated import Alike, Generated, Tested, halve, list_small, show_pixels

_HEADINGS = ("Pictures", "Changed", "Right", "95 % interval", "Called generated", "Number")


@lru_cache(maxsize=64)
def pick_generated(number: int, fine: bool) -> Specimen:
    """A picture, with its finest pixels or halved and enlarged again.

    Args:
        number: of the picture, from 1; after the last comes the first.
        fine: whether its finest pixels are there.
    """
    pictures = list_small()
    name, small, label = pictures[(number - 1) % len(pictures)]
    whole, halved = show_pixels(name, small), show_pixels(f"{name}, halved and enlarged again", halve(small))
    shown, other = (whole, halved) if fine else (halved, whole)
    return Specimen(shown, label, "the finest detail", None, other)


def write_tested(table: Generated) -> str:
    """How often the network is right, as a table of Markdown, which is read out cell by cell."""
    rows = [("Test pictures of CIFAKE", row) for row in table.tested]
    rows += [("The example photographs, as small", row) for row in table.own]
    lines = [_HEADINGS, ("---",) * 2 + ("---:",) * (len(_HEADINGS) - 2)]
    before = ""
    for whose, row in rows:
        lines.append((whose if whose != before else "", *_write_row(row)))
        before = whose
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _write_row(row: Tested) -> tuple[str, ...]:
    low, high = row.interval
    return (
        row.name,
        write_percent(row.right, 1),
        f"{100 * low:.1f}–{100 * high:.1f} %",
        write_percent(row.generated, 1),
        f"{row.pictures:,}",
    )


def describe_alike(table: Generated) -> str:
    """How alike the maps are before and after, in sentences."""
    count = next(iter(table.alike.values())).pictures
    said = "; ".join(_say_alike(method, one) for method, one in table.alike.items())
    return (
        f"How alike maps are before and after, of {count:,} pictures whose answer changes (median rank correlation; in "
        f"brackets, with another picture's map): {said}. They are neither the same nor do they say why."
    )


def _say_alike(method: str, alike: Alike) -> str:
    return f"{get_method(method).title} {alike.same:.2f} ({alike.other:.2f})"


def describe_making(table: Generated) -> str:
    """How the table was made, and what it does not say."""
    return (
        f"Measured by `{table.made_by}`. The network learned from {table.learned:,} pictures of CIFAKE in "
        f"{table.epochs} epochs. It is no detector: it tells CIFAR-10 from Stable Diffusion 1.4 at 32×32 pixels, and "
        "takes photographs that were made as small in another way for generated ones."
    )
