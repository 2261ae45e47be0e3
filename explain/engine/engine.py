"""The engine: the one object with state. It runs the network as seldom as it can and remembers what it saw."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np

from explain.engine.explanation import Explanation, PictureExplanation, Prediction
from explain.engine.question import (
    DEFAULT_METHODS,
    MapKey,
    Question,
    complete_settings,
    find_obstacle,
    find_target,
    name_place,
    part_asks,
)
from explain.engine.shelf import Shelf
from explain.errors import DeviceError, LayerError, MethodError, PictureError, TargetError
from explain.maps.fusion import Fusion, fuse
from explain.maps.heatmap import Heatmap, judge
from explain.methods import Method, Settings, get_method
from explain.networks.device import (
    Precision,
    describe_device,
    find_device,
    read_device_settings,
    release_memory,
    runs_out_of_memory,
    set_arithmetic,
)
from explain.passes.capture import Derived, LayerCapture, count_bytes
from explain.passes.count import Passes
from explain.passes.look import Ask, Look, Score, look_at
from explain.passes.prompts import PromptCapture, PromptLook, capture_prompt, look_through_prompts
from explain.pictures.augmentation import Augmentation, View, list_views
from explain.pictures.decode import decode
from explain.pictures.geometry import Box, find_box, prepare
from explain.pictures.picture import Picture
from explain.progress import Progress, stop_if
from explain.storage import read_file

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel
    from explain.models.request import ModelRequest
    from explain.networks.layer import Layer
    from explain.passes.attention import AttentionCapture

T = TypeVar("T")

_BATCH = 16  # on a device that works on pictures side by side
_MAPS_KEPT = 256  # for each picture, so that a slider's way is not kept for ever


@dataclass(eq=False)
class _Seen:
    """All that is known of one view of one picture under one model. Guarded by the model's lock."""

    box: Box
    own_logits: Tensor | None = None  # missing as long as only the prompts were looked through
    activations: dict[str, Tensor] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    gradients: dict[tuple[str, Ask], Tensor] = field(default_factory=dict)
    curvatures: dict[tuple[str, Ask], Tensor] = field(default_factory=dict)
    attention: dict[tuple[int, Score], AttentionCapture] = field(default_factory=dict)
    prompt_look: PromptLook | None = None
    prompts: dict[int, PromptCapture] = field(default_factory=dict)
    maps: OrderedDict[Any, Heatmap] = field(default_factory=OrderedDict)
    # By map, held while a method runs the network for it; they live as long as anyone holds on to them.
    turns: WeakValueDictionary[Any, threading.RLock] = field(default_factory=WeakValueDictionary)
    map_bytes: int = 0
    bytes_kept: int = 0

    @property
    def logits(self) -> Tensor:
        assert self.own_logits is not None
        return self.own_logits

    def count_bytes(self) -> int:
        tensors = [*self.activations.values(), *self.gradients.values(), *self.curvatures.values()]
        tensors += [prompt.attention for prompt in self.prompts.values()]
        if self.own_logits is not None:
            tensors.append(self.own_logits)
        if self.prompt_look is not None:
            tensors += [self.prompt_look.tokens, self.prompt_look.scores]
        derived = sum(kept.bytes_kept for kept in self.derived.values())
        attention = sum(map(count_bytes, self.attention.values()))
        return sum(tensor.nbytes for tensor in tensors) + derived + attention + self.map_bytes

    def add(self, look: Look) -> None:
        if self.own_logits is None:
            self.own_logits = look.logits
        for name, activations in look.activations.items():
            if name not in self.activations:
                self.activations[name] = activations
                self.derived[name] = Derived()
        self.gradients.update(look.gradients)
        self.curvatures.update(look.curvatures)

    def keep_map(self, key: Any, heatmap: Heatmap) -> None:
        if key not in self.maps:
            self.maps[key] = heatmap
            self.map_bytes += count_bytes(heatmap)  # counting all of them after each move of a slider takes longer
        self.maps.move_to_end(key)
        while len(self.maps) > _MAPS_KEPT:
            _, oldest = self.maps.popitem(last=False)
            self.map_bytes -= count_bytes(oldest)


