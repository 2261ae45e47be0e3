"""Judging maps: what must be seen and run for a verdict, cheapest first, and never twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from explain.engine.drawing import draw_all
from explain.engine.machine import Machine
from explain.engine.masked import FILLS, FIRST_LOOK, FULL_LOOK, MaskedPasses
from explain.engine.memory import Memory, Seen
from explain.engine.observer import Observer
from explain.engine.question import MapKey, Question
from explain.engine.sight import Sight
from explain.engine.strangers import StrangersSeen
from explain.engine.transplanting import TYPICAL_PASSES, Transplanter
from explain.faithfulness.bank import Bank
from explain.faithfulness.calibration import has_calibration
from explain.faithfulness.copies import AsMarked, list_copies
from explain.faithfulness.hiding import Hiding, judge_by_hiding
from explain.faithfulness.likeness import find_likeness
from explain.faithfulness.probe import FEWEST_CELLS, lay_on_cells
from explain.faithfulness.transplant import Transplant, find_hottest
from explain.faithfulness.verdict import FEWEST_OTHERS, Evidence, Hidden, Verdict, decide
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.methods.occlusion import Fill
from explain.networks.meaning import find_probabilities
from explain.progress import Watch

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel
    from explain.passes.runner import Runner

_LONGEST = 2.5
"""For how many seconds places are tried unasked: a ResNet-50 takes as long on two cores."""

_ONE_BODY = "whether one place decides, because a block of one body fits no other, and the seam may be what is seen"

Verdicts = Mapping[str, Verdict]
"""By the key of a map; see `Heatmap.key`."""


@dataclass(frozen=True, eq=False)
class TestedMap:
    """A map under test, with what is known of it so far.

    Attributes:
        heatmap: the map.
        cells: the same on the grid, `(CELLS, CELLS)`, of a volume with a third axis, at least 0.
        others: the same method's maps of other pictures or volumes, `(n, CELLS, CELLS)`.
        evidence: what was measured.
    """

    heatmap: Heatmap
    cells: np.ndarray
    others: np.ndarray
    evidence: Evidence

    @property
    def slow(self) -> bool:
        """Whether its method runs the network by itself: it is not drawn again and again only to be judged."""
        return "runner" in get_method(self.heatmap.method).needs

    @property
    def by_prompts(self) -> bool:
        """Whether it explains what the class prompts answer, and not the network's own head."""
        return "prompts" in get_method(self.heatmap.method).needs


