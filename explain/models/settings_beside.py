"""What a training script keeps beside the weights (`args`, `config`, `epoch` …), as plain data of a bounded size."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from explain.errors import ModelError
from explain.models.described import describe_training
from explain.models.label_file import order_names
from explain.models.request import ModelRequest, write_size
from explain.models.unpickling import StandIn
from explain.networks.meaning import Outputs

OPTIONS = ("args", "config", "hyper_parameters", "hparams", "opt", "cfg", "options", "model_config")
"""Under which names training scripts keep what they were told."""

_DATA = ("datamodule_hyper_parameters", "meta", "dataset_meta")
_LABELS = ("label_names", "class_names", "classes", "labels", "class_to_idx", "idx_to_class", "id2label", "label2id")
_LOSSES = ("loss", "criterion", "loss_fn", "loss_function", "loss_name", "loss_type")
_TASKS = ("task", "problem_type", "task_type", "classification_type", "mode")
_SEVERAL = ("multi_label", "multilabel", "is_multilabel")
_LONGEST_JSON = 2**20
_MOST_ENTRIES = 20_000
_MOST_IN_ONE = 30_000
_DEEPEST = 6
_LONGEST_TEXT = 10_000
_NEVER = ("optimizer", "optim", "lr_scheduler", "lr_schedulers", "scheduler", "scaler", "amp", "amp_scaler", "loops")


@dataclass(frozen=True)
class Completed:
    """A request with what a training script wrote beside the weights, and sentences on it."""

    request: ModelRequest
    notes: tuple[str, ...] = ()


def complete_request(request: ModelRequest, settings: Mapping[str, Any]) -> Completed:
    """Take from the options of the training what the request leaves open: input size, mean, pooling …

    Args:
        request: what it says goes before what the file says.
        settings: as `read_settings` gives them.
    """
    args = settings.get("args")
    if not isinstance(args, Mapping) or not isinstance(args.get("model"), str):
        return Completed(request)
    size = request.input_size
    # A crop keeps its share of the size that is asked for.
    said = describe_training(args if size is None else {**args, "img_size": size, "input_size": None})
    known = said.fill_request()
    notes = list(said.notes)
    theirs, asked = known.pop("architecture", None), request.architecture
    if theirs and asked and theirs.partition("/")[2].partition(".")[0] != asked.partition("/")[2].partition(".")[0]:
        notes.append(f"The file says that its network is {theirs}; {asked} is used, as asked.")
    if asked is not None and not asked.startswith("timm/"):
        known.pop("global_pool", None)
    known.pop("channels", None)
    if request.labels is not None:
        known.pop("label_names", None)
    if request.fit not in (None, "crop"):
        known.pop("resize_size", None)
    elif "resize_size" in known:
        known.setdefault("fit", "crop")
    taken = {name: value for name, value in known.items() if getattr(request, name) is None}
    if not taken:
        return Completed(request, tuple(notes))
    written = ", ".join(f"{name.replace('_', ' ')} {_write(value)}" for name, value in taken.items())
    notes.append(f"The options of the training stand in the file and were used: {written}.")
    return Completed(request.model_copy(update=taken), tuple(notes))


def take_what_is_said(
    request: ModelRequest, settings: Mapping[str, Any], names: Iterable[str], count: int | None
) -> tuple[ModelRequest, list[str]]:
    """Take names of classes, and what the numbers of the head mean, from beside the weights where nobody said them.

    Args:
        request: what it says goes first.
        settings: as `read_settings` gives them.
        names: of the file's tensors.
        count: how many numbers the head gives; None where that is not known.
    """
    notes: list[str] = []
    taken: dict[str, Any] = {}
    found = find_labels(settings, count) if request.labels is None and request.label_names is None else None
    if found is not None:
        taken["label_names"] = found[0]
        notes.append(f"The class names stand in the file under “{found[1]}”.")
    said = _find_meaning(settings, names, count) if request.outputs is None and count else None
    if said is not None:
        taken["outputs"] = said[0]
        notes.append(
            f"The outputs are taken as “{said[0]}”, because “{said[1]}” stands in the file. If they mean something "
            "else, say so."
        )
    return (request.model_copy(update=taken) if taken else request), notes


def find_labels(settings: Mapping[str, Any], count: int | None) -> tuple[tuple[str, ...], str] | None:
    """Class names that stand in the file, one for each class, and under which name.

    Args:
        settings: as `read_settings` gives them.
        count: of the classes.
    """
    for place in _list_places(settings):
        for key, given in place.items():
            if key.casefold() not in _LABELS:
                continue
            try:
                given = json.loads(given[:_LONGEST_JSON]) if isinstance(given, str) and given[:1] in "[{" else given
                names = order_names(given) if isinstance(given, Mapping) else given
            except (ModelError, ValueError, TypeError, RecursionError):
                continue
            if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name for name in names):
                continue
            if len(names) == count and len(set(names)) == count and all(len(name) <= 200 for name in names):
                return tuple(names), key
    return None


def _list_places(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The settings themselves, and what stands one or two levels down under a usual name."""
    places = [settings]
    for _ in range(2):
        inner = (place.get(key) for place in places for key in (*OPTIONS, *_DATA))
        places += [
            entry for entry in inner if isinstance(entry, Mapping) and not any(entry is known for known in places)
        ]
    return places


