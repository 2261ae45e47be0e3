"""Giving heads and MLPs their values of another picture: what must be run for it, and never twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from explain.engine.asker import Asker
from explain.engine.effects import describe_answer
from explain.engine.memory import Seen
from explain.engine.question import find_target
from explain.engine.sight import Sight
from explain.errors import MethodError, PictureError
from explain.faithfulness.patching import Patches, choose_measured, join
from explain.networks.meaning import read_answers
from explain.passes.count import Passes
from explain.passes.patching import Part, Values, answer_with, build_place, find_change, list_parts, read_values
from explain.progress import Progress, Watch

if TYPE_CHECKING:
    from torch import Tensor

    from explain.pictures.picture import Picture

_TEXT = "Giving parts the values of the other picture"


@dataclass(frozen=True, eq=False)
class _Pair:
    """A picture and the other, under one model, with what is asked of them."""

    sight: Sight
    twin: Sight
    seen: Seen
    target: int
    parts: Sequence[Part]


class Patcher(Asker):
    """Gives parts of a transformer the values they have in another picture. See `Asker` for what it is given."""

    def measure(
        self,
        picture: Picture,
        model: Any,
        twin: Picture,
        target: int | str = "auto",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Patches:
        """What each head and each MLP of a vision transformer carries of what differs between a picture and another:
        how far the score falls where it alone has its values of the other. Exact for up to 256 parts, by a pass of what
        follows each; of more, 32 are run and the others estimated. What was asked before is not run again.

        Args:
            picture: the picture.
            model: see `Engine.load`.
            twin: the other picture, such as this one with a part painted over.
            target: class index or label; `auto` is the likeliest of the picture.
            progress: told how far it is.
            cancel: when set, work stops with `Cancelled` before the next chunk.

        Raises:
            ExplainError: with a sentence on what was wrong.
        """
        sight = Sight(picture, self._load(model))
        loaded, watch = sight.loaded, Watch(progress, cancel)
        parts = list_parts(loaded.module)
        if not parts:
            raise MethodError(
                f"“{loaded.request.name}” has no heads and MLPs that could be told apart. Change channels of a layer "
                "instead, or choose a vision transformer."
            )
        if twin.digest == picture.digest:
            raise PictureError("Both pictures are the same, so nothing differs. Give another one.")
        other = Sight(twin, loaded)
        named = None if target == "auto" else find_target(loaded, target)
        seens = []
        for one in (sight, other):
            watch.stop_if_cancelled()
            with self._machine.turn(loaded), self._memory.keeping_account(one):
                seens.append(self._observer.see(one)[0])
        resolved = seens[0].resolve(named)
        pair = _Pair(sight, other, seens[0], resolved, parts)
        measured = choose_measured(len(parts), sight.seed)
        with self._memory.keeping_account(sight), pair.seen.turn_of(("patches", twin.digest)):
            table = self._ask(pair, measured, watch)
            falls, agreement = table[-1, resolved] - table[:-2, resolved], None
            if not measured.all():
                falls, agreement = join(self._estimate(pair), falls, measured)
        whole, changed = (describe_answer(seen.logits.cpu().double().numpy(), resolved, loaded) for seen in seens)
        names = tuple(part.name for part in parts)
        together = float(table[-1, resolved] - table[-2, resolved])
        return Patches(whole, changed, names, falls, together, measured, agreement)

    def _ask(self, pair: _Pair, measured: np.ndarray, watch: Watch) -> np.ndarray:
        """Answers with each part measured, with all parts, and with none from the other picture, `(n + 2, answers)`."""
        key = ("patches", pair.twin.picture.digest)
        if key not in pair.seen.tables:
            own, other = (self._read(one, pair.parts) for one in (pair.sight, pair.twin))
            chosen = [part for part, run in zip(pair.parts, measured, strict=True) if run]
            rows = self._run(pair, chosen, own, other, watch)
            loaded, tensor = pair.sight.loaded, self._machine.prepare(pair.sight)
            with self._machine.turn(loaded):
                together = answer_with(loaded.module, tensor, other, loaded.outputs)
            self._machine.count(Passes(forward=1))
            last = [values.cpu().double().numpy() for values in (together, pair.seen.logits)]
            pair.seen.keep_table(key, np.stack([*rows, *last]))
        return pair.seen.tables[key]

    def _run(self, pair: _Pair, chosen: Sequence[Part], own: Values, other: Values, watch: Watch) -> list[np.ndarray]:
        """Answers with each of some parts from the other picture, module by module, in their order."""
        loaded = pair.sight.loaded
        rows: list[np.ndarray] = []
        for name in dict.fromkeys(part.module for part in chosen):
            some = [part for part in chosen if part.module == name]
            changes = [find_change(loaded.module, part, own, other) for part in some]
            runner = self._machine.make_runner(
                loaded, self._machine.prepare(pair.sight), by_prompts=False, layer=build_place(some[0], own)
            )
            start = len(rows) / len(chosen)
            runner.report_to(watch.part(start, start + len(some) / len(chosen), _TEXT).report, watch.cancel)
            runner.expect(len(some))

            def change(maps: Tensor, numbers: range, changes: Sequence[Tensor] = changes) -> None:
                for row, number in enumerate(numbers):
                    maps[row] += changes[number].T[:, None].to(maps)

            rows += [*runner.answers_after(change, len(some)).cpu().double().numpy()]
        return rows

    def _estimate(self, pair: _Pair) -> np.ndarray:
        """How far the score falls by the gradient, for every part, `(n,)`."""
        key = ("patch estimates", pair.twin.picture.digest, pair.target)
        if key not in pair.seen.tables:
            loaded = pair.sight.loaded
            own = self._read(
                pair.sight, pair.parts, lambda scores: read_answers(scores, loaded.outputs)[0, pair.target]
            )
            other = self._read(pair.twin, pair.parts)
            falls = [
                -float((find_change(loaded.module, part, own, other) * own.gradients[part.module]).sum())
                for part in pair.parts
            ]
            pair.seen.keep_table(key, np.array(falls))
        return pair.seen.tables[key]

    def _read(self, sight: Sight, parts: Sequence[Part], pick: Callable[[Tensor], Tensor] | None = None) -> Values:
        with self._machine.turn(sight.loaded):
            values = read_values(sight.loaded.module, self._machine.prepare(sight), parts, pick)
        self._machine.count(Passes(1, 0 if pick is None else 1))
        return values
