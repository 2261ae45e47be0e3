"""Files that a person gives at once: the weights, and what lies beside them in a folder of timm's or Hugging Face's.
Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from explain.errors import ModelError
from explain.models.described import describe_config
from explain.models.label_file import read_labels
from explain.models.model_folder import CONFIG, MOST_BYTES, PROCESSOR, WEIGHTS
from explain.models.recipes import decode_recipe
from explain.models.shards import is_shard, join_shards
from explain.rights import need

_BESIDE = (".json", ".txt", ".csv", ".tsv", ".yaml", ".yml", ".names", ".md", ".toml")
_OF_NO_USE = ("generation_config.json", "trainer_state.json", "args.yaml", "summary.csv", "log.txt", "readme.md")
_ENDINGS_OF_NO_USE = (".index.json", "_results.json", "tokenizer.json", "tokenizer_config.json", ".md")
_OF_A_TRAINER = ("optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state.pth", "scaler.pt")


@dataclass(frozen=True)
class GivenFiles:
    """A checkpoint and what is written beside it.

    Attributes:
        name: what to call it.
        data: its bytes.
        known: fields of a `ModelRequest`.
        reasons: by field, where it was found.
        notes: sentences on what could not be used.
    """

    name: str
    data: bytes = field(repr=False)
    known: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def gather_files(files: Sequence[tuple[str, bytes]]) -> GivenFiles:
    """Tell the weights from what lies beside them: a config.json, class names, a recipe. Reads no weights.

    Args:
        files: name and bytes of each; one alone is taken for the weights, whatever it is.

    Raises:
        ModelError: there are no weights among them, or those of several models, or what lies beside them is damaged.
        RightsError: whoever acts may use no file of their own.
    """
    need("models")
    named = [(name.replace("\\", "/").rpartition("/")[2], data) for name, data in files]
    if len(named) == 1:
        return GivenFiles(*(join_shards(named) if is_shard(named[0][0]) else named[0]))
    beside = {name: data for name, data in named if name.lower().endswith(_BESIDE)}
    name, data = _choose_weights([(name, data) for name, data in named if name not in beside], [n for n, _ in named])
    known: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    notes: list[str] = []
    if CONFIG in beside:
        processor = beside.get(PROCESSOR)
        described = describe_config(
            _read_object(CONFIG, beside[CONFIG]), None if processor is None else _read_object(PROCESSOR, processor)
        )
        if described is not None:
            known = described.fill_request()
            reasons = {entry: described.facts[entry].reason for entry in known if entry in described.facts}
            notes += described.notes
    labels = _read_label_files(beside, notes)
    if labels is not None:
        known["label_names"], reasons["label_names"] = labels
    for recipe, text in beside.items():
        if recipe.lower().endswith(".toml"):
            said = decode_recipe(text, f"“{recipe}”")
            known |= said
            reasons |= dict.fromkeys(said, f"{recipe} says so")
            if "labels" in said:
                known.pop("label_names", None)
    return GivenFiles(name, data, known, reasons, tuple(notes))


def _choose_weights(weights: list[tuple[str, bytes]], names: list[str]) -> tuple[str, bytes]:
    """The one checkpoint among files, put together where it was cut.

    Raises:
        ModelError: there is none, or there are several.
    """
    weights = [(name, data) for name, data in weights if name.lower() not in _OF_A_TRAINER]
    if not weights:
        raise ModelError(f"There are no weights in {_list(names)}. Give the .safetensors, .pt or .pth file with them.")
    parts = [(name, data) for name, data in weights if is_shard(name)]
    if parts and len(parts) == len(weights):
        return join_shards(parts)
    for known in WEIGHTS:  # a folder may hold the same weights written in both ways
        if {name for name, _ in weights} <= {*WEIGHTS} and (found := dict(weights).get(known)) is not None:
            return known, found
    if len(weights) > 1:
        raise ModelError(
            f"There are several checkpoints here: {_list([name for name, _ in weights])}. Only one can be read: take "
            "the others off the list with ✕, or out of the folder or the zip, and give the rest again."
        )
    return weights[0]


def _read_label_files(beside: Mapping[str, bytes], notes: list[str]) -> tuple[tuple[str, ...], str] | None:
    """Class names from the one file that holds them, and where they were found.

    Raises:
        ModelError: several files hold class names.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, data in beside.items():
        lower = name.lower()
        skipped = lower in (CONFIG, PROCESSOR, *_OF_NO_USE) or lower.endswith((".toml", *_ENDINGS_OF_NO_USE))
        if skipped:
            continue
        try:
            found[name] = read_labels(data)
        except ModelError as error:
            notes.append(f"“{name}” was left out. {error}")
    if len(found) > 1:
        raise ModelError(f"Several files hold class names: {_list([*found])}. Give one of them.")
    return next(((names, f"they stand in {name}") for name, names in found.items()), None)


def _read_object(name: str, data: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(data) if len(data) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, Mapping):
        raise ModelError(f"“{name}” is no JSON object that describes a model. Put it right, or leave it out.")
    return content


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(f"“{name[:80]}”" for name in names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
