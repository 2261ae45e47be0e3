"""How far a run is, and how people read that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How far a run is.

    Attributes:
        total: pictures, those that failed too.
        done: of them, those that are over; in the shard at hand they are not written yet.
        failed: those that could not be explained, in this run.
        per_second: pictures a second since the model was loaded; None before the first.
        seconds_left: at that pace; None where nothing can be said.
        sentence: what is being done.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    per_second: float | None = None
    seconds_left: float | None = None
    sentence: str = "Listing the pictures"

    @property
    def share(self) -> float:
        """What of the whole is done, 0…1."""
        return self.done / self.total if self.total else 0.0


def describe_pace(pace: Pace) -> str:
    """How far a run is, as people read it: `Explaining: 1,200 of 10,000 pictures, 12.1 a second, 12 min left`."""
    parts = [f"{pace.done:,} of {pace.total:,} pictures"] if pace.total else []
    if pace.failed:
        parts.append(f"{pace.failed:,} failed")
    if pace.per_second is not None and pace.seconds_left is not None:
        parts += [f"{pace.per_second:.3g} a second", f"{write_duration(pace.seconds_left)} left"]
    return ": ".join(filter(None, (pace.sentence, ", ".join(parts))))


def write_duration(seconds: float) -> str:
    """Seconds as people read them: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
