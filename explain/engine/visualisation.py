"""What must be run to see what a class or a channel wants: a pass a picture; and drawings, kept as they grow."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from explain.bundled.spectrum import LUMINANCE, NaturalSpectrum, read_spectrum
from explain.engine.asker import Asker
from explain.engine.explanation import rank_classes
from explain.engine.facets import sort_into_facets
from explain.engine.machine import Machine
from explain.engine.memory import Memory
from explain.engine.observer import Observer
from explain.engine.question import find_target
from explain.engine.sight import Sight
from explain.engine.wanted import Answer, Drawing, Exemplar, Exemplars, Facet, Goal
from explain.errors import Cancelled, MethodError, ModelError, PictureError, TargetError
from explain.models.loaded import LoadedModel, get_layer
from explain.networks.meaning import read_answers
from explain.networks.output import read_scores
from explain.passes.count import Passes
from explain.passes.look import Ask
from explain.passes.maco import Canvas, Climb, DrawingSettings, draw_phase
from explain.pictures.geometry import Box, Span
from explain.progress import Progress, Watch
from explain.settings import read_refusal

if TYPE_CHECKING:
    from torch import Tensor

    from explain.networks.layer import Layer
    from explain.pictures.picture import Picture

LONGEST = 128
"""The longer side of a drawing at most, in pixels: what is finer tells nobody anything, and costs the most."""

NEAREST = 15
"""Pictures of a facet that a drawing of it starts from: the paper's."""

_CHUNK = 8  # steps between two looks at whether it is to stop
_KEPT = 24  # drawings
_PAUSE_SECONDS = 0.0005  # a lock let go and taken again at once is hardly ever won by those who wait for it


