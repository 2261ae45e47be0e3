"""A checkpoint's bytes to named tensors, and from there into a network. Nothing in the file is ever executed."""

from __future__ import annotations

import argparse
import io
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explain.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.networks.prompted_vit import PromptedViT

MOST_BYTES = 2 * 2**30
"""Largest checkpoint read, as a file and unpacked."""

_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params", "ema")
_WRAPPERS_OF_AVERAGES = ("state_dict_ema", "model_ema")
_PREFIXES = ("module", "model", "_orig_mod", "backbone", "net", "network", "encoder", "ema_model")
_BOOKKEEPING = ("num_batches_tracked", "total_ops", "total_params")
_MOST_LISTED = 10
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_LONGEST_SAFETENSORS_HEADER = 100_000_000


def read_checkpoint(data: bytes, name: str) -> dict[str, Tensor]:
    """The named tensors of a safetensors file or of a `.pt`/`.pth` file that holds weights alone.

    Wrapping dictionaries (`state_dict`, `model` …) are opened and what is no tensor is left out. Floating-point
    tensors come as float32, on the CPU.

    Args:
        data: the file's bytes; the kind is told from these, not from the name.
        name: what to call the file in an error.

    Raises:
        ModelError: it is no checkpoint, is damaged or too large, needs code to be run, or has weights that are NaN.
    """
    if not data:
        raise ModelError(f"“{name}” is empty. Choose a .safetensors, .pt or .pth file.")
    if len(data) > MOST_BYTES:
        raise ModelError(
            f"“{name}” is larger than {MOST_BYTES // 2**30} GB. Save the weights alone, in half precision."
        )
    if _is_safetensors(data):
        tensors = _read_safetensors(data, name)
    elif data.startswith((_ZIP, _PICKLE)):
        tensors = _find_tensors(_read_pickle(data, name), name)
    else:
        raise ModelError(f"“{name}” is no checkpoint. Choose a .safetensors, .pt or .pth file.")
    if not tensors:
        raise ModelError(f"“{name}” holds no weights. Save the model's state_dict().")
    return _check_numbers(tensors, name)


@dataclass(frozen=True)
class Fit:
    """A checkpoint's tensors under the names a network uses.

    Attributes:
        tensors: the renamed ones.
        prefix: what was taken off, e.g. `module.`.
        left_out: names beside that prefix, such as those of a loss.
    """

    tensors: dict[str, Tensor]
    prefix: str
    left_out: tuple[str, ...]


def fit_names(tensors: Mapping[str, Tensor], expected: Mapping[str, Any]) -> Fit:
    """Take off the prefix (`module.`, `model.`, `backbone.` …) under which most of the expected names are found."""
    prefixes = {""}
    for key in tensors:
        parts = key.split(".")
        for depth in range(1, len(parts)):
            if parts[depth - 1] not in _PREFIXES:
                break
            prefixes.add(".".join(parts[:depth]) + ".")

    def count_found(prefix: str) -> int:
        return sum(key.startswith(prefix) and key[len(prefix) :] in expected for key in tensors)

    best = max(sorted(prefixes, key=len), key=count_found)
    inside = {key[len(best) :]: tensor for key, tensor in tensors.items() if key.startswith(best)}
    return Fit(inside, best, tuple(key for key in tensors if not key.startswith(best)))


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], name: str, architecture: str) -> None:
    """Put tensors into a network, each one in its place. Counters that inference has no use for may be missing.

    Args:
        module: the network.
        tensors: by the names that its `state_dict` gives; see `fit_names`.
        name: what to call the checkpoint in an error.
        architecture: what to call the network there.

    Raises:
        ModelError: one is missing, unexpected or of another shape; the text lists them.
    """
    expected = module.state_dict()

    def is_bookkeeping(key: str) -> bool:
        return key.rsplit(".", 1)[-1] in _BOOKKEEPING

    missing = [key for key in expected if key not in tensors and not is_bookkeeping(key)]
    unexpected = [key for key in tensors if key not in expected and not is_bookkeeping(key)]
    reshaped = [
        f"{key} ({_write_shape(tensors[key])} instead of {_write_shape(wanted)})"
        for key, wanted in expected.items()
        if key in tensors and tensors[key].shape != wanted.shape
    ]
    if missing or unexpected or reshaped:
        shared = len(expected) - len(missing) - len(reshaped)
        if shared * 2 < len(expected):
            start = f"“{name}” holds the weights of another architecture than {architecture}. Choose the right one."
        else:
            start = f"“{name}” does not fit {architecture}. Check the architecture, the channels and the input size."
        lists = [("Missing", missing), ("Unexpected", unexpected), ("Other shape", reshaped)]
        raise ModelError(" ".join([start, *(_write_list(title, keys) for title, keys in lists if keys)]))
    module.load_state_dict({key: tensor for key, tensor in tensors.items() if key in expected}, strict=False)


