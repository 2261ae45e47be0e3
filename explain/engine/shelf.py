"""The models in memory: each once, the ones used longest ago given up first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from explain.engine.counted import Hits
from explain.networks.device import attempt, move, release_memory
from explain.rights import need

if TYPE_CHECKING:
    from torch import nn

    from explain.models.loaded import LoadedModel
    from explain.models.request import ModelRequest
    from explain.networks.prompted_vit import PromptedViT


@dataclass(eq=False)
class _Kept:
    """The weights of one fingerprint, and what they are known as."""

    module: nn.Module
    prompted: PromptedViT | None
    lock: threading.RLock
    bytes_kept: int
    loaded: dict[ModelRequest, LoadedModel] = field(default_factory=dict)


class Shelf:
    """Loads models and keeps them, by fingerprint, up to a budget. Safe to share between threads.

    Whoever runs a model holds its lock (`lock_of`) and has it put on the device first (`bring`). What is given up is
    moved off the device, because a session may still hold on to it; when it is used again it is brought back.

    Args:
        bytes_allowed: how much the weights of all models may take. The newest always stays, and so does what is in use.
        find_device: where models run.
        hits: told whether a model that was asked for was there; left out, nobody is.
    """

    def __init__(self, bytes_allowed: int, find_device: Callable[[], str], hits: Hits | None = None):
        self._bytes_allowed = bytes_allowed
        self._find_device = find_device
        self._hits = hits or Hits()
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        # Locks live as long as anyone holds on to them.
        self._locks: WeakValueDictionary[str, threading.RLock] = WeakValueDictionary()
        self._loading: WeakValueDictionary[ModelRequest, threading.RLock] = WeakValueDictionary()

    @property
    def bytes_kept(self) -> int:
        """Bytes of the weights of all models kept."""
        with self._lock:
            return sum(kept.bytes_kept for kept in self._kept.values())

    def load(
        self, request: ModelRequest, weights: bytes | None = None, make: Callable[[], LoadedModel] | None = None
    ) -> LoadedModel:
        """Load a model, or give back the one already loaded. Those who ask at once wait for the first.

        Args:
            request: which.
            weights: the checkpoint's bytes, for a file.
            make: makes it, where it is not loaded by its name.

        Raises:
            ModelError: it cannot be loaded.
            RightsError: it is a file, and whoever acts may use none of their own.
        """
        import torch

        from explain.models.load import load_model, pin_request

        if request.source == "file":
            need("models")
        request = pin_request(request)
        with self._lock:
            loading = self._loading.setdefault(request, threading.RLock())
        with loading:
            found = self._find(request)
            self._hits.count("models", found is not None)
            if found is None:
                # Weights made in a caller's inference mode could never be part of a graph.
                with torch.inference_mode(False):
                    found = self.admit(load_model(request, weights) if make is None else make())
                with self._lock:
                    kept = self._kept.get(found.fingerprint)
                    if kept is not None and kept.module is found.module:  # not given up meanwhile
                        kept.loaded[request] = found
            return found

    def admit(self, loaded: LoadedModel) -> LoadedModel:
        """Keep a model, on the device if it fits there now. Where the same weights are kept already, the model is given
        back with those.
        """
        with self._lock:
            kept = self._kept.get(loaded.fingerprint)
            if kept is None:
                lock = self._make_lock(loaded.fingerprint)
                kept = _Kept(loaded.module, loaded.prompted, lock, _count_bytes(loaded))
                self._kept[loaded.fingerprint] = kept
            elif kept.module is not loaded.module:
                loaded = replace(loaded, module=kept.module, prompted=kept.prompted)
            self._kept.move_to_end(loaded.fingerprint)
        self._give_up(self._bytes_allowed, loaded.fingerprint)
        with kept.lock:
            attempt(partial(self.bring, loaded))  # whoever runs it brings it first, and can make room
        return loaded

    def bring(self, loaded: LoadedModel) -> None:
        """Put a model on the device if it was moved off. Its lock must be held."""
        _move(loaded, self._find_device())

    def lock_of(self, loaded: LoadedModel) -> threading.RLock:
        """The one lock of everything with these weights."""
        with self._lock:
            return self._make_lock(loaded.fingerprint)

    def give_up_others(self, loaded: LoadedModel) -> None:
        """Give up all models but this one and those in use."""
        self._give_up(0, loaded.fingerprint)

    def _find(self, request: ModelRequest) -> LoadedModel | None:
        with self._lock:
            for fingerprint, kept in self._kept.items():
                if request in kept.loaded:
                    self._kept.move_to_end(fingerprint)
                    return kept.loaded[request]
        return None

    def _give_up(self, bytes_allowed: int, newest: str) -> None:
        """Give up those used longest ago until the rest fits."""
        device = self._find_device()
        with ExitStack() as held:
            leaving: list[_Kept] = []
            with self._lock:
                total = sum(kept.bytes_kept for kept in self._kept.values())
                for fingerprint, kept in list(self._kept.items()):
                    # Waiting for a model in use could wait for someone who waits for this thread.
                    if total <= bytes_allowed or fingerprint == newest or not kept.lock.acquire(blocking=False):
                        continue
                    held.callback(kept.lock.release)
                    total -= kept.bytes_kept
                    leaving.append(self._kept.pop(fingerprint))
            if device != "cpu":
                for gone in leaving:
                    _move(gone, "cpu")
                if leaving:
                    release_memory(device)

    def _make_lock(self, fingerprint: str) -> threading.RLock:
        return self._locks.setdefault(fingerprint, threading.RLock())


def _count_bytes(model: LoadedModel) -> int:
    """Bytes of all weights and buffers, each once: prompts share their network."""
    modules = [module for module in (model.module, model.prompted) if module is not None]
    tensors = {id(t): t for module in modules for t in chain(module.parameters(), module.buffers())}
    return sum(tensor.nbytes for tensor in tensors.values())


def _move(model: LoadedModel | _Kept, device: str) -> None:
    for module in (model.module, model.prompted):
        if module is not None:
            move(module, device)
