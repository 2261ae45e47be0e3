"""More passes of the network, for methods that cannot do with the one that all share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from explain.errors import Cancelled, ModelError
from explain.networks.device import attempt, release_memory
from explain.networks.meaning import Outputs, read_answers
from explain.networks.output import read_scores
from explain.passes.backward import guide, split_score
from explain.passes.count import Passes
from explain.passes.folding import PASSES, Forwards, fold
from explain.passes.look import Ask, PassPrecision, Score, choose_scores, look_at
from explain.passes.tail import Tail, find_tail, standing_in

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.networks.layer import Layer
    from explain.passes.backward import Contribution

T = TypeVar("T")
_CHUNK_BYTES_CPU = 512 * 2**20
_CHUNK_BYTES = 4 * 2**30
# More pictures at once gain little on a CPU, and others wait longer for the model.
_MOST_AT_ONCE_CPU = 16
_MOST_AT_ONCE = 256
# Of what a picture takes while the network runs, by its own bytes: generous guesses (a ResNet-50 takes 25 and 150),
# because a chunk that does not fit is halved anyway.
_BYTES_FORWARD = 48
_BYTES_GRAPH = 160
_BYTES_TAIL = 8

_WORTH_FOLDING = 64  # pictures; fewer do not make up for what it takes
_FORWARD = Passes(forward=1)
_PAUSE_SECONDS = 0.0005  # a lock let go and taken again at once is hardly ever won by those who wait for it


class Runner:
    """Runs one network for one picture, one layer and one class, for one method at a time.

    It works in chunks: before each it looks whether it was told to stop, takes its turn with the model, and afterwards
    says how far it is. Chunks that do not fit the memory are halved. Tensors it gives out are float32 and without a
    graph.

    Args:
        module: in evaluation mode, frozen.
        picture: the model's input, `(1, C, H, W)`, on its device.
        layer: where to look.
        target: index of the class.
        score: see `explain.passes.look.Score`.
        turn: held while the network runs.
        count: told of every pass.
        outputs: what the numbers mean that the network answers with.
        folded: what an earlier runner of the same network found out, see `fold_now`.
    """

    def __init__(
        self,
        module: nn.Module,
        picture: Tensor,
        layer: Layer,
        target: int,
        score: Score,
        turn: AbstractContextManager[Any] | None = None,
        count: Callable[[Passes], Any] | None = None,
        outputs: Outputs = "classes",
        folded: Forwards | None = None,
    ):
        self.picture = picture
        self.layer = layer
        self.target = target
        self.score = score
        self.outputs = outputs
        self.spent = Passes()
        self._module = module
        self._turn = nullcontext() if turn is None else turn
        self._tell = count
        self._folded = folded
        self._report: Callable[[float], None] | None = None
        self._cancel: threading.Event | None = None
        self._expected = 0
        self._done = 0

    def report_to(self, report: Callable[[float], None] | None, cancel: threading.Event | None) -> None:
        """Say from now on how far the method is, 0…1, and stop with `Cancelled` once `cancel` is set."""
        self._report = report
        self._cancel = cancel

    def expect(self, pictures: int) -> None:
        """How many pictures the method is going to send through the network, for the share done."""
        self._expected = pictures
        self._done = 0

    def fold_now(self) -> Forwards:
        """Work batch normalisations into convolutions, as is done by itself only before many pictures at once; for who
        runs many bit by bit. Gives back what another runner of the same network may be given.
        """
        if self._folded is None:
            (self._folded,) = self._in_chunks(lambda _rows: self._fold(), 1, 0, Passes())
            self._account(Passes(forward=PASSES), 0)
        return self._folded

    def scores(self, make: Callable[[range], Tensor], count: int, precision: PassPrecision = "full") -> Tensor:
        """The class's score for other pictures, `(count,)`.

        Args:
            make: from the numbers of pictures to the pictures, `(n, C, H, W)`.
            count: how many there are.
            precision: see `explain.passes.look.PassPrecision`.
        """
        return self._join(self._send(make, count, precision, self._pick))

    def answers(self, make: Callable[[range], Tensor], count: int, precision: PassPrecision = "full") -> Tensor:
        """The score of every answer of the network for other pictures, `(count, answers)`, at least one; see `scores`.
        The class of this runner has no part in it.
        """
        import torch

        parts = self._send(make, count, precision, lambda numbers: read_answers(numbers, self.outputs))
        return torch.cat([*parts])

    def scores_after(
        self, change: Callable[[Tensor, range], None], count: int, precision: PassPrecision = "full"
    ) -> Tensor:
        """The class's score for other outputs of the layer, `(count,)`, by running only what follows it.

        Args:
            change: changes, in place, copies of the layer's map `(n, C, h, w)`, given the numbers of the changes.
            count: how many there are.
            precision: see `explain.passes.look.PassPrecision`.
        """

        def read(tail: Tail, outputs: Tensor) -> Tensor:
            return self._read(tail.run(outputs), len(outputs))

        return self._join(self._send_after(change, count, precision, read))

    def answers_after(self, change: Callable[[Tensor, range], None], count: int) -> Tensor:
        """The score of every answer of the network for other outputs of the layer, `(count, answers)`, at least one;
        see `scores_after`. The class of this runner has no part in it.
        """
        import torch

        def read(tail: Tail, outputs: Tensor) -> Tensor:
            return read_answers(tail.run(outputs), self.outputs)

        return torch.cat([*self._send_after(change, count, "full", read)])

    def maps_after(self, later: Layer, change: Callable[[Tensor, range], None], count: int) -> Iterator[Tensor]:
        """Another layer's maps for other outputs of this one, in chunks `(n, C, h, w)`; see `scores_after`.

        Args:
            later: a layer that runs after this one.
            change: see `scores_after`.
            count: how many there are.
        """

        def read(tail: Tail, outputs: Tensor) -> Tensor:
            kept: list[Tensor] = []

            def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
                kept.append(later.to_map(output).float().clone())

            handle = self._module.get_submodule(later.name).register_forward_hook(keep)
            try:
                tail.run(outputs)
            finally:
                handle.remove()
            return kept[0]

        return self._send_after(change, count, "full", read)

    def layer_gradients(self, make: Callable[[range], Tensor], count: int) -> Iterator[Tensor]:
        """Gradients of the score at the layer for other pictures, in chunks `(n, C, h, w)`; see `scores`."""
        import torch

        ask = Ask(self.target, self.score)

        def work(rows: range) -> Tensor:
            pictures = make(rows)
            with self._turn:
                looks = look_at(self._module, pictures, (self.layer,), (ask,), self.outputs)
            return torch.stack([look.gradients[self.layer.name, ask] for look in looks])

        return self._in_chunks(work, count, _BYTES_GRAPH * self.picture.nbytes, Passes(1, 1))

    def input_gradients(self, pictures: Tensor) -> Tensor:
        """Gradients of the score at the pictures `(n, C, H, W)`, in the same shape."""
        import torch

        def work(rows: range) -> Tensor:
            own = pictures[rows.start : rows.stop].detach().clone().requires_grad_(True)
            with self._turn, torch.enable_grad():
                total = self._read(self._module(own.clone()), len(rows)).sum()
                (gradients,) = torch.autograd.grad(total, [own], allow_unused=True, materialize_grads=True)
            return gradients.float()

        size = _BYTES_GRAPH * self.picture.nbytes
        return self._join(self._in_chunks(work, len(pictures), size, Passes(1, 1)))

    def guided_gradients(self) -> Tensor:
        """Guided backpropagation of the score to the picture, `(C, H, W)`.

        Raises:
            MethodError: the network has no ReLUs for that, or too few.
        """

        def work(_rows: range) -> Tensor:
            with self._turn:
                return guide(self._module, self.picture, self._pick)

        (gradients,) = self._in_chunks(work, 1, 0, Passes(1, 1))
        return gradients

    def split_score(self, keep: Callable[[Contribution], T]) -> tuple[float, list[T]]:
        """Split the score into what the picture and every bias of the network contribute.

        Args:
            keep: makes of each contribution what is kept of it.

        Returns:
            The score; what was kept, of the picture first.

        Raises:
            MethodError: the network cannot be split like this.
        """

        def work(_rows: range) -> tuple[float, list[T]]:
            with self._turn:
                return split_score(self._module, self.picture, self._pick, keep)

        (split,) = self._in_chunks(work, 1, 0, Passes(1, 1))
        return split

    def _send(
        self,
        make: Callable[[range], Tensor],
        count: int,
        precision: PassPrecision,
        read: Callable[[Tensor], Tensor],
    ) -> Iterator[Tensor]:
        """Chunk by chunk, what is read of the network's numbers `(n, outputs)` for other pictures."""
        import torch

        if count >= _WORTH_FOLDING:
            self.fold_now()
        forwards = self._folded or {}

        def work(rows: range) -> Tensor:
            pictures = make(rows)
            if pictures.device.type == "cpu" and pictures.ndim == 4:
                # On the CPU convolutions are quicker in this order of memory, with or without weights in the same.
                pictures = pictures.contiguous(memory_format=torch.channels_last)
            with self._turn, self._in_precision(precision), standing_in(forwards):
                return read(read_scores(self._module(pictures), len(rows)))

        return self._in_chunks(work, count, _BYTES_FORWARD * self.picture.nbytes)

    def _send_after(
        self,
        change: Callable[[Tensor, range], None],
        count: int,
        precision: PassPrecision,
        read: Callable[[Tail, Tensor], Tensor],
    ) -> Iterator[Tensor]:
        """Chunk by chunk, what is read of what follows the layer, given other outputs of it."""
        (tail,) = self._in_chunks(lambda _rows: self._find_tail(), 1, 0, Passes())
        self._account(Passes(forward=tail.passes), 0)

        def work(rows: range) -> Tensor:
            outputs = tail.output.repeat(len(rows), *[1] * (tail.output.ndim - 1))
            change(self.layer.to_map(outputs), rows)
            with self._turn, self._in_precision(precision):
                return read(tail, outputs)

        size, most = _BYTES_TAIL * tail.output.nbytes, _MOST_AT_ONCE
        if tail.way == "whole":
            size, most = max(size, _BYTES_FORWARD * self.picture.nbytes), 0
        yield from self._in_chunks(work, count, size, most=most)

    def _fold(self) -> Forwards:
        with self._turn:
            return fold(self._module, self.picture)

    def _find_tail(self) -> Tail:
        with self._turn:
            return find_tail(self._module, self.layer, self.picture)

    def _pick(self, scores: Tensor) -> Tensor:
        """Of the network's numbers `(n, outputs)` the score of the class, `(n,)`."""
        return choose_scores(scores, self.score, self.outputs)[:, self.target]

    def _read(self, output: Any, count: int) -> Tensor:
        return self._pick(read_scores(output, count))

    def _in_precision(self, precision: PassPrecision) -> AbstractContextManager[Any]:
        import torch

        if precision == "full":
            return nullcontext()
        return torch.autocast(self.picture.device.type, dtype=torch.bfloat16)

    def _join(self, parts: Iterator[Tensor]) -> Tensor:
        import torch

        return torch.cat([self.picture.new_zeros(0, dtype=torch.float32), *parts])

    def _in_chunks(
        self, work: Callable[[range], T], count: int, picture_bytes: int, each: Passes = _FORWARD, most: int = 0
    ) -> Iterator[T]:
        """What `work` makes of each chunk of `range(count)`, in order.

        Args:
            work: runs the network for the pictures of those numbers.
            count: how many pictures there are.
            picture_bytes: what one takes while the network runs.
            each: passes a picture takes.
            most: how many pictures at once; 0 for what suits the device.
        """
        import torch

        on_cpu = self.picture.device.type == "cpu"
        budget = _CHUNK_BYTES_CPU if on_cpu else _CHUNK_BYTES
        size = max(1, min(most or (_MOST_AT_ONCE_CPU if on_cpu else _MOST_AT_ONCE), budget // max(1, picture_bytes)))
        # A power of two: on a CPU, 16 pictures at once take 54 ms each on a ResNet-50, and 13 take 77.
        size = 1 << (size.bit_length() - 1)
        start = 0
        while start < count:
            rows = range(start, min(start + size, count))
            if self._cancel is not None and self._cancel.is_set():
                raise Cancelled("Stopped. Nothing was changed.")

            def run(rows: range = rows) -> T:
                with torch.inference_mode(False), torch.no_grad():
                    return work(rows)

            part = attempt(run)
            if part is None:
                if len(rows) == 1:
                    raise ModelError(
                        "This model does not fit the memory even for one picture. Choose a smaller model, or close "
                        "what else runs on the device."
                    )
                size = len(rows) // 2
                release_memory(str(self.picture.device))
                continue
            start = rows.stop
            self._account(Passes(each.forward * len(rows), each.backward * len(rows)), each.forward * len(rows))
            time.sleep(_PAUSE_SECONDS)
            yield part[0]

    def _account(self, passes: Passes, done: int) -> None:
        self.spent += passes
        if self._tell is not None:
            self._tell(passes)
        self._done += done
        if self._report is not None and self._expected and done:
            self._report(min(1.0, self._done / self._expected))
