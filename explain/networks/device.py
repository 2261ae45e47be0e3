"""Where networks run and how exactly they calculate, and what to do when no memory is left there."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from explain.errors import DeviceError
from explain.settings import PREFIX, read_environment

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
Precision = Literal["float32", "float16", "bfloat16"]
"""Of the networks' arithmetic: float32, or half of that wherever torch's autocast deems it safe. What is kept of a
network, and everything the methods make of it, is float32 at all events. On an H200 the maps of bundled
models were off by so much of their range, in the middle of all methods: in float32 by 2e-6 at most, in float16 by 4e-4
to 5e-3, in bfloat16 by 5e-3 to 0.1; the probability of `chest-xray` by nothing, 0.001 and 0.02."""

_TAKES = {"device": "auto, cpu, cuda, cuda:0 or mps", "precision": "float32, float16 or bfloat16"}
_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "STATUS_ALLOC_FAILED",
)  # the last: CUDA
_TRIALS = 4  # the first of each kind takes longer
_DEVICES = r"(auto|cpu|mps|cuda(:[0-9]+)?)"


class DeviceSettings(BaseModel):
    """What a person may choose through the environment.

    Attributes:
        device: `auto` (CUDA, then MPS, then CPU) or one of them; `cuda:1` for the second.
        precision: see `Precision`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field("auto", pattern=f"^{_DEVICES}$")
    precision: Precision = "float32"

    @field_validator("*", mode="before")
    @classmethod
    def _fold(cls, value: str) -> str:
        return value.lower()


def read_device_settings(environment: Mapping[str, str] = os.environ) -> DeviceSettings:
    """The settings of `CAMSCOPE_DEVICE` and `CAMSCOPE_PRECISION`, or their defaults.

    Raises:
        DeviceError: a variable has a value that it cannot have.
    """
    return read_environment(DeviceSettings, environment, DeviceError, _TAKES)


def find_device(name: str) -> str:
    """The torch device for a name of `DeviceSettings.device`.

    Raises:
        DeviceError: this computer has none like that.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if not re.fullmatch(_DEVICES, name):
        raise DeviceError(f"There is no device “{name}”. Take {_TAKES['device']}.")
    if kind == "cuda":
        there = torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count()
    else:
        there = kind != "mps" or torch.backends.mps.is_available()
    if not there:
        raise DeviceError(
            f"This computer has no device “{name}” that torch can use. Set {PREFIX}DEVICE to auto, or leave it out."
        )
    return name


def describe_device(device: str, precision: Precision) -> str:
    """The device in a short phrase, such as `CPU` or `NVIDIA H100 PCIe, bfloat16`."""
    import torch

    kind = device.partition(":")[0]
    if kind == "cuda":
        title = torch.cuda.get_device_name(device)
    else:
        title = {"cpu": "CPU", "mps": "Apple GPU (MPS)"}.get(kind, device)
    return title if precision == "float32" else f"{title}, {precision}"


@contextmanager
def set_arithmetic(device: str, precision: Precision) -> Iterator[None]:
    """While entered, networks calculate in this precision, whatever the caller has switched on; on CUDA the same bits
    each time.

    Left to itself, torch calculates the convolutions of float32 networks on CUDA in TF32, which has the 10 bits of
    float16, and adds up gradients of convolutions and of attention in an order that changes from run to run. On an H200
    maps of a ResNet-50 were off by 4 % of their range in the middle and by up to 36 %, beside 0.004 % without it.
    """
    import torch

    kind = device.partition(":")[0]
    dtype = None if precision == "float32" else getattr(torch, precision)
    with torch.autocast(kind, dtype=dtype, enabled=dtype is not None):
        if kind != "cuda":
            yield
            return
        _switches.enter()
        try:
            yield
        finally:
            _switches.leave()


class _Switches:
    """Torch's switches that make CUDA quicker, and less exact or another each time. They are the whole process's, so
    the first thread to come turns them off, and the last to go puts them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[Callable[[], None]] = []

    def enter(self) -> None:
        from torch.backends import cuda, cudnn

        with self._lock:
            if not self._inside:
                exact = [(cudnn, "allow_tf32", False), (cudnn, "benchmark", False), (cudnn, "deterministic", True)]
                fused = [
                    (cuda.flash_sdp_enabled, cuda.enable_flash_sdp),
                    (cuda.mem_efficient_sdp_enabled, cuda.enable_mem_efficient_sdp),
                    (cuda.cudnn_sdp_enabled, cuda.enable_cudnn_sdp),
                ]
                self._before = [_turn(holder, name, to) for holder, name, to in exact]
                self._before.append(_turn(cuda.matmul, "allow_tf32", False))
                self._before += [partial(enable, is_enabled()) for is_enabled, enable in fused]
                for _, enable in fused:
                    enable(False)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                for put_back in self._before:
                    put_back()


