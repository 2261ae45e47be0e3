"""What is remembered of pictures already seen, and for how long."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from explain.engine.sight import Sight, SightKey
from explain.faithfulness.bank import Bank
from explain.faithfulness.transplant import Transplant
from explain.maps.heatmap import Heatmap
from explain.methods.occlusion import Fill
from explain.passes.capture import Derived, count_bytes
from explain.passes.look import Ask, Look, Score
from explain.passes.prompts import PromptCapture, PromptLook

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel
    from explain.passes.attention import AttentionCapture

_MAPS_KEPT = 256  # for each picture, so that a slider's way is not kept for ever
_ANSWERS_KEPT = 8192  # likewise; of a thousand classes each takes 4 KB
_TABLES_KEPT = 24
_STEPPED_KEPT = 256  # more than one question asks for


@dataclass(eq=False)
class Seen:
    """All that is known of one sight. Guarded by the model's lock, but for the turns."""

    own_logits: Tensor | None = None  # missing as long as only the prompts were looked through
    activations: dict[str, Tensor] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    gradients: dict[tuple[str, Ask], Tensor] = field(default_factory=dict)
    curvatures: dict[tuple[str, Ask], Tensor] = field(default_factory=dict)
    # Activations after a step of training, of which `gradients` has the gradients.
    stepped: OrderedDict[tuple[str, Ask], Tensor] = field(default_factory=OrderedDict)
    statistics: dict[str, Tensor] = field(default_factory=dict)  # of layers that are only described
    attention: dict[tuple[int, Score], AttentionCapture] = field(default_factory=dict)
    prompt_look: PromptLook | None = None
    prompts: dict[int, PromptCapture] = field(default_factory=dict)
    maps: OrderedDict[Hashable, Heatmap] = field(default_factory=OrderedDict)
    banks: dict[tuple[Fill, bool], Bank] = field(default_factory=dict)  # by what hides, and whether prompts answer
    halves: dict[bool, bool] = field(default_factory=dict)  # whether half precision tells the same, by who answers
    # What is answered to changed versions of the picture: by whether prompts answer, and the digest of the change.
    answers: OrderedDict[tuple[bool, str], np.ndarray] = field(default_factory=OrderedDict)
    # What is answered where the output of a layer or a part is another: by which, and what is done to it, a row a pass.
    tables: OrderedDict[Hashable, np.ndarray] = field(default_factory=OrderedDict)
    # By class, and whether prompts answer, what places do to other pictures.
    places: dict[tuple[int, bool], tuple[Transplant, ...]] = field(default_factory=dict)
    map_bytes: int = 0
    bytes_kept: int = 0
    used_at: float = 0.0  # by the memory's clock
    # By map, held while a method runs the network for it; they live as long as anyone holds on to them.
    _turns: WeakValueDictionary[Hashable, threading.RLock] = field(default_factory=WeakValueDictionary)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def logits(self) -> Tensor:
        """The network's scores, `(classes,)`."""
        assert self.own_logits is not None
        return self.own_logits

    def resolve(self, target: int | None) -> int:
        """The class itself, or the likeliest one for None."""
        return int(self.logits.argmax()) if target is None else target

    def count_bytes(self) -> int:
        """Bytes of all that is known."""
        tensors = [*self.activations.values(), *self.gradients.values(), *self.curvatures.values()]
        tensors += [*self.statistics.values(), *self.stepped.values()]
        tensors += [prompt.attention for prompt in self.prompts.values()]
        if self.own_logits is not None:
            tensors.append(self.own_logits)
        if self.prompt_look is not None:
            tensors += [self.prompt_look.tokens, self.prompt_look.scores]
        derived = sum(kept.bytes_kept for kept in self.derived.values())
        attention = sum(map(count_bytes, self.attention.values()))
        banks = sum(bank.answers.nbytes + bank.masks.nbytes for bank in self.banks.values())
        answers = sum(answer.nbytes for answer in (*self.answers.values(), *self.tables.values()))
        return sum(tensor.nbytes for tensor in tensors) + derived + attention + banks + answers + self.map_bytes

    def add(self, look: Look) -> None:
        """Learn what a look left. What is known already stays as it is."""
        if self.own_logits is None:
            self.own_logits = look.logits
        for name, activations in look.activations.items():
            if name not in self.activations:
                self.activations[name] = activations
                self.derived[name] = Derived()
        self.gradients.update(look.gradients)
        self.curvatures.update(look.curvatures)
        self.statistics = self.statistics or look.statistics

    def add_after_step(self, look: Look) -> None:
        """Learn what a look after a step of training left, and give up the oldest where there are too many."""
        self.gradients.update(look.gradients)
        for name, ask in look.gradients:
            self.stepped[name, ask] = look.activations[name]
        while len(self.stepped) > _STEPPED_KEPT:
            self.gradients.pop(self.stepped.popitem(last=False)[0], None)

    def keep_map(self, key: Hashable, heatmap: Heatmap) -> None:
        """Keep a map, and give up the one used longest ago where there are too many."""
        if key not in self.maps:
            self.maps[key] = heatmap
            self.map_bytes += count_bytes(heatmap)  # counting all of them after each move of a slider takes longer
        self.maps.move_to_end(key)
        while len(self.maps) > _MAPS_KEPT:
            _, oldest = self.maps.popitem(last=False)
            self.map_bytes -= count_bytes(oldest)

    def keep_answers(self, answers: Mapping[tuple[bool, str], np.ndarray]) -> None:
        """Keep what was answered to changed versions, and give up the oldest where there are too many."""
        self.answers.update(answers)
        while len(self.answers) > _ANSWERS_KEPT:
            self.answers.popitem(last=False)

    def keep_table(self, key: Hashable, table: np.ndarray) -> None:
        """Keep what was answered to changed outputs, and give up the oldest where there are too many."""
        self.tables[key] = table
        while len(self.tables) > _TABLES_KEPT:
            self.tables.popitem(last=False)

    def turn_of(self, key: Hashable) -> threading.RLock:
        """The one lock of a map: whoever asks for the same one waits for it."""
        with self._lock:
            return self._turns.setdefault(key, threading.RLock())


