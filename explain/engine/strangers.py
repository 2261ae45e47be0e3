"""Maps of other pictures, which those under test are compared with: shipped, remembered, or drawn now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from explain.engine.drawing import draw_all
from explain.engine.machine import Machine
from explain.engine.memory import Memory
from explain.engine.observer import Observer
from explain.engine.question import Question, name_place
from explain.engine.sight import Sight
from explain.faithfulness.calibration import read_calibration
from explain.faithfulness.likeness import find_likenesses_of_strangers
from explain.faithfulness.probe import lay_on_cells
from explain.faithfulness.verdict import FEWEST_OTHERS
from explain.progress import Watch

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel

_KEPT = 256  # each takes some tens of kilobytes
_AT_ONCE = 16  # pictures; small networks run them three times as fast as one by one

Place = tuple[str, str]
"""A method, and where in the network it looks."""


@dataclass(frozen=True, eq=False)
class Strangers:
    """A method's maps of other pictures `(n, CELLS, CELLS)`, or of volumes, and how alike they are, pair by pair."""

    cells: np.ndarray
    likenesses: np.ndarray


class StrangersSeen:
    """Knows maps of other pictures, each of its own likeliest class; drawn once for all pictures that are not among
    them, and not at all where they ship with the model.

    Args:
        machine: runs the networks.
        memory: what was seen.
        observer: sees what was not.
    """

    def __init__(self, machine: Machine, memory: Memory, observer: Observer):
        self._machine = machine
        self._memory = memory
        self._observer = observer
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Strangers] = OrderedDict()

    def are_known(self, sight: Sight, question: Question) -> bool:
        """Whether all that there can be are known, so that nothing need be run for them."""
        keys = self._name_all(sight, question)
        return len(self._recall(sight, question, keys)) == len(keys)

    def _recall(self, sight: Sight, question: Question, keys: dict[Place, Hashable]) -> dict[Place, Strangers]:
        with self._lock:
            known = {place: self._kept[key] for place, key in keys.items() if key in self._kept}
        for place in keys.keys() - known.keys():
            shipped = _read_shipped(sight.loaded, question, *place)
            if shipped is not None:
                known[place] = shipped
        self._keep(keys, known)
        return known

    def see(self, sight: Sight, question: Question, watch: Watch) -> dict[Place, Strangers]:
        """Those of all methods of the question and its layers, by method and place."""
        keys = self._name_all(sight, question)
        known = self._recall(sight, question, keys)
        missing = {method for method, _ in keys.keys() - known.keys()}
        if missing:
            methods = tuple(method for method in question.methods if method.name in missing)
            asked = replace(question, methods=methods, targets=(None,))
            others = sight.list_others(FEWEST_OTHERS)
            found: dict[Place, list[np.ndarray]] = {}
            for number, other in enumerate(others):
                watch.report(number / len(others), f"Comparing with other {sight.what}s")
                if number % _AT_ONCE == 0:
                    self._observer.look_ahead(others[number : number + _AT_ONCE], asked, Watch(cancel=watch.cancel))
                for place, cells in self._draw(other, asked, watch).items():
                    found.setdefault(place, []).append(cells)
            known |= {place: _compare(np.stack(cells)) for place, cells in found.items()}
            self._keep(keys, known)
        return known

    def _draw(self, sight: Sight, asked: Question, watch: Watch) -> dict[Place, np.ndarray]:
        silent = Watch(cancel=watch.cancel)
        seen, _, failed = self._observer.see_all(sight, asked, silent)
        question = replace(asked, targets=(seen.resolve(None),)).without(failed)
        with self._memory.keeping_account(sight):
            maps = draw_all(self._machine, sight, seen, question, silent).maps
        laid = {(method, place): lay_on_cells(heatmap.values) for (method, place, _), heatmap in maps.items()}
        return {place: cells for place, cells in laid.items() if cells.any()}

    def _name_all(self, sight: Sight, question: Question) -> dict[Place, Hashable]:
        """What they are remembered by, for each method and place that there can be any of."""
        loaded = sight.loaded
        if not question.methods or loaded.preprocessing.channels not in (1, 3):
            return {}
        digests = sight.name_others(FEWEST_OTHERS)
        return {
            (method.name, name_place(method, layer, loaded)): (
                (loaded.fingerprint, loaded.outputs, digests, question.score, method.name),
                (question.settings[method.name], name_place(method, layer, loaded)),
            )
            for method in question.methods
            for layer in question.layers
        }

    def _keep(self, keys: dict[Place, Hashable], known: dict[Place, Strangers]) -> None:
        with self._lock:
            for place, strangers in known.items():
                self._kept[keys[place]] = strangers
                self._kept.move_to_end(keys[place])
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)


def _read_shipped(loaded: LoadedModel, question: Question, method: str, place: str) -> Strangers | None:
    """Those that ship with a bundled model. They were drawn at the method's default settings, and stand in for those at
    any: they lie where the subjects of other pictures lie, and a moved slider is to take no pass.
    """
    if loaded.request.source != "bundled" or question.score != "logit":
        return None
    cells = read_calibration(loaded.request.name, loaded.fingerprint, method, place)
    return None if cells is None else _compare(cells)


def _compare(cells: np.ndarray) -> Strangers:
    return Strangers(cells, find_likenesses_of_strangers(cells))
