"""A checkpoint's bytes to named tensors, and from there into a network. Nothing in the file is ever executed."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from explain.errors import ModelError
from explain.models.file_kinds import refuse_archive, refuse_kind, refuse_shard
from explain.models.reparametrised import join_parts
from explain.models.request import Average
from explain.models.settings_beside import read_settings
from explain.models.unpickling import SAVE_ALONE, read_pickle, say_code
from explain.models.weight_sets import Weights, complete_average, find_sets, find_whole_model

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explain.networks.prompted_vit import PromptedViT

MOST_BYTES = 2 * 2**30
"""Largest checkpoint read, as a file and unpacked."""

_HARMLESS = ("builtins", "collections", "datetime", "pathlib", "copyreg", "numpy", "torch", "enum")
_BOOKKEEPING = ("num_batches_tracked", "total_ops", "total_params", "relative_position_index", "relative_coords_table")
_MOST_LISTED = 10
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_LONGEST_SAFETENSORS_HEADER = 100_000_000


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What is in a person's file. Nothing of it was executed.

    Attributes:
        name: what the file is called.
        kind: how it is written.
        candidates: every set of weights in it, the likeliest first.
        settings: what else stands in it, as plain data: `args`, `config`, `epoch` …
        notes: sentences a person should read once.
    """

    name: str
    kind: Literal["safetensors", "torch"]
    candidates: tuple[Weights, ...]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def choose(self, which: Average | None = None) -> Weights:
        """The weights to use, with a note where there was a choice. Floats are float32.

        Args:
            which: None takes the averaged ones where there are some, since a trainer reports their accuracy.

        Raises:
            ModelError: there are none of that kind, or they are quantised, NaN or too large.
        """
        averaged = [weights for weights in self.candidates if weights.averaged]
        raw = [weights for weights in self.candidates if not weights.averaged]
        pool = {"averaged": averaged, "raw": raw, None: averaged or raw}[which]
        if not pool:
            what = "averaged weights" if which == "averaged" else "weights but averaged ones"
            raise ModelError(f"“{self.name}” holds no {what}. Leave the choice of weights out.")
        chosen, notes = pool[0], list(pool[0].notes)
        if chosen.averaged:
            if raw:
                chosen = complete_average(chosen, raw[0])
                notes.append(
                    f"The file holds weights averaged over the training ({chosen}) and those of its last step "
                    f"({raw[0]}). The averaged ones are used, as trainers do; ask for the raw ones to have the others."
                )
            elif which is None:
                notes.append(f"The weights are averaged over the training ({chosen}).")
        elif averaged:
            notes.append(
                f"The weights of the training's last step are used ({chosen}), as asked, and not the "
                f"averaged ones ({averaged[0]})."
            )
        others = [weights for weights in pool[1:] if len(weights.tensors) * 2 > len(chosen.tensors)]
        if others:
            notes.append(
                f"The file holds {len(others) + 1} sets of weights; {chosen} is used, and not "
                f"{', '.join(str(weights) for weights in others[:3])}."
            )
        checked = _check_numbers(dict(chosen.tensors), self.name)
        joined, more = join_parts(checked, self.name)
        return replace(chosen, tensors=_check_finite(joined, self.name), notes=(*self.notes, *notes, *more))


def open_checkpoint(data: bytes, name: str) -> Checkpoint:
    """Everything that a safetensors file or one of `torch.save` holds, as tensors and plain data.

    Sets of weights are found wherever they stand: under names of the author's own, in lists, one in another.

    Args:
        data: the file's bytes; the kind is told from these, not from the name.
        name: what to call the file in an error.

    Raises:
        ModelError: it is no checkpoint, is damaged or too large, or would need code to be run.
    """
    if not data:
        raise ModelError(f"“{name}” is empty. Choose a .safetensors, .pt or .pth file.")
    if len(data) > MOST_BYTES:
        raise ModelError(
            f"“{name}” is larger than {MOST_BYTES // 2**30} GB. Save the weights alone, in half precision."
        )
    notes: list[str] = []
    kind: Literal["safetensors", "torch"] = "torch"
    if _is_safetensors(data):
        refuse_shard(name)
        kind, content, header = "safetensors", _read_safetensors(data, name), _read_header(data)
    elif data.startswith((_ZIP, _PICKLE)):
        found = read_pickle(data, _read_archive(data, name) if data.startswith(_ZIP) else None, name)
        content, header = found.content, {}
        sets = find_sets(content)
        hidden = find_whole_model(content)
        if hidden is not None and hidden[1] >= max((len(weights.tensors) for weights in sets), default=0):
            raise ModelError(say_code(name, hidden[0]))
        if not sets and found.strangers:
            raise ModelError(say_code(name, found.strangers[0]))
        closed = [path for path in found.strangers if path.partition(".")[0] not in _HARMLESS]
        if closed:
            notes.append(f"What stands beside the weights was left closed, because it is code ({closed[0]}).")
    else:
        raise refuse_kind(data, name)
    candidates = find_sets(content)
    if not candidates:
        raise ModelError(f"“{name}” holds no weights{_list_keys(content)}. Save the model's state_dict().")
    return Checkpoint(name, kind, candidates, read_settings(content) | header, tuple(notes))


def read_checkpoint(data: bytes, name: str, which: Average | None = None) -> dict[str, Tensor]:
    """The named tensors of a file: `open_checkpoint` and `Checkpoint.choose` in one.

    Args:
        data: the file's bytes.
        name: what to call the file in an error.
        which: see `Checkpoint.choose`.

    Raises:
        ModelError: it is no checkpoint, is damaged or too large, needs code to be run, or has weights that are NaN.
    """
    return dict(open_checkpoint(data, name).choose(which).tensors)


