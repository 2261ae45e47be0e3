"""CAMscope beside its public peers: `python -m benchmarks.compare [--json FILE] [--quick]`.

Needs the packages of requirements-bench.txt. ResNet-50 with seeded random weights, a picture of 224×224 pixels,
float32, two threads on two cores, nothing else running. Medians of runs that take turns, after a warm-up, with nothing
kept from the run before. Maps are compared before they are timed: every map of a peer equals CAMscope's within 1e-4
(stretched to 0…1, at the input's size), or the run ends.

The **floor** is what no method of one pass can do without: one forward pass and one backward pass to the layer, with
frozen parameters. CAMscope's times hold the whole answer of `Engine.explain`, from the decoded picture on; the peers
are given the prepared input. pytorch-grad-cam is used as its documentation does, and in two ways more that it does not
speak of: with all parameters before the layer's last block frozen by hand, and, for several layers, with one object for
all of them whose averaging is switched off, beside an object a layer. Where a peer needs minutes it is timed on some of
the channels, twice, and scaled in a straight line.

Memory is the most that a run takes beyond what was taken before it, in a process of its own.

With `--device cuda` the peers calculate in full float32 too, as CAMscope does there. On an H200 what is not the pass is
bound by the host, so that figures of another processor are others. For one picture of a ResNet-50 Grad-CAM takes 1.3 to
1.4 times the floor of 6 to 9 ms, 15 methods of one pass 3.6 to 3.9 times, and the three default methods 3.8 times (6
before CF-CAM measured its distances on the GPU); of 32 pictures in one batch, which take hardly longer, 2 ms a picture
go to Grad-CAM and 18 ms to the default methods. A method takes 0.1 to 0.3 ms, those of singular vectors 1.4 ms. An eps
or sigma changed on what is kept takes 9 and 3 ms. Half precision makes Score-CAM of 512 channels 2.5 times as fast.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import (
    AS_PYTORCH_GRAD_CAM,
    DIFFERENT_IN_TORCH_CAM,
    PYTORCH_GRAD_CAM,
    TORCH_CAM,
    Map,
    PytorchGradCam,
    TorchCam,
    draw_few_channels,
    draw_few_masks_by_torch_cam,
    find_difference,
    scale,
)
from benchmarks.published_cf_cam import draw_published_cf_cam
from benchmarks.timing import Run, find_medians, find_peak, take_time
from explain.engine.engine import Engine
from explain.methods import all_methods
from explain.methods.cf_cam.settings import PUBLISHED
from explain.methods.strongest_channels import choose_channels
from tests.support.network import build_network, make_input, make_picture, wrap_network

CORES = 2
LAYER = "layer4"
LAYERS = ("layer2", "layer3", "layer4")
SEVEN = ("grad-cam", "grad-cam++", "xgrad-cam", "hires-cam", "layer-cam", "eigen-cam", "eigengrad-cam")
DEFAULTS = ("grad-cam", "eigen-cam", "cf-cam")
PASSES = ("ablation-cam", "score-cam", "fullgrad", "smooth-grad-cam++")
"""Methods with passes of their own that a peer has."""
TOLERANCE = 1e-4
FULLGRAD_TOLERANCE = 5e-3
"""The 1e-7 that pytorch-grad-cam adds to what it divides by is of the size of FullGrad's contributions."""
QUICK_SCORE_CAM = "Score-CAM, strongest channels, half precision"
QUICK_SCORE_CAM_SETTINGS = {"channels": 256, "precision": "half"}
BATCH = 8

