"""Explaining a stack slice by slice, the nearest to the one in view first, and remembering what came of it.

Of a slice only its maps and scores are kept: what the network left behind is up to a hundred times as large, and none
of it is needed before a slider moves, which asks for the slice in view alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from explain.engine.explainer import Explainer
from explain.engine.explanation import rank_classes
from explain.engine.known_pictures import KnownPictures
from explain.engine.memory import Memory
from explain.engine.observer import Observer
from explain.engine.question import Question
from explain.engine.sight import Sight
from explain.engine.slices import SliceAnswer, order_slices
from explain.engine.whole_volumes import VolumeSight, explain_whole
from explain.errors import Cancelled, DeviceError, ExplainError, PictureError, TargetError
from explain.faithfulness.unlike import Unlikeness
from explain.maps.heatmap import Heatmap
from explain.methods import Method
from explain.networks.meaning import find_probabilities
from explain.passes.capture import count_bytes
from explain.pictures.augmentation import View
from explain.progress import Watch
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume
from explain.volumes.windows import Window

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel

_MOST_KEPT = 128 * 2**20
"""Bytes of maps and scores: those of some 10,000 slices by four methods of a network of ten classes."""

_PATIENCE = 2.0
"""Seconds that a stack waits at most for who asks about one picture."""


@dataclass(frozen=True)
class Cut:
    """How a volume is looked at.

    Attributes:
        volume: the volume.
        plane: in which plane.
        window: see `Volume.slice`.
        invert: black for white.
        first: the slice in view, from 0; None for the middle one.
    """

    volume: Volume
    plane: Plane = "stack"
    window: str | Window | None = None
    invert: bool = False
    first: int | None = None

    def list_slices(self) -> list[int]:
        """Those that are there, in the order in which they are explained.

        Raises:
            PictureError: that plane cannot be shown, or there is no such slice.
        """
        count = self.volume.count(self.plane)
        first = count // 2 if self.first is None else self.first
        if not 0 <= first < count:
            raise PictureError(f"There is no slice {first + 1}: “{self.volume.name}” has {count} in this plane.")
        return order_slices(self.volume.list_there(self.plane), first)


@dataclass(eq=False)
class _Kept:
    """What is known of one slice."""

    scores: Tensor
    caution: str
    unlike: Unlikeness
    maps: dict[Hashable, Heatmap] = field(default_factory=dict)
    failed: dict[Hashable, str] = field(default_factory=dict)
    bytes_kept: int = 0


class Stacks:
    """Explains stacks. Safe to share between threads.

    Args:
        memory: what was seen of pictures.
        observer: sees what was not.
        explainer: explains one slice.
        known: compares it with what the model learned from.
    """

    def __init__(self, memory: Memory, observer: Observer, explainer: Explainer, known: KnownPictures):
        self._memory = memory
        self._observer = observer
        self._explainer = explainer
        self._known = known
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._way = threading.Condition()
        self._hurried = 0

    @contextmanager
    def going_first(self) -> Iterator[None]:
        """While entered, somebody waits for an answer about a picture: no further slice is begun."""
        with self._way:
            self._hurried += 1
        try:
            yield
        finally:
            with self._way:
                self._hurried -= 1
                self._way.notify_all()

    def explain(
        self, cut: Cut, loaded: LoadedModel, question: Question, batch: int, watch: Watch
    ) -> Iterator[SliceAnswer]:
        """The answers of the slices that are there, the nearest to the one in view first.

        Args:
            cut: the volume, and how it is looked at.
            loaded: the model.
            question: of one class, or of the one that the model finds likeliest on the slice in view.
            batch: how many slices go through the network at once.
            watch: told how far it is; may stop it before each slice: what was answered stays known.

        Raises:
            ExplainError: with a sentence on what was wrong, before the first answer. Of a slice that alone cannot be
                explained, its answer says why.
        """
        if len(question.targets) != 1 or len(question.layers) != 1:
            raise TargetError("A stack is explained for one class at one layer. Name one of each.")
        places = cut.list_slices()
        if loaded.reads_volumes:  # which is explained once, and cut
            whole = explain_whole(self._explainer, VolumeSight.of(cut.volume, loaded), question, watch)
            yield from (whole.answer_slice(cut.plane, at) for at in places)
            return
        question = self._fix_target(cut, places[0], loaded, question, watch)
        for start in range(0, len(places), batch):
            group = places[start : start + batch]
            known = {at: self._recall(cut, at, loaded, question) for at in group}
            with self._seeing(cut, [at for at, answer in known.items() if answer is None], loaded) as sights:
                self._observer.look_ahead([*sights.values()], question, watch)
                for done, at in enumerate(group, start):
                    watch.stop_if_cancelled()
                    part = watch.part(done / len(places), (done + 1) / len(places), _say(done, len(places)))
                    part.report(0.0)
                    yield known[at] or self._explain_one(sights[at], at, cut, question, part)
        watch.report(1.0, f"{len(places):,} slices explained")

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept.clear()

    def _fix_target(self, cut: Cut, at: int, loaded: LoadedModel, question: Question, watch: Watch) -> Question:
        """The question with its class: of a slice the likeliest one, where none was chosen."""
        if question.targets[0] is not None:
            return question
        with self._lock:
            kept = self._kept.get(_key(cut, at, loaded))
        if kept is None:
            seen, _, _ = self._observer.see_all(_look_at(cut, at, loaded), question, watch)
            return replace(question, targets=(seen.resolve(None),))
        return replace(question, targets=(int(kept.scores.argmax()),))

    @contextmanager
    def _seeing(self, cut: Cut, places: Sequence[int], loaded: LoadedModel) -> Iterator[dict[int, Sight]]:
        """Slices as pictures, once nobody waits for another. Afterwards nothing is kept of those unknown before."""
        with self._way:
            self._way.wait_for(lambda: not places or not self._hurried, _PATIENCE)
        sights = {at: _look_at(cut, at, loaded) for at in places}
        unknown = [sight for sight in sights.values() if not self._memory.knows(sight)]
        try:
            yield sights
        finally:
            for sight in unknown:
                self._memory.drop(sight)

    def _explain_one(self, sight: Sight, at: int, cut: Cut, question: Question, watch: Watch) -> SliceAnswer:
        loaded, target = sight.loaded, question.targets[0]
        assert target is not None
        try:
            seen, run, failed = self._observer.see_all(sight, question, watch)
            entry = self._explainer.explain(sight, question.without(failed), (View(),), watch, run)
            entry = self._known.tell(entry, sight, self._known.find(loaded))
        except (Cancelled, DeviceError):
            raise
        except ExplainError as error:
            return SliceAnswer(at, target, loaded.labels[target], problem=str(error))
        kept = _Kept(seen.logits.cpu(), entry.caution, entry.unlike)
        for heatmap in entry.maps:
            kept.maps[_name(heatmap.method, question)] = replace(heatmap, details={})
        for name, reason in entry.unavailable.items():
            kept.failed[_name(name, question)] = reason
        self._keep(_key(cut, at, loaded), kept)
        return _answer(at, kept, question, loaded, remembered=False)

    def _recall(self, cut: Cut, at: int, loaded: LoadedModel, question: Question) -> SliceAnswer | None:
        """The answer, where all of it is known."""
        key = _key(cut, at, loaded)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            self._kept.move_to_end(key)
            names = [_name(method.name, question) for method in question.methods]
            if any(name not in kept.maps and name not in kept.failed for name in names):
                return None
            return _answer(at, kept, question, loaded, remembered=True)

    def _keep(self, key: Hashable, found: _Kept) -> None:
        with self._lock:
            before = self._kept.pop(key, None)
            if before is not None:
                found.maps, found.failed = before.maps | found.maps, before.failed | found.failed
            found.bytes_kept = found.scores.nbytes + sum(count_bytes(one) for one in found.maps.values())
            self._kept[key] = found
            total = sum(one.bytes_kept for one in self._kept.values())
            while total > _MOST_KEPT and len(self._kept) > 1:
                total -= self._kept.popitem(last=False)[1].bytes_kept


def _look_at(cut: Cut, at: int, loaded: LoadedModel) -> Sight:
    return Sight(cut.volume.slice(at, cut.plane, cut.window, cut.invert), loaded)


def _say(done: int, count: int) -> str:
    return f"{done + 1:,} of {count:,} slices"


def _key(cut: Cut, at: int, loaded: LoadedModel) -> Hashable:
    section = cut.volume.name_section(at, cut.plane, cut.window, cut.invert)
    return loaded.fingerprint, loaded.outputs, section


def _name(method: str, question: Question) -> Hashable:
    """What tells the maps of a slice apart."""
    return method, question.settings[method], question.layers[0].name, question.targets[0], question.score


def _answer(at: int, kept: _Kept, question: Question, loaded: LoadedModel, remembered: bool) -> SliceAnswer:
    target = question.targets[0]
    assert target is not None
    scores = kept.scores.double()
    shares = None if loaded.outputs == "value" else find_probabilities(scores, loaded.outputs)
    methods: Sequence[Method] = question.methods
    names = {method.name: _name(method.name, question) for method in methods}
    return SliceAnswer(
        index=at,
        target=target,
        label=loaded.labels[target],
        probability=None if shares is None else float(shares[target]),
        score=float(scores[target]),
        predictions=rank_classes(kept.scores, loaded.labels, 5, loaded.outputs),
        layer=question.layers[0].name,
        maps={name: kept.maps[key] for name, key in names.items() if key in kept.maps},
        unavailable={**question.unavailable, **{n: kept.failed[key] for n, key in names.items() if key in kept.failed}},
        outputs=loaded.outputs,
        caution=kept.caution,
        unlike=kept.unlike,
        remembered=remembered,
    )