def _list_keys(content: Any) -> str:
    """What a file holds instead of weights, for the sentence that refuses it."""
    if not isinstance(content, Mapping) or not content:
        return ""
    keys = [str(key)[:40] for key in list(content)[:_MOST_LISTED]]
    return f", only {', '.join(keys)}"


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
    """Take off the prefix under which most of the expected names are found, whatever it is.

    Args:
        tensors: by the file's names.
        expected: by the network's names; where it holds tensors, shapes count too.
    """
    found: dict[str, list[int]] = {"": [0, 0]}
    for key, tensor in tensors.items():
        start = 0
        while True:
            wanted = expected.get(key[start:])
            if wanted is not None:
                count = found.setdefault(key[:start], [0, 0])
                count[0] += getattr(wanted, "shape", None) == tensor.shape
                count[1] += 1
            start = key.find(".", start) + 1
            if not start:
                break
    best = min(found, key=lambda prefix: (-found[prefix][0], -found[prefix][1], len(prefix)))
    inside = {key[len(best) :]: tensor for key, tensor in tensors.items() if key.startswith(best)}
    return Fit(inside, best, tuple(key for key in tensors if not key.startswith(best)))


def load_weights(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    name: str,
    architecture: str,
    versions: Mapping[str, Any] | None = None,
) -> None:
    """Put tensors into a network, each one in its place. Counters that inference has no use for may be missing.

    Args:
        module: the network.
        tensors: by the names that its `state_dict` gives; see `fit_names`.
        name: what to call the checkpoint in an error.
        architecture: what to call the network there.
        versions: of the network's parts when the file was saved; None takes them to be today's.

    Raises:
        ModelError: one is missing, unexpected or of another shape; the text lists them.
    """
    refuse_misfit(module, tensors, name, architecture)
    expected = module.state_dict()
    state = OrderedDict((key, tensor) for key, tensor in tensors.items() if key in expected)
    state._metadata = versions or getattr(expected, "_metadata", {})  # type: ignore[attr-defined]
    try:
        module.load_state_dict(state, strict=False)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"“{name}” does not go into {architecture}. Check the architecture. ({reason})") from None


def refuse_misfit(module: nn.Module, tensors: Mapping[str, Tensor], name: str, architecture: str) -> None:
    """Refuse tensors that are not those of a network.

    Args:
        module: the network.
        tensors: by its names.
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
        if not unexpected and len(missing) > len(reshaped):
            start = (
                f"“{name}” lacks {len(missing)} of the {len(expected)} tensors of {architecture}: it holds a part of "
                "the network, or a smaller one. Save the whole state_dict()."
            )
        elif not missing and not reshaped and len(unexpected) * 10 > len(expected):
            start = (
                f"“{name}” holds all of {architecture} and {len(unexpected)} tensors more, so it is of a larger "
                "architecture. Choose the right one."
            )
        elif shared * 2 < len(expected) or len(unexpected) * 2 > len(expected):
            start = f"“{name}” holds the weights of another architecture than {architecture}. Choose the right one."
        else:
            start = f"“{name}” does not fit {architecture}. Check the architecture, the channels and the input size."
        lists = [("Missing", missing), ("Unexpected", unexpected), ("Other shape", reshaped)]
        raise ModelError(" ".join([start, *(_write_list(title, keys) for title, keys in lists if keys)]))


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


def _read_header(data: bytes) -> dict[str, Any]:
    """What a safetensors file says beside its tensors."""
    import json

    length = struct.unpack("<Q", data[:8])[0]
    try:
        said = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (ValueError, AttributeError):
        return {}
    return read_settings(said) if isinstance(said, dict) else {}


def _read_archive(data: bytes, name: str) -> bytes:
    """The part of a `torch.save` archive that says what is in it."""
    damaged = f"“{name}” is damaged or cut short. Copy it again."
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise ModelError(f"“{name}” unpacks to more than {MOST_BYTES // 2**30} GB. {SAVE_ALONE}")
            files = {entry.filename.rsplit("/", 1)[-1] for entry in entries}
            if "constants.pkl" in files or "data.pkl" not in files:
                raise refuse_archive(files, name)
            return archive.read(next(e for e in entries if e.filename.rsplit("/", 1)[-1] == "data.pkl"))
    except ModelError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, struct.error, NotImplementedError, RuntimeError, EOFError):
        raise ModelError(damaged) from None


def _check_numbers(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Bound what the tensors say they hold, make floats float32, and refuse what is quantised."""
    import torch

    checked: dict[str, Tensor] = {}
    # A few bytes can claim any size by strides of zero, and conversion would then fill the memory.
    if sum(tensor.numel() for tensor in tensors.values()) * 4 > 2 * MOST_BYTES:
        raise ModelError(f"“{name}” unpacks to more than {MOST_BYTES // 2**30} GB. Save the weights alone.")
    quantised = next((key for key, tensor in tensors.items() if tensor.is_quantized), None) or next(
        (
            key
            for key in tensors
            if key.endswith((".scale", ".zero_point")) and key.rpartition(".")[0] + ".zero_point" in tensors
        ),
        None,
    )
    if quantised is not None:
        raise ModelError(
            f"“{name}” holds quantised weights, whole numbers in place of floats ({quantised}). Save the model's "
            "state_dict() from before it was quantised."
        )
    for key, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_complex() or tensor.device.type != "cpu":
            raise ModelError(f"“{name}” holds sparse, complex or empty weights ({key}). Save plain floats.")
        checked[key] = (tensor.to(torch.float32) if tensor.is_floating_point() else tensor).detach()
    return checked


def _check_finite(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Refuse what is no number."""
    import torch

    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelError(
                f"“{name}” holds weights that are not numbers (NaN or infinite), first in {key}. "
                "Choose a checkpoint from before the training went wrong."
            )
    return tensors


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
