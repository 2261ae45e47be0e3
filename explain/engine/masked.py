"""Running pictures with parts of them hidden: banks that are filled as far as is asked for, and how long that takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from explain.engine.machine import Machine
from explain.engine.memory import Seen
from explain.engine.sight import Sight
from explain.faithfulness.bank import Bank, fill_bank, keeps_ranks
from explain.methods.occlusion import Fill
from explain.networks.device import has_half
from explain.progress import Watch

if TYPE_CHECKING:
    from torch import nn

    from explain.models.loaded import LoadedModel
    from explain.passes.folding import Forwards
    from explain.passes.look import PassPrecision
    from explain.passes.runner import Runner

FIRST_LOOK, FULL_LOOK = 14, 62
"""Masks of each fill. What the first of them say is only so far; all of them decide, once. With the picture as it is
and with all of it hidden they are 16 and 64 passes, which fill whole chunks. Four times as many decided hardly more.
"""

FILLS: tuple[Fill, ...] = ("grey", "blur")
"""What hides. Each that takes the class away has the same say."""

_TRIED = 8  # masks of the first look that are run in half precision as well, before others are run in that alone


class MaskedPasses:
    """Fills banks of masked passes, each pass once.

    Args:
        machine: runs the networks.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._pace: dict[str, float] = {}
        self._folded: WeakKeyDictionary[nn.Module, tuple[str, Forwards]] = WeakKeyDictionary()

    def pace_of(self, loaded: LoadedModel) -> float | None:
        """Seconds of a masked pass, at its quickest so far; None before the first."""
        return self._pace.get(loaded.fingerprint)

    def forget(self) -> None:
        """Drop what can be found out again, where memory is short."""
        self._folded.clear()

    def open_bank(self, sight: Sight, seen: Seen, count: int, fill: Fill, by_prompts: bool, watch: Watch) -> Bank:
        """A bank of so many masks, from memory or run now.

        Those of the first look are always run as exactly as all else. The others may be run in half precision, where
        that is quicker on this machine and told the same of some of the first look.

        Args:
            sight: the picture.
            seen: what is known of it, the banks among it.
            count: how many masks.
            fill: what hides.
            by_prompts: the class prompts answer, and not the network's own head.
            watch: told how far it is; may stop it before each chunk.
        """
        watch.stop_if_cancelled()
        key = (fill, by_prompts)
        with seen.turn_of(("bank", key)):
            bank = seen.banks.get(key)
            if bank is not None and len(bank.masks) >= count:
                return bank.first(count)
            if bank is None and count > FIRST_LOOK:
                first = FIRST_LOOK / count
                bank = self.open_bank(sight, seen, FIRST_LOOK, fill, by_prompts, watch.part(0.0, first))
                watch = watch.part(first, 1.0)
            runner = self.make_runner(sight, by_prompts)
            runner.report_to(lambda share: watch.report(share, f"Hiding parts of the {sight.what}"), watch.cancel)
            runner.expect(count - (0 if bank is None else len(bank.masks)))
            started, before = time.perf_counter(), runner.spent
            precision = "full" if bank is None else self._choose_precision(runner, seen, by_prompts)
            bank = fill_bank(runner, sight.seed, count, fill, sight.allowed, bank, precision)
            passes = max(runner.spent.forward - before.forward, 1)
            self._note_pace(sight.loaded, (time.perf_counter() - started) / passes)
            seen.banks[key] = bank
            return bank

    def make_runner(self, sight: Sight, by_prompts: bool) -> Runner:
        """A runner of the picture with batch normalisations worked in: all that is run of a picture is worth it, though
        the first chunk alone is not. Once a network, not once a picture.

        Args:
            sight: the picture.
            by_prompts: the class prompts answer, and not the network's own head.
        """
        module = sight.loaded.choose_module(by_prompts)
        held = self._folded.get(module)
        folded = held[1] if held is not None and held[0] == self._machine.device else None
        runner = self._machine.make_runner(sight.loaded, self._machine.prepare(sight), by_prompts, folded)
        self._folded[module] = self._machine.device, runner.fold_now()
        return runner

    def _choose_precision(self, runner: Runner, seen: Seen, by_prompts: bool) -> PassPrecision:
        """Of all masks after the first look, by whatever they are filled."""
        bank = seen.banks.get((FILLS[0], by_prompts))
        if bank is None or self._machine.precision != "float32" or not has_half(self._machine.device):
            return "full"
        if by_prompts not in seen.halves:
            seen.halves[by_prompts] = keeps_ranks(runner, bank, _TRIED)
        return "half" if seen.halves[by_prompts] else "full"

    def _note_pace(self, loaded: LoadedModel, pace: float) -> None:
        self._pace[loaded.fingerprint] = min(pace, self._pace.get(loaded.fingerprint, pace))
