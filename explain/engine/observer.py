"""Running a network over pictures as seldom as it can be done.

Two words are kept apart: to *see* may be answered from memory, to *look* always runs the network.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from explain.engine.failure import excuse
from explain.engine.machine import Machine
from explain.engine.memory import Memory, Seen
from explain.engine.question import Question, part_asks
from explain.engine.sight import Sight
from explain.errors import ExplainError, MethodError
from explain.faithfulness.unlike import list_described
from explain.methods import Method
from explain.models.loaded import get_layer
from explain.networks.device import measure_half, wait_for
from explain.passes.count import Passes
from explain.passes.look import Ask, Look, Score, look_at
from explain.passes.meta_step import PASSES, look_after_step
from explain.passes.prompts import PromptCapture, PromptLook, capture_prompt, look_through_prompts
from explain.progress import Watch
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel
    from explain.networks.layer import Layer


_LARGE = 2 * 2**20
"""Bytes of a volume as input, of which several at once gain nothing and take much memory: 80³ voxels."""


class Observer:
    """Sees pictures: from memory, or by a look at what is not known yet.

    Args:
        machine: runs the networks.
        memory: what was seen before, and all that is seen from now on.
    """

    def __init__(self, machine: Machine, memory: Memory):
        self._machine = machine
        self._memory = memory
        self._pace: dict[str, float] = {}

    def estimate_seconds(
        self, model: LoadedModel, method: Method, layer: str, settings: Settings | None, among_many: float | None
    ) -> float | None:
        """How long a method with passes of its own will take for one picture; see `Engine.estimate_seconds`. A pass
        `among_many` takes so many seconds, where that is known: on a GPU a small part of what one takes alone.
        """
        pace = self.pace_of(model)
        if pace is not None and among_many is not None and self._machine.device != "cpu":
            pace = min(pace, among_many)
        if method.count_passes is None or pace is None or not model.layers:
            return None
        at = get_layer(model, layer)
        share = 1.0
        if method.after_layer:
            # Layers are spread over the network fairly evenly. After the last one comes little more than the head.
            share = max(len(model.layers) - 1 - model.layers.index(at), 0.3) / len(model.layers)
        chosen = settings or method.settings()
        if getattr(chosen, "precision", "full") == "half":
            share /= measure_half(self._machine.device)
        return pace * share * method.count_passes(at, chosen)

    def pace_of(self, loaded: LoadedModel) -> float | None:
        """Seconds of the model's quickest look at a picture so far; None before the first."""
        return self._pace.get(loaded.fingerprint)

    def look_ahead(self, sights: Sequence[Sight], question: Question, watch: Watch) -> dict[str, Passes]:
        """Send the pictures of which nothing is known yet through the network together.

        Args:
            sights: of one model.
            question: what is asked of each.
            watch: may stop it before the pass.

        Returns:
            The passes run for each, by the picture's digest.
        """
        if len(sights) < 2:
            return {}
        loaded = sights[0].loaded
        with self._machine.turn(loaded):
            watch.stop_if_cancelled()
            fresh = list({sight.key: sight for sight in sights if not self._memory.knows(sight)}.values())
            if len(fresh) < 2:
                return {}
            asks = part_asks(question.list_asks(), loaded)[0]
            tensors = [self._machine.prepare(sight) for sight in fresh]
            if loaded.reads_volumes and max(tensor.nbytes for tensor in tensors) > _LARGE:
                return {}
            try:
                looks = self._look(loaded, tensors, question.layers, asks, question.beside)
            except Exception as error:
                if _concerns_all(error):
                    raise
                return {}  # each picture is then seen alone, and the method that fails is found there
            for sight, look in zip(fresh, looks, strict=True):
                seen = Seen()
                seen.add(look)
                with self._memory.keeping_account(sight):
                    self._memory.keep(sight, seen)
            return {sight.picture.digest: Passes(1, len(asks)) for sight in fresh}

    def see_all(self, sight: Sight, question: Question, watch: Watch) -> tuple[Seen, Passes, dict[str, str]]:
        """Everything the methods need but for passes of their own, in as few passes of the network as that takes.

        Returns:
            What is known now; the passes run for it; by method name, the sentence why what it needs cannot be had.

        Raises:
            ExplainError: the network cannot look at this picture at all.
        """
        kept = self._knows_all(sight, question)
        self._machine.hits.count("captures", kept)
        with self._machine.turn(sight.loaded, kept), self._memory.keeping_account(sight):
            watch.stop_if_cancelled()
            failed: dict[str, str] = {}
            try:
                seen, run = self.see(sight, question.layers, question.list_asks(), question.beside)
            except Exception as error:
                if _concerns_all(error):
                    raise
                seen, run = self._see_one_by_one(sight, question, failed)
            for target in dict.fromkeys(seen.resolve(target) for target in question.targets):
                for need in ("prompts", "attention"):
                    needing = [m for m in question.methods if need in m.needs and m.name not in failed]
                    if not needing:
                        continue
                    watch.stop_if_cancelled()
                    try:
                        see = self._see_prompts_of if need == "prompts" else self._see_attention
                        run += see(sight, seen, target, question.score)
                    except Exception as error:
                        failed.update({method.name: excuse(method, error) for method in needing})
            return seen, run, failed

    def _knows_all(self, sight: Sight, question: Question) -> bool:
        """Whether the network need not be run. The model's turn need not be held: what is forgotten meanwhile is seen
        again, out of turn.
        """
        seen = self._memory.recall(sight)
        if seen is None or seen.own_logits is None:
            return False
        groups = part_asks(question.list_asks(), sight.loaded)
        if any(self._find_missing(seen, group, question.layers, question.beside) is not None for group in groups):
            return False
        needs = {need for method in question.methods for need in method.needs}
        if "prompts" in needs and seen.prompt_look is None:
            return False
        targets = {seen.resolve(target) for target in question.targets}
        return "attention" not in needs or all((target, question.score) in seen.attention for target in targets)

    def _find_missing(
        self, seen: Seen, group: Sequence[Ask], layers: Sequence[Layer], beside: Sequence[Layer]
    ) -> list[Ask] | None:
        """What of a group of asks is not known of a picture of which the scores are; None where nothing is missing."""
        known = seen.stepped if group and group[0].step else seen.gradients
        missing = [
            ask
            for ask in dict.fromkeys(ask.of(seen.resolve(ask.target)) for ask in group)
            if any((layer.name, ask) not in known for layer in layers)
        ]
        if missing or (group and group[0].step):
            return missing or None
        return None if all(layer.name in seen.activations for layer in (*layers, *beside)) else []

    def _see_one_by_one(self, sight: Sight, question: Question, failed: dict[str, str]) -> tuple[Seen, Passes]:
        """What can be seen where something that is differentiated fails: each method's own part by itself."""
        seen, run = self.see(
            sight, question.layers, beside=question.beside
        )  # where this fails, so does the network itself
        for method in question.methods:
            if method.differentiates:
                asks = [question.make_ask(method, target) for target in question.targets]
                try:
                    run += self.see(sight, question.layers, asks)[1]
                except Exception as error:
                    failed[method.name] = excuse(method, error)
        return seen, run

    def _see_prompts_of(self, sight: Sight, seen: Seen, target: int, _score: Score) -> Passes:
        """What the class prompts look at."""
        run = self.see_prompts(sight, seen)[1]
        self.see_prompt(sight, seen, target)
        return run

    def _see_attention(self, sight: Sight, seen: Seen, target: int, score: Score) -> Passes:
        """The attention of every block, with its gradients."""
        if (target, score) in seen.attention:
            return Passes()
        from explain.passes.attention import look_at_attention

        tensor, loaded = self._machine.prepare(sight), sight.loaded
        work = partial(look_at_attention, loaded.module, tensor, target, score, loaded.outputs)
        seen.attention[target, score] = self._machine.make_room(work, loaded)
        return self._machine.count(Passes(forward=1, backward=2))

    def see(
        self, sight: Sight, layers: Sequence[Layer] = (), asks: Sequence[Ask] = (), beside: Sequence[Layer] = ()
    ) -> tuple[Seen, Passes]:
        """What is known of a sight, after running the network once more if something asked for is missing: of the
        layers `beside` nothing is differentiated. The model's turn must be held.
        """
        seen = self._memory.recall(sight) or Seen()
        run = Passes()
        for group in part_asks(asks, sight.loaded):
            missing = group if seen.own_logits is None else self._find_missing(seen, group, layers, beside)
            if missing is None:
                continue
            if missing and missing[0].step:
                run += self._look_after_step(sight, seen, layers, missing[0])
                continue
            (look,) = self._look(sight.loaded, [self._machine.prepare(sight)], layers, missing, beside)
            run += Passes(forward=1, backward=len(missing))
            seen.add(look)
        self._memory.keep(sight, seen)
        return seen, run

    def _look_after_step(self, sight: Sight, seen: Seen, layers: Sequence[Layer], ask: Ask) -> Passes:
        """What is seen after a step of training; with the passes that takes."""
        loaded = sight.loaded
        work = partial(look_after_step, loaded.module, self._machine.prepare(sight), layers, ask, loaded.outputs)
        seen.add_after_step(self._machine.make_room(work, loaded))
        return self._machine.count(PASSES)

    def see_prompts(self, sight: Sight, seen: Seen) -> tuple[PromptLook, Passes]:
        """What the class prompts made of a picture, after one pass of the network if that is not known yet. The model's
        turn must be held, and it must have prompts.
        """
        assert sight.loaded.prompted is not None
        run = Passes()
        if seen.prompt_look is None:
            work = partial(look_through_prompts, sight.loaded.prompted, self._machine.prepare(sight))
            seen.prompt_look = self._machine.make_room(work, sight.loaded)
            run = self._machine.count(Passes(forward=1))
        return seen.prompt_look, run

    def see_prompt(self, sight: Sight, seen: Seen, target: int) -> PromptCapture:
        """What the prompt of one class looks at, where `see_prompts` was asked before. Runs nothing."""
        assert sight.loaded.prompted is not None and seen.prompt_look is not None
        if target not in seen.prompts:
            seen.prompts[target] = capture_prompt(sight.loaded.prompted, seen.prompt_look, target)
        return seen.prompts[target]

    def _look(
        self,
        loaded: LoadedModel,
        tensors: Sequence[Tensor],
        layers: Sequence[Layer],
        asks: Sequence[Ask],
        beside: Sequence[Layer],
    ) -> tuple[Look, ...]:
        """A look at each of some pictures, `(1, C, h, w)` each, all at once or in halves that fit the memory."""
        import torch

        def work(some: Sequence[Tensor]) -> tuple[Look, ...]:
            started = time.perf_counter()
            described = list_described(loaded.layers)
            pictures = torch.cat([*some])
            if len(some) > 1 and pictures.device.type == "cpu" and pictures.ndim == 4:
                # Several at once are a quarter quicker in this order of memory; one alone stays as it is, bit for bit.
                pictures = pictures.contiguous(memory_format=torch.channels_last)
            looks = look_at(loaded.module, pictures, layers, asks, loaded.outputs, described, None, beside)
            wait_for(self._machine.device)
            pace = (time.perf_counter() - started) / len(looks)
            self._pace[loaded.fingerprint] = min(pace, self._pace.get(loaded.fingerprint, pace))
            self._machine.count(Passes(len(looks), len(looks) * len(asks)))
            return looks

        return self._machine.make_room_in_halves(work, tensors, loaded)


def _concerns_all(error: Exception) -> bool:
    """Whether no method can be helped by looking again without the others: the model, the layer or the device is
    refused, or the person stopped it.
    """
    return isinstance(error, ExplainError) and not isinstance(error, MethodError)
