"""Pictures that a model knows, to compare one with: those it learned from, or those that a person names."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from explain.bundled.caution import caution_of
from explain.bundled.models import find_calibration
from explain.engine.explanation import PictureExplanation
from explain.engine.handed_over import Given, list_digests, open_each, spread
from explain.engine.machine import Machine
from explain.engine.memory import Memory
from explain.engine.observer import Observer
from explain.engine.sight import Sight
from explain.errors import ExplainError, PictureError
from explain.faithfulness.unlike import NOT_MEASURED, Known, Unlikeness, check_count, fit, list_described, read_known
from explain.models.loaded import LoadedModel
from explain.pictures.picture import Picture
from explain.progress import Watch

_KEPT = 16  # sets of references, of a few hundred KB each
_NO_FILE = replace(
    NOT_MEASURED, made="The statistics of the pictures it learned from are missing, or are of other weights."
)


class KnownPictures:
    """Finds what a model's known pictures look like from inside, and compares a picture with them.

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
        self._shipped: dict[str, Known | None] = {}
        self._learned: OrderedDict[tuple[str, ...], Known] = OrderedDict()

    def find(self, loaded: LoadedModel) -> Known | None:
        """What ships of a bundled model's training pictures; None for other models, and for other weights."""
        with self._lock:
            if loaded.fingerprint not in self._shipped:
                self._shipped[loaded.fingerprint] = _read_shipped(loaded)
            return self._shipped[loaded.fingerprint]

    def learn(self, loaded: LoadedModel, given: Given | Iterable[Given], watch: Watch) -> Known:
        """What references look like from inside, after one pass for each that was not seen before. Of what has to be
        opened, one picture is held at a time.

        Raises:
            PictureError: there are too few, or one cannot be read.
            Cancelled: it was stopped.
        """
        several = spread(given)
        places: dict[str, int] = {}
        for place, digest in enumerate(list_digests(several)):
            watch.stop_if_cancelled()
            places.setdefault(digest, place)
        check_count(len(places))
        key = (loaded.fingerprint, *sorted(places))
        with self._lock:
            if key in self._learned:
                self._learned.move_to_end(key)
                return self._learned[key]
        different = [several[place] for place in places.values()]
        known = fit(
            self.describe(open_each(different), len(different), loaded, watch),
            f"Compared with {len(different):,} reference pictures, each of which was compared with the others.",
            references=True,
        )
        with self._lock:
            self._learned[key] = known
            while len(self._learned) > _KEPT:
                self._learned.popitem(last=False)
        return known

    def describe(
        self, pictures: Iterable[Picture], count: int, loaded: LoadedModel, watch: Watch
    ) -> dict[str, np.ndarray]:
        """Statistics of so many pictures by layer, `(n, 2, C)`, after one pass for each that was not seen before.

        Raises:
            PictureError: the model has no layer whose output lies on the picture.
            Cancelled: it was stopped.
        """
        found: dict[str, list[np.ndarray]] = {layer.name: [] for layer in list_described(loaded.layers)}
        if not found:
            raise PictureError(f"“{loaded.request.name}” has no layer that lies on a picture, so none can be compared.")
        for number, picture in enumerate(pictures):
            watch.report(number / count, f"Looking at reference picture {number + 1:,} of {count:,}")
            watch.stop_if_cancelled()
            sight = Sight(picture, loaded)
            with self._machine.turn(loaded), self._memory.keeping_account(sight):
                statistics = self._observer.see(sight)[0].statistics
                for name, values in found.items():
                    values.append(statistics[name].cpu().numpy())
        return {name: np.stack(values) for name, values in found.items()}

    def judge(self, sight: Sight, known: Known | None) -> Unlikeness:
        """How unlike the known pictures one is, of which a look was had. Runs nothing."""
        if known is None:
            return _NO_FILE if sight.loaded.request.source == "bundled" else NOT_MEASURED
        seen = self._memory.recall(replace(sight))
        if seen is None or any(level.layer not in seen.statistics for level in known.levels):
            return replace(NOT_MEASURED, made="Nothing is remembered of what the network saw in this picture.")
        try:
            return known.judge({name: values.cpu().numpy()[None] for name, values in seen.statistics.items()})
        except PictureError as error:
            return replace(NOT_MEASURED, made=str(error))

    def tell(self, one: PictureExplanation, sight: Sight, known: Known | None) -> PictureExplanation:
        """An answer with what must be said before it is read. The kind of picture, where it is told, says more."""
        request = sight.loaded.request
        unlike = self.judge(sight, known)
        caution = caution_of(request.name, sight.picture, request.source, sight.loaded.labels)
        return replace(one, unlike=unlike, caution=caution or unlike.sentence)


def _read_shipped(loaded: LoadedModel) -> Known | None:
    if loaded.request.source != "bundled":
        return None
    try:
        known, notes = read_known(find_calibration(loaded.request.name))
    except (OSError, ExplainError):
        return None
    return known if notes.get("fingerprint") == loaded.fingerprint else None