class Judge:
    """Judges the maps of one picture, or of one volume.

    Args:
        machine: runs the networks.
        memory: what was seen.
        observer: sees what was not.
    """

    def __init__(self, machine: Machine, memory: Memory, observer: Observer):
        self._machine = machine
        self._memory = memory
        self._observer = observer
        self._masked = MaskedPasses(machine)
        self._strangers = StrangersSeen(machine, memory, observer)
        self._transplanter = Transplanter(machine, self._masked)

    def judge(self, sight: Sight, question: Question, watch: Watch) -> Iterator[Verdicts]:
        """The verdicts on all maps of a picture, again and again as more is known.

        Args:
            sight: the picture as it is.
            question: what is asked of it; its maps are drawn where they are not yet known.
            watch: told how far it is; may stop it before each step.

        Yields:
            After each step the verdict on each map. Those of the last step are settled.
        """
        seen, _, failed = self._observer.see_all(sight, question, watch)
        targets = tuple(dict.fromkeys(seen.resolve(target) for target in question.targets))
        question = replace(question, targets=targets).without(failed)
        maps = [_open(one, sight) for one in self.draw(sight, question, watch.part(0.0, 0.1)).values()]
        yield _settle(maps, settled=False)

        quick = replace(question, methods=tuple(m for m in question.methods if "runner" not in m.needs))
        if all(one.evidence.blank for one in maps):
            yield _settle(maps)
            return
        maps = self._compare_classes(maps, sight, seen, quick, watch)
        yield _settle(maps, settled=False)

        # What is known of other pictures costs nothing; what must be drawn first does not hold up the first word.
        if self._strangers.are_known(sight, quick):
            maps = self._compare_pictures(maps, sight, quick, watch)
        maps = self._hide(maps, sight, seen, FIRST_LOOK, watch.part(0.1, 0.2))
        yield _settle(maps, settled=False)
        maps = self._compare_pictures(maps, sight, quick, watch.part(0.2, 0.4))
        maps = self._hide(maps, sight, seen, FULL_LOOK, watch.part(0.4, 0.7))
        yield _settle(maps, settled=False)
        maps = self._compare_copies(maps, sight, quick, watch.part(0.7, 0.8))
        yield _settle(maps, settled=False)
        maps = self._try_places(maps, sight, seen, watch.part(0.8, 1.0))
        yield _settle(maps)

    def look_alike(self, sight: Sight, question: Question, watch: Watch) -> list[TestedMap]:
        """The maps of a picture beside those of other classes, and of copies of the picture. Nothing is hidden."""
        maps = [_open(one, sight) for one in self.draw(sight, question, watch.part(0.0, 0.1)).values()]
        seen = self._memory.recall(sight)
        quick = replace(question, methods=tuple(m for m in question.methods if "runner" not in m.needs))
        if seen is None or not maps:
            return maps
        maps = self._compare_classes(maps, sight, seen, quick, watch)
        return self._compare_copies(maps, sight, quick, watch.part(0.1, 1.0, f"Copies of the {sight.what}"))

    def find_coherence(self, one: TestedMap, sight: Sight, question: Question, shown: np.ndarray) -> float | None:
        """How alike a map is to the same method's of the picture shown as bright as the map is; None for a slow one.

        Args:
            one: the map.
            sight: the picture as it is.
            question: what was asked of it.
            shown: the map as it is shown, `(h, w)`, 0…1.
        """
        if one.slow or one.evidence.blank:
            return None
        heatmap = one.heatmap
        method = next(method for method in question.methods if method.name == heatmap.method)
        layers = tuple(layer for layer in question.layers if layer.name == heatmap.layer) or question.layers
        asked = replace(question, methods=(method,), layers=layers, targets=(heatmap.target,))
        drawn = self.draw(replace(sight, view=AsMarked(shown=shown)), asked, Watch())
        likenesses = [find_likeness(one.cells, lay_on_cells(other.values)) for other in drawn.values()]
        return next((likeness if np.isfinite(likeness) else 0.0 for likeness in likenesses), None)

    def try_places(self, sight: Sight, question: Question, watch: Watch) -> dict[str, tuple[Transplant, ...]]:
        """What places of the picture do to other pictures, by the key of each map, however long it takes."""
        seen, _, failed = self._observer.see_all(sight, question, watch)
        maps = [_open(one, sight) for one in self.draw(sight, question.without(failed), watch).values()]
        return self._transplant(maps, sight, seen, watch)

    def estimate_seconds(self, loaded: LoadedModel) -> float | None:
        """How long it takes to judge the maps of one picture; None before a first picture was seen. By what passes have
        taken so far: masked ones, or at first a look.
        """
        look, masked = self._observer.pace_of(loaded), self._masked.pace_of(loaded)
        if look is None:
            return None
        looks = len(list_copies((1.0,), len(loaded.preprocessing.sides))) + 1
        if not has_calibration(loaded.request.name, loaded.fingerprint):
            looks += FEWEST_OTHERS
        seconds = looks * look + len(FILLS) * (FULL_LOOK + 2) * (masked or look)
        places = 0.0 if loaded.reads_volumes else TYPICAL_PASSES * look
        return seconds + (places if places <= _LONGEST else 0.0)

    def pace_of(self, loaded: LoadedModel) -> float | None:
        """Seconds of a masked pass among others, at its quickest so far; None before the first."""
        return self._masked.pace_of(loaded)

    def forget(self) -> None:
        """Drop what can be found out again, where memory is short."""
        self._masked.forget()

    def draw(self, sight: Sight, question: Question, watch: Watch) -> dict[MapKey, Heatmap]:
        """Maps of a picture, from memory where they are known."""
        seen, _, failed = self._observer.see_all(sight, question, watch)
        targets = tuple(dict.fromkeys(seen.resolve(target) for target in question.targets))
        with self._memory.keeping_account(sight):
            return draw_all(self._machine, sight, seen, replace(question, targets=targets).without(failed), watch).maps

    def _compare_classes(
        self, maps: Sequence[TestedMap], sight: Sight, seen: Seen, question: Question, watch: Watch
    ) -> list[TestedMap]:
        """Each map beside the same method's maps of two other classes, the likeliest and the least likely."""
        labels = sight.loaded.labels
        rivals = {target: _find_rivals(seen, target) for target in {one.heatmap.target for one in maps}}
        asked = tuple(dict.fromkeys(rival for some in rivals.values() for rival in some))
        drawn = self.draw(sight, replace(question, targets=asked), watch) if asked and question.methods else {}
        compared = []
        for one in maps:
            own = rivals[one.heatmap.target]
            others = [drawn.get((one.heatmap.method, one.heatmap.layer, rival)) for rival in own]
            if one.evidence.class_agnostic or one.evidence.blank:
                compared.append(one)
            elif not own or None in others:
                why = "its method runs the network many times" if own else "the model has no other class"
                compared.append(_miss(one, f"whether other classes look the same, because {why}"))
            else:
                likenesses = tuple(find_likeness(one.cells, lay_on_cells(other.values)) for other in others if other)
                names = tuple(labels[rival] for rival in own)
                evidence = replace(one.evidence, rivals=names, rival_likenesses=likenesses)
                compared.append(replace(one, evidence=evidence))
        return compared

    def _compare_pictures(
        self, maps: Sequence[TestedMap], sight: Sight, question: Question, watch: Watch
    ) -> list[TestedMap]:
        """The same methods' maps of other pictures, each of its own likeliest class."""
        strangers = self._strangers.see(sight, question, watch)
        unlike = sight.describe_unlikeness()
        compared = []
        for one in maps:
            others = strangers.get((one.heatmap.method, one.heatmap.layer))
            if others is None:
                compared.append(one)
            else:
                evidence = replace(one.evidence, strangers=others.likenesses)
                beside = replace(one, others=others.cells, evidence=evidence)
                first = unlike and unlike not in evidence.missing and not evidence.blank
                compared.append(_miss(beside, unlike) if first else beside)
        return compared

    def _compare_copies(
        self, maps: Sequence[TestedMap], sight: Sight, question: Question, watch: Watch
    ) -> list[TestedMap]:
        """Each map beside those of copies that nobody can tell from the picture, and that keep the answer."""
        if not question.methods:
            return [one if one.evidence.blank else _miss(one, _say_steadiness(one)) for one in maps]
        copies = list_copies(sight.loaded.preprocessing.std, len(sight.loaded.preprocessing.sides))
        answer = self._answer(sight)
        kept = 0
        self._observer.look_ahead([replace(sight, view=copy) for copy in copies], question, Watch(cancel=watch.cancel))
        likenesses: dict[str, list[float]] = {}
        cells = {one.heatmap.key: one.cells for one in maps}
        for number, copy in enumerate(copies):
            at = replace(sight, view=copy)
            drawn = self.draw(at, question, watch.part(number / len(copies), (number + 1) / len(copies)))
            if self._answer(at) != answer:
                continue
            kept += 1
            for heatmap in drawn.values():
                if heatmap.key in cells:
                    likeness = find_likeness(cells[heatmap.key], lay_on_cells(heatmap.values))
                    likenesses.setdefault(heatmap.key, []).append(likeness if np.isfinite(likeness) else 0.0)
        compared = []
        for one in maps:
            found = likenesses.get(one.heatmap.key)
            if found:
                evidence = replace(one.evidence, steadiness=float(np.median(found)), copies=(kept, len(copies)))
                compared.append(replace(one, evidence=evidence))
            elif one.evidence.blank:
                compared.append(one)
            else:
                compared.append(_miss(one, _say_steadiness(one)))
        return compared

    def _answer(self, sight: Sight) -> int | None:
        seen = self._memory.recall(sight)
        return None if seen is None or seen.own_logits is None else int(seen.logits.argmax())

    def _try_places(self, maps: Sequence[TestedMap], sight: Sight, seen: Seen, watch: Watch) -> list[TestedMap]:
        """Each map beside what places of the picture do to others."""
        if sight.loaded.reads_volumes:
            return [one if one.evidence.blank else _miss(one, _ONE_BODY) for one in maps]
        pace = self._observer.pace_of(sight.loaded)
        if pace is None or pace * TYPICAL_PASSES > _LONGEST:
            why = "whether one place decides, because this model takes long"
            return [one if one.evidence.blank else _miss(one, why) for one in maps]
        found = self._transplant(maps, sight, seen, watch)
        compared = []
        for one in maps:
            places = found.get(one.heatmap.key)
            if places is not None:
                evidence = replace(one.evidence, transplants=places, hottest=find_hottest(one.cells))
                one = replace(one, evidence=evidence)
            elif not one.evidence.blank:
                one = _miss(one, "whether one place decides, because it calls nearly all other pictures the same")
            compared.append(one)
        return compared

    def _transplant(
        self, maps: Sequence[TestedMap], sight: Sight, seen: Seen, watch: Watch
    ) -> dict[str, tuple[Transplant, ...]]:
        found: dict[str, tuple[Transplant, ...]] = {}
        for by_prompts in sorted({one.by_prompts for one in maps if not one.evidence.blank}):
            some = [one for one in maps if one.by_prompts == by_prompts and not one.evidence.blank]
            of_class = self._transplanter.find(sight, seen, [one.heatmap.target for one in some], by_prompts, watch)
            found |= {one.heatmap.key: of_class[one.heatmap.target] for one in some if one.heatmap.target in of_class}
        return found

    def _hide(self, maps: Sequence[TestedMap], sight: Sight, seen: Seen, count: int, watch: Watch) -> list[TestedMap]:
        """Each map beside what hiding parts of the picture does to the score of its class."""
        no_parts = _find_no_parts(sight)
        if no_parts:
            return [replace(one, evidence=replace(one.evidence, no_parts=no_parts)) for one in maps]
        banks: dict[bool, list[Bank]] = {}
        asked = sorted({one.by_prompts for one in maps if not one.evidence.blank})
        for number, (by_prompts, fill) in enumerate(product(asked, FILLS)):
            part = watch.part(number / len(asked) / len(FILLS), (number + 1) / len(asked) / len(FILLS))
            banks.setdefault(by_prompts, []).append(self.open_bank(sight, seen, count, fill, by_prompts, part))
        return [one if one.evidence.blank else _weigh(one, banks[one.by_prompts], sight.loaded) for one in maps]

    def open_bank(self, sight: Sight, seen: Seen, count: int, fill: Fill, by_prompts: bool, watch: Watch) -> Bank:
        """A bank of so many masks; see `MaskedPasses.open_bank`."""
        return self._masked.open_bank(sight, seen, count, fill, by_prompts, watch)

    def make_runner(self, sight: Sight) -> Runner:
        """What runs many changed versions of a picture, answered by the network's own head; see `MaskedPasses`."""
        return self._masked.make_runner(sight, by_prompts=False)


