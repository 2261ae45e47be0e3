"""What the frozen part of a network makes of a training set: computed once and reused in every epoch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch

from explain.errors import StorageError
from explain.pictures.decode import decode
from explain.pictures.geometry import Preprocessing, prepare

if TYPE_CHECKING:
    from torch import Tensor

    from explain.datasets.dataset import Example

_CHUNK = 32
"""Pictures sent through the frozen blocks at once."""

_SPARE_BYTES = 500_000_000
"""Left free on a disk."""

_LARGEST_HALF = 65_504.0


class FrozenFeatures:
    """What a function says of every picture, plain and, for those trained on, mirrored too.

    In memory as float32, as float16 where that takes more than is allowed, in a file as float16 where even that is too
    much. Where the disk has no room either, or nothing is to be kept, it is computed anew each time it is asked for.

    Args:
        run: from a batch `(B, C, H, W)` on the device to features `(B, ...)`; runs the frozen part.
        device: where it runs.
        examples: the pictures.
        mirrored: indices of those that are kept mirrored as well.
        preprocessing: of the backbone.
        folder: where a file may go; None for nowhere.
        bytes_allowed: of memory.
        keep: False computes everything anew each time.
        tell: given a sentence and the share done, 0…1.
        stop_if_asked: raises to stop; called between chunks.
    """

    def __init__(
        self,
        run: Callable[[Tensor], Tensor],
        device: torch.device,
        examples: Sequence[Example],
        mirrored: Collection[int],
        preprocessing: Preprocessing,
        folder: Path | None,
        bytes_allowed: int,
        keep: bool,
        tell: Callable[[str, float], None],
        stop_if_asked: Callable[[], None],
    ) -> None:
        self._function, self._device, self._preprocessing = run, device, preprocessing
        # Those with a mirror image first, so that two rows of theirs stand side by side.
        order = sorted(range(len(examples)), key=lambda index: index not in mirrored)
        self._examples = [examples[index] for index in order]
        self._mirrored = len(mirrored)
        self._places = torch.tensor(order).argsort()
        self._stop_if_asked = stop_if_asked
        self._kept: Tensor | None = None
        self._path: Path | None = None
        if keep:
            self._compute(folder, bytes_allowed, tell)

    @property
    def kept(self) -> bool:
        """Whether the features are reused, rather than computed each time."""
        return self._kept is not None

    def take(self, indices: Tensor, mirrored: Tensor | None = None) -> Tensor:
        """Features `(B, ...)`, float32 on the device, of examples `(B,)`; of their mirror images where `mirrored`."""
        flips = torch.zeros(len(indices), dtype=torch.bool) if mirrored is None else mirrored
        places = self._places[indices]
        if self._kept is not None:
            rows = torch.where(places < self._mirrored, 2 * places + flips.long(), places + self._mirrored)
            return self._kept[rows].to(self._device, torch.float32)
        batch = self._read([self._examples[int(place)] for place in places])
        return self._run(torch.where(flips[:, None, None, None], batch.flip(3), batch))

    def close(self) -> None:
        """Give back the memory, and the file if there is one."""
        self._kept = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _compute(self, folder: Path | None, bytes_allowed: int, tell: Callable[[str, float], None]) -> None:
        total = len(self._examples) + self._mirrored
        first = next(self._run_chunks())
        bytes_each = first[0].numel() * 4
        if total * bytes_each <= 2 * bytes_allowed:
            dtype = torch.float32 if total * bytes_each <= bytes_allowed else torch.float16
            kept = torch.empty(total, *first.shape[1:], dtype=dtype)
            done = 0
            for chunk in self._run_chunks(first):
                kept[done : done + len(chunk)] = _fit(chunk, dtype)
                done += len(chunk)
                tell(f"{done} of {total} views seen by the frozen blocks", done / total)
            self._kept = kept
        elif folder is not None and shutil.disk_usage(folder).free > total * bytes_each // 2 + _SPARE_BYTES:
            self._path = folder / "features"
            done = 0
            with _file_that_fits(self._path) as file:
                for chunk in self._run_chunks(first):
                    file.write(_fit(chunk, torch.float16).numpy().tobytes())
                    done += len(chunk)
                    tell(f"{done} of {total} views seen by the frozen blocks", done / total)
            # Mapped for writing to memory only, because torch takes no read-only arrays.
            mapped: Any = np.memmap(self._path, np.float16, "c", shape=(total, *first.shape[1:]))
            self._kept = torch.from_numpy(mapped)

    def _run_chunks(self, first: Tensor | None = None) -> Iterator[Tensor]:
        """All features in the order in which they are kept; a picture's mirrored ones follow its plain ones.

        With `first`, which holds those of the first chunk, nothing is computed twice.
        """
        starts = [*range(0, self._mirrored, _CHUNK), *range(self._mirrored, len(self._examples), _CHUNK)]
        for start in starts:
            if start == 0 and first is not None:
                yield first
                continue
            self._stop_if_asked()
            end = start + _CHUNK
            if start < self._mirrored:
                batch = self._read(self._examples[start : min(end, self._mirrored)])
                both = torch.stack([self._run(batch), self._run(batch.flip(3))], 1)
                yield both.flatten(0, 1)
            else:
                yield self._run(self._read(self._examples[start:end]))

    def _read(self, examples: Sequence[Example]) -> Tensor:
        return torch.cat(
            [prepare(decode(example.data, example.name), self._preprocessing).tensor for example in examples]
        )

    def _run(self, batch: Tensor) -> Tensor:
        with torch.no_grad():
            return self._function(batch.to(self._device))


def _fit(features: Tensor, dtype: torch.dtype) -> Tensor:
    """Features on the CPU in a type; what float16 cannot hold becomes the largest that it can."""
    if dtype == torch.float16:
        features = features.clamp(-_LARGEST_HALF, _LARGEST_HALF)
    return features.to("cpu", dtype)


@contextmanager
def _file_that_fits(path: Path) -> Iterator[BinaryIO]:
    """A file to write; where that fails nothing is left of it, and a full disk is a sentence."""
    try:
        with path.open("wb") as file:
            yield file
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageError(
                f"The disk cannot hold the features of the pictures ({error.strerror or error}). Free some space and "
                "start again."
            ) from None
        raise
