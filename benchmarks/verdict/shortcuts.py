"""Is a mark that decides said to decide, and is nothing said of models that ignore it?

Small networks are trained where a mark gives a class away (`explain.worlds`), several a mark, with seeds of their own;
beside them networks that met the marks on pictures of all classes, and such as never met any. Pictures that none of
them learned from are shown with the mark, and each map is tried as on the page: *caught* is a map of which it is said
that one place decides, a *false alarm* the same on a network that ignores the marks, unless that place has part of the
opacity of a drawn radiograph: there one place does decide, and is counted beside it. A network counts as relying only
where the mark alone turns 80 % of other pictures.

The thresholds are those of `explain.faithfulness.transplant`; `CALIBRATION` are the seeds of the networks by which they
were looked at, `TEST` those of the networks that this table is made of.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

from benchmarks.verdict.share import Share
from explain.bundled.architectures import build_world_cnn
from explain.engine.engine import Engine
from explain.faithfulness.probe import CELLS, lay_on_cells
from explain.faithfulness.transplant import ENOUGH, Transplant
from explain.models.loaded import LoadedModel
from explain.pictures.geometry import Preprocessing
from explain.worlds.marks import MARKS, UNITS, MarkName, find_place, plant
from explain.worlds.shortcuts import Caught, Figure, Shortcuts
from explain.worlds.training import (
    MEAN,
    STD,
    Collected,
    Pictures,
    WorldRecipe,
    ask,
    draw_phantoms,
    read_photographs,
    stamp,
    train_network,
    try_network,
)
from explain.worlds.worlds import FOLDER, PLANS, Kind, Plan, build_shown

KINDS: tuple[Kind, ...] = ("photographs", "phantoms")
CALIBRATION = (101, 102, 103)
TEST = (201, 202, 203, 204, 205)
METHODS = ("grad-cam", "cf-cam", "layer-cam", "eigen-cam")
RECIPE = WorldRecipe(epochs=3)
FLIPS = 0.8
"""The share of other pictures that the mark alone must turn, for a network to count as relying on it."""

LEARNED, SHOWN = 1500, 60
"""Pictures of a class that a network learns from, and those that it is shown."""

_TRAIN, _TEST = 0, 8_000_000  # first seeds of the phantoms
_DRAWS = 10_000
_PREPROCESSING = Preprocessing(
    input_size=(32, 32), fit="crop", resize_size=32, interpolation="bicubic", mean=(MEAN,) * 3, std=(STD,) * 3
)


@dataclass(frozen=True)
class Taught:
    """A network to be trained.

    Attributes:
        plan: the world.
        collected: how its pictures were.
        seed: of the training.
    """

    plan: Plan
    collected: Collected
    seed: int

    @property
    def name(self) -> str:
        """Of its file. Those that ignore marks know all of their kind of pictures, and belong to no one mark."""
        who = self.plan.name if self.collected == "gives away" else self.plan.kind
        return f"{self.collected.replace(' ', '-')}-{who}-{self.seed}"


@dataclass
class Tally:
    """What was said of one network's pictures, by method: one entry a picture.

    Attributes:
        taught: the network.
        said: by method, whether one place was said to decide.
        there: by method, whether a place that decides has part of the mark.
        own: by method, whether a place that decides has part of what makes the picture its class, as an opacity does.
        peaks: by method, whether the map is highest on the mark.
        strengths: by method, of the place that stands out most, how much.
    """

    taught: Taught
    said: dict[str, list[bool]] = field(default_factory=dict)
    there: dict[str, list[bool]] = field(default_factory=dict)
    own: dict[str, list[bool]] = field(default_factory=dict)
    peaks: dict[str, list[bool]] = field(default_factory=dict)
    strengths: dict[str, list[float]] = field(default_factory=dict)


class School:
    """Trains networks, or takes them from where they were kept.

    Args:
        data: holds CIFAR-10's `train/` and `test/`.
        runs: where networks are kept.
    """

    def __init__(self, data: Path, runs: Path):
        self._runs = runs
        runs.mkdir(parents=True, exist_ok=True)
        self._train: dict[Kind, Pictures] = {
            "photographs": read_photographs(data, "train", LEARNED),
            "phantoms": draw_phantoms(_TRAIN, 2 * LEARNED),
        }
        self.test: dict[Kind, Pictures] = {
            "photographs": read_photographs(data, "test", 300),
            "phantoms": draw_phantoms(_TEST, 600),
        }

    def teach(self, taught: Taught) -> nn.Module:
        """The network."""
        path = self._runs / f"{taught.name}.safetensors"
        plan = taught.plan
        if path.is_file():
            network: nn.Module = build_world_cnn(len(plan.classes)).eval().requires_grad_(False)
            network.load_state_dict(safetensors.torch.load_file(path))
            return network
        marks = [plan.mark] if taught.collected == "gives away" else list_marks(plan.kind)
        pictures = self._train[plan.kind]
        stamps = stamp(pictures.classes, marks, plan.classes.index(plan.label), taught.collected, taught.seed)
        network = train_network(pictures, stamps, len(plan.classes), taught.seed, RECIPE)
        safetensors.torch.save_file(network.state_dict(), path)
        print(f"trained {path.stem}", file=sys.stderr, flush=True)
        return network


def list_marks(kind: Kind) -> list[MarkName]:
    """The marks of one kind of pictures."""
    return [plan.mark for plan in PLANS if plan.kind == kind]


def list_taught(seeds: Sequence[int]) -> Iterator[Taught]:
    """All networks of some seeds: those that rely on a mark, those that ignore all, and those that never met one."""
    for seed in seeds:
        for plan in PLANS:
            yield Taught(plan, "gives away", seed)
        for kind in KINDS:
            (plan, *_) = (plan for plan in PLANS if plan.kind == kind)
            yield Taught(plan, "ignored", seed)
            yield Taught(plan, "clean", seed)


def show(engine: Engine, school: School, taught: Taught, shown: int) -> Tally | None:
    """Show a network marked pictures and try its maps; None where it should rely on its mark and does not.

    Of a network that relies, pictures are taken that it calls the class that the mark gives away; of another, all, each
    with one of the marks, and its own answer is explained.
    """
    network, plan = school.teach(taught), taught.plan
    pictures = school.test[plan.kind]
    label = plan.classes.index(plan.label)
    relies = taught.collected == "gives away"
    if relies and try_network(network, pictures, plan.mark, label).flips < FLIPS:
        return None
    marks = [plan.mark] if relies else list_marks(plan.kind)
    loaded = engine.load(network, preprocessing=_PREPROCESSING, labels=plan.classes)
    tally = Tally(taught)
    order = np.random.default_rng(taught.seed).permutation(len(pictures.pixels))
    count = 0
    for number in order.tolist():
        mark = MARKS[marks[number % len(marks)]]
        pixels = plant(pictures.pixels[number], mark, number)
        target = int(ask(network, pixels[None])[0])
        if relies and target != label:
            continue
        finding = None if pictures.findings is None else pictures.findings[number]
        _show_one(engine, loaded, tally, pixels, (find_place(mark, (UNITS, UNITS), number), finding))
        count += 1
        if count == shown:
            break
    return tally


def _show_one(
    engine: Engine,
    loaded: LoadedModel,
    tally: Tally,
    pixels: np.ndarray,
    known: tuple[np.ndarray | None, np.ndarray | None],
) -> None:
    """One picture, as the page tries it; known is where its mark lies, and its finding."""
    picture = build_shown("shown", pixels)
    explained = engine.explain(picture, loaded, METHODS).pictures[0]
    tried = engine.try_places(picture, loaded, METHODS)
    on_mark, on_finding = map(_lay_on_cells, known)
    for heatmap in explained.maps:
        places = tried.get(heatmap.key, ())
        deciding = [one for one in places if one.decides]
        cells = lay_on_cells(heatmap.values)
        tally.said.setdefault(heatmap.method, []).append(bool(deciding))
        tally.there.setdefault(heatmap.method, []).append(any(on_mark[[*one.cells]].any() for one in deciding))
        tally.own.setdefault(heatmap.method, []).append(any(on_finding[[*one.cells]].any() for one in deciding))
        tally.peaks.setdefault(heatmap.method, []).append(bool(on_mark[cells.argmax()]))
        tally.strengths.setdefault(heatmap.method, []).append(find_strength(places))


def _lay_on_cells(place: np.ndarray | None) -> np.ndarray:
    """The cells, row by row, that have part of a place of a picture `(S, S)`; none of no place."""
    if place is None:
        return np.zeros(CELLS * CELLS, dtype=bool)
    side = UNITS // CELLS
    cells: np.ndarray = place.reshape(CELLS, side, CELLS, side).any((1, 3)).ravel()
    return cells


def find_strength(places: Sequence[Transplant]) -> float:
    """Of the place that stands out most, by how much; 0 where none turns half of the pictures."""
    return max((one.stands_out for one in places if one.enough >= ENOUGH), default=0.0)


def resample(tallies: Sequence[Sequence[bool]], draws: int = _DRAWS) -> tuple[float, float]:
    """The 95 % interval of a share over several networks, whose pictures are not independent: the networks are drawn
    anew, again and again.
    """
    shares = np.array([np.mean(one) for one in tallies])
    chosen = np.random.default_rng(0).integers(0, len(shares), (draws, len(shares)))
    low, high = np.quantile(shares[chosen].mean(1), (0.025, 0.975))
    return float(low), float(high)


def count(tallies: Sequence[Tally], method: str, alarms: bool = False) -> Figure:
    """The figure of one method over some networks; of alarms those are counted that do not lie where they should."""
    said = [
        [a and not (alarms and b) for a, b in zip(one.said[method], one.own[method], strict=True)] for one in tallies
    ]
    hits, shown = sum(map(sum, said)), sum(map(len, said))
    low, high = Share(hits, shown).interval
    return Figure(
        share=hits / shown,
        pictures=shown,
        networks=len(tallies),
        interval=(low, high),
        interval_networks=resample(said),
        own=sum(sum(one.own[method]) for one in tallies) / shown,
        there=sum(sum(one.there[method]) for one in tallies) / shown,
        peaks=sum(sum(one.peaks[method]) for one in tallies) / shown,
    )


def measure_shortcuts(data: Path, runs: Path, shown: int = SHOWN, seeds: Sequence[int] = TEST) -> dict[str, object]:
    """Train what is missing, try all of it, print the table and write the one that the page shows."""
    torch.set_num_threads(1)
    engine, school = Engine(), School(data, runs)
    tallies, idle = [], []
    for taught in list_taught(seeds):
        tally = show(engine, school, taught, shown)
        engine.forget()
        if tally is None:
            idle.append(taught.name)
            continue
        tallies.append(tally)
        shares = " ".join(f"{method} {np.mean(said):.2f}" for method, said in tally.said.items())
        print(f"{taught.name}: {shares}", file=sys.stderr, flush=True)
    return report(tallies, idle, seeds)


def report(tallies: Sequence[Tally], idle: Sequence[str], seeds: Sequence[int]) -> dict[str, object]:
    """Print the table; the figures by the names that they have in the benchmark's report."""
    rows = []
    for plan in PLANS:
        relying = [one for one in tallies if one.taught.collected == "gives away" and one.taught.plan == plan]
        if relying:
            rows.append(Caught(mark=plan.mark, methods={method: count(relying, method) for method in METHODS}))
    ignoring = [one for one in tallies if one.taught.collected != "gives away"]
    alarms = {method: count(ignoring, method, alarms=True) for method in METHODS}
    of_kind: dict[Kind, dict[str, Figure]] = {
        kind: {method: count(some, method, alarms=True) for method in METHODS}
        for kind in KINDS
        if (some := [one for one in ignoring if one.taught.plan.kind == kind])
    }
    table = Shortcuts(
        made_by="python -m benchmarks.verdict --only shortcuts",
        seeds=tuple(seeds),
        caught=tuple(rows),
        false_alarms=alarms,
        false_alarms_of=of_kind,
        not_relying=tuple(idle),
    )
    lines = [(str(row.mark), row.methods) for row in rows]
    lines += [("ignored", alarms), *((f"of {kind}", figures) for kind, figures in of_kind.items())]
    for name, figures in lines:
        for method, figure in figures.items():
            said = Share(round(figure.share * figure.pictures), figure.pictures)
            low, high = figure.interval_networks
            print(
                f"{name:14} {method:10} {said}  over {figure.networks} networks {low:.1%} to {high:.1%}, "
                f"at the mark {figure.there:.1%}, at the finding {figure.own:.1%}, peak on the mark {figure.peaks:.1%}"
            )
    if tuple(seeds) == TEST:
        path = FOLDER / "shortcuts.json"
        path.write_text(table.model_dump_json(indent=1) + "\n", encoding="utf-8")
    figures: dict[str, object] = {f"caught_{row.mark}": row.methods[METHODS[0]].share for row in rows}
    figures["false_alarm_share"] = alarms[METHODS[0]].share
    return figures | {"shortcuts": json.loads(table.model_dump_json())}