def _weigh(one: TestedMap, banks: Sequence[Bank], loaded: LoadedModel) -> TestedMap:
    """A map beside what its banks say of it, each by itself and those together that can judge."""
    target = one.heatmap.target

    def weigh(some: Sequence[Bank]) -> Hiding:
        apart = loaded.outputs == "classes" and len(loaded.labels) > 1
        return judge_by_hiding(one.cells, one.others, some, target, loaded.preprocessing.sides, apart)

    ways = [Hidden(bank.fill, weigh([bank]), _find_kept(bank, target, loaded)) for bank in banks]
    able = [bank for bank, way in zip(banks, ways, strict=True) if way.can_judge]
    together = weigh(able) if len(able) > 1 else None
    return replace(one, evidence=replace(one.evidence, hidden=tuple(ways), together=together))


def _find_no_parts(sight: Sight) -> str:
    """Why a picture has no parts to hide; empty where it has."""
    what = sight.what
    if sight.is_even:
        return f"The {what} is the same everywhere"
    if sight.allowed.mean() < FEWEST_CELLS:
        return f"The {what} is so narrow that hardly any of what the model sees is {what}"
    return ""


def _open(heatmap: Heatmap, sight: Sight) -> TestedMap:
    method = get_method(heatmap.method)
    blank = heatmap.blank or "constant" in heatmap.rules
    evidence = Evidence(heatmap.label, blank, method.class_agnostic, what=sight.what)
    cells = lay_on_cells(heatmap.values)
    return TestedMap(heatmap, cells, np.empty((0, *cells.shape)), evidence)


