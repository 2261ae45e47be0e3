"""Where networks run and how exactly they calculate, and what to do when no memory is left there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from explain.errors import DeviceError
from explain.settings import PREFIX, read_environment

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")
Precision = Literal["float32", "float16", "bfloat16"]
"""Of the networks' arithmetic: float32, or half of that wherever torch's autocast deems it safe. What is kept of a
network, and everything the methods make of it, is float32 at all events."""

_TAKES = {"device": "auto, cpu, cuda, cuda:0 or mps", "precision": "float32, float16 or bfloat16"}
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


def set_arithmetic(device: str, precision: Precision) -> AbstractContextManager[object]:
    """While entered, networks calculate in this precision, whatever autocast the caller has switched on."""
    import torch

    kind = device.partition(":")[0]
    if precision == "float32":
        return torch.autocast(kind, enabled=False)
    return torch.autocast(kind, dtype=getattr(torch, precision))


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
    """Put a network there, in place; nothing is done where it already is."""
    import torch

    wanted = torch.device(device)
    first = next((tensor for tensors in (module.parameters(), module.buffers()) for tensor in tensors), None)
    if first is None or (first.device.type == wanted.type and wanted.index in (None, first.device.index)):
        return
    # Weights moved in a caller's inference mode could never be part of a graph.
    with torch.inference_mode(False):
        module.to(wanted)


def release_memory(device: str) -> None:
    """Give back what torch holds on the device and nobody uses."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def runs_out_of_memory(error: BaseException) -> bool:
    """Whether the device had no memory left; torch has no one error for it."""
    import torch

    text = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError)
        and any(words in text for words in ("out of memory", "can't allocate memory", "not enough memory"))
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
