"""How often marks are caught: the table that `benchmarks.verdict` wrote, which the page shows and does not measure."""

from __future__ import annotations

from functools import cache

from pydantic import BaseModel, ConfigDict

from explain.worlds.marks import MarkName
from explain.worlds.worlds import FOLDER, Kind


class Figure(BaseModel):
    """Of one method's maps on some networks, all shares 0…1.

    Attributes:
        share: of which it was said that one place decides.
        pictures: how many there were.
        networks: of how many networks.
        interval: Wilson's, 95 %.
        interval_networks: the same by drawing the networks anew, since pictures of one network are not independent.
        own: a place that decides has part of the opacity that makes a drawn radiograph its class. These are no false
            alarms, and not in their share.
        there: a place that decides has part of the mark.
        peaks: the map is highest on the mark, whatever was said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float
    pictures: int
    networks: int
    interval: tuple[float, float]
    interval_networks: tuple[float, float]
    own: float
    there: float
    peaks: float


class Caught(BaseModel):
    """One mark: figures by method, on networks that rely on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mark: MarkName
    methods: dict[str, Figure]


class Shortcuts(BaseModel):
    """The table.

    Attributes:
        made_by: the command that wrote it.
        seeds: of the networks' trainings, none of which set a threshold.
        caught: a row a mark.
        false_alarms: by method, on networks that ignore the marks or never met one.
        false_alarms_of: the same by kind of pictures.
        not_relying: networks left out, because their mark turns fewer than 80 % of other pictures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_by: str
    seeds: tuple[int, ...]
    caught: tuple[Caught, ...]
    false_alarms: dict[str, Figure]
    false_alarms_of: dict[Kind, dict[str, Figure]]
    not_relying: tuple[str, ...]


@cache
def read_shortcuts() -> Shortcuts | None:
    """The table that ships; None where there is none."""
    path = FOLDER / "shortcuts.json"
    return Shortcuts.model_validate_json(path.read_bytes()) if path.is_file() else None
