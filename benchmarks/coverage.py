"""Which of timm's model families can be explained without help: `python -m benchmarks.coverage [--json FILE]`.

The member with the fewest parameters of each of timm's model modules is built with random weights at its own input
size and explained at its default layer by Grad-CAM, Eigen-CAM and CF-CAM. A family is

- **explained** when all maps are finite and tell one place from another, and follow a plant: where the layer's output
  in one cell is multiplied by a large number, all maps are strongest in that cell. Tried for several cells.
- **not explainable** when CAMscope says so in a sentence.
- **failed** otherwise.

A second column, **geometry**, asks whether the grid lies on the picture as the layer says. A rectangle of the picture
is inverted, and the layer should change most in the cells there. It is

- **right** where it does, for every rectangle whose effect has a clear peak; or where, over 25 rectangles, the place of
  the change and the place of the effect correlate in rows and columns by at least 0.5.
- **wrong** where the effect has clear peaks elsewhere. `badly placed` lists such layers, whether default or not.
- **not seen** where the random network spreads every change over all places, so that nothing can be told.

A network just initialised may hold weights that make it say nothing: residual branches and heads that start at zero,
layer scales of 1e-6, batch statistics that were never taken. Those alone are replaced; see `wake`.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import register_module_parameter_registration_hook

from explain.engine.engine import Engine
from explain.errors import ExplainError
from explain.methods import get_method
from explain.models.architectures import Architecture, default_preprocessing
from explain.models.loaded import LoadedModel
from explain.models.request import ModelRequest
from explain.networks.layer import Grid, Layer, describe_grid
from explain.networks.layer_search import find_layers
from explain.networks.output import first_tensor, replace_first_tensor
from explain.networks.torchvision_operators import declare_missing_operators
from explain.passes.capture import Derived
from explain.passes.look import look_at
from explain.pictures.decode import decode
from explain.pictures.geometry import prepare
from explain.pictures.picture import Picture

declare_missing_operators()

import timm  # noqa: E402

METHODS = ("grad-cam", "eigen-cam", "cf-cam")
CLASSES = 10
PLANT = 1e4
CELLS = ((0.3, 0.3), (0.7, 0.45))
"""Where cells are planted and pictures changed, as shares of the height and width: off the centre, off the border."""
LIKE_A_CONSTANT = 1e-2
LOCAL = 2.0
"""How many times its mean a change must reach at its peak for the peak to say something."""
RECTANGLES = 5
"""Rectangles a side where one by one they tell too little."""
AGREEMENT = 0.5
"""A correlation over 25 rectangles that chance reaches about once in 200."""

Cell = tuple[int, ...]
Geometry = Literal["right", "wrong", "not seen"]


@dataclass
class Row:
    """What became of one model module. See the module's text for `state` and `geometry`."""

    module: str
    model: str
    state: str = "failed"
    reason: str = ""
    parameters: int = 0
    input_size: tuple[int, int] = (0, 0)
    layer: str = ""
    grid: Grid = (0, 0)
    channels: int = 0
    layout: str = ""
    prefix_tokens: int = 0
    layers: int = 0
    geometry: Geometry | None = None
    badly_placed: list[str] = field(default_factory=list)
    seconds: float = 0.0


class _TooLargeError(Exception):
    """The network being built has more parameters than the smallest so far."""


def find_smallest(module: str) -> tuple[str, int]:
    """The name and the parameters of a timm module's smallest member, which is built on the meta device."""
    best: tuple[str, int] | None = None
    # timm's own test networks are its smallest: begun with, they let most others be given up early.
    for name in sorted(timm.list_models(module=module), key=lambda name: not name.startswith("test_")):
        count = count_parameters(name, None if best is None else best[1])
        if count is not None and (best is None or count < best[1]):
            best = name, count
    if best is None:
        raise ValueError(f"no member of {module} can be built")
    return best


