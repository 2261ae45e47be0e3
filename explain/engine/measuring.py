"""Measuring maps: which changed versions of a picture must be run for the figures asked for, each of them once."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from explain.engine.judging import Judge, TestedMap
from explain.engine.machine import Machine
from explain.engine.masked import FILLS, FULL_LOOK
from explain.engine.memory import Memory, Seen
from explain.engine.observer import Observer
from explain.engine.question import Question
from explain.engine.sight import Sight
from explain.errors import MethodError
from explain.faithfulness.bank import Bank
from explain.faithfulness.baselines import draw_all_bright, draw_centre, draw_random_blobs, draw_random_cells
from explain.faithfulness.best import Best, find_best
from explain.faithfulness.changes import WHOLE, ChangeFill, Changes, apply, leave
from explain.faithfulness.measured import Curve, Kind, Measured, Row, list_asked, measure_row
from explain.faithfulness.measures import MEASURES, Examined, Measure
from explain.faithfulness.probe import find_shown, lay_on_cells
from explain.faithfulness.verdict import STILL_NAMED
from explain.methods import Method, get_method
from explain.methods.occlusion import Fill
from explain.methods.space import list_space
from explain.networks.head import find_head
from explain.networks.meaning import find_probabilities
from explain.networks.twin import make_twin
from explain.percent import write_percent
from explain.progress import Watch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.models.loaded import LoadedModel
    from explain.pictures.picture import Picture

RANDOM_BLOBS, RANDOM_CELLS = 8, 2
"""Maps of chance: those of the band beside the curves, and those of a row alone."""

PAIR = 2
"""Maps of chance beside maps of many pictures: over those chance is averaged out."""

TITLES = {
    "all bright": "All bright",
    "random cells": "Random cells",
    "random blobs": "Random blobs",
    "centre": "Centre",
    "mean activation": "Mean activation",
    "least likely class": "Least likely class",
    "another picture": "Another picture",
    "untrained twin": "Untrained twin",
}
"""Of the maps of no meaning, in the order shown."""

_AT_ONCE = 64  # changed versions between two times that their answers are kept
_HIDING = "Hiding parts"
_OF_PICTURES = {"road"}
_ONLY_OF_PICTURES = "ROAD is left out: it fills holes with what their edges lead to, and does so in pictures alone."
_MEASURES = tuple(MEASURES.values())
_CURVES_ONLY = tuple(measure for measure in _MEASURES if measure.name != "road")
_SHOWING = tuple(measure for measure in _MEASURES if measure.category in ("showing", "shape"))


@dataclass(frozen=True, eq=False)
class _Group:
    """What is to be one row: a map, or several of no meaning.

    Attributes:
        name: see `Row`.
        title: see `Row`.
        kind: see `Row`.
        tested: the maps, each with the measures that suit it.
        by_prompts: the class prompts answer, and not the network's own head.
    """

    name: str
    title: str
    kind: Kind
    tested: Sequence[tuple[Examined, Sequence[Measure]]]
    by_prompts: bool = False

    def limit(self, chosen: Collection[str] | None) -> _Group:
        """With the measures that are wanted; None for all."""
        if chosen is None:
            return self
        tested = [(one, [measure for measure in own if measure.name in chosen]) for one, own in self.tested]
        return replace(self, tested=tested)


class Meter:
    """Measures the maps of one picture.

    Args:
        machine: runs the networks.
        memory: what was seen.
        observer: sees what was not.
        judge: has the bank of masks that verdicts rest on, and compares maps with those of classes and copies.
    """

    def __init__(self, machine: Machine, memory: Memory, observer: Observer, judge: Judge):
        self._machine = machine
        self._memory = memory
        self._observer = observer
        self._judge = judge
        self._twins: WeakKeyDictionary[nn.Module, nn.Module] = WeakKeyDictionary()

    def measure(
        self, sight: Sight, question: Question, watch: Watch, chosen: Collection[str] | None = None
    ) -> Measured:
        """All figures of a picture's maps, beside those of maps of no meaning.

        Args:
            sight: the picture as it is.
            question: what is asked of it, for one class.
            chosen: names of the measures wanted; None for all.
            watch: told how far it is; may stop it before each chunk of passes. What was run until then is kept.

        Raises:
            MethodError: no method has a map, or there is no such measure.
        """
        if unknown := [name for name in chosen or () if name not in MEASURES]:
            raise MethodError(f"There is no measure “{unknown[0]}”. Known measures: {', '.join(MEASURES)}.")
        seen, _, failed = self._observer.see_all(sight, question, watch)
        target = seen.resolve(question.targets[0])
        question = replace(question, targets=(target,)).without(failed)
        maps = self._judge.look_alike(sight, question, watch.part(0.0, 0.25))
        drawn = {one.heatmap.method for one in maps}
        missing = {
            method.name: question.unavailable.get(method.name, "It has no map of this picture.")
            for method in question.methods
            if method.name not in drawn
        }
        if not maps:
            raise MethodError(next(iter({**question.unavailable, **missing}.values()), "There is no map to measure."))
        if sight.loaded.reads_volumes:
            chosen = [name for name in chosen or MEASURES if name not in _OF_PICTURES]
        coherent = chosen is None or "adcc" in chosen
        groups = [group.limit(chosen) for group in self._group(sight, question, seen, maps, watch, coherent)]
        scores = self._ask_all(sight, seen, groups, watch.part(0.5, 0.9, _HIDING))
        rows: list[Row] = []
        curves: list[Curve] = []
        for group in groups:
            row, lines = measure_row(group.name, group.title, group.kind, group.tested, scores[group.by_prompts])
            rows.append(row)
            curves += lines
        label = sight.loaded.labels[target]
        whole = scores[groups[0].by_prompts][WHOLE]
        kept = {} if sight.loaded.outputs == "value" else _find_kept(curves, whole)
        best = self._compare(sight, seen, groups, kept, watch.part(0.9, 1.0, _HIDING))
        notes = _list_notes(label, kept, sight.what)
        if sight.loaded.reads_volumes:
            notes = (*notes, _ONLY_OF_PICTURES)
        return Measured(label, whole, rows, curves, best, notes, missing)

    def measure_maps(
        self,
        picture: Picture,
        loaded: LoadedModel,
        maps: Mapping[str, np.ndarray],
        target: int,
        chosen: Collection[str],
        cancel: threading.Event | None = None,
    ) -> list[Row]:
        """The figures of maps that were drawn before, and of those of no meaning for which nothing must be drawn.

        Args:
            picture: the picture.
            loaded: the model whose maps they are.
            maps: by the name of their method, `(h, w)` over the model's whole input, signed.
            target: index of the class that they explain.
            chosen: names of measures that are `of_map_alone`.
            cancel: when set, work stops with `Cancelled` before the next chunk of passes.

        Returns:
            The maps in this order, then `random blobs` (the mean of an opposite pair) and `centre`.

        Raises:
            MethodError: there is no such measure, or it takes more than the map.
        """
        known = [name for name, measure in MEASURES.items() if measure.of_map_alone]
        if unknown := [name for name in chosen if name not in known]:
            raise MethodError(
                f"“{unknown[0]}” cannot be measured of maps that were kept. Choose of: {', '.join(known)}."
            )
        sight, measures = Sight(picture, loaded), [MEASURES[name] for name in chosen]

        def test(values: np.ndarray) -> tuple[Examined, Sequence[Measure]]:
            return _examine(sight, values, target), measures

        groups = [
            _Group(name, get_method(name).title, "map", [test(values)], "prompts" in get_method(name).needs)
            for name, values in maps.items()
        ]
        by_prompts = all(group.by_prompts for group in groups)
        for name, drawn in (("random blobs", draw_random_blobs(sight.seed, PAIR)), ("centre", [draw_centre()])):
            groups.append(_Group(name, TITLES[name], "baseline", [test(values) for values in drawn], by_prompts))
        seen = self._memory.recall(sight) or Seen()
        scores = self._ask_all(sight, seen, groups, Watch(cancel=cancel))
        return [
            measure_row(group.name, group.title, group.kind, group.tested, scores[group.by_prompts])[0]
            for group in groups
        ]

    def _compare(
        self, sight: Sight, seen: Seen, groups: Sequence[_Group], kept: Mapping[Fill, float], watch: Watch
    ) -> Best:
        """Which map is best, if one is: of those that explain what the network's own head answers."""
        by_prompts = all(group.by_prompts for group in groups)
        own = [group for group in groups if group.by_prompts == by_prompts and not group.tested[0][0].blank]
        cells = {
            kind: {group.title: group.tested[0][0].cells for group in own if group.kind == kind}
            for kind in ("map", "baseline")
        }
        cells["baseline"].pop(TITLES["all bright"], None)
        banks = [
            self._judge.open_bank(sight, seen, FULL_LOOK, fill, by_prompts, watch)
            for fill in FILLS
            if kept.get(fill, 0.0) < STILL_NAMED
        ]
        target = groups[0].tested[0][0].target
        return find_best(cells["map"], cells["baseline"], banks, target, sight.seed, sight.what)

    def _group(
        self, sight: Sight, question: Question, seen: Seen, maps: Sequence[TestedMap], watch: Watch, coherent: bool
    ) -> list[_Group]:
        """The maps asked for, then those of no meaning. Whether they are coherent takes a look at each."""
        seed, axes = sight.seed, sight.allowed.ndim
        banks = {
            by_prompts: self._judge.open_bank(
                sight, seen, FULL_LOOK, FILLS[0], by_prompts, watch.part(0.25, 0.5, _HIDING)
            )
            for by_prompts in dict.fromkeys(one.by_prompts for one in maps)
        }
        (target,) = question.targets
        assert target is not None
        groups = []
        several = len({one.heatmap.layer for one in maps}) > 1
        for one in maps:
            title = get_method(one.heatmap.method).title + (f", {one.heatmap.layer}" if several else "")
            tested = replace(
                _examine(sight, one.heatmap.values, target, banks[one.by_prompts]),
                rivals=tuple(value if np.isfinite(value) else 0.0 for value in one.evidence.rival_likenesses),
                steadiness=one.evidence.steadiness,
            )
            if one.evidence.class_agnostic:
                tested = replace(tested, rivals=(1.0,))
            if coherent:
                watch.stop_if_cancelled()
                tested = replace(tested, coherence=self._judge.find_coherence(one, sight, question, tested.shown))
            values = one.heatmap.values.astype(np.float64)
            unbiased = self._find_unbiased(sight, seen, one.heatmap.layer, target)
            tested = replace(tested, sums=(float(values.sum()), float(values.mean())), unbiased=unbiased)
            groups.append(_Group(one.heatmap.key, title, "map", [(tested, _MEASURES)], one.by_prompts))
        by_prompts = all(one.by_prompts for one in maps)
        bank = banks[by_prompts]
        for name, drawn, measures in (
            ("all bright", [draw_all_bright(axes)], _SHOWING),
            ("random cells", draw_random_cells(seed, RANDOM_CELLS, axes), _MEASURES),
            ("random blobs", draw_random_blobs(seed, RANDOM_BLOBS, axes), _CURVES_ONLY),
            ("centre", [draw_centre(axes)], _MEASURES),
            ("mean activation", [seen.activations[question.layers[0].name].mean(0).cpu().numpy()], _MEASURES),
            ("least likely class", self._draw_least_likely(sight, question, seen, watch), _MEASURES),
            ("another picture", self._draw_another(sight, question, watch), _MEASURES),
            ("untrained twin", self._draw_untrained(sight, question, watch), _MEASURES),
        ):
            some = [(_examine(sight, values, target, bank), measures) for values in drawn]
            if some:
                title = TITLES[name].replace("picture", sight.what)
                groups.append(_Group(name, title, "baseline", some, by_prompts))
        return groups

    def _draw_least_likely(self, sight: Sight, question: Question, seen: Seen, watch: Watch) -> list[np.ndarray]:
        """The first class-aware quick method's map of the least likely class; none where no method is."""
        aware = _find_aware(question)
        least = int(seen.logits.argmin())
        if aware is None or least in question.targets:
            return []
        drawn = self._judge.draw(sight, replace(question, methods=(aware,), targets=(least,)), watch)
        return [heatmap.values for heatmap in drawn.values()][:1]

    def _draw_another(self, sight: Sight, question: Question, watch: Watch) -> list[np.ndarray]:
        """The same method's map of an example; none where the model cannot look at one."""
        aware, loaded = _find_aware(question), sight.loaded
        if aware is None or loaded.preprocessing.channels not in (1, 3):
            return []
        asked = replace(question, methods=(aware,), targets=(None,))
        for other in sight.list_others(1):
            drawn = self._judge.draw(other, asked, Watch(cancel=watch.cancel))
            return [heatmap.values for heatmap in drawn.values()][:1]
        return []

    def _draw_untrained(self, sight: Sight, question: Question, watch: Watch) -> list[np.ndarray]:
        """The same method's map of the same picture by a twin of the network that has learnt nothing."""
        aware, loaded = _find_aware(question), sight.loaded
        if aware is None or "prompts" in aware.needs:
            return []
        with self._machine.turn(loaded):
            if loaded.module not in self._twins:
                self._twins[loaded.module] = make_twin(loaded.module)
        twin = replace(
            loaded, module=self._twins[loaded.module], prompted=None, fingerprint=f"{loaded.fingerprint} untrained"
        )
        drawn = self._judge.draw(replace(sight, loaded=twin), replace(question, methods=(aware,)), watch)
        return [heatmap.values for heatmap in drawn.values()][:1]

    def _find_unbiased(self, sight: Sight, seen: Seen, layer: str, target: int) -> float | None:
        """The score of a class without its bias, where one linear layer reads the average of the layer."""
        loaded = sight.loaded
        at = next((one for one in loaded.layers if one.name == layer), None)
        if at is None or layer not in seen.activations:
            return None
        with self._machine.turn(loaded), self._machine.prove():
            try:
                weights = find_head(loaded.module, at, loaded.preprocessing.channels, loaded.preprocessing.sides)
            except MethodError:
                return None
        if target >= len(weights):  # the other answer of a network that gives one number
            return None
        activations = seen.activations[layer].float()
        average = activations.mean(list_space(activations)).double().cpu()
        return float(weights[target].double().cpu() @ average)

    def _ask_all(
        self, sight: Sight, seen: Seen, groups: Sequence[_Group], watch: Watch
    ) -> dict[bool, dict[str, float]]:
        """What `_ask` finds, by whether the class prompts answer."""
        kinds = sorted({group.by_prompts for group in groups})
        return {
            kind: self._ask(
                sight,
                seen,
                [group for group in groups if group.by_prompts == kind],
                watch.part(number / len(kinds), (number + 1) / len(kinds)),
            )
            for number, kind in enumerate(kinds)
        }

    def _ask(self, sight: Sight, seen: Seen, groups: Sequence[_Group], watch: Watch) -> dict[str, float]:
        """By its key, what the class scores in each changed version that the groups ask for: the probability, or the
        score of a value. What has been answered before is not run again.
        """
        import torch

        asked: list[Changes] = [leave(groups[0].tested[0][0].cells)]
        asked += [changes for group in groups for tested, own in group.tested for changes in list_asked([tested], own)]
        loaded, by_prompts = sight.loaded, groups[0].by_prompts
        (target,) = {tested.target for group in groups for tested, _ in group.tested}
        with seen.turn_of(("answers", by_prompts)):
            new = list_new(asked, {key for own, key in seen.answers if own == by_prompts})
            runner = self._machine.make_runner(loaded, self._machine.prepare(sight), by_prompts)
            runner.report_to(watch.report, watch.cancel)
            runner.expect(sum(len(changes.shares) for changes in new))
            found: dict[tuple[bool, str], np.ndarray] = {}
            for changes in new:

                def make(rows: range, changes: Changes = changes) -> Tensor:
                    return apply(runner.picture, changes.take(rows), sight.seed)

                answers = runner.answers(make, len(changes.shares)).cpu().numpy()
                fresh = {(by_prompts, key): row for key, row in zip(changes.keys, answers, strict=True)}
                seen.keep_answers(fresh)
                found |= fresh
            keys = {(by_prompts, key) for changes in asked for key in changes.keys}
            found |= {key: seen.answers[key] for key in keys - found.keys()}
        kept = np.stack([*found.values()])
        numbers = torch.from_numpy(kept).double()
        if loaded.outputs != "value":
            numbers = find_probabilities(numbers, loaded.outputs)
        return {key: float(score) for (_, key), score in zip(found, numbers[:, target], strict=True)}