FLOOR = "the floor"
OURS = "CAMscope"
PGC = "pytorch-grad-cam"
PGC_FROZEN = "pytorch-grad-cam, frozen by hand"
PGC_APART = "pytorch-grad-cam, an object a layer"
TC = "torch-cam"
AUTHORS = "the authors' algorithm"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        work: what is done.
        contender: by whom.
        milliseconds: median.
        mib: peak memory; None where it was not measured.
        note: what a reader must know.
    """

    work: str
    contender: str
    milliseconds: float
    mib: float | None = None
    note: str = ""


def one_pass_methods() -> list[str]:
    """Every method that makes do with the pass that all share, on any network, but for CF-CAM."""
    with_more = {"runner", "attention", "prompts", "trained attention"}
    return [name for name, method in all_methods().items() if not method.needs & with_more and name != "cf-cam"]


class Bench:
    """The network twice, frozen as CAMscope loads it and trainable as the peers want it, and one picture.

    Attributes:
        runs: what is timed, by work and contender.
    """

    def __init__(self, device: str):
        torch.backends.cudnn.allow_tf32 = False  # nor do CAMscope's networks calculate in it: else maps would differ
        self.trainable = build_network().to(device)
        self.frozen = copy.deepcopy(self.trainable)
        self.loaded = wrap_network(self.frozen)
        self.engine = Engine(device)
        self.picture = make_picture(0)
        self.input = make_input(0).to(device)
        with torch.no_grad():
            self.target = int(self.frozen(self.input).argmax())
        self.targets = (self.target, *[other for other in (7, 100, 500) if other != self.target][:2])
        self.runs: dict[tuple[str, str], Run] = {}
        self._list_runs()

    def explain(
        self,
        methods: Sequence[str],
        layers: Sequence[str] = (LAYER,),
        targets: Sequence[int] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> dict[tuple[str, str, int], Map]:
        """CAMscope's maps by method, layer and class, with nothing kept from before."""
        self.engine.forget()
        return self.explain_again(methods, layers, targets, settings)

    def explain_again(
        self,
        methods: Sequence[str],
        layers: Sequence[str] = (LAYER,),
        targets: Sequence[int] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> dict[tuple[str, str, int], Map]:
        """The same with what is kept."""
        explanation = self.engine.explain(
            self.picture, self.loaded, methods, list(layers), list(targets or [self.target]), settings=settings
        )
        (pictured,) = explanation.pictures
        if pictured.unavailable:
            raise SystemExit(f"Not drawn: {pictured.unavailable}")
        return {(one.method, one.layer, one.target): one.values for one in pictured.maps}

    def take_floor(self, layers: Sequence[str] = (LAYER,), targets: Sequence[int] = ()) -> list[tuple[Tensor, ...]]:
        """One forward pass and, for each class, one backward pass to the layers."""
        kept: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            kept.append(output if output.requires_grad else output.requires_grad_())
            return kept[-1]

        handles = [self.frozen.get_submodule(layer).register_forward_hook(keep) for layer in layers]
        try:
            scores = self.frozen(self.input)[0]
        finally:
            for handle in handles:
                handle.remove()
        chosen = targets or (self.target,)
        return [torch.autograd.grad(scores[target], kept, retain_graph=target != chosen[-1]) for target in chosen]

    def _list_runs(self) -> None:
        """All that is timed run by run, and whose memory is taken."""
        runs, trainable = self.runs, self.trainable
        one_pass = one_pass_methods()
        by_pgc = [name for name in one_pass if name in PYTORCH_GRAD_CAM]
        by_tc = [name for name in one_pass if name in TORCH_CAM]
        frozen_by_hand = copy.deepcopy(trainable).requires_grad_(False)
        frozen_by_hand.get_submodule(LAYER)[-1].requires_grad_(True)
        options = {"cam": {"fc_layer": "fc"}}

        def ours(
            work: str,
            methods: Sequence[str],
            layers: Sequence[str] = (LAYER,),
            targets: Sequence[int] = (),
            settings: Mapping[str, Any] | None = None,
        ) -> None:
            runs[work, OURS] = lambda: self.explain(methods, layers, targets, settings)

        def by_pytorch_grad_cam(
            work: str,
            methods: Sequence[str],
            layers: Sequence[str] = (LAYER,),
            targets: Sequence[int] = (),
            network: nn.Module = trainable,
            contender: str = PGC,
        ) -> None:
            peer = PytorchGradCam(network, layers, methods)
            runs[work, contender] = lambda: peer.draw_all(self.input, targets or [self.target])

        runs["one pass", FLOOR] = self.take_floor
        ours("Grad-CAM", ["grad-cam"])
        ours("all of one pass", one_pass)
        ours("all of one pass and CF-CAM", [*one_pass, "cf-cam"])

        work = f"the {len(by_pgc)} shared with pytorch-grad-cam"
        ours(work, by_pgc, settings=AS_PYTORCH_GRAD_CAM)
        by_pytorch_grad_cam(work, by_pgc)
        # Shapley-CAM asks for the input's gradient, and so for a graph of the whole network.
        but_one = [name for name in by_pgc if name != "shapley-cam"]
        ours(f"{work} but Shapley-CAM", but_one, settings=AS_PYTORCH_GRAD_CAM)
        by_pytorch_grad_cam(f"{work} but Shapley-CAM", but_one, network=frozen_by_hand, contender=PGC_FROZEN)
        work = f"the {len(by_tc)} shared with torch-cam"
        ours(work, by_tc)
        torch_cam = TorchCam(trainable, LAYER, by_tc, options)
        runs[work, TC] = lambda: torch_cam.draw_all(self.input, self.target)

        work = "7 methods, 3 layers, 3 classes"
        runs[work, FLOOR] = lambda: self.take_floor(LAYERS, self.targets)
        ours(work, SEVEN, LAYERS, self.targets, settings=AS_PYTORCH_GRAD_CAM)
        by_pytorch_grad_cam(work, SEVEN, LAYERS, self.targets)
        apart = [PytorchGradCam(trainable, [layer], SEVEN) for layer in LAYERS]
        runs[work, PGC_APART] = lambda: [peer.draw_all(self.input, self.targets) for peer in apart]

        for name in dict.fromkeys([*by_pgc, *by_tc, *PASSES]):
            if name in ("score-cam", "ablation-cam"):
                continue
            title = all_methods()[name].title
            settings = {name: {"copies": 4}} if name == "smooth-grad-cam++" else AS_PYTORCH_GRAD_CAM
            ours(title, [name], settings={key: value for key, value in settings.items() if key == name})
            if name in PYTORCH_GRAD_CAM:
                by_pytorch_grad_cam(title, [name])
            if name in TORCH_CAM:
                peer = TorchCam(trainable, LAYER, [name], options)
                runs[title, TC] = lambda peer=peer: peer.draw_all(self.input, self.target)
        ours("CF-CAM, published", ["cf-cam"], settings={"cf-cam": PUBLISHED})
        ours("CF-CAM", ["cf-cam"])
        runs["CF-CAM, published", AUTHORS] = lambda: draw_published_cf_cam(trainable, LAYER, self.input, self.target)
        ours("Ablation-CAM", ["ablation-cam"])
        ours("Score-CAM", ["score-cam"])
        ours(QUICK_SCORE_CAM, ["score-cam"], settings={"score-cam": QUICK_SCORE_CAM_SETTINGS})


class Report:
    """Lines and figures as they come."""

    def __init__(self, bench: Bench, repeats: int):
        self.bench = bench
        self.repeats = repeats
        self.lines: list[Line] = []
        self.figures: dict[str, float] = {}

    def time(
        self, works: Sequence[str], repeats: int, contenders: Sequence[str] = (), note: str = ""
    ) -> dict[tuple[str, str], float]:
        """Median milliseconds of some works by some contenders, or all of them, who take turns."""
        keys = [key for key in self.bench.runs if key[0] in works and (not contenders or key[1] in contenders)]
        medians = find_medians({key: self.bench.runs[key] for key in keys}, repeats)
        self.lines += [Line(*key, milliseconds, note=note) for key, milliseconds in medians.items()]
        return medians


def must_agree(name: str, difference: float) -> None:
    """End the run where maps differ."""
    if not difference < (FULLGRAD_TOLERANCE if name == "fullgrad" else TOLERANCE):
        raise SystemExit(f"{name}: CAMscope's map and its peer's differ by {difference:.2g}. Nothing was timed.")


def check_maps(bench: Bench) -> None:
    """Every map that is timed beside a peer's equals it."""
    one_pass = one_pass_methods()
    for name in [*one_pass, "fullgrad"]:
        settings = {key: value for key, value in AS_PYTORCH_GRAD_CAM.items() if key == name}
        if name in PYTORCH_GRAD_CAM:
            (values,) = bench.explain([name], settings=settings).values()
            theirs = PytorchGradCam(bench.trainable, [LAYER], [name]).draw(name, bench.input, bench.target)
            must_agree(name, find_difference(name, values, theirs))
        if name in TORCH_CAM and name not in DIFFERENT_IN_TORCH_CAM:
            (values,) = bench.explain([name]).values()
            ours = values if name == "cam" else np.maximum(values, 0)
            peer = TorchCam(bench.trainable, LAYER, [name], {"cam": {"fc_layer": "fc"}})
            theirs = peer.draw(name, bench.input, bench.target)
            must_agree(name, float(np.abs(scale(ours) - scale(theirs)).max()))
    maps = bench.explain(SEVEN, LAYERS, bench.targets, settings=AS_PYTORCH_GRAD_CAM)
    drawn = PytorchGradCam(bench.trainable, LAYERS, SEVEN).draw_all(bench.input, bench.targets)
    for (name, target), several in drawn.items():
        for layer, theirs in zip(LAYERS, several, strict=True):
            must_agree(f"{name} at {layer}", find_difference(name, maps[name, layer, target], theirs))
    (values,) = bench.explain(["cf-cam"], settings={"cf-cam": PUBLISHED}).values()
    plain = draw_published_cf_cam(bench.trainable, LAYER, bench.input, bench.target).cpu().numpy()
    must_agree("published CF-CAM", float(np.abs(values - plain).max() / np.abs(plain).max()))
    check_few_channels(bench)


def check_few_channels(bench: Bench) -> None:
    """The same for methods that are timed on some of the channels."""
    capture = bench.engine.capture(bench.picture, bench.loaded, LAYER, bench.target)
    chosen = choose_channels(capture.activations, 8)
    with half_pixel_masks():
        for name in ("score-cam", "ablation-cam"):
            (values,) = bench.explain([name], settings={name: {"channels": len(chosen)}}).values()
            theirs = draw_few_channels(name, bench.trainable, LAYER, bench.input, bench.target, chosen)
            must_agree(name, find_difference(name, values, theirs))


@contextmanager
def half_pixel_masks() -> Iterator[None]:
    """pytorch-grad-cam's Score-CAM enlarges its masks with aligned corners, so that they lie beside the picture by up
    to half a cell: everything else about it is checked with masks that do not.
    """
    own = torch.nn.UpsamplingBilinear2d
    torch.nn.UpsamplingBilinear2d = lambda size: nn.Upsample(size, mode="bilinear", align_corners=False)  # type: ignore
    try:
        yield
    finally:
        torch.nn.UpsamplingBilinear2d = own  # type: ignore[misc]


def compare_one_layer(report: Report) -> None:
    """One layer, one class: all methods of one pass for the price of one."""
    works = list(dict.fromkeys(work for work, _ in report.bench.runs))
    by_pgc = next(work for work in works if work.endswith("shared with pytorch-grad-cam"))
    by_tc = next(work for work in works if work.endswith("shared with torch-cam"))
    but_one = f"{by_pgc} but Shapley-CAM"
    figures = report.figures
    whole = ["one pass", "Grad-CAM", "all of one pass", "all of one pass and CF-CAM"]
    floor, grad_cam, one_pass, with_cf_cam = report.time(whole, report.repeats, [FLOOR, OURS]).values()
    figures["floor_ms"] = floor
    figures["grad_cam_over_floor"] = grad_cam / floor
    figures["all_one_pass_over_floor"] = one_pass / floor
    figures["with_cf_cam_over_floor"] = with_cf_cam / floor
    found = report.time([by_pgc, but_one, by_tc], max(3, report.repeats // 3))
    figures["vs_pytorch_grad_cam_one_layer"] = found[by_pgc, PGC] / found[by_pgc, OURS]
    figures["vs_pytorch_grad_cam_frozen_by_hand_one_layer"] = found[but_one, PGC_FROZEN] / found[but_one, OURS]
    figures["vs_torch_cam_one_layer"] = found[by_tc, TC] / found[by_tc, OURS]


def compare_layers_and_classes(report: Report) -> None:
    """Seven methods, three layers, three classes."""
    work = "7 methods, 3 layers, 3 classes"
    found = report.time([work], max(3, report.repeats // 5))
    figures = report.figures
    figures["3_layers_3_classes_over_floor"] = found[work, OURS] / found[work, FLOOR]
    figures["vs_pytorch_grad_cam_3_layers_3_classes"] = found[work, PGC] / found[work, OURS]
    figures["vs_pytorch_grad_cam_3_layers_3_classes_an_object_a_layer"] = found[work, PGC_APART] / found[work, OURS]


def compare_single_methods(report: Report) -> None:
    """Each method alone against its best peer, and CF-CAM against the authors' algorithm."""
    titles = {all_methods()[name].title: name for name in (*PYTORCH_GRAD_CAM, *TORCH_CAM)}
    works = [work for work in dict.fromkeys(work for work, _ in report.bench.runs) if work in titles]
    works = [work for work in works if titles[work] not in ("score-cam", "ablation-cam", "grad-cam")]
    ratios = {}
    for work in ["Grad-CAM", *works, "CF-CAM, published"]:
        found = report.time([work], max(3, report.repeats // 3))
        mine = found.pop((work, OURS))
        ratios[work] = min(found.values()) / mine
    figures = report.figures
    figures["cf_cam_vs_published"] = ratios.pop("CF-CAM, published")
    figures["fullgrad_vs_pytorch_grad_cam"] = ratios["FullGrad"]
    figures["smooth_grad_cam_vs_torch_cam"] = ratios["Smooth Grad-CAM++"]
    figures["least_single_method_vs_best_peer"] = min(ratios.values())
    for work, ratio in ratios.items():
        figures[f"single {work} vs best peer"] = ratio


def compare_methods_of_many_passes(report: Report, quick: bool) -> None:
    """Ablation-CAM and Score-CAM, the peers on some of the channels and scaled."""
    bench, figures = report.bench, report.figures
    capture = bench.engine.capture(bench.picture, bench.loaded, LAYER, bench.target)
    whole = len(capture.activations)
    few, more = 32, 96
    repeats = 1 if quick else 3
    scaled = f"timed on {few} and {more} channels and scaled to {whole}"

    def extrapolate(run: Callable[[Tensor], Any]) -> float:
        counts = {count: choose_channels(capture.activations, count) for count in (few, more)}
        times = find_medians({count: partial(run, chosen) for count, chosen in counts.items()}, repeats, warm_up=1)
        if times[more] <= times[few]:
            raise SystemExit("Too much else runs on this machine to time anything. Try again when it is quiet.")
        return times[more] + (whole - more) * (times[more] - times[few]) / (more - few)

    def by_pytorch_grad_cam(name: str) -> float:
        return extrapolate(
            lambda chosen: draw_few_channels(name, bench.trainable, LAYER, bench.input, bench.target, chosen)
        )

    theirs = by_pytorch_grad_cam("ablation-cam")
    ours = report.time(["Ablation-CAM"], repeats)["Ablation-CAM", OURS]
    report.lines.append(Line("Ablation-CAM", PGC, theirs, note=scaled))
    figures["ablation_cam_vs_pytorch_grad_cam"] = theirs / ours

    theirs = by_pytorch_grad_cam("score-cam")
    by_torch_cam = extrapolate(
        lambda chosen: draw_few_masks_by_torch_cam(bench.trainable, LAYER, bench.input, bench.target, chosen)
    )
    if quick:
        ours = extrapolate(
            lambda chosen: bench.explain(["score-cam"], settings={"score-cam": {"channels": len(chosen)}})
        )
        report.lines.append(Line("Score-CAM", OURS, ours, note=scaled))
    else:
        full: dict[Any, Map] = {}
        ours = take_time(lambda: full.update(bench.explain(["score-cam"])))
        report.lines.append(Line("Score-CAM", OURS, ours, note="one run"))
        strongest: dict[Any, Map] = {}
        fast = take_time(
            lambda: strongest.update(bench.explain(["score-cam"], settings={"score-cam": QUICK_SCORE_CAM_SETTINGS}))
        )
        count = QUICK_SCORE_CAM_SETTINGS["channels"]
        report.lines.append(Line(QUICK_SCORE_CAM, OURS, fast, note=f"{count} channels, one run"))
        ((key, values),) = strongest.items()
        figures["score_cam_strongest_half_vs_pytorch_grad_cam"] = theirs / fast
        figures["score_cam_strongest_half_rank_correlation"] = correlate_ranks(values, full[key])
    report.lines += [Line("Score-CAM", PGC, theirs, note=scaled), Line("Score-CAM", TC, by_torch_cam, note=scaled)]
    figures["score_cam_vs_pytorch_grad_cam"] = theirs / ours
    figures["score_cam_vs_torch_cam"] = by_torch_cam / ours


def correlate_ranks(first: Map, second: Map) -> float:
    """Spearman's correlation of two maps."""
    ranks = np.stack([values.ravel().argsort().argsort() for values in (first, second)])
    return float(np.corrcoef(ranks)[0, 1])


def time_sliders(report: Report) -> None:
    """What a person waits for after moving a slider, with everything captured that can be: no pass of the network."""
    bench, count = report.bench, report.repeats + 5
    other = bench.targets[1]

    def look_first() -> None:
        bench.explain(["grad-cam"], LAYERS[1:], bench.targets)

    def change(name: str, low: float, high: float) -> list[float]:
        look_first()
        bench.explain_again(DEFAULTS)
        values = np.linspace(low, high, count)
        return [
            take_time(lambda value=value: bench.explain_again(DEFAULTS, settings={"cf-cam": {name: float(value)}}))
            for value in values
        ]

    def change_layer() -> float:
        look_first()
        bench.explain_again(DEFAULTS, [LAYERS[1]])
        return take_time(lambda: bench.explain_again(DEFAULTS))

    def change_class() -> float:
        look_first()
        bench.explain_again(DEFAULTS)
        return take_time(lambda: bench.explain_again(DEFAULTS, targets=[other]))

    look_first()
    before = bench.engine.passes
    bench.explain_again(DEFAULTS, [LAYERS[1]])
    bench.explain_again(DEFAULTS, settings={"cf-cam": {"eps": 1.7, "sigma": 0.7}})
    bench.explain_again(DEFAULTS, targets=[other])
    if bench.engine.passes != before:
        raise SystemExit("A slider ran the network.")
    times = {
        "eps": change("eps", 0.15, 6.0),
        "sigma": change("sigma", 0.15, 4.0),
        "layer": [change_layer() for _ in range(count)],
        "class": [change_class() for _ in range(count)],
    }
    for name, taken in times.items():
        median = statistics.median(taken)
        report.lines.append(Line(f"another {name}, captured, default methods", OURS, median))
        report.figures[f"slider_{name}_ms"] = median
    report.figures["slider_ms_2048_channels"] = max(statistics.median(taken) for taken in times.values())


def compare_batches(report: Report) -> None:
    """Pictures a second by Grad-CAM, the likeliest class of each."""
    bench = report.bench
    pictures = [make_picture(seed) for seed in range(BATCH)]
    inputs = torch.cat([make_input(seed) for seed in range(BATCH)]).to(bench.input.device)
    with torch.no_grad():
        targets = bench.frozen(inputs).argmax(1).tolist()
    peer = PytorchGradCam(bench.trainable, [LAYER], ["grad-cam"])
    together = Engine(bench.engine.device, batch=BATCH)

    def explain(engine: Engine) -> list[Map]:
        engine.forget()
        pictured = engine.explain(pictures, bench.loaded, ["grad-cam"], LAYER).pictures
        return [one.maps[0].values for one in pictured]

    for values, theirs in zip(explain(together), peer.draw_batch("grad-cam", inputs, targets), strict=True):
        must_agree("Grad-CAM of a batch", find_difference("grad-cam", values, theirs))
    work = f"Grad-CAM of {BATCH} pictures"
    runs: dict[str, Run] = {
        OURS: lambda: explain(bench.engine),
        f"{OURS}, in one batch": lambda: explain(together),
        PGC: lambda: peer.draw_batch("grad-cam", inputs, targets),
    }
    medians = find_medians(runs, max(3, report.repeats // 3), warm_up=1)
    for who, milliseconds in medians.items():
        rate = 1000 * BATCH / milliseconds
        report.lines.append(Line(work, who, milliseconds, note=f"{rate:.1f} pictures a second"))
    report.figures["batch_pictures_per_second"] = 1000 * BATCH / min(medians[OURS], medians[f"{OURS}, in one batch"])
    report.figures["batch_vs_pytorch_grad_cam"] = medians[PGC] / min(medians[OURS], medians[f"{OURS}, in one batch"])


def time_beside_busy_process(report: Report) -> None:
    """The default methods alone, and beside one process that never waits."""
    runs: dict[str, Run] = {"default methods": lambda: report.bench.explain(DEFAULTS)}
    (alone,) = find_medians(runs, report.repeats).values()
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        (beside,) = find_medians(runs, report.repeats).values()
    finally:
        busy.kill()
        busy.wait()
    report.lines.append(Line("default methods", OURS, alone))
    report.lines.append(Line("default methods beside one busy process", OURS, beside))
    report.figures["beside_busy_process_over_alone"] = beside / alone


def take_memory(lines: list[Line], runs: Mapping[tuple[str, str], Run], device: str) -> list[Line]:
    """Every line with its peak memory, each from a process of its own."""
    measured: dict[tuple[str, str], float | None] = {}
    for line in lines:
        key = (line.work, line.contender)
        if key in runs and key not in measured:
            command = [sys.executable, "-m", "benchmarks.compare", "--device", device, "--memory", *key]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            measured[key] = json.loads(done.stdout.splitlines()[-1])
            print(f"{': '.join(key)}: {measured[key]} MiB", file=sys.stderr, flush=True)
    return [
        Line(line.work, line.contender, line.milliseconds, measured.get((line.work, line.contender)), line.note)
        for line in lines
    ]


def as_markdown(lines: list[Line], figures: Mapping[str, float]) -> str:
    """Two Markdown tables."""
    rows = ["| work | by | ms | peak MiB | |", "|---|---|---|---|---|"]
    for line in lines:
        mib = "" if line.mib is None else f"{line.mib:,.0f}"
        rows.append(f"| {line.work} | {line.contender} | {line.milliseconds:,.1f} | {mib} | {line.note} |")
    rows += ["", "| figure | |", "|---|---|", *(f"| {name} | {value:.3g} |" for name, value in figures.items())]
    return "\n".join(rows)


def keep_to_two_cores() -> None:
    """Where there are more, so that figures of machines compare; the busy process then shares the same two."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    torch.set_num_threads(CORES)


PARTS: dict[str, Callable[[Report, bool], None]] = {
    "one layer": lambda report, _quick: compare_one_layer(report),
    "layers and classes": lambda report, _quick: compare_layers_and_classes(report),
    "single methods": lambda report, _quick: compare_single_methods(report),
    "many passes": compare_methods_of_many_passes,
    "sliders": lambda report, _quick: time_sliders(report),
    "batches": lambda report, _quick: compare_batches(report),
    "busy": lambda report, _quick: time_beside_busy_process(report),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures and the table here")
    parser.add_argument("--quick", action="store_true", help="few repeats, no memory, Score-CAM on few channels")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given several times")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument("--memory", nargs=2, metavar=("WORK", "BY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    missing = [package for package in ("pytorch_grad_cam", "torchcam") if find_spec(package) is None]
    if missing:
        raise SystemExit(f"{' and '.join(missing)}: not installed. See requirements-bench.txt.")
    keep_to_two_cores()
    bench = Bench(arguments.device)
    if arguments.memory:
        print(json.dumps(find_peak(bench.runs[tuple(arguments.memory)])))
        return
    report = Report(bench, 3 if arguments.quick else 15)
    check_maps(bench)
    for name in arguments.part or PARTS:
        print(name, file=sys.stderr, flush=True)
        PARTS[name](report, arguments.quick)
    where = bench.engine.description

    def write(lines: list[Line]) -> None:
        if arguments.json:
            record = {"figures": report.figures, "device": where, "lines": [asdict(line) for line in lines]}
            arguments.json.write_text(json.dumps(record, indent=1))

    write(report.lines)  # at once: memory takes longer than everything before it
    lines = report.lines if arguments.quick else take_memory(report.lines, bench.runs, arguments.device)
    write(lines)
    print(f"ResNet-50 at 224, {where}, {CORES} threads, medians of {report.repeats} runs or a part of them\n")
    print(as_markdown(lines, report.figures))


if __name__ == "__main__":
    main()
