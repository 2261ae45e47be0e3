"""Judging maps: what must be seen and run for a verdict, cheapest first, and never twice."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from explain.engine.drawing import draw_all
from explain.engine.machine import Machine
from explain.engine.memory import Memory, Seen
from explain.engine.observer import Observer
from explain.engine.question import MapKey, Question, name_place
from explain.engine.sight import Sight
from explain.engine.transplanting import Transplanter
from explain.faithfulness.bank import Bank, fill_bank
from explain.faithfulness.copies import list_copies
from explain.faithfulness.hiding import judge_by_hiding
from explain.faithfulness.likeness import find_likeness, find_likenesses_of_strangers
from explain.faithfulness.probe import find_allowed, lay_on_cells
from explain.faithfulness.references import list_references
from explain.faithfulness.transplant import Transplant
from explain.faithfulness.verdict import FEWEST_OTHERS, Evidence, Hidden, Verdict, decide
from explain.maps.heatmap import Heatmap
from explain.methods import get_method
from explain.methods.occlusion import Fill
from explain.networks.meaning import find_probabilities
from explain.passes.runner import Runner
from explain.progress import Watch

if TYPE_CHECKING:
    from explain.models.loaded import LoadedModel

FIRST_LOOK, SECOND_LOOK, LAST_LOOK = 16, 64, 256
"""Masks at each look. The first is only so far; the others may decide, each at its own share of the errors allowed."""

FILLS: tuple[Fill, ...] = ("grey", "blur")
"""What hides. On bundled models grey decides: it backed more true maps. On others, what leaves less of the class."""

_PLACES_PASSES, _LONGEST = 60, 5.0
"""What trying places takes, and for how many seconds it is done unasked."""

_OTHERS_KEPT = 256  # each takes 26 KB
_HIDING = "Hiding parts of the picture"

Verdicts = Mapping[str, Verdict]
"""By the key of a map; see `Heatmap.key`."""


@dataclass(frozen=True, eq=False)
class _Others:
    """A method's maps of other pictures `(n, CELLS, CELLS)`, and how alike they are, pair by pair."""

    cells: np.ndarray
    likenesses: np.ndarray


