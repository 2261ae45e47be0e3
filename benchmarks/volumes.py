"""Networks that read volumes: `python -m benchmarks.volumes [--json FILE] [--volumes N] [PART …]`.

Parts:

- `floor`: `one_pass_over_floor_3d`, how long all methods that share one pass of torchvision's r3d_18 take for a volume
  of 16×112×112 voxels, from the volume to the maps with their places, over one forward and one backward pass of the
  bare network. Weights are random: time does not depend on them.
- `monai`: `vs_monai`, how many times as long MONAI's Grad-CAM takes for the same layer of the same network, once both
  maps were found to be equal. Left out where MONAI is not installed (`pip install --no-deps monai`).
- `phantoms`: what `phantom-3d` does on drawn volumes that training has not seen. `phantom_top1`, in per cent.
  `phantom_peak_in_lesion`, by method, 0…1: how often the voxel under the highest cell of its map for the true class is
  the lesion's; `cell`: how often any voxel of that cell is; `energy`: which share of the positive values lies on voxels
  of the lesion. **Chance** is what any cell has, **centre** is what a map has that always points at the middle.
  `phantom_blanked`: the mean probability of the true class as it is, with the lesion taken out (the same phantom drawn
  without), and with as large a part of the other organ painted over by the values round it.
- `verdicts`: `phantom_words`, what is said of each method's maps for the true class of a tenth as many phantoms, as
  shares of them; a map may have several words. `verdict_first_s` is how long the first volume takes, with the phantoms
  that all are compared with, and `verdict_s` the median of the others.
- `planes`: `planes_frame_ms`, in a real browser: on the series of `benchmarks.scans`, explained in all its slices,
  stand a picture and four maps in a row, and below them the three planes. The crosshair is dragged through a plane, so
  that slice, maps and the other planes follow. The work of a frame, from its start until scripts, style, layout and
  paint are done: of each plane the 95th of a hundred, and of those the longest. At most 33.
- `report`: `report_pdf_s`, how long the report takes as PDF, from the finished answer to the file: of a slice of the
  same series with four maps, the first of its process, and of a volume of as many voxels in three planes with four maps
  each. The longer of both; at most 3.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from playwright.sync_api import Locator

from benchmarks.browser import choose_four_methods, find_point, open_page, settle
from benchmarks.scans import COUNT, explain_series, join, open_series, record, write_series
from explain.bundled.phantoms.draw import SPACING, Phantom, draw_phantom
from explain.bundled.phantoms.kinds import KINDS
from explain.engine.engine import Engine
from explain.maps.volume_map import VolumeMap
from explain.methods import all_methods
from explain.models.architectures import build_architecture, default_preprocessing, parse_architecture
from explain.models.loaded import LoadedModel
from explain.models.volume_architectures import has_monai
from explain.report.one_page.writing import encode_report
from explain.volumes.from_array import build_volume
from explain.volumes.model_input import prepare_volume
from explain.volumes.volume import Volume
from tests.support.dashboard import launch_chromium, serve_dashboard

PARTS = ("floor", "monai", "phantoms", "verdicts", "planes", "report")
NETWORK, LAYER, SIDES = "torchvision/r3d_18", "layer4", (16, 112, 112)
MODEL = "phantom-3d"
METHODS = ("grad-cam", "hires-cam", "layer-cam", "grad-cam++", "xgrad-cam", "finer-cam", "cf-cam", "eigen-cam")
FOUR = ("grad-cam", "eigen-cam", "cf-cam", "hires-cam")
FIRST_SEED = 20_000_000
"""Of the phantoms: neither training nor its test drew them."""

_ROUNDS = 7


def list_one_pass() -> list[str]:
    """The methods that run nothing by themselves and work on any network of volumes."""
    alone = {"runner", "attention", "prompts", "head", "trained attention"}
    return [name for name, method in all_methods().items() if not method.needs & alone]


def lay_down(values: np.ndarray, steps: Sequence[float] = SPACING) -> Volume:
    """An array as a volume that lies with its slices to the head, its rows to the back, its columns to the left."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(steps)[::-1]
    return build_volume(values, affine, name="phantom", unit="HU")


