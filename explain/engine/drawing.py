"""From what was seen of a picture to its maps."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from explain.engine.failure import excuse
from explain.engine.machine import Machine
from explain.engine.memory import Seen
from explain.engine.question import MapKey, Question, name_place
from explain.engine.sight import Sight
from explain.engine.trained import see_trained
from explain.maps.heatmap import Heatmap, judge
from explain.methods import Method, get_method
from explain.networks.head import find_head
from explain.networks.meaning import read_answers
from explain.passes.capture import Derived, LayerCapture
from explain.passes.count import Passes
from explain.passes.runner import Runner
from explain.pictures.augmentation import View
from explain.progress import Watch

if TYPE_CHECKING:
    from explain.networks.layer import Layer


@dataclass(frozen=True)
class Job:
    """One map to be drawn."""

    method: Method
    layer: Layer
    target: int


@dataclass(frozen=True)
class Drawn:
    """The maps of one view.

    Attributes:
        maps: those that could be drawn.
        unavailable: by method name, the sentence why it could not be used.
    """

    maps: dict[MapKey, Heatmap]
    unavailable: dict[str, str]


def draw_all(machine: Machine, sight: Sight, seen: Seen, question: Question, watch: Watch) -> Drawn:
    """The maps of one view: first those that need no pass of their own, then those that do."""
    drawn = Drawn({}, {})
    jobs = [
        Job(method, layer, target)
        for method in sorted(question.methods, key=lambda method: "runner" in method.needs)
        for target in question.targets
        for layer in (question.layers if method.place == "layer" else question.layers[:1])
        if target is not None
    ]
    # A method that needs no pass of its own takes no time beside one that does.
    passes = [
        job.method.count_passes(job.layer, question.settings[job.method.name]) if job.method.count_passes else 0
        for job in jobs
    ]
    whole = max(sum(passes), 1)
    failed = set()
    for number, job in enumerate(jobs):
        watch.stop_if_cancelled()
        where = name_place(job.method, job.layer, sight.loaded)
        if (job.method.name, where) in failed:
            continue
        before = sum(passes[:number])
        part = watch.part(before / whole, (before + passes[number]) / whole, job.method.title)
        try:
            drawn.maps[job.method.name, where, job.target] = _see_map(machine, sight, seen, question, job, part)
        except Exception as error:
            drawn.unavailable[job.method.name] = excuse(job.method, error)
            failed.add((job.method.name, where))
    return drawn


def average(maps: Sequence[Heatmap], views: Sequence[View]) -> Heatmap:
    """One map of those of several views, each laid back on the picture as it is."""
    first = maps[0]
    if len(maps) == 1:
        return first
    values = np.mean([view.undo(heatmap.values) for heatmap, view in zip(maps, views, strict=True)], axis=0)
    values = np.ascontiguousarray(values, dtype=np.float32)
    averaged = replace(
        first,
        values=values,
        seconds=sum(heatmap.seconds for heatmap in maps),
        passes=sum((heatmap.passes for heatmap in maps), Passes()),
        remembered=all(heatmap.remembered for heatmap in maps),
    )
    return judge(averaged, get_method(first.method))


def _see_map(machine: Machine, sight: Sight, seen: Seen, question: Question, job: Job, watch: Watch) -> Heatmap:
    """One map, from memory or drawn now; its passes are those run for it now.

    Raises:
        MethodError: the method does not work there.
    """
    label = sight.loaded.labels[job.target]
    where = name_place(job.method, job.layer, sight.loaded)
    of_class = None if job.method.class_agnostic else (job.target, label)  # such a map is drawn once for all classes
    trained = question.attention.digest if question.attention and "trained attention" in job.method.needs else None
    key = (job.method.name, question.settings[job.method.name], where, of_class, question.score, trained)
    with _take_turn(machine, sight, seen, job.method, key):
        heatmap = seen.maps.get(key)
        spent = Passes()
        remembered = heatmap is not None
        machine.hits.count("maps", remembered)
        if heatmap is None:
            capture = make_capture(machine, sight, seen, question, job)
            if capture.runner is not None:
                capture.runner.report_to(watch.report, watch.cancel)
            heatmap = machine.make_room(partial(_draw, sight, question, job, capture), sight.loaded)
            spent = spent if capture.runner is None else capture.runner.spent
        with machine.shelf.lock_of(sight.loaded):
            seen.keep_map(key, heatmap)
        return replace(heatmap, target=job.target, label=label, passes=spent, remembered=remembered)


@contextmanager
def _take_turn(machine: Machine, sight: Sight, seen: Seen, method: Method, key: Hashable) -> Iterator[None]:
    """Whoever asks for the same map waits for it. A method that runs the network by itself does not hold the model
    meanwhile, but only for each chunk, so that other people's requests go between; any other does not run it at all.
    """
    with seen.turn_of(key) if "runner" in method.needs else machine.turn(sight.loaded, kept=True):
        yield


def make_capture(machine: Machine, sight: Sight, seen: Seen, question: Question, job: Job) -> LayerCapture:
    """What is known of a picture, as one method is given it."""
    loaded, method, layer, target = sight.loaded, job.method, job.layer, job.target
    head, runner = None, None
    if "head" in method.needs:
        with machine.prove():
            weights = find_head(loaded.module, layer, loaded.preprocessing.channels, loaded.preprocessing.sides)
        head = read_answers(weights.T, loaded.outputs).T
    if "runner" in method.needs:
        runner = Runner(
            loaded.module,
            machine.prepare(sight),
            layer,
            target,
            question.score,
            turn=machine.turns(loaded),
            count=machine.count,
            outputs=loaded.outputs,
        )
    at = (layer.name, question.make_ask(method, target))
    own = at not in seen.stepped  # else all is of a network that was trained by a step
    return LayerCapture(
        layer=layer,
        target=target,
        logits=seen.logits,
        activations=seen.activations[layer.name] if own else seen.stepped[at],
        gradients=seen.gradients[at] if method.differentiates else None,
        curvature=seen.curvatures[at] if "curvature" in method.needs else None,
        head=head,
        attention=seen.attention[target, question.score] if "attention" in method.needs else None,
        prompts=seen.prompts[target] if "prompts" in method.needs else None,
        trained=see_trained(seen, question) if "trained attention" in method.needs else None,
        runner=runner,
        derived=seen.derived[layer.name] if own else Derived(),
        outputs=loaded.outputs,
        cell=sight.measure_cell(layer.grid),
    )


def _draw(sight: Sight, question: Question, job: Job, capture: LayerCapture) -> Heatmap:
    """Run one method and say what must be said of its map."""
    import torch

    settings = question.settings[job.method.name]
    started = time.perf_counter()
    # The caller's autocast would round what the methods calculate.
    kind = capture.activations.device.type
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(kind, enabled=False):
        result = job.method.function(capture, settings)
        values = np.ascontiguousarray(result.values.cpu().numpy(), dtype=np.float32)
    seconds = time.perf_counter() - started
    for array in result.details.values():
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    heatmap = Heatmap(
        method=job.method.name,
        settings=settings,
        layer=name_place(job.method, job.layer, sight.loaded),
        target=job.target,
        label=sight.loaded.labels[job.target],
        values=values,
        box=sight.box,
        seconds=seconds,
        passes=Passes(),
        details=result.details,
        own_warnings=result.warnings,
        own_rules=result.rules,
    )
    return judge(heatmap, job.method)
