"""Which of timm's model families can be explained without help: `python -m benchmarks.coverage [--json FILE]`.

The member with the fewest parameters of each of timm's model modules is built with random weights at its own input
size and explained at its default layer by Grad-CAM, Eigen-CAM and CF-CAM. A family is

- **explained** when all maps are finite and tell one place from another, and follow a plant: where the layer's output
  in one cell is multiplied by a large number, all maps are strongest in that cell. Tried for several cells.
- **not explainable** when CAMscope says so in a sentence.
- **failed** otherwise.

A second column, **geometry**, asks whether the grid lies on the picture as the layer says: where the picture is changed
in the rectangle of one cell, that cell of the layer, or one close to it, must change the most. It is the share of cells
tried for which this holds, at the default layer; `geometry, all layers` is the lowest share of any layer offered.
Empty where a random network spreads every change over all places.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import register_module_parameter_registration_hook

from explain.architectures import Architecture, default_preprocessing
from explain.capture import Derived, look_at, replace_first_tensor
from explain.engine import Engine
from explain.errors import ExplainError
from explain.geometry import prepare
from explain.layers import Layer, find_layers, first_tensor
from explain.methods import get_method
from explain.models import LoadedModel, ModelRequest
from explain.picture import Picture, decode
from explain.torchvision_operators import declare_missing_operators

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
    grid: tuple[int, int] = (0, 0)
    channels: int = 0
    layout: str = ""
    prefix_tokens: int = 0
    layers: int = 0
    geometry: float | None = None
    geometry_all_layers: float | None = None
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


def choose_cells(grid: tuple[int, int]) -> list[tuple[int, int]]:
    """The cells of a grid in which plants are set."""
    return list(dict.fromkeys((int(y * grid[0]), int(x * grid[1])) for y, x in CELLS))


@contextmanager
def plant(module: nn.Module, layer: Layer, cell: tuple[int, int]) -> Iterator[None]:
    """While it lasts, the layer's output in one cell is `PLANT` times what it was."""

    def multiply(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        tensor = first_tensor(output)
        assert tensor is not None
        changed = tensor.clone(memory_format=torch.contiguous_format)
        layer.to_map(changed)[:, :, cell[0], cell[1]] *= PLANT
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


def measure_geometry(loaded: LoadedModel, picture: Picture) -> dict[str, float]:
    """By layer, for which share of the cells tried the change of its rectangle in the picture is seen there or beside.

    A random network with a wide view may spread a change evenly over all cells. Such changes say nothing of the
    geometry and are left out, and so are layers with no other.

    The pictures changed are those of the cells of the default layer, so that all layers share the passes.
    """
    default = loaded.default_layer
    assert default is not None
    tensor = prepare(picture, loaded.preprocessing).tensor
    height, width = tensor.shape[2:]
    rows, columns = default.grid
    spots, inputs = [], [tensor]
    for row, column in choose_cells(default.grid):
        top, bottom = round(row * height / rows), max(round((row + 1) * height / rows), round(row * height / rows) + 1)
        left, right = round(column * width / columns), round((column + 1) * width / columns)
        changed = tensor.clone()
        changed[:, :, top:bottom, left : max(right, left + 1)] *= -1
        spots.append(((row + 0.5) / rows, (column + 0.5) / columns))
        inputs.append(changed)
    kept: dict[str, list[Tensor]] = {layer.name: [] for layer in loaded.layers}
    handles = [
        loaded.module.get_submodule(layer.name).register_forward_hook(
            lambda _m, _i, output, layer=layer: kept[layer.name].append(layer.to_map(output).clone())
        )
        for layer in loaded.layers
    ]
    hits: dict[str, list[bool]] = {layer.name: [] for layer in loaded.layers}
    try:
        with torch.inference_mode():
            for index, changed in enumerate(inputs):
                loaded.module(changed.clone())
                for layer in loaded.layers:
                    if index == 0:
                        continue
                    before, after = kept[layer.name][0], kept[layer.name].pop()
                    change = (after - before)[0].float().square().sum(0).sqrt()
                    if float(change.max()) < LOCAL * float(change.mean()):
                        continue
                    peak = divmod(int(change.argmax()), layer.grid[1])
                    # Inside the rectangle, or beside it by a cell of the coarser grid or an eighth of the side.
                    near = all(
                        abs((at + 0.5) / size - spot) <= 0.5 / own + max(1 / size, 1 / own, 1 / 8) + 1e-6
                        for at, size, spot, own in zip(peak, layer.grid, spots[index - 1], default.grid, strict=True)
                    )
                    hits[layer.name].append(near)
    finally:
        for handle in handles:
            handle.remove()
    return {name: float(np.mean(found)) for name, found in hits.items() if found}


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
        shares = measure_geometry(loaded, picture)
        row.geometry = shares.get(row.layer)
        row.geometry_all_layers = min(shares.values(), default=None)
        row.badly_placed = [layer_name for layer_name, share in shares.items() if share < 1]
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
        "| geometry, all layers | seconds |",
        "|---|---|---:|---:|---|---:|---:|---|---:|---:|---:|",
    ]
    for row in rows:
        placed, all_placed = (
            "" if share is None else f"{share:.0%}" for share in (row.geometry, row.geometry_all_layers)
        )
        lines.append(
            f"| {row.module} | {row.model} | {row.parameters / 1e6:.1f} M | {_times(row.input_size)} | {row.layer} "
            f"| {_times(row.grid)} | {row.layers} | {row.state} | {placed} | {all_placed} | {row.seconds:.1f} |"
        )
    lines.append("")
    lines += [f"- {row.module} ({row.model}), {row.state}: {row.reason}" for row in rows if row.reason]
    judged = [row for row in rows if row.geometry is not None]
    states = [row.state for row in rows]
    lines.append(
        f"- {states.count('explained')} of {len(rows)} families explained, {states.count('not explainable')} not "
        f"explainable, {states.count('failed')} failed; the default layer's grid lies on the picture everywhere tried "
        f"in {sum(row.geometry == 1 for row in judged)} of {len(judged)}; {seconds:.0f} s."
    )
    return "\n".join(lines)


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}" if size[0] else ""


def main(arguments: list[str] | None = None) -> int:
    """Cover the families named, or all."""
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
        placed = [row.geometry == 1 for row in rows if row.geometry is not None]
        figures = {
            "explained_share": share,
            "families": len(rows),
            "geometry_share": float(np.mean(placed)) if placed else 0.0,
            "seconds": round(seconds, 1),
        }
        document = {"figures": figures, "timm": timm.__version__, "rows": [asdict(row) for row in rows]}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.state == "explained" for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
