"""What all parts of the engine have that ask the networks a question of their own, beside the maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explain.engine.machine import Machine
    from explain.engine.memory import Memory
    from explain.engine.observer import Observer
    from explain.models.loaded import LoadedModel


class Asker:
    """Asks the networks by the engine's own means, so that nothing is run again that was run for the maps.

    Args:
        machine: runs the networks.
        memory: what was seen.
        observer: sees what was not.
        load: loads a model, as the engine does.
    """

    def __init__(
        self, machine: Machine, memory: Memory, observer: Observer, load: Callable[[Any], LoadedModel]
    ) -> None:
        self._machine = machine
        self._memory = memory
        self._observer = observer
        self._load = load