def _turn(holder: Any, name: str, to: bool) -> Callable[[], None]:
    """Turn one switch; gives back what puts it back."""
    try:
        before = getattr(holder, name)
    except RuntimeError:  # whoever mixes torch's old switches with its new ones cannot be told how they stand
        before = to
    setattr(holder, name, to)
    return lambda: setattr(holder, name, before)


_switches = _Switches()


@cache
def has_half(device: str) -> bool:
    """Whether the processor has instructions for bfloat16, so that half precision is quicker there: known for certain,
    and so the same each time, where `measure_half` is a trial. Other devices are left to their own precision.
    """
    import torch

    if device.partition(":")[0] != "cpu":
        return False
    # Torch asks the processor, and has no other name for it.
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, ask, bool)() for ask in asks)


@cache
def measure_half(device: str) -> float:
    """How many times as fast convolutions are there in bfloat16 as in float32, by one trial of tens of milliseconds.

    Only processors with instructions for it gain: one with AVX-512 but without those for bfloat16, or with AVX2 alone,
    took 8 to 11 times as long.
    """
    import torch
    from torch.nn.functional import conv2d

    kind = device.partition(":")[0]
    if kind != "cpu":
        return 1.0  # taken as it comes: nothing was measured there
    pictures, weights = torch.ones(4, 64, 28, 28), torch.ones(64, 64, 3, 3)

    def take_time(half: bool) -> float:
        started = time.perf_counter()
        with torch.inference_mode(), torch.autocast(kind, dtype=torch.bfloat16, enabled=half):
            conv2d(pictures, weights, padding=1)
        return time.perf_counter() - started

    return min(take_time(half=False) for _ in range(_TRIALS)) / min(take_time(half=True) for _ in range(_TRIALS))


def move(module: nn.Module, device: str) -> None:
    """Put a network there, in place and whole; nothing is done where it already is."""
    import torch

    wanted = torch.device(device)
    first = next((tensor for tensors in (module.parameters(), module.buffers()) for tensor in tensors), None)
    if first is None or (first.device.type == wanted.type and wanted.index in (None, first.device.index)):
        return
    before = first.device
    # Weights moved in a caller's inference mode could never be part of a graph.
    with torch.inference_mode(False):
        try:
            module.to(wanted)
        except RuntimeError:  # no memory is left: a network that is half there would pass for one that is there
            module.to(before)
            raise


def wait_for(device: str) -> None:
    """Return once the device has done all that it was told: until then a clock would show too little."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()


def release_memory(device: str) -> None:
    """Give back what torch holds on the device and nobody uses."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def measure_memory(device: str) -> int:
    """Bytes of a device that hold tensors; 0 on a CPU, whose memory is the process's, and where none are told."""
    import torch

    if device.startswith("cuda"):
        return int(torch.cuda.memory_allocated(device))
    return int(torch.mps.current_allocated_memory()) if device.startswith("mps") else 0


def runs_out_of_memory(error: BaseException) -> bool:
    """Whether the device had no memory left; torch has no one error for it."""
    import torch

    text = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY)
    )


def attempt(work: Callable[[], T]) -> tuple[T] | None:
    """What the work gives, in a tuple; None where the device had no memory left for it.

    Only once this has returned does nothing hold on any more to what the work could not finish, so that memory can be
    freed and the work, or a smaller one, tried again.
    """
    try:
        return (work(),)
    except (RuntimeError, MemoryError) as error:
        if not runs_out_of_memory(error):
            raise
    return None
