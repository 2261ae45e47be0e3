"""Where networks run: the device, its precision, whose turn it is, how often they ran, and what is done when no memory
is left.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from explain.engine.admission import Admission
from explain.engine.counted import Hits
from explain.engine.quotas import read_quotas
from explain.engine.shelf import Shelf
from explain.engine.sight import Sight
from explain.errors import DeviceError
from explain.networks.device import (
    Precision,
    attempt,
    describe_device,
    find_device,
    read_device_settings,
    release_memory,
    set_arithmetic,
)
from explain.passes.count import Passes
from explain.passes.runner import Runner

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel
    from explain.networks.layer import Layer
    from explain.passes.folding import Forwards

S = TypeVar("S")
T = TypeVar("T")


class Machine:
    """Where networks run.

    Args:
        device: `auto` or a torch device name; left out, what the environment says.
        precision: of the networks' arithmetic; left out, what the environment says.
        model_bytes: how much the weights of loaded models may take.
        forget: drops everything that is kept of pictures, where memory is short.

    Attributes:
        precision: of the networks' arithmetic.
        shelf: the models.
        admission: who runs one next.
        hits: how often what is kept was there.

    Raises:
        ExplainError: the environment asks for something that does not exist.
    """

    def __init__(
        self, device: str | None, precision: Precision | None, model_bytes: int, forget: Callable[[], None]
    ) -> None:
        chosen = read_device_settings()
        self._device_name = device or chosen.device
        self.precision: Precision = precision or chosen.precision
        self.hits = Hits()
        self.shelf = Shelf(model_bytes, lambda: self.device, self.hits)
        self.admission = Admission(read_quotas(), self._count_slots)
        self._forget = forget
        self._lock = threading.Lock()
        self._passes = Passes()

    @cached_property
    def device(self) -> str:
        """The torch device that models run on.

        Raises:
            DeviceError: this computer has none like the one asked for.
        """
        return find_device(self._device_name)

    @property
    def description(self) -> str:
        """Where models run and in which precision, in a short phrase."""
        return describe_device(self.device, self.precision)

    @property
    def passes(self) -> Passes:
        """Passes of all networks so far."""
        return self._passes

    def count(self, passes: Passes) -> Passes:
        """Count passes that were run, and give them back."""
        with self._lock:
            self._passes = self._passes + passes
        self.admission.spend(passes)
        return passes

    @contextmanager
    def turn(self, loaded: LoadedModel, kept: bool = False) -> Iterator[None]:
        """While entered, a model is this thread's own, is on the device, and calculates as it was told.

        Args:
            loaded: the model.
            kept: it will not be run, all is remembered; so nobody else's turn is waited for.

        Raises:
            Cancelled: the question is not wanted any more, or there are too many others; see `Admission.turn`.
        """
        with self.admission.turn(kept), self.shelf.lock_of(loaded), set_arithmetic(self.device, self.precision):
            self.make_room(partial(self.shelf.bring, loaded), loaded)
            yield

    def turns(self, loaded: LoadedModel) -> AbstractContextManager[None]:
        """The same as an object that one thread may enter again and again."""
        return _Turns(lambda: self.turn(loaded))

    def prove(self) -> AbstractContextManager[object]:
        """While entered, networks calculate in float32: for proofs, which rounding would spoil."""
        return set_arithmetic(self.device, "float32")

    def prepare(self, sight: Sight) -> Tensor:
        """The model's input, `(1, C, h, w)`, on the device."""
        return sight.prepare().to(self.device)

    def make_runner(
        self,
        loaded: LoadedModel,
        inputs: Tensor,
        by_prompts: bool,
        folded: Forwards | None = None,
        layer: Layer | None = None,
    ) -> Runner:
        """What asks a model about changed pictures, or changed outputs of a layer, for its answers alone.

        Args:
            loaded: the model.
            inputs: what is changed, `(1, C, h, w)`, on the device.
            by_prompts: the class prompts answer, where it has some, and not the network's own head.
            folded: see `Runner`.
            layer: whose output is changed; the last for who changes pictures.
        """
        return Runner(
            loaded.choose_module(by_prompts),
            inputs,
            layer or loaded.layers[-1],
            0,
            "logit",
            turn=self.turns(loaded),
            count=self.count,
            outputs=loaded.outputs,
            folded=folded,
        )

    def make_room(self, work: Callable[[], T], loaded: LoadedModel) -> T:
        """What the work gives; where the memory is short, once more after everything that can be spared is gone.

        Raises:
            DeviceError: that is not enough.
        """
        for _ in range(2):
            done = attempt(work)
            if done is not None:
                return done[0]
            self._free_memory(loaded)
        raise DeviceError(
            f"The memory of {self.description} is too small for this. Ask for fewer layers at once or a smaller model, "
            "or close what else runs there."
        )

    def make_room_in_halves(
        self, work: Callable[[Sequence[S]], tuple[T, ...]], items: Sequence[S], loaded: LoadedModel
    ) -> tuple[T, ...]:
        """What the work gives for all items at once, or for halves of them that fit the memory.

        Raises:
            DeviceError: not even one fits.
        """
        if len(items) == 1:
            return self.make_room(partial(work, items), loaded)
        done = attempt(partial(work, items))
        if done is not None:
            return done[0]
        self._free_memory(loaded)
        half = len(items) // 2
        first = self.make_room_in_halves(work, items[:half], loaded)
        return first + self.make_room_in_halves(work, items[half:], loaded)

    def _count_slots(self) -> int:
        """How many networks run at once: one on a device, on the CPU one for as many cores as it works on."""
        import torch

        return 1 if self.device != "cpu" else max(1, (os.cpu_count() or 1) // torch.get_num_threads())

    def _free_memory(self, loaded: LoadedModel) -> None:
        """Drop everything that can be had again: what was kept of pictures, and the models not in use."""
        self._forget()
        self.shelf.give_up_others(loaded)
        release_memory(self.device)


class _Turns:
    """A turn that can be taken again and again, by one thread."""

    def __init__(self, begin: Callable[[], AbstractContextManager[None]]):
        self._begin = begin
        self._taken: list[ExitStack] = []

    def __enter__(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._begin())
            self._taken.append(stack.pop_all())

    def __exit__(self, *error: Any) -> None:
        self._taken.pop().__exit__(*error)