def _find_meaning(settings: Mapping[str, Any], names: Iterable[str], count: int) -> tuple[Outputs, str] | None:
    """What a loss or a task that is named in the file says of the head's numbers, and where it stands."""
    apart: Outputs = "findings" if count > 1 else "logit"
    weight = next((name for name in names if name.rpartition(".")[2] == "pos_weight"), None)
    if weight is not None:  # of a loss that only independent answers have
        return apart, weight
    for place in _list_places(settings):
        for key, value in place.items():
            known = key.casefold()
            if known in _SEVERAL and value is True and count > 1:
                return "findings", key
            if not isinstance(value, str) or known not in (*_LOSSES, *_TASKS):
                continue
            word = re.sub(r"[^a-z]", "", value[:100].casefold())
            if re.search("multilabel|bce|binarycrossentropy|asymmetricloss", word) or (word == "binary" and count == 1):
                return apart, f"{key}: {value[:60]}"
            if count == 1 and re.search("regression|^(mse|mae|rmse|l1|l2|smoothl1|huber)(loss)?$", word):
                return "value", f"{key}: {value[:60]}"
    return None


def _write(value: Any) -> str:
    if isinstance(value, tuple) and all(isinstance(part, int) for part in value):
        return write_size(value if len(set(value)) > 1 else value[0])
    return ", ".join(map(str, value[:5])) if isinstance(value, tuple) else str(value)


def read_settings(content: Any) -> dict[str, Any]:
    """Texts, numbers, lists and mappings of what was unpickled; tensors and whatever is unknown are left out."""
    left = [_MOST_ENTRIES]
    found = _simplify(content, 0, left)
    return found if isinstance(found, dict) else {}


def _simplify(value: Any, depth: int, left: list[int]) -> Any:
    """The value in plain data; None for what is none. `left` counts down how many values may still be looked at."""
    left[0] -= 1
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    elif isinstance(value, StandIn):
        value = _look_into(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if depth >= _DEEPEST:
        return None
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for key, inner in list(value.items())[:_MOST_IN_ONE]:
            if left[0] <= 0:
                break
            if key in _NEVER or not isinstance(key, (str, int)):
                continue
            plain = _simplify(inner, depth + 1, left)
            if plain is not None:
                kept[str(key)[:200]] = plain
        return kept or None
    if isinstance(value, (list, tuple)):
        plain_list = []
        for inner in value[:_MOST_IN_ONE]:
            if left[0] <= 0:
                break
            plain_list.append(_simplify(inner, depth + 1, left))
        return plain_list if any(entry is not None for entry in plain_list) else None
    return None


def _look_into(value: StandIn) -> Any:
    """The attributes of an object of an unknown class: a configuration's values; of a path its text."""
    if value.origin.partition(".")[0] == "pathlib" and all(isinstance(part, str) for part in value.given):
        return "/".join(value.given)
    if isinstance(value.state, Mapping):
        return value.state.get("_content", value.state)
    if len(value.given) == 1 and isinstance(value.given[0], (str, int, float)):
        return value.given[0]
    return None
