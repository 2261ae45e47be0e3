"""Where any training goes on from: one file, written whole after each epoch, that names what it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from explain.errors import ExplainError
from explain.storage import write_atomically

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

CHECKPOINT = "checkpoint.safetensors"

Kinds = dict[str, "dict[str, Tensor]"]
"""Tensors by what they are of (`now`, `best`, `optimiser` …), then by name."""


class Checkpoint:
    """Everything that the next epoch depends on, in one file: there is never a half of it.

    Args:
        path: of the file; None for a training that keeps nothing.
        identity: all that the training depends on, in words. A file with another one is refused.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        self._path, self._identity = path, identity

    @property
    def folder(self) -> Path | None:
        """Where the file is, and what is too large for memory may be put."""
        return None if self._path is None else self._path.parent

    def save(self, kinds: Mapping[str, Mapping[str, Tensor]], header: Mapping[str, str]) -> None:
        """Write it.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        if self._path is None:
            return
        import safetensors.torch

        tensors = {
            f"{kind}.{name}": tensor.detach().cpu().contiguous()
            for kind, named in kinds.items()
            for name, tensor in named.items()
        }
        write_atomically(self._path, safetensors.torch.save(tensors, {"of": self._identity, **header}))

    def read(self) -> tuple[Kinds, dict[str, str]] | None:
        """What was written last: tensors and header; None where nothing was.

        Raises:
            ExplainError: it cannot be read, or is of another training.
        """
        if self._path is None or not self._path.exists():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        except (SafetensorError, OSError) as error:
            raise ExplainError(f"The unfinished training cannot be read. Start it anew. ({error})") from None
        if header.get("of") != self._identity:
            raise ExplainError(
                "The unfinished training was on other pictures, another network or other settings. Start it anew."
            )
        kinds: Kinds = {}
        for key, tensor in tensors.items():
            kind, _, name = key.partition(".")
            kinds.setdefault(kind, {})[name] = tensor
        return kinds, header


def list_state(optimiser: Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers, as named tensors."""
    return {
        f"{index}.{name}": value
        for index, kept in optimiser.state_dict()["state"].items()
        for name, value in kept.items()
        if value is not None
    }


def restore_state(optimiser: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Have an optimiser remember what `list_state` of another of the same kind listed."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