def load_video(engine: Engine) -> LoadedModel:
    """torchvision's r3d_18 with random weights."""
    torch.manual_seed(0)
    architecture = parse_architecture(NETWORK)
    return engine.load(
        build_architecture(architecture, 400, 3, None), preprocessing=default_preprocessing(architecture)
    )


def run_once(module: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """One forward pass, and one backward pass to the layer; its gradient."""
    kept: list[torch.Tensor] = []

    def keep(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = module.get_submodule(LAYER).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            score = module(inputs)[0].max()
        (gradient,) = torch.autograd.grad(score, kept)
    finally:
        handle.remove()
    return gradient


def time_by_turns(*works: Callable[[], Any]) -> list[float]:
    """The shortest time of each in seconds, run in turns, so that a busy moment hits all of them."""
    best = [float("inf")] * len(works)
    for _ in range(_ROUNDS):
        for place, work in enumerate(works):
            started = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - started)
    return best


def measure_floor() -> dict[str, Any]:
    """See the module, `floor`."""
    engine = Engine(device="cpu")
    loaded, volume = load_video(engine), lay_down(np.random.default_rng(0).integers(0, 1000, SIDES).astype(np.int16))
    names = list_one_pass()
    inputs = prepare_volume(volume, loaded.preprocessing).tensor  # type: ignore[arg-type]

    def explain() -> None:
        engine.forget()
        answer = engine.explain_volume(volume, loaded, names, LAYER)
        assert len(answer.maps) == len(names), answer.unavailable

    explain()
    before = engine.passes
    explain()
    passes = engine.passes.forward - before.forward
    ours, floor = time_by_turns(explain, lambda: run_once(loaded.module, inputs))
    return {
        "one_pass_over_floor_3d": round(ours / floor, 3),
        "methods": len(names),
        "forward_passes": passes,
        "explain_s": round(ours, 3),
        "floor_s": round(floor, 3),
    }


def measure_monai() -> dict[str, Any]:
    """See the module, `monai`."""
    if not has_monai():
        return {"vs_monai": None, "why": "MONAI is not installed"}
    engine = Engine(device="cpu")
    loaded, volume = load_video(engine), lay_down(np.random.default_rng(0).integers(0, 1000, SIDES).astype(np.int16))
    inputs = prepare_volume(volume, loaded.preprocessing).tensor  # type: ignore[arg-type]
    theirs_class = import_module("monai.visualize").GradCAM
    network = copy.deepcopy(loaded.module).requires_grad_(True)  # as it needs it
    target = int(loaded.module(inputs).argmax())
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        engine.forget()
        found["ours"] = engine.explain_volume(volume, loaded, "grad-cam", LAYER, target).maps[0].values

    def theirs() -> None:
        found["theirs"] = np.asarray(
            theirs_class(nn_module=network, target_layers=LAYER).compute_map(inputs, class_idx=target).detach()
        )[0, 0]

    ours(), theirs()
    own = np.maximum(found["ours"], 0)
    error = float(np.abs(own - found["theirs"]).max() / max(float(own.max()), 1e-12))
    assert error < 1e-4, f"the maps differ by {error:.2g} of their peak: there is nothing to time"
    own_seconds, their_seconds = time_by_turns(ours, theirs)
    return {
        "vs_monai": round(their_seconds / own_seconds, 3),
        "difference": error,
        "ours_s": round(own_seconds, 3),
        "monai_s": round(their_seconds, 3),
    }


@dataclass(frozen=True)
class Pointing:
    """How a map's peak and values lie to the lesion, 0…1 each; see the module."""

    voxel: float
    cell: float
    energy: float


def cover_cells(lesion: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Which cells of a map over the whole volume hold a voxel of the lesion, bool of that shape."""
    steps = [side // count for side, count in zip(lesion.shape, shape, strict=True)]
    blocks = lesion.reshape(shape[0], steps[0], shape[1], steps[1], shape[2], steps[2])
    return np.asarray(blocks.any((1, 3, 5)))


def point(one: VolumeMap, lesion: np.ndarray) -> Pointing:
    """How one map points."""
    shape = one.values.shape
    touched = cover_cells(lesion, shape)
    positive = np.maximum(one.values, 0)
    steps = np.array(lesion.shape) // np.array(shape)
    spread = positive.repeat(steps[0], 0).repeat(steps[1], 1).repeat(steps[2], 2)
    total = float(spread.sum())
    share = float(spread[lesion].sum()) / total if total else 0.0
    return Pointing(float(lesion[one.peak_voxel]), float(touched[one.peak_cell]), share)


def paint_other(phantom: Phantom) -> np.ndarray:
    """The phantom with as large a part of the other organ painted over by the values round it."""
    mask = phantom.lesion[:, :, ::-1]
    grown = np.zeros_like(mask)
    for at in np.argwhere(mask):
        grown[tuple(slice(max(place - 2, 0), place + 3) for place in at)] = True
    values = phantom.values.copy()
    ring = values[grown & ~mask]
    values[mask] = np.random.default_rng(phantom.seed).choice(ring, int(mask.sum()))
    return values


def measure_phantoms(volumes: int, layer: str = "auto", methods: Sequence[str] = METHODS) -> dict[str, Any]:
    """See the module, `phantoms`."""
    engine = Engine(device="cpu")
    loaded = engine.load(MODEL)
    right, shares = 0, {"as_is": 0.0, "lesion_out": 0.0, "other_place": 0.0}
    pointing: dict[str, list[Pointing]] = {name: [] for name in methods}
    chance: dict[str, float] = {"voxel": 0.0, "cell": 0.0}
    centre = {"voxel": 0.0, "cell": 0.0}
    for seed in range(FIRST_SEED, FIRST_SEED + volumes):
        target = seed % len(KINDS)
        phantom = draw_phantom(KINDS[target].name, seed)
        answer = engine.explain_volume(lay_down(phantom.values), loaded, methods, layer, target)
        right += answer.predictions[0].index == target
        for name, values in (
            ("as_is", phantom.values),
            ("lesion_out", phantom.bare),
            ("other_place", paint_other(phantom)),
        ):
            ranked = engine.explain_volume(lay_down(values), loaded, "grad-cam", layer, target).predictions
            shares[name] += next(one.probability or 0.0 for one in ranked if one.index == target)
        for one in answer.maps:
            pointing[one.heatmap.method].append(point(one, phantom.lesion))
        touched = cover_cells(phantom.lesion, answer.maps[0].values.shape)
        middle = tuple(side // 2 for side in touched.shape)
        chance["voxel"] += float(phantom.lesion.mean())
        chance["cell"] += float(touched.mean())
        centre["voxel"] += float(phantom.lesion[tuple(side // 2 for side in phantom.lesion.shape)])
        centre["cell"] += float(touched[middle])
        engine.forget()

    def average(some: Sequence[Pointing]) -> dict[str, float]:
        return {
            name: round(float(np.mean([asdict(one)[name] for one in some])), 3) for name in ("voxel", "cell", "energy")
        }

    return {
        "phantom_top1": round(100 * right / volumes, 2),
        "phantom_peak_in_lesion": {name: average(some) for name, some in pointing.items() if some},
        "chance": {name: round(total / volumes, 4) for name, total in chance.items()},
        "centre": {name: round(total / volumes, 4) for name, total in centre.items()},
        "phantom_blanked": {name: round(total / volumes, 3) for name, total in shares.items()},
        "volumes": volumes,
        "layer": layer if layer != "auto" else loaded.default_layer.name if loaded.default_layer else "",
    }


def measure_verdicts(volumes: int) -> dict[str, Any]:
    """See the module, `verdicts`."""
    engine = Engine(device="cpu")
    words: dict[str, Counter[str]] = {name: Counter() for name in FOUR}
    taken: list[float] = []
    for seed in range(FIRST_SEED, FIRST_SEED + volumes):
        target = seed % len(KINDS)
        volume = lay_down(draw_phantom(KINDS[target].name, seed).values)
        engine.explain_volume(volume, MODEL, FOUR, target=target)
        started = time.perf_counter()
        *_, last = engine.judge_volume(volume, MODEL, FOUR, target=target)
        taken.append(time.perf_counter() - started)
        for key, verdict in last.items():
            words[key.partition("/")[0]].update(verdict.words)
    shares = {
        name: {word: round(count / volumes, 3) for word, count in some.most_common()} for name, some in words.items()
    }
    others = round(float(np.median(taken[1:])), 2) if volumes > 1 else None
    return {"phantom_words": shares, "verdict_first_s": round(taken[0], 2), "verdict_s": others, "volumes": volumes}


def measure_planes(repeats: int = 4) -> dict[str, Any]:
    """See the module, `planes`."""
    with tempfile.TemporaryDirectory() as place, launch_chromium() as browser, serve_dashboard() as dashboard:
        folder = write_series(Path(place) / "series", COUNT)
        page = open_page(browser, dashboard.url, 1900, 1300)  # what is not on the screen is not painted
        choose_four_methods(page)
        explain_series(page, folder)
        page.locator(".st-key-grid [data-stack=planes]").click()
        settle(page)
        frames = {}
        for plane in ("axial", "coronal", "sagittal"):
            canvas = page.locator(f".st-key-grid [data-plane={plane}] canvas")

            def drag(canvas: Locator = canvas) -> None:
                page.mouse.move(*find_point(canvas, 0.45, 0.45))
                page.mouse.down()
                page.mouse.move(*find_point(canvas, 0.55, 0.55), steps=25)
                page.mouse.move(*find_point(canvas, 0.45, 0.45), steps=25)
                page.mouse.up()

            record(page, drag)  # what comes into view for the first time is fetched and unpacked
            frames[plane] = join([record(page, drag) for _ in range(repeats)])["work"]
    shares = {plane: [round(float(np.percentile(work, at)), 1) for at in (50, 95)] for plane, work in frames.items()}
    return {
        "planes_frame_ms": max(last for _, last in shares.values()),
        "p50_and_p95_by_plane": shares,
        "frames": {plane: len(work) for plane, work in frames.items()},
    }


def measure_report() -> dict[str, Any]:
    """See the module, `report`."""
    engine = Engine(device="cpu")
    with tempfile.TemporaryDirectory() as place:
        series = open_series(write_series(Path(place) / "series", COUNT))
        answers = {
            "slice": engine.explain(series.slice(COUNT // 2), "photo-cnn", FOUR),
            "volume": engine.explain_volume(series, MODEL, FOUR),
        }
        taken = {}
        for name, answer in answers.items():
            started = time.perf_counter()
            encode_report(answer, "pdf")
            taken[name] = round(time.perf_counter() - started, 2)
    return {"report_pdf_s": max(taken.values()), "seconds": taken}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the parts that are named, or all, print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--json", type=Path, help="also write the figures into this file")
    parser.add_argument("--volumes", type=int, default=240, help="how many phantoms are explained")
    parser.add_argument("--layer", default="auto", help="of phantom-3d; its default where it is left out")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    works: dict[str, Callable[[], dict[str, Any]]] = {
        "floor": measure_floor,
        "monai": measure_monai,
        "phantoms": lambda: measure_phantoms(options.volumes, options.layer),
        "verdicts": lambda: measure_verdicts(max(options.volumes // 10, 1)),
        "planes": measure_planes,
        "report": measure_report,
    }
    figures: dict[str, Any] = {}
    for part in options.parts or PARTS:
        figures |= {part: works[part]()}
        print(json.dumps({part: figures[part]}, indent=1), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