class Memory:
    """What was seen, up to a budget; the pictures used longest ago go first. Safe to share between threads.

    Args:
        bytes_allowed: how much may be kept. The newest picture always stays.
        lock_of: the lock of a model, which guards what was seen under it.
        clock: seconds.
    """

    def __init__(
        self,
        bytes_allowed: int,
        lock_of: Callable[[LoadedModel], threading.RLock],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._bytes_allowed = bytes_allowed
        self._lock_of = lock_of
        self._clock = clock
        self._lock = threading.RLock()
        self._seen: OrderedDict[SightKey, Seen] = OrderedDict()

    @property
    def bytes_kept(self) -> int:
        """Bytes kept of all pictures."""
        with self._lock:
            return sum(seen.bytes_kept for seen in self._seen.values())

    def knows(self, sight: Sight) -> bool:
        """Whether anything is known of a sight."""
        with self._lock:
            return sight.key in self._seen

    def recall(self, sight: Sight) -> Seen | None:
        """What is known of a sight."""
        with self._lock:
            seen = self._seen.get(sight.key)
            if seen is not None:
                self._seen.move_to_end(sight.key)
                seen.used_at = self._clock()
            return seen

    def keep(self, sight: Sight, seen: Seen) -> None:
        """Remember what is known of a sight. It is the newest now."""
        with self._lock:
            self._seen[sight.key] = seen
            self._seen.move_to_end(sight.key)
            seen.used_at = self._clock()

    def drop(self, sight: Sight) -> None:
        """Forget one sight."""
        with self._lock:
            self._seen.pop(sight.key, None)

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self._seen.clear()

    def forget_unused(self, seconds: float) -> int:
        """Drop what was last used so many seconds ago or more; how many bytes that were. A picture that is asked about
        again is seen again, by one pass.
        """
        freed = 0
        with self._lock:
            before = self._clock() - seconds
            while self._seen and next(iter(self._seen.values())).used_at <= before:
                freed += self._seen.popitem(last=False)[1].bytes_kept
        return freed

    @contextmanager
    def keeping_account(self, sight: Sight) -> Iterator[None]:
        """Afterwards, whatever happened: count what is kept of the sight, and forget what was used longest ago until
        the rest fits.
        """
        try:
            yield
        finally:
            with self._lock:
                seen = self._seen.get(sight.key)
            if seen is not None:
                with self._lock_of(sight.loaded):
                    seen.bytes_kept = seen.count_bytes()
            self._trim()

    def _trim(self) -> None:
        with self._lock:
            total = sum(kept.bytes_kept for kept in self._seen.values())
            while total > self._bytes_allowed and len(self._seen) > 1:
                total -= self._seen.popitem(last=False)[1].bytes_kept