def _examine(sight: Sight, values: np.ndarray, target: int, bank: Bank | None = None) -> Examined:
    """A map under test, with what is known of any."""
    return Examined(
        lay_on_cells(values), find_shown(values), sight.allowed, sight.seed, target, sight.loaded.outputs, bank
    )


def _find_aware(question: Question) -> Method | None:
    """The first method that asks for the class and runs no passes of its own."""
    return next((m for m in question.methods if not m.class_agnostic and "runner" not in m.needs), None)


def list_new(asked: Sequence[Changes], known: Collection[str]) -> list[Changes]:
    """Each change that is not known, once, those of a kind together and not too many at once."""
    found: dict[tuple[ChangeFill, tuple[int, ...]], dict[str, tuple[np.ndarray, float]]] = {}
    names = set(known)
    for changes in asked:
        for key, hidden, share in zip(changes.keys, changes.hidden, changes.shares, strict=True):
            if key not in names:
                names.add(key)
                found.setdefault((changes.fill, hidden.shape), {})[key] = hidden, float(share)
    return [
        Changes(fill, np.stack([hidden for hidden, _ in some]), np.array([share for _, share in some]))
        for (fill, _), new in found.items()
        for start in range(0, len(new), _AT_ONCE)
        for some in [[*new.values()][start : start + _AT_ONCE]]
    ]


def _find_kept(curves: Sequence[Curve], whole: float) -> dict[Fill, float]:
    """With everything hidden, what is left of the probability of the class, as a share, by what hides."""
    ends = {curve.measure: curve for curve in curves}
    kept: dict[Fill, float] = {}
    if "deletion" in ends:
        kept["grey"] = float(ends["deletion"].scores[-1]) / max(whole, 1e-12)
    if "insertion" in ends:
        kept["blur"] = float(ends["insertion"].scores[0]) / max(whole, 1e-12)
    return kept


def _list_notes(label: str, kept: Mapping[Fill, float], what: str) -> tuple[str, ...]:
    """What must be known of this picture or volume to read the figures."""
    return tuple(
        f"With everything hidden by {fill}, the model still gives “{label}” {write_percent(share)} of its probability: "
        f"what is measured with {fill} tells little on this {what}."
        for fill, share in kept.items()
        if share >= STILL_NAMED
    )
