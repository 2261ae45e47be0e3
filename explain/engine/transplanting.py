"""Trying what places of a picture do to others: which others, and never the same place twice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explain.engine.machine import Machine
from explain.engine.masked import MaskedPasses
from explain.engine.memory import Seen
from explain.engine.sight import Sight
from explain.faithfulness.references import list_references
from explain.faithfulness.transplant import (
    FEWEST_OTHERS,
    FIRST_OTHERS,
    OTHERS,
    Transplant,
    find_leads,
    list_places,
    try_places,
)
from explain.progress import Watch

if TYPE_CHECKING:
    from torch import Tensor

LOOKED_AT = 39
"""Of other pictures, among which those are that the model calls something else."""

TYPICAL_PASSES = FIRST_OTHERS * len(list_places())
"""What trying a picture takes where no place decides."""

_MODELS_KEPT = 4
_LOOKS_KEPT = 2 * LOOKED_AT  # of a model; 39 pictures of 224×224 take 23 MB
_TRYING = "Trying places in other pictures"


@dataclass(frozen=True, eq=False)
class _Others:
    """Other pictures as a model is given them `(n, C, H, W)`, and its answers `(n, answers)`."""

    inputs: Tensor
    answers: Tensor


_Look = tuple["Tensor", "Tensor"]
"""Another picture as a model is given it `(1, C, H, W)`, and its answers `(1, answers)`."""


class Transplanter:
    """Pastes places of pictures into other pictures.

    Args:
        machine: runs the networks.
        masked: makes runners that are quick from the first pass on.
    """

    def __init__(self, machine: Machine, masked: MaskedPasses):
        self._machine = machine
        self._masked = masked
        self._lock = threading.Lock()
        self._looks: OrderedDict[Hashable, OrderedDict[str, _Look]] = OrderedDict()  # by model, by picture

    def find(
        self, sight: Sight, seen: Seen, targets: Iterable[int], by_prompts: bool, watch: Watch
    ) -> dict[int, tuple[Transplant, ...]]:
        """What the places of the bank do to other pictures, by class. It is the same for all maps of a class.

        Args:
            sight: the picture.
            seen: what is known of it, where it is kept.
            targets: the explained classes.
            by_prompts: the class prompts answer, and not the network's own head.
            watch: told how far it is; may stop it before each chunk.

        Returns:
            Nothing for a class that nearly all other pictures are called.
        """
        if sight.loaded.preprocessing.channels not in (1, 3) or sight.loaded.outputs == "value":
            return {}
        known = self._look_at_others(sight, by_prompts, watch)
        asked = tuple(dict.fromkeys(targets))
        found: dict[int, tuple[Transplant, ...]] = {}
        for number, target in enumerate(asked):
            part = watch.part(number / len(asked), (number + 1) / len(asked), _TRYING)
            tried = self._try(sight, seen, (target, by_prompts), known, part)
            if tried:
                found[target] = tried
        return found

    def _try(
        self, sight: Sight, seen: Seen, asked: tuple[int, bool], others: _Others, watch: Watch
    ) -> tuple[Transplant, ...]:
        """From memory or tried now. Nothing where too few pictures are called otherwise."""
        import torch

        target, by_prompts = asked
        leads = find_leads(others.answers, target, sight.loaded.outputs)
        chosen = np.flatnonzero(leads <= 0)[:OTHERS]
        if len(chosen) < FEWEST_OTHERS:
            return ()
        with seen.turn_of(("places", asked)):
            if asked not in seen.places:
                runner = self._masked.make_runner(sight, by_prompts)
                runner.report_to(watch.report, watch.cancel)
                runner.expect(TYPICAL_PASSES)
                into = others.inputs[torch.from_numpy(chosen)]
                seen.places[asked] = try_places(runner, into, leads[chosen], target)
            return seen.places[asked]

    def _look_at_others(self, sight: Sight, by_prompts: bool, watch: Watch) -> _Others:
        """Other pictures and what the model says of them; each asked once, whatever picture it is compared with."""
        import torch

        loaded = sight.loaded
        others = list_references(loaded.labels, sight.picture.source or sight.picture.digest, LOOKED_AT)
        with self._lock:
            looks = self._looks.setdefault((loaded.fingerprint, loaded.outputs, by_prompts), OrderedDict())
            self._looks.move_to_end((loaded.fingerprint, loaded.outputs, by_prompts))
            while len(self._looks) > _MODELS_KEPT:
                self._looks.popitem(last=False)
            known = {one.digest: looks[one.digest] for one in others if one.digest in looks}
        missing = [one for one in others if one.digest not in known]
        if missing:
            watch.stop_if_cancelled()
            inputs = torch.cat([self._machine.prepare(Sight(picture, loaded)) for picture in missing])
            runner = self._machine.make_runner(loaded, inputs[:1], by_prompts)
            runner.report_to(None, watch.cancel)
            answers = runner.answers(lambda rows: inputs[rows.start : rows.stop], len(inputs))
            for number, picture in enumerate(missing):
                known[picture.digest] = inputs[number : number + 1], answers[number : number + 1]
        with self._lock:
            for picture in others:
                looks[picture.digest] = known[picture.digest]
                looks.move_to_end(picture.digest)
            while len(looks) > _LOOKS_KEPT:
                looks.popitem(last=False)
        rows = [known[picture.digest] for picture in others]
        return _Others(torch.cat([row for row, _ in rows]), torch.cat([row for _, row in rows]))