def count_parameters(name: str, most: int | None) -> int | None:
    """Parameters of a model; None as soon as it is certain that there are more than `most`.

    What has been registered so far may be replaced later, so that only twice as many is certainty enough.
    """
    registered = 0

    def count(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal registered
        registered += 0 if parameter is None else parameter.numel()
        if most is not None and registered > 2 * most:
            raise _TooLargeError

    handle = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            network = timm.create_model(name, num_classes=CLASSES)
    except _TooLargeError:
        return None
    finally:
        handle.remove()
    return sum(parameter.numel() for parameter in network.parameters())


def wake(module: nn.Module, pictures: Tensor) -> None:
    """Replace weights with which the network would say nothing, whatever the picture. In place.

    A scale that starts near zero (the last normalisation of a residual branch, a layer scale) becomes 1; a weight that
    starts at zero is drawn at random; a statistic of a batch normalisation is taken from the pictures.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            is_bias = name.endswith("bias") and parameter.ndim == 1
            if is_bias or parameter.numel() < 2 or float(parameter.abs().max()) > LIKE_A_CONSTANT:
                continue
            if parameter.ndim > 1 and float(parameter.std()) > 0:
                continue
            if max(parameter.shape) == parameter.numel():
                parameter.fill_(1.0)
            else:
                nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        norms = [child for child in module.modules() if isinstance(child, _BatchNorm) and child.track_running_stats]
        for norm in norms:
            norm.momentum = 1.0
            norm.train()
        if norms:
            module(pictures)
        for norm in norms:
            norm.eval()


def make_picture(size: tuple[int, int], seed: int) -> Picture:
    """Blobs and noise, so that no two places look alike."""
    generator = np.random.default_rng(seed)
    blobs = Image.fromarray(generator.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    smooth = np.asarray(blobs.resize(size[::-1], Image.Resampling.BICUBIC))
    pixels = 0.6 * smooth + 0.4 * generator.integers(0, 256, (*size, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return decode(file.getvalue(), f"{seed}.png")


def load(name: str, pictures: int = 2) -> LoadedModel:
    """A model with random weights, as the engine takes it."""
    torch.manual_seed(0)
    preprocessing = default_preprocessing(Architecture("timm", name))
    module = timm.create_model(name, pretrained=False, num_classes=CLASSES).eval().requires_grad_(False)
    inputs = [prepare(make_picture(preprocessing.input_size, seed), preprocessing).tensor for seed in range(pictures)]
    wake(module, torch.cat(inputs))
    layers = find_layers(module, preprocessing.channels, preprocessing.input_size)
    labels = tuple(str(index) for index in range(CLASSES))
    return LoadedModel(ModelRequest(source="hub", name=name), module, preprocessing, labels, name, layers)


def choose_cells(grid: Grid) -> list[Cell]:
    """The cells of a grid in which plants are set."""
    cells = (tuple(int(share * count) for share, count in zip(place, grid, strict=True)) for place in CELLS)
    return list(dict.fromkeys(cells))


@contextmanager
def plant(module: nn.Module, layer: Layer, cell: Cell) -> Iterator[None]:
    """While it lasts, the layer's output in one cell is `PLANT` times what it was."""

    def multiply(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        tensor = first_tensor(output)
        assert tensor is not None
        changed = tensor.clone(memory_format=torch.contiguous_format)
        layer.to_map(changed)[:, :, *cell] *= PLANT
        return replace_first_tensor(output, changed)

    handle = module.get_submodule(layer.name).register_forward_hook(multiply)
    try:
        yield
    finally:
        handle.remove()


def find_fault(loaded: LoadedModel, picture: Picture) -> str:
    """What is wrong with the maps of the default layer, in a few words; empty where nothing is.

    The plant is in the activations alone. Its effect on the gradients would be the network's business: after a
    LayerNorm of the pooled vector, for one, they are orthogonal to whatever dominates it.
    """
    engine = Engine("cpu")
    explanation = engine.explain(picture, loaded, METHODS)
    for heatmap in explanation.pictures[0].maps:
        if not np.isfinite(heatmap.values).all():
            return f"{heatmap.method}: not finite"
        if np.ptp(heatmap.values) <= 1e-6 * np.abs(heatmap.values).max():
            return f"{heatmap.method}: constant"
    capture = engine.capture(picture, loaded)
    tensor = prepare(picture, loaded.preprocessing).tensor
    for cell in choose_cells(capture.layer.grid):
        with plant(loaded.module, capture.layer, cell):
            (look,) = look_at(loaded.module, tensor, [capture.layer])
        planted = replace(capture, activations=look.activations[capture.layer.name], derived=Derived())
        for name in METHODS:
            method = get_method(name)
            values = method.function(planted, method.settings()).values.numpy()
            # A map is signed: whether a random network takes the cell for the class or against it says nothing.
            peak = divmod(int(np.abs(values).argmax()), values.shape[1])
            if peak != cell:
                return f"{name} planted at {cell}: strongest at {peak}"
    return ""


def judge_geometry(loaded: LoadedModel, picture: Picture) -> dict[str, Geometry]:
    """By layer, whether its grid lies on the picture as the layer says; see the module's text."""
    layer = loaded.default_layer
    assert layer is not None
    shares = measure_peaks(loaded, picture, layer.grid, choose_cells(layer.grid))
    if layer.name in shares and all(share == 1 for share in shares.values()):
        return dict.fromkeys(shares, "right")
    agreements = measure_agreement(loaded, picture)
    verdicts: dict[str, Geometry] = {}
    for name, agreement in agreements.items():
        if agreement >= AGREEMENT or shares.get(name) == 1:
            verdicts[name] = "right"
        else:
            verdicts[name] = "wrong" if name in shares or agreement <= -AGREEMENT else "not seen"
    return verdicts


def measure_peaks(loaded: LoadedModel, picture: Picture, grid: Grid, cells: Sequence[Cell]) -> dict[str, float]:
    """By layer, for which share of the changed rectangles the layer changes most there or close by.

    A random network with a wide view may spread a change evenly over all cells. Such changes say nothing of the
    geometry and are left out, and so are layers with no other.
    """
    hits: dict[str, list[bool]] = {}
    for cell, changes in zip(cells, watch_changes(loaded, picture, grid, cells), strict=True):
        for layer in loaded.layers:
            change = changes[layer.name]
            if float(change.max()) < LOCAL * float(change.mean()):
                continue
            peak = np.unravel_index(int(change.argmax()), layer.grid)
            # Inside the rectangle, or beside it by a cell of the coarser grid or an eighth of the side.
            near = all(
                abs((at + 0.5) / size - (index + 0.5) / count) <= 0.5 / count + max(1 / size, 1 / count, 1 / 8) + 1e-6
                for at, size, index, count in zip(peak, layer.grid, cell, grid, strict=True)
            )
            hits.setdefault(layer.name, []).append(near)
    return {name: float(np.mean(found)) for name, found in hits.items()}


def measure_agreement(loaded: LoadedModel, picture: Picture) -> dict[str, float]:
    """By layer, the correlation of where the picture changes with where the layer does; of rows and columns the lower.

    What the changes of all rectangles have in common is taken away first, so that a slight move is seen under a change
    that is nearly the same everywhere.
    """
    cells = [(row, column) for row in range(RECTANGLES) for column in range(RECTANGLES)]
    kept: dict[str, list[Tensor]] = {layer.name: [] for layer in loaded.layers}
    for changes in watch_changes(loaded, picture, (RECTANGLES, RECTANGLES), cells):
        for name, change in changes.items():
            kept[name].append(change.square() / change.square().sum().clamp_min(1e-30))
    places = torch.tensor(cells, dtype=torch.float32)
    agreements = {}
    for layer in loaded.layers:
        shares = torch.stack(kept[layer.name])
        shares = shares - shares.mean(0)
        centres = []
        for axis, count in enumerate(layer.grid, start=1):
            others = [other for other in range(1, shares.ndim) if other != axis]
            centres.append(shares.sum(others) @ torch.arange(count, dtype=torch.float32))
        agreements[layer.name] = min(
            float(torch.corrcoef(torch.stack([centre, places[:, axis]]))[0, 1]) for axis, centre in enumerate(centres)
        )
    return agreements


def watch_changes(
    loaded: LoadedModel, picture: Picture, grid: Grid, cells: Sequence[Cell]
) -> Iterator[dict[str, Tensor]]:
    """For each rectangle of the picture: by layer, how much each of its cells changes when it is inverted, `(h, w)`."""
    tensor = prepare(picture, loaded.preprocessing).tensor
    clean = run_to_maps(loaded, tensor)
    for cell in cells:
        axes = zip(cell, tensor.shape[2:], grid, strict=True)
        part = [slice(index * side // count, (index + 1) * side // count) for index, side, count in axes]
        changed = tensor.clone()
        changed[:, :, *part] *= -1
        maps = run_to_maps(loaded, changed)
        yield {name: (maps[name] - clean[name])[0].float().square().sum(0).sqrt() for name in clean}


def run_to_maps(loaded: LoadedModel, tensor: Tensor) -> dict[str, Tensor]:
    """One forward pass; each layer's output as `(1, C, h, w)`."""
    kept: dict[str, Tensor] = {}

    def keep(layer: Layer, output: Any) -> None:
        kept[layer.name] = layer.to_map(output).clone()

    handles = [
        loaded.module.get_submodule(layer.name).register_forward_hook(lambda _m, _i, out, layer=layer: keep(layer, out))
        for layer in loaded.layers
    ]
    try:
        with torch.inference_mode():
            loaded.module(tensor.clone())
    finally:
        for handle in handles:
            handle.remove()
    return kept


def cover(module: str, name: str) -> Row:
    """Explain one model and judge what comes of it."""
    row = Row(module, name)
    started = time.perf_counter()
    try:
        loaded = load(name)
        row.parameters = sum(parameter.numel() for parameter in loaded.module.parameters())
        row.input_size = loaded.preprocessing.input_size
        row.layers = len(loaded.layers)
        picture = make_picture(row.input_size, 0)
        layer = loaded.default_layer
        if layer is not None:
            row.layer, row.grid, row.channels = layer.name, layer.grid, layer.channels
            row.layout, row.prefix_tokens = layer.layout, layer.prefix_tokens
        row.reason = find_fault(loaded, picture)
        row.state = "failed" if row.reason else "explained"
        verdicts = judge_geometry(loaded, picture)
        row.geometry = verdicts[row.layer]
        row.badly_placed = [layer_name for layer_name, verdict in verdicts.items() if verdict == "wrong"]
    except ExplainError as error:
        row.state, row.reason = "not explainable", str(error)
    except Exception as error:  # whatever a network does, the others are still to be looked at
        row.state, row.reason = "failed", f"{type(error).__name__}: {error}"
    row.seconds = round(time.perf_counter() - started, 2)
    return row


def summarise(rows: list[Row], seconds: float) -> str:
    """The table as Markdown, with what did not go well below it."""
    lines = [
        "| module | smallest member | parameters | input | default layer | grid | layers | maps | geometry "
        "| badly placed | seconds |",
        "|---|---|---:|---:|---|---:|---:|---|---|---|---:|",
    ]
    for row in rows:
        lines.append(
            f"| {row.module} | {row.model} | {row.parameters / 1e6:.1f} M | {_times(row.input_size)} | {row.layer} "
            f"| {_times(row.grid)} | {row.layers} | {row.state} | {row.geometry or ''} "
            f"| {', '.join(row.badly_placed)} | {row.seconds:.1f} |"
        )
    lines.append("")
    lines += [f"- {row.module} ({row.model}), {row.state}: {row.reason}" for row in rows if row.reason]
    states, verdicts = [row.state for row in rows], [row.geometry for row in rows]
    lines.append(
        f"- {states.count('explained')} of {len(rows)} families explained, {states.count('not explainable')} not "
        f"explainable, {states.count('failed')} failed; geometry right in {verdicts.count('right')}, wrong in "
        f"{verdicts.count('wrong')}, not seen in {verdicts.count('not seen')}; {seconds:.0f} s."
    )
    return "\n".join(lines)


def _times(size: tuple[int, int]) -> str:
    return describe_grid(size) if any(size) else ""


def main(arguments: list[str] | None = None) -> int:
    """Cover the families named, or all; 1 where one failed."""
    known = timm.list_modules()
    parser = argparse.ArgumentParser(description="Which of timm's model families can be explained without help.")
    parser.add_argument("modules", nargs="*", help="timm model modules, e.g. resnet beit; all are the default")
    parser.add_argument("--json", type=Path, help="write the figures and the rows here")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.modules) - set(known))
    if unknown:
        parser.error(f"timm has no model module {', '.join(unknown)}")
    started = time.perf_counter()
    rows = []
    for number, module in enumerate(options.modules or known, start=1):
        row = cover(module, find_smallest(module)[0])
        rows.append(row)
        gc.collect()
        count = len(options.modules or known)
        print(f"{number}/{count} {module}: {row.state} {row.reason}".rstrip(), file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    print(summarise(rows, seconds))
    if options.json:
        share = sum(row.state == "explained" for row in rows) / len(rows)
        figures = {
            "explained_share": share,
            "families": len(rows),
            "geometry_right": sum(row.geometry == "right" for row in rows),
            "geometry_wrong": sum(row.geometry == "wrong" for row in rows),
            "seconds": round(seconds, 1),
        }
        document = {"figures": figures, "timm": timm.__version__, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if any(row.state == "failed" for row in rows) else 0


if __name__ == "__main__":
    raise SystemExit(main())
