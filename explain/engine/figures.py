"""How an engine and its queue are at one time, for whoever watches a server: the same of one here and one elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from explain.engine.admission import Kind
from explain.engine.counted import Cache, Spread

if TYPE_CHECKING:
    from explain.engine.engine import Engine


@dataclass(frozen=True)
class Figures:
    """The engine's figures at one time.

    Attributes:
        forward: pictures sent through networks since it was started.
        backward: classes sent back.
        hits: how often what it keeps was there, and was not, by its kind.
        bytes_kept: of what it keeps, by its kind.
        device_bytes: of the device that hold tensors.
        waiting: questions in the queue, by their kind.
        waits: how long questions waited before they began, by their kind.
        most_waiting: at which the queue is full; 0 where there is none.
        turned_away: questions that were refused or given up because of others.
    """

    forward: int = 0
    backward: int = 0
    hits: Mapping[tuple[Cache, bool], int] = field(default_factory=dict)
    bytes_kept: Mapping[Cache, int] = field(default_factory=dict)
    device_bytes: int = 0
    waiting: Mapping[Kind, int] = field(default_factory=dict)
    waits: Mapping[Kind, Spread] = field(default_factory=dict)
    most_waiting: int = 0
    turned_away: int = 0


def gather_figures(engine: Engine) -> Figures:
    """Those of an engine by now."""
    admission, counted = engine.admission, engine.read_counted()
    return Figures(
        forward=engine.passes.forward,
        backward=engine.passes.backward,
        hits=counted.hits,
        bytes_kept=counted.bytes_kept,
        device_bytes=counted.device_bytes,
        waiting=admission.count_waiting(),
        waits=admission.line.read_waits(),
        most_waiting=admission.quotas.queue_length,
        turned_away=admission.refused,
    )