def _write_list(title: str, keys: list[str]) -> str:
    more = f" and {len(keys) - _MOST_LISTED} more" if len(keys) > _MOST_LISTED else ""
    return f"{title} ({len(keys)}): {', '.join(keys[:_MOST_LISTED])}{more}."


def _write_shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _is_safetensors(data: bytes) -> bool:
    """A little-endian length, then a JSON object of that length."""
    if len(data) < 10 or data[8:9] != b"{":
        return False
    return struct.unpack("<Q", data[:8])[0] <= _LONGEST_SAFETENSORS_HEADER


def _read_safetensors(data: bytes, name: str) -> dict[str, Tensor]:
    import safetensors
    import safetensors.torch

    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"“{name}” is damaged or cut short. Copy it again. ({error})") from None


def _read_pickle(data: bytes, name: str) -> Any:
    """What `torch.save` wrote, by torch's unpickler that knows tensors and plain containers only."""
    import torch

    damaged = f"“{name}” is damaged or cut short. Copy it again."
    if data.startswith(_ZIP):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, struct.error, NotImplementedError):
            raise ModelError(damaged) from None
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise ModelError(f"“{name}” unpacks to more than {MOST_BYTES // 2**30} GB. Save the weights alone.")
        files = {entry.filename.rsplit("/", 1)[-1] for entry in entries}
        if "constants.pkl" in files:
            raise ModelError(
                f"“{name}” is a TorchScript program, which is code. Save the weights alone: "
                "torch.save(model.state_dict(), path)."
            )
        if "data.pkl" not in files:
            raise ModelError(f"“{name}” is an archive without weights. Choose a .safetensors, .pt or .pth file.")
    try:
        # Training scripts often save their options beside the weights; a namespace holds values and runs nothing.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # the parser of a hostile file may raise anything
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named or "is not allowed" in str(error) or "TorchScript" in str(error):
            what = f" ({named.group(1)})" if named else ""
            raise ModelError(
                f"“{name}” would run code when opened{what}, so it was not opened. Save the weights alone: "
                "torch.save(model.state_dict(), path)."
            ) from None
        raise ModelError(damaged) from None


def _find_tensors(content: Any, name: str) -> dict[str, Tensor]:
    """The tensors of a dictionary, or of the dictionary of weights inside it."""
    import torch

    found: dict[str, Tensor] = {}
    for _ in range(4):
        if not isinstance(content, Mapping):
            break
        found = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
        inner = next(
            (content[key] for key in (*_WRAPPERS, *_WRAPPERS_OF_AVERAGES) if isinstance(content.get(key), Mapping)),
            None,
        )
        if inner is None:
            break
        content = inner
    return found


def _check_numbers(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Bound what the tensors say they hold, make floats float32, and refuse what is no number."""
    import torch

    checked: dict[str, Tensor] = {}
    # A few bytes can claim any size by strides of zero, and conversion would then fill the memory.
    if sum(tensor.numel() for tensor in tensors.values()) * 4 > 2 * MOST_BYTES:
        raise ModelError(f"“{name}” unpacks to more than {MOST_BYTES // 2**30} GB. Save the weights alone.")
    for key, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise ModelError(f"“{name}” holds quantised, sparse, complex or empty weights ({key}). Save plain floats.")
        if tensor.is_floating_point():
            tensor = tensor.to(torch.float32)
            if not torch.isfinite(tensor).all():
                raise ModelError(
                    f"“{name}” holds weights that are not numbers (NaN or infinite), first in {key}. "
                    "Choose a checkpoint from before the training went wrong."
                )
        checked[key] = tensor.detach()
    return checked


def load_prompts(prompted: PromptedViT, tensors: Mapping[str, Tensor], name: str) -> None:
    """Put class prompts and their scoring layer in place.

    Args:
        prompted: the network, whose backbone is left as it is.
        tensors: see `TENSORS` of `explain.networks.prompt_variant`; others are passed over.
        name: what to call their file in an error.

    Raises:
        ModelError: one is missing or of another shape; the text lists them.
    """
    own = {key: tensor for key, tensor in prompted.state_dict().items() if not key.startswith("backbone.")}
    wrong = [key for key, wanted in own.items() if key not in tensors or tensors[key].shape != wanted.shape]
    if wrong:
        raise ModelError(
            f"The class prompts in “{name}” do not fit the network: {', '.join(wrong)}. Get the file again."
        )
    prompted.load_state_dict({key: tensors[key] for key in own}, strict=False)