class _Turns:
    """A turn that can be taken again and again, by one thread."""

    def __init__(self, begin: Callable[[], AbstractContextManager[None]]):
        self._begin = begin
        self._taken: list[ExitStack] = []

    def __enter__(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._begin())
            self._taken.append(stack.pop_all())

    def __exit__(self, *error: Any) -> None:
        self._taken.pop().__exit__(*error)


_SeenKey = tuple[str, str, str]
"""Fingerprint of the model, digest of the picture, name of the view."""


class Engine:
    """Explains pictures. Safe to share between threads: one lock a model, and nothing it hands out is changed later.

    Args:
        device: `auto` (CUDA, then MPS, then CPU) or a torch device name; left out, what `CAMSCOPE_DEVICE` says.
        capture_bytes: how much may be kept of pictures already seen; the least recently used go first.
        model_bytes: how much the weights of loaded models may take; the least recently used go first.
        precision: of the networks' arithmetic; left out, what `CAMSCOPE_PRECISION` says.
        batch: how many pictures go through the network at once. Left out, 16 on a GPU, and one by one on the CPU, where
            a batch is little faster, and each map is to be the one that its picture has alone, bit for bit.

    Raises:
        DeviceError: the environment asks for something that does not exist.
    """

    def __init__(
        self,
        device: str | None = None,
        capture_bytes: int = 512 * 2**20,
        model_bytes: int = 2 * 2**30,
        precision: Precision | None = None,
        batch: int | None = None,
    ):
        chosen = read_device_settings()
        self._device_name = device or chosen.device
        self.precision: Precision = precision or chosen.precision
        self._batch = batch
        self._capture_bytes = capture_bytes
        self._lock = threading.RLock()
        self._shelf = Shelf(model_bytes, lambda: self.device)
        self._seen: OrderedDict[_SeenKey, _Seen] = OrderedDict()
        self._passes = Passes()
        self._pace: dict[str, float] = {}  # by fingerprint, seconds of the quickest look so far

    @property
    def passes(self) -> Passes:
        """Passes of all networks since the engine was made."""
        return self._passes

    @property
    def bytes_kept(self) -> int:
        """Bytes kept of pictures already seen."""
        with self._lock:
            return sum(seen.bytes_kept for seen in self._seen.values())

    @cached_property
    def device(self) -> str:
        """The torch device that models run on.

        Raises:
            DeviceError: this computer has none like the one asked for.
        """
        return find_device(self._device_name)

    @property
    def description(self) -> str:
        """Where models run and in which precision, in a short phrase."""
        return describe_device(self.device, self.precision)

    def load(self, model: str | ModelRequest | LoadedModel, weights: bytes | None = None) -> LoadedModel:
        """Load a model, or give back the one already loaded. The same weights are kept once, whatever they are called.

        Args:
            model: `photo-cnn`, a timm name, or a request.
            weights: the checkpoint's bytes, for a request whose source is a file.

        Raises:
            ModelError: it cannot be found or read.
        """
        from explain.models.loaded import LoadedModel
        from explain.models.request import parse_model

        if isinstance(model, LoadedModel):
            return self._shelf.admit(model)
        return self._shelf.load(parse_model(model) if isinstance(model, str) else model, weights)

    def predict(
        self, picture: Picture, model: str | ModelRequest | LoadedModel, top: int = 5
    ) -> tuple[Prediction, ...]:
        """The likeliest classes of a picture with their softmax probabilities, likeliest first."""
        loaded = self.load(model)
        view = list_views("none")[0]
        with self._turn(loaded), self._keeping_account(picture, loaded, view):
            return _rank_classes(self._see(picture, loaded, view)[0].logits, loaded.labels, top)

    def explain(
        self,
        pictures: Picture | str | Path | Sequence[Picture | str | Path],
        model: str | ModelRequest | LoadedModel = "photo-cnn",
        methods: Sequence[str] = DEFAULT_METHODS,
        layer: str | Sequence[str] = "auto",
        target: int | str | Sequence[int | str] = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        fusion: Fusion = "none",
        augmentation: Augmentation = "none",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Explanation:
        """Explain pictures by several methods, which share one pass of the network for each picture.

        Args:
            pictures: one or several, decoded or as paths of files.
            model: see `load`.
            methods: names of methods.
            layer: name of a layer, or `auto` for the model's default; or several.
            target: class index or label, or `auto` for each picture's likeliest class; or several.
            settings: by method name; what is not named keeps its default.
            score: differentiate the class's logit or its softmax probability.
            fusion: how the maps of several layers become one; see `explain.maps.fusion`.
            augmentation: average the maps over changed views of the picture; see `explain.pictures.augmentation`.
            progress: called before each picture, and now and then by methods that take long.
            cancel: when set, work stops with `Cancelled` before the next picture, method or chunk of passes.

        Raises:
            ExplainError: with a sentence on what was wrong. A method that cannot work on this model is no error: it is
                listed in the result's `unavailable`, with the reason.
        """
        from explain.models.loaded import get_layer

        complete = complete_settings(methods, settings or {})
        loaded = self.load(model)
        names = [layer] if isinstance(layer, str) else list(layer)
        targets = [target] if isinstance(target, (int, str)) or not isinstance(target, Sequence) else list(target)
        if not names or not targets:
            raise (LayerError if targets else TargetError)("Name at least one layer and one class, or leave them out.")
        unavailable = {
            name: obstacle for name in complete if (obstacle := find_obstacle(get_method(name), loaded)) is not None
        }
        question = Question(
            layers=tuple(dict.fromkeys(get_layer(loaded, name) for name in names)),
            targets=tuple(dict.fromkeys(None if t == "auto" else find_target(loaded, t) for t in targets)),
            methods=tuple(get_method(name) for name in complete if name not in unavailable),
            settings=complete,
            score=score,
        )
        views = list_views(augmentation)
        opened = [
            _open(picture) for picture in ([pictures] if isinstance(pictures, (Picture, str, Path)) else pictures)
        ]
        explained = []
        ahead: dict[str, Passes] = {}
        batch = self._batch or (1 if self.device == "cpu" else _BATCH)
        for done, picture in enumerate(opened):

            def report(share: float, text: str, done: int = done, name: str = picture.name) -> None:
                if progress:
                    progress((done + share) / len(opened), f"{name}: {text}" if text else name)

            report(0.0, "")
            if done % batch == 0:
                ahead = self._look_ahead(opened[done : done + batch], loaded, views[0], question, cancel)
            run = ahead.pop(picture.digest, Passes())
            one = self._explain_one(picture, loaded, question, views, report, cancel, dict(unavailable), run)
            explained.append(one if fusion == "none" else replace(one, maps=fuse(one.maps, fusion)))
        return Explanation(loaded, tuple(explained), score, fusion, augmentation, self.description)

    def capture(
        self,
        picture: Picture,
        model: str | ModelRequest | LoadedModel,
        layer: str = "auto",
        target: int | str = "auto",
        score: Score = "logit",
    ) -> LayerCapture:
        """What a gradient method is given: for pages and benchmarks that show more than the map."""
        from explain.models.loaded import get_layer

        loaded = self.load(model)
        where = get_layer(loaded, layer)
        index = None if target == "auto" else find_target(loaded, target)
        view = list_views("none")[0]
        ask = Ask(index, score)
        with self._turn(loaded), self._keeping_account(picture, loaded, view):
            seen, _ = self._see(picture, loaded, view, (where,), [ask])
            resolved = ask.of(_resolve(index, seen))
            return LayerCapture(
                layer=where,
                target=_resolve(index, seen),
                logits=seen.logits,
                activations=seen.activations[where.name],
                gradients=seen.gradients[where.name, resolved],
                derived=seen.derived[where.name],
            )

    def ask_prompts(
        self,
        picture: Picture,
        model: str | ModelRequest | LoadedModel,
        targets: Sequence[int | str] = ("auto",),
        cancel: threading.Event | None = None,
    ) -> dict[int, PromptCapture]:
        """What the prompts of some classes look at in a picture. The network runs once for the picture, however many
        classes are asked, and not at all for further classes of a picture already seen.

        Args:
            picture: the picture.
            model: see `load`; one with class prompts.
            targets: class indices or labels; `auto` is the likeliest class by the prompts.
            cancel: when set, work stops with `Cancelled` before the pass.

        Returns:
            By class index, in the order asked.

        Raises:
            MethodError: the model has no class prompts.
            TargetError: there is no such class, or none is named.
        """
        loaded = self.load(model)
        obstacle = find_obstacle(get_method("prompt-cam"), loaded)
        if obstacle is not None:
            raise MethodError(obstacle)
        if not targets:
            raise TargetError("Name at least one class.")
        named = [None if target == "auto" else find_target(loaded, target) for target in targets]
        view = list_views("none")[0]
        with self._turn(loaded), self._keeping_account(picture, loaded, view):
            stop_if(cancel)
            key = (loaded.fingerprint, picture.digest, view.name)
            with self._lock:
                known = self._seen.get(key)
            seen = known or _Seen(find_box(picture.size, loaded.preprocessing))
            look, _ = self._see_prompts(picture, loaded, view, seen)
            with self._lock:
                self._seen[key] = seen
                self._seen.move_to_end(key)
            resolved = [int(look.scores.argmax()) if target is None else target for target in named]
            return {target: _capture_prompt(loaded, seen, target) for target in dict.fromkeys(resolved)}

    def estimate_seconds(
        self, model: LoadedModel, method: Method, layer: str = "auto", settings: Settings | None = None
    ) -> float | None:
        """How long a method that runs the network by itself will take for one picture, from the passes it needs and
        the time that one has taken so far. None for every other method, and before a first picture was seen.
        """
        from explain.models.loaded import get_layer

        pace = self._pace.get(model.fingerprint)
        if method.count_passes is None or pace is None or not model.layers:
            return None
        at = get_layer(model, layer)
        share = 1.0
        if method.after_layer:
            # Layers are spread over the network fairly evenly. After the last one comes little more than the head.
            share = max(len(model.layers) - 1 - model.layers.index(at), 0.3) / len(model.layers)
        return pace * share * method.count_passes(at, settings or method.settings())

    def forget(self) -> None:
        """Drop everything kept of pictures. Loaded models stay."""
        with self._lock:
            self._seen.clear()

    def _explain_one(
        self,
        picture: Picture,
        loaded: LoadedModel,
        question: Question,
        views: Sequence[View],
        report: Progress,
        cancel: threading.Event | None,
        unavailable: dict[str, str],
        run: Passes,
    ) -> PictureExplanation:
        """One picture's answer; `run` are the passes already run for it."""
        stop_if(cancel)
        first, own = self._see_all(picture, loaded, views[0], question, cancel)
        run += own
        # Every view explains the classes of the picture as it is.
        fixed = replace(question, targets=tuple(dict.fromkeys(_resolve(t, first) for t in question.targets)))
        drawn: list[dict[MapKey, Heatmap]] = []
        for number, view in enumerate(views):
            seen = first
            if number:
                seen, own = self._see_all(picture, loaded, view, fixed, cancel)
                run += own

            def report_view(share: float, text: str, number: int = number) -> None:
                report((number + share) / len(views), text)

            with self._keeping_account(picture, loaded, view):
                drawn.append(self._draw_all(picture, loaded, view, seen, fixed, report_view, cancel, unavailable))
        targets = [target for target in fixed.targets if target is not None]
        keys = [
            (method.name, name_place(method, layer, loaded), target)
            for target in targets
            for layer in question.layers
            for method in question.methods
        ]
        maps = []
        for key in dict.fromkeys(keys):
            if all(key in maps_of_view for maps_of_view in drawn):
                heatmap = _average([maps_of_view[key] for maps_of_view in drawn], views)
                maps.append(replace(heatmap, passes=run + heatmap.passes))
        look = first.prompt_look if any("prompts" in method.needs for method in question.methods) else None
        return PictureExplanation(
            picture=picture,
            predictions=_rank_classes(first.logits, loaded.labels, 5),
            prompt_predictions=_rank_classes(look.scores, loaded.labels, 5) if look else (),
            targets=tuple(targets),
            labels=tuple(loaded.labels[target] for target in targets),
            layers=tuple(layer.name for layer in question.layers),
            maps=tuple(maps),
            unavailable=unavailable,
        )

    def _look_ahead(
        self,
        pictures: Sequence[Picture],
        loaded: LoadedModel,
        view: View,
        question: Question,
        cancel: threading.Event | None,
    ) -> dict[str, Passes]:
        """Send the pictures of which nothing is known yet through the network together. Gives back the passes of each,
        by the picture's digest.
        """
        if len(pictures) < 2:
            return {}
        with self._turn(loaded):
            stop_if(cancel)
            with self._lock:
                fresh = [p for p in pictures if (loaded.fingerprint, p.digest, view.name) not in self._seen]
            fresh = list({picture.digest: picture for picture in fresh}.values())
            if len(fresh) < 2:
                return {}
            asks = part_asks(question.list_asks(), loaded)[0]
            tensors = [self._prepare(picture, loaded, view) for picture in fresh]
            for picture, look in zip(fresh, self._look(loaded, tensors, question.layers, asks), strict=True):
                seen = _Seen(find_box(picture.size, loaded.preprocessing))
                seen.add(look)
                self._remember(picture, loaded, view, seen)
            return {picture.digest: Passes(1, len(asks)) for picture in fresh}

    def _see_all(
        self, picture: Picture, loaded: LoadedModel, view: View, question: Question, cancel: threading.Event | None
    ) -> tuple[_Seen, Passes]:
        """Everything the methods need but for passes of their own, in as few passes of the network as that takes."""
        with self._turn(loaded), self._keeping_account(picture, loaded, view):
            stop_if(cancel)
            seen, run = self._see(picture, loaded, view, question.layers, question.list_asks())
            needs = frozenset().union(*(method.needs for method in question.methods))
            if "prompts" in needs:
                run += self._see_prompts(picture, loaded, view, seen)[1]
            tensor = None
            for target in dict.fromkeys(_resolve(t, seen) for t in question.targets):
                if "prompts" in needs:
                    _capture_prompt(loaded, seen, target)
                if "attention" in needs and (target, question.score) not in seen.attention:
                    from explain.passes.attention import look_at_attention

                    stop_if(cancel)
                    tensor = self._prepare(picture, loaded, view) if tensor is None else tensor
                    seen.attention[target, question.score] = self._make_room(
                        partial(look_at_attention, loaded.module, tensor, target, question.score), loaded
                    )
                    run += self._count(Passes(forward=1, backward=2))
            return seen, run

    def _see(
        self, picture: Picture, loaded: LoadedModel, view: View, layers: Sequence[Layer] = (), asks: Sequence[Ask] = ()
    ) -> tuple[_Seen, Passes]:
        """What is known of a picture, after running the network once more if something asked for is missing."""
        key = (loaded.fingerprint, picture.digest, view.name)
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None:
                self._seen.move_to_end(key)
        run = Passes()
        for group in part_asks(asks, loaded):
            missing = list(group)
            if seen is not None and seen.own_logits is not None:
                missing = [
                    ask
                    for ask in dict.fromkeys(ask.of(_resolve(ask.target, seen)) for ask in group)
                    if any((layer.name, ask) not in seen.gradients for layer in layers)
                ]
                if not missing and all(layer.name in seen.activations for layer in layers):
                    continue
            (look,) = self._look(loaded, [self._prepare(picture, loaded, view)], layers, missing)
            run += Passes(forward=1, backward=len(missing))
            if seen is None:
                seen = _Seen(find_box(picture.size, loaded.preprocessing))
            seen.add(look)
        assert seen is not None
        with self._lock:
            self._seen[key] = seen
            self._seen.move_to_end(key)
        return seen, run

    def _see_prompts(self, picture: Picture, loaded: LoadedModel, view: View, seen: _Seen) -> tuple[PromptLook, Passes]:
        """What the class prompts made of a picture, after one pass of the network if that is not known yet."""
        assert loaded.prompted is not None
        run = Passes()
        if seen.prompt_look is None:
            tensor = self._prepare(picture, loaded, view)
            seen.prompt_look = self._make_room(partial(look_through_prompts, loaded.prompted, tensor), loaded)
            run = self._count(Passes(forward=1))
        return seen.prompt_look, run

    def _look(
        self, loaded: LoadedModel, tensors: Sequence[Tensor], layers: Sequence[Layer], asks: Sequence[Ask]
    ) -> tuple[Look, ...]:
        """A look at each of some pictures, `(1, C, h, w)` each, all at once or in halves that fit the memory."""
        import torch

        def work() -> tuple[Look, ...]:
            started = time.perf_counter()
            looks = look_at(loaded.module, torch.cat([*tensors]), layers, asks)
            pace = (time.perf_counter() - started) / len(looks)
            self._pace[loaded.fingerprint] = min(pace, self._pace.get(loaded.fingerprint, pace))
            self._count(Passes(len(looks), len(looks) * len(asks)))
            return looks

        if len(tensors) == 1:
            return self._make_room(work, loaded)
        try:
            return work()
        except RuntimeError as error:
            if not runs_out_of_memory(error):
                raise
        self._free_memory(loaded)
        half = len(tensors) // 2
        return self._look(loaded, tensors[:half], layers, asks) + self._look(loaded, tensors[half:], layers, asks)

    def _make_room(self, work: Callable[[], T], loaded: LoadedModel) -> T:
        """What the work gives; where it runs out of memory, once more after everything that can be spared is gone.

        Raises:
            DeviceError: that is not enough.
        """
        for _ in range(2):
            try:
                return work()
            except RuntimeError as error:
                if not runs_out_of_memory(error):
                    raise
            # Only here, where the error no longer holds on to what it could not finish.
            self._free_memory(loaded)
        raise DeviceError(
            f"The memory of {self.description} is too small for this. Ask for fewer layers at once or a smaller model, "
            "or close what else runs there."
        )

    def _free_memory(self, loaded: LoadedModel) -> None:
        """Drop everything that can be had again: what was kept of pictures, and the models not in use."""
        self.forget()
        self._shelf.give_up_others(loaded)
        release_memory(self.device)

    def _draw_all(
        self,
        picture: Picture,
        loaded: LoadedModel,
        view: View,
        seen: _Seen,
        question: Question,
        report: Progress,
        cancel: threading.Event | None,
        unavailable: dict[str, str],
    ) -> dict[MapKey, Heatmap]:
        """The maps of one view: first those that need no pass of their own, then those that do."""
        drawn: dict[MapKey, Heatmap] = {}
        jobs = [
            (method, layer, target)
            for method in sorted(question.methods, key=lambda method: "runner" in method.needs)
            for target in question.targets
            for layer in (question.layers if method.place == "layer" else question.layers[:1])
            if target is not None
        ]
        # A method that needs no pass of its own takes no time beside one that does.
        passes = [m.count_passes(layer, question.settings[m.name]) if m.count_passes else 0 for m, layer, _ in jobs]
        failed = set()
        for number, (method, layer, target) in enumerate(jobs):
            stop_if(cancel)
            where = name_place(method, layer, loaded)
            if (method.name, where) in failed:
                continue

            def report_part(share: float, number: int = number, title: str = method.title) -> None:
                report((sum(passes[:number]) + share * passes[number]) / max(sum(passes), 1), title)

            label = loaded.labels[target]
            of_class = None if method.class_agnostic else (target, label)  # such a map is drawn once for all classes
            key = (method.name, question.settings[method.name], where, of_class, question.score)
            with self._take_turn(loaded, seen, method, key):
                heatmap = seen.maps.get(key)
                spent = Passes()
                if heatmap is None:
                    capture = None
                    try:
                        capture = self._capture(picture, loaded, view, seen, question, method, layer, target)
                        if capture.runner is not None:
                            capture.runner.attend(report_part, cancel)
                        settings = question.settings[method.name]
                        work = partial(_draw, method, settings, capture, where, loaded, seen.box)
                        heatmap = self._make_room(work, loaded)
                    except MethodError as error:
                        unavailable[method.name] = str(error)
                        failed.add((method.name, where))
                        continue
                    finally:
                        spent = capture.runner.spent if capture is not None and capture.runner is not None else spent
                with self._shelf.lock_of(loaded):
                    seen.keep_map(key, heatmap)
                drawn[method.name, where, target] = replace(heatmap, target=target, label=label, passes=spent)
        return drawn

    @contextmanager
    def _take_turn(self, loaded: LoadedModel, seen: _Seen, method: Method, key: Any) -> Iterator[None]:
        """Whoever asks for the same map waits for it. A method that runs the network by itself does not hold the model
        meanwhile, but only for each chunk, so that other people's requests go between.
        """
        if "runner" not in method.needs:
            with self._turn(loaded):
                yield
            return
        with self._lock:
            turn = seen.turns.setdefault(key, threading.RLock())
        with turn:
            yield

    def _capture(
        self,
        picture: Picture,
        loaded: LoadedModel,
        view: View,
        seen: _Seen,
        question: Question,
        method: Method,
        layer: Layer,
        target: int,
    ) -> LayerCapture:
        """What is known of a picture, as one method is given it."""
        head, runner = None, None
        if "head" in method.needs:
            from explain.networks.head import find_head

            with set_arithmetic(self.device, "float32"):  # a proof, which rounding would spoil
                head = find_head(loaded.module, layer, loaded.preprocessing.channels, loaded.preprocessing.input_size)
        if "runner" in method.needs:
            from explain.passes.runner import Runner

            runner = Runner(
                loaded.module,
                self._prepare(picture, loaded, view),
                layer,
                target,
                question.score,
                turn=_Turns(lambda: self._turn(loaded)),
                count=self._count,
            )
        at = (layer.name, question.make_ask(method, target))
        return LayerCapture(
            layer=layer,
            target=target,
            logits=seen.logits,
            activations=seen.activations[layer.name],
            gradients=seen.gradients[at] if method.differentiates else None,
            curvature=seen.curvatures[at] if "curvature" in method.needs else None,
            head=head,
            attention=seen.attention[target, question.score] if "attention" in method.needs else None,
            prompts=seen.prompts[target] if "prompts" in method.needs else None,
            runner=runner,
            derived=seen.derived[layer.name],
        )

    def _prepare(self, picture: Picture, loaded: LoadedModel, view: View) -> Tensor:
        """The model's input, `(1, C, h, w)`, on the device."""
        return view.change(prepare(picture, loaded.preprocessing).tensor).to(self.device)

    @contextmanager
    def _turn(self, loaded: LoadedModel) -> Iterator[None]:
        """While entered, a model is this thread's own, is on the device, and calculates as the engine was told."""
        with self._shelf.lock_of(loaded), set_arithmetic(self.device, self.precision):
            self._shelf.bring(loaded)
            yield

    def _remember(self, picture: Picture, loaded: LoadedModel, view: View, seen: _Seen) -> None:
        with self._keeping_account(picture, loaded, view), self._lock:
            self._seen[loaded.fingerprint, picture.digest, view.name] = seen

    @contextmanager
    def _keeping_account(self, picture: Picture, loaded: LoadedModel, view: View) -> Iterator[None]:
        """Afterwards, whatever happened: count what is kept of the picture, and forget the pictures used longest ago
        until the rest fits the budget. The newest always stays.
        """
        try:
            yield
        finally:
            with self._lock:
                seen = self._seen.get((loaded.fingerprint, picture.digest, view.name))
            if seen is not None:
                with self._shelf.lock_of(loaded):
                    seen.bytes_kept = seen.count_bytes()
            self._trim()

    def _trim(self) -> None:
        with self._lock:
            total = sum(kept.bytes_kept for kept in self._seen.values())
            while total > self._capture_bytes and len(self._seen) > 1:
                total -= self._seen.popitem(last=False)[1].bytes_kept

    def _count(self, passes: Passes) -> Passes:
        with self._lock:
            self._passes = self._passes + passes
        return passes


def _open(picture: Picture | str | Path) -> Picture:
    if isinstance(picture, Picture):
        return picture
    return decode(read_file(Path(picture), PictureError), Path(picture).name)


def _resolve(target: int | None, seen: _Seen) -> int:
    return int(seen.logits.argmax()) if target is None else target


def _capture_prompt(loaded: LoadedModel, seen: _Seen, target: int) -> PromptCapture:
    assert loaded.prompted is not None and seen.prompt_look is not None
    if target not in seen.prompts:
        seen.prompts[target] = capture_prompt(loaded.prompted, seen.prompt_look, target)
    return seen.prompts[target]


def _average(maps: Sequence[Heatmap], views: Sequence[View]) -> Heatmap:
    """One map of those of several views, each laid back on the picture as it is."""
    first = maps[0]
    if len(maps) == 1:
        return first
    values = np.mean([view.undo(heatmap.values) for heatmap, view in zip(maps, views, strict=True)], axis=0)
    values = np.ascontiguousarray(values, dtype=np.float32)
    return replace(
        first,
        seconds=sum(heatmap.seconds for heatmap in maps),
        passes=sum((heatmap.passes for heatmap in maps), Passes()),
        **judge(get_method(first.method), values, first.label, first.own_warnings, first.own_rules),
    )


def _rank_classes(logits: Tensor, labels: Sequence[str], top: int) -> tuple[Prediction, ...]:
    probabilities = logits.cpu().double().softmax(0)  # not every device has float64
    best = probabilities.topk(min(top, len(labels)))
    return tuple(
        Prediction(int(index), labels[int(index)], float(probability))
        for probability, index in zip(best.values, best.indices, strict=True)
    )


def _draw(
    method: Method, settings: Settings, capture: LayerCapture, where: str, loaded: LoadedModel, box: Box
) -> Heatmap:
    """Run one method and say what must be said of its map."""
    import torch

    started = time.perf_counter()
    # The caller's autocast would round what the methods calculate.
    kind = capture.activations.device.type
    with torch.inference_mode(False), torch.no_grad(), torch.autocast(kind, enabled=False):
        result = method.function(capture, settings)
        values = np.ascontiguousarray(result.values.cpu().numpy(), dtype=np.float32)
    seconds = time.perf_counter() - started
    for array in result.details.values():
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    label = loaded.labels[capture.target]
    return Heatmap(
        method=method.name,
        settings=settings,
        layer=where,
        target=capture.target,
        label=label,
        box=box,
        seconds=seconds,
        passes=Passes(),
        details=result.details,
        **judge(method, values, label, result.warnings, result.rules),
    )
