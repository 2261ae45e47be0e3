"""Whether a checkpoint is taken as it lies on a disk: `python -m benchmarks.checkpoints [--json FILE]`.

Networks of torchvision and timm with random weights are saved in every way that people save them, and opened again:
once without a word about them, so that the architecture has to be guessed, and where that fails with it named.

- **loaded_share**: of the files with a classifier's weights, those that gave a network.
- **scores_differ_max**: the most that its scores differ from the network's that was saved, as a share of the largest
  score where that is above 1.
- **guessed_architecture_share**: those whose first candidate is the right architecture, or one whose tensors have the
  same names and shapes, where that is said. **guessed_same_scores_share** counts those alone whose scores are the same.
- **refused_in_a_sentence_share**: of the files that hold no such weights, those refused in one sentence.
- **unpickled**: planted programs that were run when a file was opened.

The bars are 0.97, 1e-4, 0.9, 1.0 and 0; the exit status is 1 where one is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gc
import io
import json
import os
import pickle
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from explain.errors import ModelError
from explain.models.architectures import Architecture, build_architecture, list_architectures
from explain.models.guess import Candidate
from explain.models.inspection import inspect_file
from explain.models.load import load_model
from explain.models.request import build_file_request
from explain.networks.torchvision_operators import declare_missing_operators

declare_missing_operators()

CLASSES = 7
SIDE = 64
"""Pixels of the input, for networks that are not built for a size."""

ARCHITECTURES = (
    "torchvision/resnet18",
    "torchvision/densenet121",
    "torchvision/squeezenet1_1",
    "torchvision/mobilenet_v2",
    "torchvision/mobilenet_v3_small",
    "torchvision/mnasnet0_5",
    "torchvision/shufflenet_v2_x0_5",
    "torchvision/efficientnet_b0",
    "torchvision/regnet_y_400mf",
    "torchvision/googlenet",
    "timm/resnet10t",
    "timm/resnet18d",
    "timm/efficientnet_lite0",
    "timm/mobilenetv3_small_050",
    "timm/convnext_atto",
    "timm/convnextv2_atto",
    "timm/regnetx_002",
    "timm/vit_tiny_patch16_224",
    "timm/deit_tiny_distilled_patch16_224",
    "timm/lcnet_050",
    "timm/tinynet_e",
    "timm/mobilevit_xxs",
    "timm/edgenext_xx_small",
    "timm/pvt_v2_b0",
)
"""The smaller members of common families."""

BARS = {
    "loaded_share": 0.97,
    "scores_differ_max": 1e-4,
    "guessed_architecture_share": 0.9,
    "refused_in_a_sentence_share": 1.0,
    "unpickled": 0,
}

Content = dict[str, Any]


@dataclass
class Row:
    """One file and what became of it."""

    way: str
    architecture: str
    loaded: bool = False
    differ: float | None = None
    guess: str = ""
    guessed: bool = False
    same: bool = False
    refused: bool = False
    said: str = ""


def build(architecture: str) -> nn.Module:
    """A network with random weights, all of which matter to its scores."""
    family, _, name = architecture.partition("/")
    torch.manual_seed(0)
    module = build_architecture(Architecture(family, name), CLASSES, 3, None)  # type: ignore[arg-type]
    with torch.no_grad():
        for tensor_name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if tensor_name.endswith("running_var") or (tensor.ndim == 1 and tensor_name.endswith("weight")):
                tensor.uniform_(0.7, 1.3)
            elif tensor.ndim < 2 or tensor.numel() == max(tensor.shape):
                tensor.normal_(std=0.1)
            elif float(tensor.std()) < 1e-6:
                tensor.normal_(std=0.05)
    return module.eval()


def save(content: Any) -> bytes:
    """As `torch.save` writes it."""
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def add_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def wrap_inside(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """DataParallel around the first part of the network alone."""
    first = next(iter(tensors)).partition(".")[0]
    return {
        name.replace(f"{first}.", f"{first}.module.", 1) if name.startswith(f"{first}.") else name: tensor
        for name, tensor in tensors.items()
    }


def blur(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights from before the training came to its end."""
    return {name: t + 0.3 * torch.randn_like(t) if t.is_floating_point() else t for name, t in tensors.items()}


def list_linear(module: nn.Module) -> list[str]:
    """The linear layers that give the classes."""
    return [
        name for name, part in module.named_modules() if isinstance(part, nn.Linear) and part.out_features == CLASSES
    ]