@dataclass(eq=False)
class _Kept:
    """A drawing under way, or done."""

    climb: Climb | None = None
    drawing: Drawing | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Visualiser(Asker):
    """Looks for what a class or a channel wants to see. See `Asker` for what it is given."""

    def __init__(
        self, machine: Machine, memory: Memory, observer: Observer, load: Callable[[Any], LoadedModel]
    ) -> None:
        super().__init__(machine, memory, observer, load)
        self._kept: OrderedDict[tuple[Any, ...], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drop all drawings."""
        with self._lock:
            self._kept.clear()

    def find_exemplars(
        self,
        pictures: Sequence[Picture],
        model: Any,
        target: int | str | None = None,
        layer: str = "auto",
        channel: int | Sequence[float] | None = None,
        most: int = 9,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Exemplars:
        """The pictures that a class or a channel answers to most, and of how many sorts they are. One pass for each
        that was not seen before, forwards, and for a class backwards too.

        Args:
            pictures: to look among; equal ones count once, and those that the model does not take are left out.
            model: see `Engine.load`.
            target: class index or label; or
            channel: index of a channel of the layer, or a direction there: a weight for each of its channels.
            layer: whose cells are looked at.
            most: how many are wanted.
            progress: told how far it is.
            cancel: when set, work stops with `Cancelled` before the next picture. What was seen until then is kept.

        Raises:
            ExplainError: with a sentence on what was wrong.
        """
        loaded, watch = self._load(model), Watch(progress, cancel)
        goal = find_goal(loaded, target, layer, channel)
        at = get_layer(loaded, goal.layer)
        found: list[tuple[Exemplar, np.ndarray]] = []
        different = [*{picture.digest: picture for picture in pictures}.values()]
        refused = ""
        for number, picture in enumerate(different):
            watch.report(number / len(different), f"Looking at picture {number + 1:,} of {len(different):,}")
            watch.stop_if_cancelled()
            try:
                found.append(self._look_at(Sight(picture, loaded), goal, at))
            except PictureError as error:
                refused = refused or str(error)
        if not found:
            raise PictureError(refused or "There is no picture to look at. Give at least one.")
        found.sort(key=lambda one: one[0].answer.score if goal.direction is None else one[0].value, reverse=True)
        answering = [one for one in found if _answers(one[0], found[0][0], goal, loaded) and one[1].any()]
        facets: tuple[Facet, ...] = ()
        silhouette = None
        if answering:
            sorting = sort_into_facets(np.stack([pooled for _, pooled in answering]))
            silhouette = sorting.silhouette
            facets = tuple(self._make_facet([answering[n][0] for n in some], loaded) for some in sorting.members)
        best = tuple(exemplar for exemplar, _ in found[:most])
        return Exemplars(goal, best, len(found), len(answering), facets, silhouette, len(different) - len(found))

    def draw(
        self,
        model: Any,
        target: int | str | None = None,
        layer: str = "auto",
        channel: int | Sequence[float] | None = None,
        start: np.ndarray | None = None,
        settings: DrawingSettings | Mapping[str, Any] | None = None,
        seed: int = 0,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Drawing:
        """Draw a picture that raises a class's score or a channel's mean, by MACO; see `explain.passes.maco`.

        It is no finer than the pictures that the model was trained on, where that is known, and 128 pixels long at
        most. What was drawn before is not drawn again, and what was stopped is gone on with.

        Args:
            model: see `Engine.load`.
            target: class index or label; or
            channel: index of a channel of the layer, or a direction there: a weight for each of its channels.
            layer: whose channel.
            start: a picture to start from, `(H, W, C)` in 0…1, as a facet's mean; left out, random phases.
            settings: of the drawing; what is not named keeps its default.
            seed: of the start, the crops and the noise.
            progress: told how far it is, every 8 steps.
            cancel: when set, work stops before the next 8 steps, and the drawing is given as it is by then.

        Raises:
            Cancelled: it was stopped before the first step.
            ExplainError: with a sentence on what was wrong.
        """
        loaded, watch = self._load(model), Watch(progress, cancel)
        goal = find_goal(loaded, target, layer, channel)
        chosen = read_drawing_settings(settings)
        spectrum = _fit_spectrum(loaded)
        key = (loaded.fingerprint, loaded.outputs, goal, chosen, seed, _name_start(start))
        with self._lock:
            kept = self._kept.setdefault(key, _Kept())
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        with kept.lock:
            if kept.drawing is not None and kept.drawing.is_whole:
                return kept.drawing
            if kept.climb is None:
                canvas = self._make_canvas(loaded, spectrum)
                phase = _find_start(canvas, spectrum, start, seed)
                kept.climb = Climb(canvas, lambda inputs: _run(loaded, goal, inputs)[1], phase, chosen, seed)
            climb = kept.climb
            while len(climb.curve) < chosen.steps and not (cancel is not None and cancel.is_set()):
                watch.report(len(climb.curve) / chosen.steps, f"Drawing {goal.name}")
                goes_to = min(len(climb.curve) + _CHUNK, chosen.steps)
                with self._machine.turn(loaded):
                    self._machine.make_room(partial(self._climb, climb, goes_to, chosen.crops), loaded)
                time.sleep(_PAUSE_SECONDS)
            if not climb.curve:
                raise Cancelled("Stopped. Nothing was changed.")
            if kept.drawing is None or len(kept.drawing.curve) < len(climb.curve):
                kept.drawing = self._finish(climb, loaded, goal, chosen.steps)
            if kept.drawing.is_whole:
                kept.climb = None
            return kept.drawing

    def _climb(self, climb: Climb, goes_to: int, crops: int) -> None:
        while len(climb.curve) < goes_to:
            climb.step()
            self._machine.count(Passes(crops, crops))

    def _look_at(self, sight: Sight, goal: Goal, at: Layer) -> tuple[Exemplar, np.ndarray]:
        """A picture's highest cell, and the layer's mean activations, `(C,)`."""
        asks = [] if goal.target is None else [Ask(goal.target)]
        with self._machine.turn(sight.loaded), self._memory.keeping_account(sight):
            seen, _ = self._observer.see(sight, [at], asks)
            activations = seen.activations[at.name].cpu().double()
            if goal.target is None:
                weights = activations.new_tensor(goal.direction)[:, None, None]
            else:
                weights = seen.gradients[at.name, asks[0]].cpu().double()
            assert seen.own_logits is not None
            answer = make_answer(seen.own_logits, goal, sight.loaded, float((weights * activations).sum(0).mean()))
        values = (weights * activations).sum(0).numpy()
        row, column = (int(index) for index in np.unravel_index(int(values.argmax()), values.shape))
        place = grow_cell(sight.box, (row, column), values.shape).clipped(sight.picture.size)
        exemplar = Exemplar(sight.picture, (row, column), float(values[row, column]), place, answer)
        return exemplar, activations.mean((1, 2)).numpy()

    def _make_facet(self, exemplars: Sequence[Exemplar], loaded: LoadedModel) -> Facet:
        nearest = tuple(exemplars[:NEAREST])
        inputs = [Sight(one.picture, loaded).prepare()[0].double().numpy() for one in nearest]
        mean, std = (
            np.array(values)[:, None, None] for values in (loaded.preprocessing.mean, loaded.preprocessing.std)
        )
        colours = np.mean([one * std + mean for one in inputs], axis=0).clip(0.0, 1.0)
        return Facet(nearest, len(exemplars), colours.transpose(1, 2, 0).astype(np.float32))

    def _make_canvas(self, loaded: LoadedModel, spectrum: NaturalSpectrum) -> Canvas:
        import torch

        made, size = loaded.preprocessing, _find_size(loaded)
        arrays = (spectrum.magnitude, spectrum.mix, spectrum.base, np.array(made.mean), np.array(made.std))
        magnitude, mix, base, mean, std = (
            torch.from_numpy(np.array(array, dtype=np.float32)).to(self._machine.device) for array in arrays
        )
        return Canvas(magnitude, mix, base, size[-1], made.input_size, mean, std)

    def _finish(self, climb: Climb, loaded: LoadedModel, goal: Goal, steps: int) -> Drawing:
        """The drawing as it is, and what the model makes of the whole of it."""
        import torch
        from torch.nn import functional

        with self._machine.turn(loaded), torch.inference_mode(False), torch.no_grad():
            drawing = climb.drawing[None]
            whole = functional.interpolate(drawing, climb.canvas.input_size, mode="bilinear", align_corners=False)
            answers, score = self._machine.make_room(partial(_run, loaded, goal, climb.canvas.normalise(whole)), loaded)
        self._machine.count(Passes(forward=1))
        pixels = (255 * drawing[0]).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return Drawing(
            goal,
            np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))),
            climb.alpha,
            make_answer(answers[0], goal, loaded, float(score[0])),
            tuple(climb.curve),
            steps,
        )


def find_goal(loaded: LoadedModel, target: int | str | None, layer: str, channel: int | Sequence[float] | None) -> Goal:
    """What is to rise, checked.

    Raises:
        ExplainError: the model reads volumes; neither or both of a class and a channel are named; or there is no such
            class, layer or channel.
    """
    if loaded.reads_volumes:
        raise ModelError(
            f"“{loaded.request.name}” reads volumes. What a class wants to see can be drawn for models of pictures."
        )
    at = get_layer(loaded, layer)
    if (target is None) == (channel is None) or target == "auto":
        raise TargetError("Name a class, or a channel of a layer: either of them, and by its name.")
    if target is not None:
        index = find_target(loaded, target)
        return Goal(f"“{loaded.labels[index]}”", index, at.name)
    if isinstance(channel, (int, np.integer)):
        if not 0 <= channel < at.channels:
            raise TargetError(f"There is no channel {channel}: {at.name} has channels 0 to {at.channels - 1}.")
        direction = tuple(float(number == channel) for number in range(at.channels))
        return Goal(f"channel {channel} of {at.name}", None, at.name, direction)
    weights = np.asarray(channel, dtype=np.float64)
    if weights.shape != (at.channels,) or not np.isfinite(weights).all() or not weights.any():
        raise TargetError(f"A direction at {at.name} is {at.channels} finite numbers, not all of them 0.")
    return Goal(f"a direction at {at.name}", None, at.name, tuple(weights.tolist()))


def read_drawing_settings(given: DrawingSettings | Mapping[str, Any] | None) -> DrawingSettings:
    """Settings of a drawing, checked, with defaults where nothing was given.

    Raises:
        MethodError: there is no such setting, or a value is out of its bounds.
    """
    if isinstance(given, DrawingSettings):
        return given
    try:
        return DrawingSettings.model_validate(dict(given or {}))
    except ValidationError as error:
        refusal = read_refusal(error)
        known = ", ".join(DrawingSettings.model_fields)
        raise MethodError(
            f"A drawing does not take {refusal.path} = {refusal.given!r}: {refusal.reason}. Its settings: {known}."
        ) from None


def make_answer(answers: Tensor, goal: Goal, loaded: LoadedModel, score: float) -> Answer:
    """What a model makes of a picture.

    Args:
        answers: its scores, `(answers,)`.
        goal: what is compared.
        loaded: the model.
        score: the channel's mean, where the goal is one.
    """
    ranked = rank_classes(answers, loaded.labels, len(loaded.labels), loaded.outputs)
    if goal.target is None:
        return Answer(score, None, ranked[0].label, ranked[0].probability)
    own = next(one for one in ranked if one.index == goal.target)
    return Answer(float(answers[goal.target]), own.probability, ranked[0].label, ranked[0].probability)


def grow_cell(box: Box, cell: Sequence[int], shape: Sequence[int]) -> Box:
    """A cell of a map of that shape over the box, and half a cell more on each side."""
    spans = []
    for span, index, count in zip(box.spans, cell, shape, strict=True):
        first, last = (float(span.to_pixels(index + away, count)) for away in (-1.0, 1.0))
        spans.append(Span(first, last))
    return Box.from_spans(spans)


def _run(loaded: LoadedModel, goal: Goal, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The model's answers, `(n, answers)`, and what is to rise, `(n,)`."""
    maps: list[Tensor] = []
    handle = None
    if goal.direction is not None:
        at = get_layer(loaded, goal.layer)
        handle = loaded.module.get_submodule(at.name).register_forward_hook(
            lambda _module, _inputs, output: maps.append(at.to_map(output))
        )
    try:
        answers = read_answers(read_scores(loaded.module(inputs), len(inputs)), loaded.outputs)
    finally:
        if handle is not None:
            handle.remove()
    if goal.target is not None:
        return answers, answers[:, goal.target]
    if not maps:
        raise ModelError(f"The layer “{goal.layer}” does not run in this model. Choose another layer.")
    means = maps[0].float().mean((2, 3))
    return answers, means @ means.new_tensor(goal.direction)


def _answers(one: Exemplar, best: Exemplar, goal: Goal, loaded: LoadedModel) -> bool:
    """Whether a picture is one of those that the goal answers to; see `Exemplars.answering`."""
    if goal.target is not None:
        return one.answer.likeliest == loaded.labels[goal.target]
    return best.value > 0 and one.value >= best.value / 2


def _find_size(loaded: LoadedModel) -> tuple[int, int]:
    """Height and width of a drawing for a model."""
    made = loaded.preprocessing
    factor = max(made.enlarged, max(made.input_size) / LONGEST)
    height, width = (max(8, round(side / factor)) for side in made.input_size)
    return height, width


def _fit_spectrum(loaded: LoadedModel) -> NaturalSpectrum:
    channels = loaded.preprocessing.channels
    if channels not in (1, 3):
        raise ModelError(
            f"“{loaded.request.name}” reads {channels} channels. Drawings are grey or coloured: for 1 channel or 3."
        )
    return read_spectrum().fit(_find_size(loaded), channels)


def _find_start(canvas: Canvas, spectrum: NaturalSpectrum, start: np.ndarray | None, seed: int) -> Tensor:
    """Phases of a picture, `(H, W, C)` in 0…1; random ones where there is none."""
    import cv2
    import torch

    shape = spectrum.magnitude.shape
    if start is None:
        return draw_phase(shape, seed).to(canvas.base.device)
    pixels = np.asarray(start, dtype=np.float32)
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or not np.isfinite(pixels).all():
        raise PictureError("A drawing starts from a picture (height, width, 1 or 3) of finite numbers in 0…1.")
    small = cv2.resize(pixels, (canvas.width, shape[1]), interpolation=cv2.INTER_AREA).reshape(
        shape[1], -1, pixels.shape[2]
    )
    if shape[0] != small.shape[2]:
        small = small @ LUMINANCE[:, None] if shape[0] == 1 else np.repeat(small, 3, axis=2)
    angles = np.angle(np.fft.rfft2(spectrum.take_apart(small)))
    return torch.from_numpy(angles.astype(np.float32)).to(canvas.base.device)


def _name_start(start: np.ndarray | None) -> str:
    return "" if start is None else hashlib.sha256(np.ascontiguousarray(start, dtype=np.float32).tobytes()).hexdigest()
