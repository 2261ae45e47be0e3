"""What becomes of an answer without regions of the picture: what must be run for it, and never twice."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from explain.engine.asker import Asker
from explain.engine.judging import Judge
from explain.engine.machine import Machine
from explain.engine.memory import Memory, Seen
from explain.engine.observer import Observer
from explain.engine.question import find_target
from explain.engine.sight import Sight
from explain.errors import PictureError
from explain.faithfulness.effects import (
    FILLS,
    MOST_REGIONS,
    Answered,
    Change,
    Effect,
    Effects,
    list_kept,
    list_notes,
    work_out,
)
from explain.faithfulness.holes import Filler, find_controls, find_seen, open_hole
from explain.networks.meaning import find_probabilities
from explain.pictures.painting import Paint
from explain.progress import Progress, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from explain.models.loaded import LoadedModel
    from explain.pictures.picture import Picture
    from explain.pictures.region import Region

_AT_ONCE = 64  # holes between two times that their answers are kept
_TEXT = "Painting places over"

Hole = tuple[Paint, np.ndarray]
"""What a hole is filled with, and where it is in the model's input, `(h, w)` bool."""


class Remover(Asker):
    """Takes regions away from a picture, and asks again.

    Args:
        machine, memory, observer, load: see `Asker`.
        judge: has the networks ready that run many changed pictures.
    """

    def __init__(
        self, machine: Machine, memory: Memory, observer: Observer, judge: Judge, load: Callable[[Any], LoadedModel]
    ) -> None:
        super().__init__(machine, memory, observer, load)
        self._judge = judge

    def measure(
        self,
        picture: Picture,
        model: Any,
        regions: Mapping[str, Region],
        target: int | str = "auto",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Effects:
        """What removing, keeping alone and the Shapley share of regions do to the score and probability of a class,
        beside the same holes at other places, under four fills. What was asked of the network before is not run again.

        Args:
            picture: the picture.
            model: see `Engine.load`.
            regions: by their names, rectangles, outlines or masks in the picture's pixels. What of one the model did
                not see is not looked at. Shares are of these regions: what lies around all of them stays as it is.
            target: class index or label; `auto` is the likeliest.
            progress: told how far it is.
            cancel: when set, work stops with `Cancelled` before the next chunk. What was run until then is kept.

        Raises:
            ExplainError: with a sentence on what was wrong; before the network runs on a changed picture.
        """
        sight = Sight(picture, self._load(model))
        loaded, watch = sight.loaded, Watch(progress, cancel)
        if not 0 < len(regions) <= MOST_REGIONS:
            few = "Name at least one region" if not regions else f"{len(regions)} regions are too many at once"
            raise PictureError(f"{few}: give 1 to {MOST_REGIONS}.")
        size = loaded.preprocessing.input_size
        named = None if target == "auto" else find_target(loaded, target)
        with self._machine.turn(loaded), self._memory.keeping_account(sight):
            seen, _ = self._observer.see(sight)
        holes = {name: open_hole(name, region, picture.size, sight.box, size) for name, region in regions.items()}
        shown = find_seen(picture.size, sight.box, size)
        seed = sight.seed
        kept = list_kept(len(holes))
        asked = [(how, _join(holes, row)) for row in kept for how in FILLS]
        controls = [find_controls(hole, shown, seed) for hole in holes.values()]
        asked += [(how, hole) for some in controls for hole in some for how in FILLS]
        with self._memory.keeping_account(sight):
            answers = self._ask(sight, seen, asked, seed, watch)
        resolved = seen.resolve(named)
        score, probability = (
            None if table is None else self._work_out(table[:, resolved], kept, controls)
            for table in (answers, _find_probabilities(answers, loaded))
        )
        assert score is not None
        flips = _find_flips(answers, kept, loaded)
        effects = [
            Effect(
                name,
                float(hole[shown].mean()),
                score[number],
                None if probability is None else probability[number],
                flips[number],
            )
            for number, (name, hole) in enumerate(holes.items())
        ]
        return Effects(
            describe_answer(answers[len(kept) * len(FILLS) - 1], resolved, loaded), effects, (*list_notes(len(holes)),)
        )

    def _ask(self, sight: Sight, seen: Seen, asked: Sequence[Hole], seed: int, watch: Watch) -> np.ndarray:
        """What the network answers with each hole, `(n, answers)` float64."""
        keys = [(False, _name(how, hole)) for how, hole in asked]
        with seen.turn_of(("answers", False)):
            found = {key: seen.answers[key] for key in keys if key in seen.answers}
            new = [*{key: hole for key, hole in zip(keys, asked, strict=True) if key not in found}.items()]
            if new:
                runner = self._judge.make_runner(sight)
                runner.report_to(lambda share: watch.report(share, _TEXT), watch.cancel)
                runner.expect(len(new))
                filler = Filler(runner.picture, sight.loaded.preprocessing, seed)
            for start in range(0, len(new), _AT_ONCE):
                some = new[start : start + _AT_ONCE]

                def make(rows: range, some: Sequence[tuple[Any, Hole]] = some) -> Tensor:
                    return filler.fill([hole for _, hole in some[rows.start : rows.stop]])

                rows = runner.answers(make, len(some)).cpu().numpy()
                fresh = {key: row for (key, _), row in zip(some, rows, strict=True)}
                seen.keep_answers(fresh)
                found |= fresh
        return np.stack([found[key] for key in keys]).astype(np.float64)

    @staticmethod
    def _work_out(numbers: np.ndarray, kept: np.ndarray, controls: Sequence[np.ndarray]) -> list[Change]:
        """What each region does to one number, of which there is one for each hole, `(n,)`."""
        table = numbers.reshape(-1, len(FILLS))
        ends = np.cumsum([len(kept), *map(len, controls)])
        return work_out(table[: ends[0]], kept, np.split(table, ends)[1:-1])


def _join(holes: Mapping[str, np.ndarray], kept: np.ndarray) -> np.ndarray:
    """The hole that is left where some regions are shown."""
    gone = [hole for hole, shown in zip(holes.values(), kept, strict=True) if not shown]
    whole = np.zeros_like(next(iter(holes.values())))
    joined: np.ndarray = np.logical_or.reduce([whole, *gone])
    return joined


def _name(how: Paint, hole: np.ndarray) -> str:
    """A digest of what is hidden and how; the same for the picture as it is, whatever would stand in."""
    said = f"hole {how if hole.any() else ''} {hole.shape} ".encode()
    return hashlib.sha256(said + np.packbits(hole).tobytes()).hexdigest()


def _find_probabilities(answers: np.ndarray, loaded: LoadedModel) -> np.ndarray | None:
    import torch

    if loaded.outputs == "value":
        return None
    return find_probabilities(torch.from_numpy(answers), loaded.outputs).numpy()


def _find_flips(answers: np.ndarray, kept: np.ndarray, loaded: LoadedModel) -> list[dict[Paint, str]]:
    """For each region the likeliest answer without it where that is another one, by the fill; none for a value."""
    count = kept.shape[1]
    if len(loaded.labels) < 2 or loaded.outputs not in ("classes", "logit"):
        return [{} for _ in range(count)]
    best = answers[: len(kept) * len(FILLS)].argmax(1).reshape(-1, len(FILLS))
    flips = []
    for region in range(count):
        (row,) = best[(kept.sum(1) == count - 1) & ~kept[:, region]]
        flips.append({how: loaded.labels[at] for how, at in zip(FILLS, row, strict=True) if at != best[-1, 0]})
    return flips


def find_numbers(answers: np.ndarray, target: int, loaded: LoadedModel) -> tuple[np.ndarray, np.ndarray | None]:
    """Of answers `(n, answers)` the score of a class, `(n,)`, and its probability; None for a value."""
    chances = _find_probabilities(answers, loaded)
    return answers[:, target], None if chances is None else chances[:, target]


def describe_answer(whole: np.ndarray, target: int, loaded: LoadedModel) -> Answered:
    """What the model answers, `(answers,)`, of a class."""
    chances = _find_probabilities(whole, loaded)
    probability = None if chances is None else float(chances[target])
    return Answered(loaded.labels[target], float(whole[target]), probability, loaded.labels[int(whole.argmax())])
