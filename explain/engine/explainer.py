"""The answer to a question about one picture: what was seen of it, drawn as maps, with its likeliest classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from explain.engine.drawing import average, draw_all
from explain.engine.explanation import PictureExplanation, rank_classes
from explain.engine.machine import Machine
from explain.engine.memory import Memory
from explain.engine.observer import Observer
from explain.engine.question import Question, name_place
from explain.engine.sight import Sight
from explain.passes.count import Passes
from explain.pictures.augmentation import View
from explain.progress import Watch
from explain.rights import record


class Explainer:
    """Explains one picture.

    Args:
        machine: runs the networks.
        memory: what was seen.
        observer: sees what was not.
    """

    def __init__(self, machine: Machine, memory: Memory, observer: Observer):
        self._machine = machine
        self._memory = memory
        self._observer = observer

    def explain(
        self, sight: Sight, question: Question, views: Sequence[View], watch: Watch, run: Passes, top: int = 5
    ) -> PictureExplanation:
        """One picture's answer.

        Args:
            sight: the picture, as the first of its views.
            question: what is asked of it.
            views: over which maps are averaged.
            watch: told how far it is; may stop it.
            run: the passes already run for it.
            top: how many of the likeliest classes are told.
        """
        watch.stop_if_cancelled()
        first, own, failed = self._observer.see_all(sight, question, watch)
        run += own
        # Every view explains the classes of the picture as it is.
        fixed = replace(question, targets=tuple(dict.fromkeys(first.resolve(t) for t in question.targets)))
        fixed = fixed.without(failed)
        drawn = []
        for number, view in enumerate(views):
            at, seen = sight, first
            if number:
                at = replace(sight, view=view)
                seen, own, failed = self._observer.see_all(at, fixed, watch)
                run += own
                fixed = fixed.without(failed)
            part = watch.part(number / len(views), (number + 1) / len(views))
            with self._memory.keeping_account(at):
                drawn.append(draw_all(self._machine, at, seen, fixed, part))
        targets = [target for target in fixed.targets if target is not None]
        keys = [
            (method.name, name_place(method, layer, sight.loaded), target)
            for target in targets
            for layer in question.layers
            for method in fixed.methods
        ]
        maps = []
        for key in dict.fromkeys(keys):
            if all(key in one.maps for one in drawn):
                heatmap = average([one.maps[key] for one in drawn], views)
                maps.append(replace(heatmap, passes=run + heatmap.passes, own_passes=heatmap.passes))
        look = first.prompt_look if any("prompts" in method.needs for method in fixed.methods) else None
        labels = sight.loaded.labels
        record("explain", sight.picture.digest, sight.loaded.fingerprint)
        return PictureExplanation(
            picture=sight.picture,
            predictions=rank_classes(first.logits, labels, top, sight.loaded.outputs),
            prompt_predictions=rank_classes(look.scores, labels, 5) if look else (),
            targets=tuple(targets),
            labels=tuple(labels[target] for target in targets),
            layers=tuple(layer.name for layer in question.layers),
            maps=tuple(maps),
            unavailable={**fixed.unavailable, **{k: v for one in drawn for k, v in one.unavailable.items()}},
            outputs=sight.loaded.outputs,
        )