def replace_head(module: nn.Module, make: Callable[[int], nn.Module]) -> nn.Module | None:
    """The network with another head in place of its last layer; None where that is no single linear layer."""
    heads = list_linear(module)
    if len(heads) != 1:
        return None
    changed = copy.deepcopy(module)
    old = changed.get_submodule(heads[0])
    changed.set_submodule(heads[0], make(old.in_features).eval())  # type: ignore[arg-type]
    return changed


def replace_stem(module: nn.Module) -> nn.Module | None:
    """The network with a first convolution for grey pictures, with a bias, as people write it."""
    changed = copy.deepcopy(module)
    name, stem = next((n, m) for n, m in changed.named_modules() if isinstance(m, nn.Conv2d))
    if stem.in_channels != 3 or type(stem) is not nn.Conv2d:
        return None
    grey = nn.Conv2d(1, stem.out_channels, stem.kernel_size, stem.stride, stem.padding)  # type: ignore[arg-type]
    changed.set_submodule(name, grey)
    return changed.eval()


def prune_all(module: nn.Module) -> dict[str, Tensor] | None:
    """Pruned and not made permanent. The network given is pruned too, so that both compute the same."""
    for part in module.modules():
        if type(part) in (nn.Conv2d, nn.Linear):
            prune.l1_unstructured(part, "weight", 0.2)
    return module.state_dict()


def normalise_head(module: nn.Module) -> dict[str, Tensor] | None:
    """With weight normalisation at the last layer."""
    heads = list_linear(module)
    if not heads:
        return None
    parametrizations.weight_norm(module.get_submodule(heads[0]))
    return module.state_dict()


Way = Callable[[nn.Module], tuple[bytes, nn.Module] | None]
"""Saves a network; gives the file and the network whose scores it must have, or None where the way makes no sense."""


def _as_content(make: Callable[[dict[str, Tensor]], Any]) -> Way:
    return lambda module: (save(make(dict(module.state_dict()))), module)


def _as_changed(change: Callable[[nn.Module], dict[str, Tensor] | None]) -> Way:
    def write(module: nn.Module) -> tuple[bytes, nn.Module] | None:
        changed = copy.deepcopy(module)
        tensors = change(changed)
        return None if tensors is None else (save(tensors), changed)

    return write


def _as_other(change: Callable[[nn.Module], nn.Module | None]) -> Way:
    def write(module: nn.Module) -> tuple[bytes, nn.Module] | None:
        changed = change(module)
        return None if changed is None else (save(changed.state_dict()), changed)

    return write


def _as_safetensors(module: nn.Module) -> tuple[bytes, nn.Module]:
    return safetensors.torch.save({name: t.clone().contiguous() for name, t in module.state_dict().items()}), module


def _make_mlp(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3))


GOOD: dict[str, Way] = {
    "plain": _as_content(lambda t: t),
    "state_dict": _as_content(lambda t: {"epoch": 3, "state_dict": t, "optimizer": {"state": {}, "param_groups": []}}),
    "net_state_dict": _as_content(lambda t: {"net_state_dict": t, "epoch": 3}),
    "nested": _as_content(lambda t: {"checkpoint": {"model": t, "step": 3}, "lr": 0.1}),
    "list": _as_content(lambda t: [t, {"lr": 0.1}]),
    "module.": _as_content(lambda t: add_prefix(t, "module.")),
    "module. inside": _as_content(wrap_inside),
    "compiled": _as_content(lambda t: {"model": add_prefix(t, "_orig_mod.module.")}),
    "Lightning": _as_content(
        lambda t: {
            "state_dict": {**add_prefix(t, "model.backbone."), "loss.weight": torch.ones(CLASSES)},
            "hyper_parameters": {"lr": 0.1},
            "callbacks": {},
            "pytorch-lightning_version": "2.1.0",
        }
    ),
    "timm_model.": _as_content(lambda t: add_prefix(t, "timm_model.")),
    "author's prefix": _as_content(lambda t: {"my_weights": add_prefix(t, "net_of_ann.trunk.")}),
    "averaged beside raw": _as_content(lambda t: {"state_dict": blur(t), "state_dict_ema": t, "epoch": 9}),
    "averaged under model_ema": _as_content(lambda t: {"model": blur(t), "model_ema": add_prefix(t, "module.")}),
    "safetensors": _as_safetensors,
    "numbers beside": _as_content(
        lambda t: {
            "model": t,
            "best_acc": np.float64(0.9),
            "weights_of_classes": np.ones(CLASSES, dtype=np.float32),
            "args": argparse.Namespace(lr=0.1),
        }
    ),
    "path beside": _as_content(lambda t: {"model": t, "data": Path("data/train")}),
    "pruned": _as_changed(prune_all),
    "weight norm": _as_changed(normalise_head),
    "Dropout and Linear": _as_other(
        lambda module: replace_head(module, lambda width: nn.Sequential(nn.Dropout(0.5), nn.Linear(width, 2)))
    ),
    "MLP head": _as_other(lambda module: replace_head(module, _make_mlp)),
    "grey stem with bias": _as_other(replace_stem),
}
"""Ways to save a classifier's weights."""