def _settle(maps: Sequence[TestedMap], settled: bool = True) -> Verdicts:
    return {one.heatmap.key: decide(one.evidence, settled) for one in maps}


def _miss(one: TestedMap, what: str) -> TestedMap:
    return replace(one, evidence=replace(one.evidence, missing=(*one.evidence.missing, what)))


def _say_steadiness(one: TestedMap) -> str:
    why = "its method runs the network many times" if one.slow else "copies of the picture change the answer"
    return f"whether it is steady, because {why}"


def _find_rivals(seen: Seen, target: int) -> tuple[int, ...]:
    """The likeliest class but this one, and the least likely; one where there are two classes."""
    ranked = [index for index in seen.logits.argsort(descending=True).tolist() if index != target]
    return tuple(dict.fromkeys([*ranked[:1], *ranked[-1:]]))


def _find_kept(bank: Bank, target: int, loaded: LoadedModel) -> float | None:
    """What is left of the probability of a class with everything hidden, as a share; None for a value.

    Of classes that exclude each other, what chance alone would name counts as nothing: of two, one half.
    """
    import torch

    if loaded.outputs == "value":
        return None
    whole, hidden = (
        float(find_probabilities(torch.from_numpy(scores), loaded.outputs)[target])
        for scores in (bank.whole, bank.hidden)
    )
    chance = 0.0 if loaded.outputs == "findings" else 1 / len(bank.whole)
    if whole > chance:
        whole, hidden = whole - chance, max(hidden - chance, 0.0)
    return hidden / max(whole, 1e-12)
