"""Trying what places of a picture do to others: which others, and never the same place twice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explain.engine.machine import Machine
from explain.engine.memory import Seen
from explain.engine.sight import Sight
from explain.faithfulness.references import list_references
from explain.faithfulness.transplant import (
    FEWEST_OTHERS,
    OTHERS,
    Cells,
    FixedPlace,
    Transplant,
    find_hottest,
    find_named,
    list_fixed,
    try_places,
)
from explain.progress import Watch

if TYPE_CHECKING:
    from torch import Tensor

LOOKED_AT = 39
"""Of other pictures, among which those are that the model calls something else."""

_MODELS_KEPT = 4  # 39 pictures of 224×224 take 23 MB
_TRYING = "Trying places in other pictures"


@dataclass(frozen=True, eq=False)
class _Others:
    """Other pictures as a model is given them `(n, C, H, W)`, and its answers `(n, answers)`."""

    inputs: Tensor
    answers: Tensor


class Transplanter:
    """Pastes places of pictures into other pictures.

    Args:
        machine: runs the networks.
    """

    def __init__(self, machine: Machine):
        self._machine = machine
        self._lock = threading.Lock()
        self._others: OrderedDict[Hashable, _Others] = OrderedDict()

    def find(
        self,
        sight: Sight,
        seen: Seen,
        maps: Mapping[str, tuple[int, np.ndarray]],
        by_prompts: bool,
        watch: Watch,
    ) -> dict[str, tuple[Transplant, ...]]:
        """What the hottest places of maps, and the corners and edges of their picture, do to other pictures.

        Args:
            sight: the picture.
            seen: what is known of it, where it is kept.
            maps: by key, the explained class and the map on the grid, see `lay_on_cells`.
            by_prompts: the class prompts answer, and not the network's own head.
            watch: told how far it is; may stop it before each chunk.

        Returns:
            For each map the hottest places first. None for maps whose class all other pictures are called.
        """
        if sight.loaded.preprocessing.channels not in (1, 3) or sight.loaded.outputs == "value":
            return {}
        known = self._look_at_others(sight, by_prompts, watch)
        found: dict[str, tuple[Transplant, ...]] = {}
        targets = dict.fromkeys(target for target, _ in maps.values())
        for number, target in enumerate(targets):
            of_class = {key: find_hottest(cells) for key, (one, cells) in maps.items() if one == target}
            places: dict[Cells, FixedPlace | None] = {place: name for name, place in list_fixed().items()}
            places |= {place: None for hottest in of_class.values() for place in hottest if place not in places}
            part = watch.part(number / len(targets), (number + 1) / len(targets), _TRYING)
            tried = self._try(sight, seen, (target, by_prompts), places, known, part)
            for key, hottest in of_class.items() if tried else ():
                wanted = dict.fromkeys([*hottest, *list_fixed().values()])
                found[key] = tuple(tried[place] for place in wanted)
        return found

    def _try(
        self,
        sight: Sight,
        seen: Seen,
        asked: tuple[int, bool],
        places: Mapping[Cells, FixedPlace | None],
        others: _Others,
        watch: Watch,
    ) -> dict[Cells, Transplant]:
        """By place, what it does; from memory or tried now. Nothing where too few pictures are called otherwise."""
        import torch

        target, by_prompts = asked
        named = find_named(others.answers, target, sight.loaded.outputs)
        into = others.inputs[torch.from_numpy(np.flatnonzero(~named)[:OTHERS])]
        if len(into) < FEWEST_OTHERS:
            return {}
        with seen.turn_of(("places", asked)):
            known = seen.places.setdefault(asked, {})
            missing = {place: name for place, name in places.items() if place not in known}
            if missing:
                runner = self._machine.make_runner(sight.loaded, self._machine.prepare(sight), by_prompts)
                runner.report_to(watch.report, watch.cancel)
                runner.expect(4 * len(missing))
                seed = int(sight.picture.digest[:8], 16)
                for one in try_places(runner, into, target, missing, seed):
                    known[one.cells] = one
            return {place: known[place] for place in places}

    def _look_at_others(self, sight: Sight, by_prompts: bool, watch: Watch) -> _Others:
        """Other pictures and what the model says of them; asked once for all pictures that are not among them."""
        loaded = sight.loaded
        others = list_references(loaded.labels, sight.picture.source or sight.picture.digest, LOOKED_AT)
        key = (loaded.fingerprint, loaded.outputs, by_prompts, tuple(one.digest for one in others))
        with self._lock:
            if key in self._others:
                self._others.move_to_end(key)
                return self._others[key]
        import torch

        watch.stop_if_cancelled()
        inputs = torch.cat([self._machine.prepare(Sight(picture, loaded)) for picture in others])
        runner = self._machine.make_runner(loaded, inputs[:1], by_prompts)
        runner.report_to(None, watch.cancel)
        found = _Others(inputs, runner.answers(lambda rows: inputs[rows.start : rows.stop], len(inputs)))
        with self._lock:
            self._others[key] = found
            while len(self._others) > _MODELS_KEPT:
                self._others.popitem(last=False)
        return found
