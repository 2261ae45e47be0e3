"""Weights that were saved in parts, by pruning, weight normalisation or quantisation: put together again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explain.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

_SINGLE = "parametrizations.weight.original"
_FIRST, _SECOND = "parametrizations.weight.original0", "parametrizations.weight.original1"


def join_parts(tensors: dict[str, Tensor], name: str) -> tuple[dict[str, Tensor], list[str]]:
    """The weights as the network uses them, and a sentence for each way in which they were taken apart.

    Args:
        tensors: by name, in the order of the file.
        name: what to call the file in an error.

    Raises:
        ModelError: they were taken apart in a way that cannot be told, or are whole numbers that stand for floats.
    """
    adapter = next((key for key in tensors if ".lora_A" in key or ".lora_embedding_A" in key), None)
    if adapter is not None:
        raise ModelError(
            f"“{name}” holds LoRA adapters ({adapter}), and by how much they count stands elsewhere. Merge them first: "
            "model = model.merge_and_unload(), and save its state_dict()."
        )
    flat = next((key for key in tensors if key.rpartition(".")[2] in ("_flat_param", "flat_param")), None)
    if flat is not None:
        raise ModelError(
            f"“{name}” was saved by FSDP with many weights joined into one ({flat}), and where each begins stands "
            "elsewhere. Save it with StateDictType.FULL_STATE_DICT."
        )
    if tensors and sum(tensor.numel() == 0 for tensor in tensors.values()) * 2 > len(tensors):
        raise ModelError(
            f"“{name}” holds names whose weights are empty, as DeepSpeed's ZeRO leaves them. Put them together with "
            "its zero_to_fp32.py first."
        )
    pruned = normed = 0
    spectral = _spectral_parts(tensors)
    inside = {part for parts in spectral.values() for part in parts}
    joined: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        stem, _, last = key.rpartition(".")
        base = f"{stem}." if stem else ""
        if last.endswith("_orig") and f"{key[:-5]}_mask" in tensors:
            mask = tensors[f"{key[:-5]}_mask"]
            if mask.shape != tensor.shape:
                raise ModelError(f"“{name}” was pruned, and the mask of {key} has another shape. Copy it again.")
            joined[key[:-5]] = tensor * mask
            pruned += 1
        elif key in spectral:
            left, right = (tensors[part] for part in spectral[key])
            joined[f"{key.removesuffix(_SINGLE).removesuffix('weight_orig')}weight"] = _divide(
                tensor, (left, right), name, key
            )
            normed += 1
        elif key in inside or (last.endswith("_mask") and f"{key[:-5]}_orig" in tensors):
            continue
        elif last == "weight_g" and f"{base}weight_v" in tensors:
            joined[f"{base}weight"] = _scale(tensors[f"{base}weight_v"], tensor, name, key)
            normed += 1
        elif last == "weight_v" and f"{base}weight_g" in tensors:
            continue
        elif key.endswith(_FIRST) and key[: -len(_FIRST)] + _SECOND in tensors:
            start = key[: -len(_FIRST)]
            joined[f"{start}weight"] = _scale(tensors[start + _SECOND], tensor, name, key)
            normed += 1
        elif key.endswith(_SECOND) and key[: -len(_SECOND)] + _FIRST in tensors:
            continue
        elif ".parametrizations." in f".{key}":
            raise ModelError(
                f"“{name}” holds weights in parts ({key}), and how they make up the weight cannot be seen. Call "
                "torch.nn.utils.parametrize.remove_parametrizations on the model, then save its state_dict()."
            )
        else:
            joined[key] = tensor
    notes = []
    if pruned:
        notes.append(f"The checkpoint was pruned; {_count(pruned)} multiplied by the mask beside it.")
    if normed:
        notes.append(f"The checkpoint uses weight or spectral normalisation; {_count(normed)} put together.")
    return joined, notes


def _count(weights: int) -> str:
    return "1 weight was" if weights == 1 else f"{weights} weights were"


def _spectral_parts(tensors: dict[str, Tensor]) -> dict[str, tuple[str, str]]:
    """By the name of a weight under spectral normalisation, the names of the two vectors that give its norm."""
    found = {}
    for key in tensors:
        if key.endswith(_SINGLE):
            start = key.removesuffix("original")
            parts = (f"{start}0._u", f"{start}0._v")
        elif key.endswith("weight_orig"):
            start = key.removesuffix("weight_orig")
            parts = (f"{start}weight_u", f"{start}weight_v")
        else:
            continue
        if all(part in tensors for part in parts):
            found[key] = parts
    return found


def _divide(weight: Tensor, vectors: tuple[Tensor, Tensor], name: str, key: str) -> Tensor:
    """The weight over its largest singular value, as the two vectors give it."""
    left, right = vectors
    matrix = weight.flatten(1)
    if matrix.shape != (left.numel(), right.numel()):
        raise ModelError(f"“{name}” uses spectral normalisation, and {key} does not fit its vectors. Copy it again.")
    return weight / (left.flatten() @ matrix @ right.flatten())


def _scale(direction: Tensor, length: Tensor, name: str, key: str) -> Tensor:
    """`length * direction / |direction|`, for each place along one axis, or for all."""
    axes = [axis for axis in range(direction.ndim) if length.ndim != direction.ndim or length.shape[axis] == 1]
    size = direction.float().square().sum(dim=axes, keepdim=True).sqrt() if axes else direction.float().abs()
    if length.numel() != size.numel():
        raise ModelError(f"“{name}” uses weight normalisation, and {key} does not fit its weight. Copy it again.")
    return direction * (length.reshape(size.shape) / size.to(direction.dtype))
