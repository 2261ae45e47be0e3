"""What channels of a layer do to an answer: what must be run for it, and never twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explain.engine.asker import Asker
from explain.engine.effects import describe_answer, find_numbers
from explain.engine.memory import Seen
from explain.engine.question import find_target
from explain.engine.sight import Sight
from explain.errors import LayerError
from explain.faithfulness.channels import (
    ENDS,
    Channels,
    Paths,
    Replaced,
    Way,
    choose_usual,
    draw_pairs,
    find_shift,
    follow_paths,
    keep_each,
    remove_each,
)
from explain.faithfulness.references import describe_unlikeness, list_references
from explain.models.loaded import get_layer
from explain.passes.look import Ask
from explain.progress import Progress, Watch

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel
    from explain.networks.layer import Layer
    from explain.passes.runner import Runner
    from explain.pictures.picture import Picture

_EXAMPLES = 15  # whose mean is taken with the picture's own, where no others are given
_TEXT = "Changing channels"


@dataclass(frozen=True, eq=False)
class _Instead:
    """What channels are set to: `(C, h, w)` or `(C, 1, 1)`, and how it is remembered."""

    way: Way
    values: Tensor
    name: str


class ChannelMeter(Asker):
    """Sets channels to something else, and asks what follows the layer. See `Asker` for what it is given."""

    def measure(
        self,
        picture: Picture,
        model: Any,
        layer: str = "auto",
        target: int | str = "auto",
        beside: Sequence[Picture] = (),
        twin: Picture | None = None,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Channels:
        """What each channel of a layer does to the score and probability of a class: set to its mean, to zero and to
        its values in another picture, and kept alone; beside Grad-CAM's weights. Exact: a pass of what follows the
        layer for each. What was asked of the network before is not run again.

        Args:
            picture: the picture.
            model: see `Engine.load`.
            layer: name of the layer.
            target: class index or label; `auto` is the likeliest.
            beside: pictures whose mean is taken, with this one's; left out, 15 examples like it.
            twin: the other picture, such as this one with a part painted over.
            progress: told how far it is.
            cancel: when set, work stops with `Cancelled` before the next chunk. What was finished until then is kept.

        Raises:
            ExplainError: with a sentence on what was wrong.
        """
        sight = Sight(picture, self._load(model))
        watch = Watch(progress, cancel)
        at = get_layer(sight.loaded, layer)
        seen, resolved = self._see(sight, at, target, watch)
        mean, pictures, notes = self._find_mean(sight, at, beside, watch)
        stand_ins = [mean, _Instead("zero", mean.values * 0, "zero")]
        if twin is not None:
            other = self._see(Sight(twin, sight.loaded), at, resolved, watch)[0]
            stand_ins.append(_Instead("twin", other.activations[at.name], f"twin {twin.digest}"))
        tables = self._ask(sight, seen, at, stand_ins, watch)
        gradients, activations = seen.gradients[at.name, Ask(resolved, "logit")], seen.activations[at.name]
        weights = gradients.flatten(1).mean(1).cpu().double().numpy()
        replaced = {}
        for one, (removed, kept) in zip(stand_ins, tables, strict=True):
            taken = (activations - one.values).flatten(1).sum(1).cpu().double().numpy()
            replaced[one.way] = self._work_out(removed, kept, resolved, sight.loaded, weights * taken)
        whole = describe_answer(tables[0][0][-1], resolved, sight.loaded)
        return Channels(whole, at.name, weights, activations.cpu().numpy().copy(), replaced, pictures, notes)

    def trace(
        self,
        picture: Picture,
        model: Any,
        layers: tuple[str, str],
        target: int | str = "auto",
        beside: Sequence[Picture] = (),
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Paths:
        """What the strongest channels of a layer do through the strongest of a later one, beside random pairs. Which
        are the strongest is measured as `measure` does, with channels as `Channels.usual` says. See there for the rest.

        Args:
            layers: names of the earlier and the later layer.

        Raises:
            ExplainError: with a sentence on what was wrong.
        """
        sight = Sight(picture, self._load(model))
        watch = Watch(progress, cancel)
        loaded = sight.loaded
        first, last = (get_layer(loaded, name) for name in layers)
        order = [layer.name for layer in loaded.layers]
        if order.index(first.name) >= order.index(last.name):
            raise LayerError(
                f"A path goes from a layer to a later one, and “{first.name}” does not come before “{last.name}”. "
                "Name the earlier layer first."
            )
        seen, resolved = self._see(sight, first, target, watch)
        self._see(sight, last, resolved, watch)
        usual, later_usual = (self._find_usual(sight, at, beside, watch) for at in (first, last))
        ends = []
        for number, (at, instead) in enumerate(((first, usual), (last, later_usual))):
            part = watch.part(0.4 * number, 0.4 * (number + 1))
            table = self._ask_one(sight, seen, at, instead, (remove_each,), part)[0][:, resolved]
            ends.append(np.argsort(-np.abs(table[-1] - table[:-1]), kind="stable")[:ENDS])
        chosen = np.stack(np.meshgrid(*ends, indexing="ij"), -1).reshape(-1, 2)
        drawn = draw_pairs((first.channels, last.channels), sight.seed)
        pairs = np.concatenate([chosen, drawn])
        key = ("paths", first.name, last.name, usual.name, pairs.tobytes())
        with self._memory.keeping_account(sight), seen.turn_of(key):
            if key not in seen.tables:
                part = watch.part(0.8, 1.0)
                earlier, later = (self._make_runner(sight, at, part) for at in (first, last))
                later.expect(len(pairs) + 1)
                seen.keep_table(key, follow_paths(earlier, later, pairs, usual.values))
            answers = seen.tables[key][:, resolved]
        falls = answers[-1] - answers[:-1]
        sources, sinks = ends
        effects = falls[: len(chosen)].reshape(len(sources), len(sinks))
        label = loaded.labels[resolved]
        return Paths(label, (first.name, last.name), sources, sinks, effects, falls[len(chosen) :])

    def _see(self, sight: Sight, at: Layer, target: int | str, watch: Watch) -> tuple[Seen, int]:
        """What is known of a picture, its activations and its class's gradients at a layer among it; the class."""
        watch.stop_if_cancelled()
        named = None if target == "auto" else find_target(sight.loaded, target)
        with self._machine.turn(sight.loaded), self._memory.keeping_account(sight):
            seen, _ = self._observer.see(sight, (at,), (Ask(named, "logit"),))
        return seen, seen.resolve(named)

    def _find_mean(
        self, sight: Sight, at: Layer, beside: Sequence[Picture], watch: Watch
    ) -> tuple[_Instead, int, tuple[str, ...]]:
        """The mean of each channel over pictures and places; over how many pictures; and what must be known of them."""
        import torch

        loaded, picture = sight.loaded, sight.picture
        others: Sequence[Picture] = [other for other in beside if other.digest != picture.digest]
        examples = not others and loaded.preprocessing.channels in (1, 3) and not describe_unlikeness(picture)
        if examples:
            others = list_references(loaded.labels, picture.source or picture.digest, _EXAMPLES)
        means = []
        for one in (sight, *(Sight(other, loaded) for other in others)):
            watch.stop_if_cancelled()
            with self._machine.turn(loaded), self._memory.keeping_account(one):
                seen, _ = self._observer.see(one, (at,))
            means.append(seen.activations[at.name].flatten(1).mean(1))
        whose = "this picture and examples" if examples else "this picture and those beside it"
        note = f"The mean of a channel is over all places of {len(means)} pictures: {whose}."
        if not others:
            note = (
                "The mean of a channel is over the places of this picture alone: what a later average over places "
                "evens out anyway does nothing then. Open more pictures like it."
            )
        name = "mean " + " ".join(other.digest for other in others)
        return _Instead("mean", torch.stack(means).mean(0).reshape(-1, 1, 1), name), len(means), (note,)

    def _find_usual(self, sight: Sight, at: Layer, beside: Sequence[Picture], watch: Watch) -> _Instead:
        """What channels are set to where nobody says, see `Channels.usual`."""
        mean, pictures, _ = self._find_mean(sight, at, beside, watch)
        return mean if choose_usual(pictures) == "mean" else _Instead("zero", mean.values * 0, "zero")

    def _ask(
        self, sight: Sight, seen: Seen, at: Layer, stand_ins: Sequence[_Instead], watch: Watch
    ) -> list[list[np.ndarray]]:
        """For each of what channels are set to, the rows of `remove_each` and `keep_each`."""
        count = len(stand_ins)
        return [
            self._ask_one(
                sight, seen, at, one, (remove_each, keep_each), watch.part(number / count, (number + 1) / count)
            )
            for number, one in enumerate(stand_ins)
        ]

    def _ask_one(
        self,
        sight: Sight,
        seen: Seen,
        at: Layer,
        instead: _Instead,
        kinds: Sequence[Callable[[Runner, Tensor], np.ndarray]],
        watch: Watch,
    ) -> list[np.ndarray]:
        """Rows of some kinds, from memory or run now."""
        keys = [(kind.__name__, at.name, instead.name) for kind in kinds]
        with self._memory.keeping_account(sight), seen.turn_of(("channels", at.name)):
            new = [(key, kind) for key, kind in zip(keys, kinds, strict=True) if key not in seen.tables]
            if new:
                runner = self._make_runner(sight, at, watch)
                runner.expect(len(new) * (at.channels + 1))
            for key, kind in new:
                seen.keep_table(key, kind(runner, instead.values))
            return [seen.tables[key] for key in keys]

    def _make_runner(self, sight: Sight, at: Layer, watch: Watch) -> Runner:
        runner = self._machine.make_runner(sight.loaded, self._machine.prepare(sight), by_prompts=False, layer=at)
        runner.report_to(lambda share: watch.report(share, _TEXT), watch.cancel)
        return runner

    @staticmethod
    def _work_out(
        removed: np.ndarray, kept: np.ndarray, target: int, loaded: LoadedModel, claims: np.ndarray
    ) -> Replaced:
        """What the rows say of a class."""
        (score, chance), (kept_score, kept_chance) = (find_numbers(rows, target, loaded) for rows in (removed, kept))
        probability = None if chance is None or kept_chance is None else find_shift(chance, kept_chance)
        flips: dict[int, str] = {}
        if len(loaded.labels) > 1 and loaded.outputs in ("classes", "logit"):
            best = removed.argmax(1)
            flips = {int(k): loaded.labels[best[k]] for k in np.flatnonzero(best[:-1] != best[-1])}
        return Replaced(find_shift(score, kept_score), probability, flips, claims)