@dataclass(frozen=True, eq=False)
class TestedMap:
    """A map under test, with what is known of it so far.

    Attributes:
        heatmap: the map.
        cells: the same on the grid, `(CELLS, CELLS)`, at least 0.
        others: the same method's maps of other pictures, `(n, CELLS, CELLS)`.
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
    """Judges the maps of one picture.

    Args:
        machine: runs the networks.
        memory: what was seen.
        observer: sees what was not.
    """

    def __init__(self, machine: Machine, memory: Memory, observer: Observer):
        self._machine = machine
        self._memory = memory
        self._observer = observer
        self._transplanter = Transplanter(machine)
        self._lock = threading.Lock()
        self._others: OrderedDict[Hashable, _Others] = OrderedDict()

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
        maps = [_open(heatmap) for heatmap in self.draw(sight, question, watch.part(0.0, 0.1)).values()]
        yield _settle(maps, settled=False)

        quick = replace(question, methods=tuple(m for m in question.methods if "runner" not in m.needs))
        if all(one.evidence.blank for one in maps):
            yield _settle(maps)
            return
        maps = self._compare_classes(maps, sight, seen, quick, watch)
        maps = self._compare_pictures(maps, sight, quick, watch.part(0.1, 0.4))
        yield _settle(maps, settled=False)

        for number, count in enumerate((FIRST_LOOK, SECOND_LOOK)):
            maps = self._hide(maps, sight, seen, count, watch.part(0.4 + 0.15 * number, 0.55 + 0.15 * number))
            yield _settle(maps, settled=False)
        maps = self._try_places(maps, sight, seen, watch.part(0.7, 0.75))
        maps = self._compare_copies(maps, sight, quick, watch.part(0.75, 0.8))
        open_ones = [one for one in maps if "undecided" in decide(one.evidence).words]
        if open_ones:
            yield _settle(maps, settled=False)
            decided = self._hide(open_ones, sight, seen, LAST_LOOK, watch.part(0.8, 1.0))
            newest = {one.heatmap.key: one for one in decided}
            maps = [newest.get(one.heatmap.key, one) for one in maps]
        yield _settle(maps)

    def look_alike(self, sight: Sight, question: Question, watch: Watch) -> list[TestedMap]:
        """The maps of a picture beside those of other classes, and of copies of the picture. Nothing is hidden."""
        maps = [_open(heatmap) for heatmap in self.draw(sight, question, watch.part(0.0, 0.1)).values()]
        seen = self._memory.recall(sight)
        quick = replace(question, methods=tuple(m for m in question.methods if "runner" not in m.needs))
        if seen is None or not maps:
            return maps
        maps = self._compare_classes(maps, sight, seen, quick, watch)
        return self._compare_copies(maps, sight, quick, watch.part(0.1, 1.0, "Copies of the picture"))

    def try_places(self, sight: Sight, question: Question, watch: Watch) -> dict[str, tuple[Transplant, ...]]:
        """What the hottest places of the maps do to other pictures, by the map's key, however long it takes."""
        seen, _, failed = self._observer.see_all(sight, question, watch)
        maps = [_open(heatmap) for heatmap in self.draw(sight, question.without(failed), watch).values()]
        return self._transplant(maps, sight, seen, watch)

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
        strange = self._see_others(sight, question, watch)
        compared = []
        for one in maps:
            others = strange.get((one.heatmap.method, one.heatmap.layer))
            if others is None:
                compared.append(one)
            else:
                evidence = replace(one.evidence, strangers=others.likenesses)
                compared.append(replace(one, others=others.cells, evidence=evidence))
        return compared

    def _see_others(self, sight: Sight, question: Question, watch: Watch) -> dict[tuple[str, str], _Others]:
        """By method and place, maps of other pictures; drawn once for all pictures that are not among them."""
        loaded = sight.loaded
        if not question.methods or loaded.preprocessing.channels not in (1, 3):
            return {}
        pictures = list_references(loaded.labels, sight.picture.source or sight.picture.digest, FEWEST_OTHERS)
        digests = tuple(picture.digest for picture in pictures)
        keys = {
            (method.name, name_place(method, layer, loaded)): (
                (loaded.fingerprint, loaded.outputs, digests, question.score, method.name),
                (question.settings[method.name], name_place(method, layer, loaded)),
            )
            for method in question.methods
            for layer in question.layers
        }
        with self._lock:
            known = {place: self._others[key] for place, key in keys.items() if key in self._others}
        missing = {method for method, place in keys.keys() - known.keys()}
        if missing:
            methods = tuple(method for method in question.methods if method.name in missing)
            asked = replace(question, methods=methods, targets=(None,))
            found: dict[tuple[str, str], list[np.ndarray]] = {}
            for number, picture in enumerate(pictures):
                watch.report(number / len(pictures), "Comparing with other pictures")
                for (method, place, _), heatmap in self.draw(
                    Sight(picture, loaded), asked, Watch(cancel=watch.cancel)
                ).items():
                    cells = lay_on_cells(heatmap.values)
                    if cells.any():
                        found.setdefault((method, place), []).append(cells)
            for at, drawn in found.items():
                known[at] = _Others(np.stack(drawn), find_likenesses_of_strangers(np.stack(drawn)))
        with self._lock:
            for at, others in known.items():
                self._others[keys[at]] = others
                self._others.move_to_end(keys[at])
            while len(self._others) > _OTHERS_KEPT:
                self._others.popitem(last=False)
        return known

    def _compare_copies(
        self, maps: Sequence[TestedMap], sight: Sight, question: Question, watch: Watch
    ) -> list[TestedMap]:
        """Each map beside those of copies that nobody can tell from the picture, and that keep the answer."""
        if not question.methods:
            return [one if one.evidence.blank else _miss(one, _say_steadiness(one)) for one in maps]
        copies = list_copies(sight.loaded.preprocessing.std)
        answer = self._answer(sight)
        kept = 0
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
        """Each map beside what its hottest places do to other pictures."""
        pace = self._observer.pace_of(sight.loaded)
        if pace is None or pace * _PLACES_PASSES > _LONGEST:
            why = "whether one place decides, because this model takes long"
            return [one if one.evidence.blank else _miss(one, why) for one in maps]
        found = self._transplant(maps, sight, seen, watch)
        compared = []
        for one in maps:
            places = found.get(one.heatmap.key)
            if places is not None:
                one = replace(one, evidence=replace(one.evidence, transplants=places))
            elif not one.evidence.blank:
                one = _miss(one, "whether one place decides, because it calls nearly all other pictures the same")
            compared.append(one)
        return compared

    def _transplant(
        self, maps: Sequence[TestedMap], sight: Sight, seen: Seen, watch: Watch
    ) -> dict[str, tuple[Transplant, ...]]:
        found: dict[str, tuple[Transplant, ...]] = {}
        for by_prompts in sorted({one.by_prompts for one in maps if not one.evidence.blank}):
            asked = {
                one.heatmap.key: (one.heatmap.target, one.cells)
                for one in maps
                if one.by_prompts == by_prompts and not one.evidence.blank
            }
            found |= self._transplanter.find(sight, seen, asked, by_prompts, watch)
        return found

    def _hide(self, maps: Sequence[TestedMap], sight: Sight, seen: Seen, count: int, watch: Watch) -> list[TestedMap]:
        """Each map beside what hiding parts of the picture does to the score of its class."""
        banks: dict[bool, list[Bank]] = {}
        asked = sorted({one.by_prompts for one in maps if not one.evidence.blank})
        for number, (by_prompts, fill) in enumerate(product(asked, FILLS)):
            part = watch.part(number / len(asked) / len(FILLS), (number + 1) / len(asked) / len(FILLS), _HIDING)
            banks.setdefault(by_prompts, []).append(self.open_bank(sight, seen, count, fill, by_prompts, part))
        height, width = sight.loaded.preprocessing.input_size
        hidden = []
        for one in maps:
            target = one.heatmap.target
            ways = [
                Hidden(
                    bank.fill,
                    judge_by_hiding(one.cells, one.others, bank, target, square=height == width),
                    _find_kept(bank, target, sight.loaded),
                )
                for bank in ([] if one.evidence.blank else banks[one.by_prompts])
            ]
            if sight.loaded.request.source != "bundled":
                ways.sort(key=lambda way: way.kept or 0.0)
            hidden.append(replace(one, evidence=replace(one.evidence, hidden=tuple(ways))))
        return hidden

    def open_bank(self, sight: Sight, seen: Seen, count: int, fill: Fill, by_prompts: bool, watch: Watch) -> Bank:
        """A bank of at least so many masks, from memory or run now."""
        watch.stop_if_cancelled()
        key = (fill, by_prompts)
        with seen.turn_of(("bank", key)):
            bank = seen.banks.get(key)
            if bank is not None and len(bank.masks) >= count:
                return bank.first(count)
            loaded = sight.loaded
            module = loaded.prompted if by_prompts and loaded.prompted is not None else loaded.module
            runner = Runner(
                module,
                self._machine.prepare(sight),
                loaded.layers[-1],
                0,
                "logit",
                turn=self._machine.turns(loaded),
                count=self._machine.count,
                outputs=loaded.outputs,
            )
            runner.report_to(watch.report, watch.cancel)
            runner.expect(count - (0 if bank is None else len(bank.masks)))
            allowed = find_allowed(sight.picture.size, sight.box)
            seed = int(sight.picture.digest[:8], 16)
            bank = fill_bank(runner, seed, count, fill, allowed, bank)
            seen.banks[key] = bank
            return bank


def _open(heatmap: Heatmap) -> TestedMap:
    method = get_method(heatmap.method)
    blank = heatmap.blank or "constant" in heatmap.rules
    evidence = Evidence(heatmap.label, blank, method.class_agnostic)
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