class _Planted:
    """What runs a program where it is unpickled: it touches a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return open, (str(self.path), "w")


def _save_program(module: nn.Module) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), stream)
    return stream.getvalue()


def _quantise(_: nn.Module) -> bytes:
    """Of torchvision's ResNet-18, whose last layer is a plain linear one, as not all are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = build("torchvision/resnet18")
        return save(torch.ao.quantization.quantize_dynamic(module, {nn.Linear}).state_dict())


def _take_half(module: nn.Module) -> bytes:
    tensors = list(module.state_dict().items())
    return safetensors.torch.save({name: t.clone().contiguous() for name, t in tensors[: len(tensors) // 2]})


def _drop_head(module: nn.Module) -> bytes:
    heads = tuple(f"{name}." for name in list_linear(module)) or ("classifier.",)
    return save({name: t for name, t in module.state_dict().items() if not name.startswith(heads)})


def _spoil(module: nn.Module) -> bytes:
    tensors = dict(module.state_dict())
    first = next(name for name, t in tensors.items() if t.is_floating_point())
    tensors[first] = torch.full_like(tensors[first], float("nan"))
    return save(tensors)


def _zip_text(_: nn.Module) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "no weights")
    return stream.getvalue()


BAD: dict[str, tuple[str, Callable[[nn.Module], bytes]]] = {
    "quantised": ("int8.pth", _quantise),
    "TorchScript": ("model.pt", _save_program),
    "ONNX": ("model.onnx", lambda _: b"\x08\x09\x12\x07pytorch\x1a\x052.0.0" + b"\0" * 100),
    "Keras": ("model.h5", lambda _: b"\x89HDF\r\n\x1a\n" + b"\0" * 100),
    "shard": ("model-00001-of-00002.safetensors", _take_half),
    "half of it": ("model.safetensors", _take_half),
    "index of shards": (
        "model.safetensors.index.json",
        lambda _: b'{"metadata": {}, "weight_map": {"conv1.weight": "model-00001-of-00002.safetensors"}}',
    ),
    "text": ("model.pth", lambda _: b"my weights, see the other folder\n"),
    "empty": ("model.pth", lambda _: b""),
    "cut": ("model.pth", lambda module: save(module.state_dict())[:-5000]),
    "cut safetensors": ("model.safetensors", lambda module: _as_safetensors(module)[0][:-5000]),
    "zip of texts": ("model.zip", _zip_text),
    "whole model": ("model.pt", lambda module: save(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))),
    "no tensors": ("model.pth", lambda _: save({"epoch": 3, "lr": 0.1})),
    "not numbers": ("model.pth", _spoil),
    "no head": ("backbone.pth", _drop_head),
}
"""Files that hold no weights of a classifier: what each is called and its bytes."""


def plant(module: nn.Module, path: Path) -> Iterator[tuple[str, bytes]]:
    """Files with a program inside, which touches `path` when it is run."""
    planted = _Planted(path)
    yield "pickle", pickle.dumps(planted)
    yield "old pickle", pickle.dumps({"state_dict": planted}, protocol=0)
    yield "torch.save", save({"model": planted})
    yield "beside weights", save({"model": dict(module.state_dict()), "callback": planted})
    stream = io.BytesIO()
    torch.save({"model": dict(module.state_dict()), "hook": planted}, stream, _use_new_zipfile_serialization=False)
    yield "torch.save of old", stream.getvalue()


def open_good(way: str, architecture: str, module: nn.Module) -> Row | None:
    """Save a network in one way and open it; None where the way makes no sense for it."""
    written = GOOD[way](module)
    if written is None:
        return None
    data, original = written
    row = Row(way, architecture)
    request = build_file_request(data, "mine.pth")
    try:
        first = inspect_candidates(data)
        row.guess = first.architecture if first else ""
        row.guessed = first is not None and (
            is_named(first.architecture, architecture) or any(is_named(name, architecture) for name in first.alike)
        )
        row.differ = compare_scores(load_model(request, data), original)
        row.loaded = row.same = row.differ <= BARS["scores_differ_max"]
    except ModelError as error:
        row.said = str(error)
    if not row.same:
        try:
            loaded = load_model(build_file_request(data, "mine.pth", architecture=architecture), data)
            row.loaded, row.differ = True, compare_scores(loaded, original)
        except ModelError as error:
            row.said = str(error)
    return row


def inspect_candidates(data: bytes) -> Candidate | None:
    """The first candidate for a file's architecture."""
    from explain.models.checkpoint import open_checkpoint
    from explain.models.guess import guess_architecture

    chosen = open_checkpoint(data, "mine.pth").choose()
    found = guess_architecture({name: tuple(tensor.shape) for name, tensor in chosen.tensors.items()})
    return found[0] if found else None


def is_named(guess: str, architecture: str) -> bool:
    """Whether both are names of one network."""
    return guess == architecture or guess.replace("legacy_", "") == architecture


@torch.no_grad()
def compare_scores(loaded: Any, original: nn.Module) -> float:
    """How far the scores of both are apart, on an input of noise."""
    fixed = any("pos_embed" in name for name in original.state_dict())
    size = loaded.preprocessing.input_size if fixed else (SIDE, SIDE)
    torch.manual_seed(1)
    inputs = torch.randn(1, loaded.preprocessing.channels, *size)
    try:
        theirs, ours = original.eval()(inputs), loaded.module(inputs)
    except RuntimeError:
        return float("inf")
    if theirs.shape != ours.shape:
        return float("inf")
    return float((ours - theirs).abs().max()) / max(1.0, float(theirs.abs().max()))


def open_bad(way: str, architecture: str, module: nn.Module) -> Row:
    """Open a file that holds no weights of a classifier, with its architecture named and without."""
    name, make = BAD[way]
    data = make(module)
    row = Row(way, architecture)
    for named in (architecture, None):
        try:
            loaded = load_model(build_file_request(data, name, architecture=named), data)
            row.refused, row.said = False, f"loaded as {loaded.request.architecture}"
        except ModelError as error:
            row.said = str(error)
            row.refused = is_a_sentence(row.said)
        except Exception as error:
            row.refused, row.said = False, f"{type(error).__name__}: {error}"
        if not row.refused:
            return row
    return row


def is_a_sentence(text: str) -> bool:
    """One line that a person can read."""
    return "\n" not in text and 20 < len(text) < 900 and text[0] in "“ATW" + text[0].upper() and text[-1] in ".)"


def count_unpickled(module: nn.Module, folder: Path) -> int:
    """How many planted programs are run."""
    path = folder / "touched"
    count = 0
    for _, data in plant(module, path):
        for act in (
            lambda data: load_model(build_file_request(data, "mine.pth"), data),
            lambda data: inspect_file(build_file_request(data, "mine.pth"), data),
        ):
            with contextlib.suppress(ModelError):
                act(data)
            count += path.exists()
            path.unlink(missing_ok=True)
    return count


@dataclass
class Answer:
    """What came of one architecture."""

    architecture: str
    files: list[Row]
    others: list[Row]
    unpickled: int
    seconds: float


def measure_one(architecture: str, good: Sequence[str], bad: Sequence[str], planted: bool) -> Answer:
    """All ways for one architecture.

    Args:
        architecture: which.
        good: of the ways of `GOOD`.
        bad: of the ways of `BAD`.
        planted: whether programs are planted too.
    """
    started = time.perf_counter()
    module = build(architecture)
    files = []
    for way in good:
        row = open_good(way, architecture, copy.deepcopy(module))
        files += [] if row is None else [row]
        gc.collect()
    others = [open_bad(way, architecture, module) for way in bad]
    unpickled = 0
    if planted:
        with tempfile.TemporaryDirectory() as folder:
            unpickled = count_unpickled(module, Path(folder))
    return Answer(architecture, files, others, unpickled, time.perf_counter() - started)


def measure(
    architectures: Sequence[str] = ARCHITECTURES,
    good: Sequence[str] = tuple(GOOD),
    bad: Sequence[str] = tuple(BAD),
    jobs: int = 1,
) -> tuple[dict[str, float], list[Row], list[Row]]:
    """All ways for all architectures: the figures, a row for each file with weights, and one for each other.

    Files without weights are made of every fourth architecture, since they say little of it.

    Args:
        architectures: which.
        good: of the ways of `GOOD`.
        bad: of the ways of `BAD`.
        jobs: processes at once; 1 stays in this one.
    """
    asked = [(name, good, bad if number % 4 == 0 else (), number == 0) for number, name in enumerate(architectures)]
    answers = []
    if jobs == 1:
        answers = [measure_one(*one) for one in asked]
    else:
        # Each has a thread of its own, so that they do not wait for each other.
        with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            for waiting in as_completed([pool.submit(measure_one, *one) for one in asked]):
                answers.append(waiting.result())
                print(f"{answers[-1].architecture}: {answers[-1].seconds:.0f} s", file=sys.stderr)
        answers.sort(key=lambda answer: list(architectures).index(answer.architecture))
    rows = [row for answer in answers for row in answer.files]
    others = [row for answer in answers for row in answer.others]
    return add_up(rows, others, sum(answer.unpickled for answer in answers)), rows, others


def add_up(rows: Sequence[Row], others: Sequence[Row], unpickled: int) -> dict[str, float]:
    """The figures of all rows."""
    differ = [row.differ for row in rows if row.differ is not None]
    return {
        "loaded_share": round(sum(row.loaded for row in rows) / max(len(rows), 1), 4),
        "scores_differ_max": max(differ, default=0.0),
        "guessed_architecture_share": round(sum(row.guessed for row in rows) / max(len(rows), 1), 4),
        "guessed_same_scores_share": round(sum(row.same for row in rows) / max(len(rows), 1), 4),
        "refused_in_a_sentence_share": round(sum(row.refused for row in others) / max(len(others), 1), 4),
        "unpickled": unpickled,
        "files": len(rows),
        "other_files": len(others),
    }


def find_missed(figures: dict[str, float]) -> list[str]:
    """The bars that were missed."""
    at_most = {"scores_differ_max", "unpickled"}
    return [name for name, bar in BARS.items() if (figures[name] > bar if name in at_most else figures[name] < bar)]


def as_markdown(figures: dict[str, float], rows: Sequence[Row], others: Sequence[Row]) -> str:
    """A line for each way, what went wrong, and the figures."""
    lines = ["| way | files | loaded | guessed | scores differ by |", "|---|---:|---:|---:|---:|"]
    for way in dict.fromkeys(row.way for row in rows):
        own = [row for row in rows if row.way == way]
        differ = max((row.differ for row in own if row.differ is not None), default=0.0)
        loaded, guessed = sum(row.loaded for row in own), sum(row.guessed for row in own)
        lines.append(f"| {way} | {len(own)} | {loaded} | {guessed} | {differ:.1e} |")
    lines += ["", "| no classifier's weights | files | refused in a sentence |", "|---|---:|---:|"]
    for way in dict.fromkeys(row.way for row in others):
        own = [row for row in others if row.way == way]
        lines.append(f"| {way} | {len(own)} | {sum(row.refused for row in own)} |")
    wrong = [row for row in rows if not row.loaded or (row.differ or 0) > BARS["scores_differ_max"]]
    lines += ["", *(f"- {row.architecture}, {row.way}: differs by {row.differ}, {row.said}" for row in wrong)]
    lines += [f"- {row.architecture}, {row.way}: guessed {row.guess or 'nothing'}" for row in rows if not row.guessed]
    lines += [f"- {row.architecture}, {row.way}: not refused, {row.said}" for row in others if not row.refused]
    lines += ["", *(f"- {name}: {value:g}" for name, value in figures.items())]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and write the figures; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures and a row for each file here")
    parser.add_argument("--only", nargs="+", default=ARCHITECTURES, metavar="ARCHITECTURE", help="instead of all")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="processes at once")
    options = parser.parse_args(arguments)
    unknown = [a for a in options.only if a.partition("/")[2] not in list_architectures(a.partition("/")[0])]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}")
    started = time.perf_counter()
    # What is remembered of a person's own files stays out of it.
    with tempfile.TemporaryDirectory() as home:
        os.environ["CAMSCOPE_HOME"] = home
        figures, rows, others = measure(options.only, jobs=options.jobs)
    print(as_markdown(figures, rows, others))
    print(f"\n{time.perf_counter() - started:.0f} s")
    if options.json:
        document = {"figures": figures, "files": [asdict(r) for r in rows], "others": [asdict(r) for r in others]}
        options.json.write_text(json.dumps(document, indent=1, allow_nan=True) + "\n", encoding="utf-8")
    missed = find_missed(figures)
    if missed:
        print(f"Missed: {', '.join(missed)}.", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
