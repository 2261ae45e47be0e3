"""The engine: the one object with state. It runs the network as seldom as it can and remembers what it saw."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from explain.capture import (
    Derived,
    LayerCapture,
    PromptCapture,
    PromptLook,
    Score,
    capture_prompt,
    count_bytes,
    look_at,
    look_through_prompts,
)
from explain.errors import Cancelled, MethodError, PictureError, TargetError
from explain.explanation import Explanation, PictureExplanation, Prediction
from explain.files import read_file
from explain.geometry import Box, find_box, prepare
from explain.heatmap import Heatmap, Passes, find_warnings, is_blank
from explain.methods import Method, Settings, get_method
from explain.methods.base import Needs
from explain.picture import Picture, decode

if TYPE_CHECKING:
    from torch import Tensor

    from explain.layers import Layer
    from explain.models import LoadedModel, ModelRequest

Progress = Callable[[int, int, str], None]
"""Called with pictures done, pictures in all, and the name of the next."""

DEFAULT_METHODS = ("grad-cam", "eigen-cam", "cf-cam", "prompt-cam")
_MAPS_KEPT = 256  # for each picture, so that a slider's way is not kept for ever


@dataclass(eq=False)
class _Seen:
    """All that is known of one picture under one model. Guarded by the model's lock."""

    box: Box
    logits: Tensor
    activations: dict[str, Tensor] = field(default_factory=dict)
    derived: dict[str, Derived] = field(default_factory=dict)
    gradients: dict[tuple[str, int, Score], Tensor] = field(default_factory=dict)
    prompt_look: PromptLook | None = None
    prompts: dict[int, PromptCapture] = field(default_factory=dict)
    maps: OrderedDict[Any, Heatmap] = field(default_factory=OrderedDict)
    bytes_kept: int = 0

    def count_bytes(self) -> int:
        tensors = [self.logits, *self.activations.values(), *self.gradients.values()]
        tensors += [prompt.attention for prompt in self.prompts.values()]
        if self.prompt_look is not None:
            tensors += [self.prompt_look.tokens, self.prompt_look.scores]
        derived = sum(kept.count_bytes() for kept in self.derived.values())
        return sum(tensor.nbytes for tensor in tensors) + derived + sum(map(count_bytes, self.maps.values()))


class Engine:
    """Explains pictures. Safe to share between threads: one lock a model, and nothing it hands out is changed later.

    Args:
        device: `auto` (CUDA, then MPS, then CPU) or a torch device name.
        capture_bytes: how much may be kept of pictures already seen; the least recently used go first.
        models_kept: how many models stay loaded; the least recently used go first.
    """

    def __init__(self, device: str = "auto", capture_bytes: int = 512 * 2**20, models_kept: int = 4):
        self._device_name = device
        self._capture_bytes = capture_bytes
        self._models_kept = models_kept
        self._lock = threading.RLock()
        self._models: OrderedDict[ModelRequest, LoadedModel] = OrderedDict()
        self._loading: dict[ModelRequest, threading.Lock] = {}
        self._model_locks: dict[str, threading.RLock] = {}
        self._seen: OrderedDict[tuple[str, str], _Seen] = OrderedDict()
        self._passes = Passes()

    @property
    def passes(self) -> Passes:
        """Passes of all networks since the engine was made."""
        return self._passes

    @property
    def bytes_kept(self) -> int:
        """Bytes kept of pictures already seen."""
        with self._lock:
            return sum(seen.bytes_kept for seen in self._seen.values())

    @property
    def device(self) -> str:
        """The torch device that models run on."""
        import torch

        if self._device_name != "auto":
            return self._device_name
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"

    def load(self, model: str | ModelRequest | LoadedModel, weights: bytes | None = None) -> LoadedModel:
        """Load a model, or give back the one already loaded.

        Args:
            model: `photo-cnn`, a timm name, or a request.
            weights: the checkpoint's bytes, for a request whose source is a file.

        Raises:
            ModelError: it cannot be found or read.
        """
        import torch

        from explain.models import LoadedModel, load_model, parse_model

        if isinstance(model, LoadedModel):
            return model
        request = parse_model(model) if isinstance(model, str) else model
        with self._lock:
            loading = self._loading.setdefault(request, threading.Lock())
        with loading:
            with self._lock:
                if request in self._models:
                    self._models.move_to_end(request)
                    return self._models[request]
            # Weights made in a caller's inference mode could never be part of a graph.
            with torch.inference_mode(False):
                loaded = load_model(request, weights)
                for module in (loaded.module, loaded.prompted):
                    if module is not None:
                        module.to(self.device)
            with self._lock:
                self._models[request] = loaded
                while len(self._models) > self._models_kept:
                    self._models.popitem(last=False)
                self._loading.pop(request, None)
            return loaded

    def predict(
        self, picture: Picture, model: str | ModelRequest | LoadedModel, top: int = 5
    ) -> tuple[Prediction, ...]:
        """The likeliest classes of a picture with their softmax probabilities, likeliest first."""
        loaded = self.load(model)
        with self._lock_of(loaded), self._keeping_account(picture, loaded):
            return _rank_classes(self._see(picture, loaded)[0].logits, loaded.labels, top)

    def explain(
        self,
        pictures: Picture | str | Path | Sequence[Picture | str | Path],
        model: str | ModelRequest | LoadedModel = "photo-cnn",
        methods: Sequence[str] = DEFAULT_METHODS,
        layer: str = "auto",
        target: int | str = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Explanation:
        """Explain pictures by several methods, which share one pass of the network for each picture.

        Args:
            pictures: one or several, decoded or as paths of files.
            model: see `load`.
            methods: names of methods.
            layer: name of a layer, or `auto` for the model's default.
            target: class index or label, or `auto` for each picture's likeliest class.
            settings: by method name; what is not named keeps its default.
            score: differentiate the class's logit or its softmax probability.
            progress: called before each picture.
            cancel: when set, work stops with `Cancelled` before the next picture or method.

        Raises:
            ExplainError: with a sentence on what was wrong. A method that cannot work on this model is no error: it is
                listed in the result's `unavailable`, with the reason.
        """
        from explain.layers import get_layer

        complete = complete_settings(methods, settings or {})
        loaded = self.load(model)
        where = get_layer(loaded, layer)
        index = None if target == "auto" else find_target(loaded, target)
        opened = [
            _open(picture) for picture in ([pictures] if isinstance(pictures, (Picture, str, Path)) else pictures)
        ]
        explained = []
        for done, picture in enumerate(opened):
            if progress:
                progress(done, len(opened), picture.name)
            explained.append(self._explain_one(picture, loaded, where, index, complete, score, cancel))
        return Explanation(loaded, tuple(explained), score)

    def capture(
        self,
        picture: Picture,
        model: str | ModelRequest | LoadedModel,
        layer: str = "auto",
        target: int | str = "auto",
        score: Score = "logit",
    ) -> LayerCapture:
        """What a gradient method is given: for pages and benchmarks that show more than the map."""
        from explain.layers import get_layer

        loaded = self.load(model)
        where = get_layer(loaded, layer)
        index = None if target == "auto" else find_target(loaded, target)
        with self._lock_of(loaded), self._keeping_account(picture, loaded):
            return self._capture(picture, loaded, where, index, {"gradients"}, score)[1]

    def forget(self) -> None:
        """Drop everything kept of pictures. Loaded models stay."""
        with self._lock:
            self._seen.clear()

    def _explain_one(
        self,
        picture: Picture,
        loaded: LoadedModel,
        layer: Layer,
        target: int | None,
        settings: Mapping[str, Settings],
        score: Score,
        cancel: threading.Event | None,
    ) -> PictureExplanation:
        unavailable = {}
        usable = []
        for name in settings:
            method = get_method(name)
            if method.needs == "prompts" and loaded.prompted is None:
                unavailable[name] = f"{method.title} needs a ViT with trained class prompts; this model has none."
            else:
                usable.append(method)
        _stop_if(cancel)
        with self._lock_of(loaded), self._keeping_account(picture, loaded):
            needs = {method.needs for method in usable}
            seen, capture, run = self._capture(picture, loaded, layer, target, needs, score)
            label = loaded.labels[capture.target]
            maps = []
            for method in usable:
                _stop_if(cancel)
                where = _name_last_attention(loaded) if method.needs == "prompts" else layer.name
                key = (method.name, settings[method.name], where, capture.target, label, score)
                if key not in seen.maps:
                    try:
                        seen.maps[key] = _draw(method, settings[method.name], capture, where, label, seen.box)
                    except MethodError as error:
                        unavailable[method.name] = str(error)
                        continue
                    while len(seen.maps) > _MAPS_KEPT:
                        seen.maps.popitem(last=False)
                seen.maps.move_to_end(key)
                maps.append(replace(seen.maps[key], passes=run))
            prompt_look = seen.prompt_look if capture.prompts is not None else None
            return PictureExplanation(
                picture=picture,
                predictions=_rank_classes(seen.logits, loaded.labels, 5),
                prompt_predictions=_rank_classes(prompt_look.scores, loaded.labels, 5) if prompt_look else (),
                target=capture.target,
                label=label,
                layer=layer.name,
                maps=tuple(maps),
                unavailable=unavailable,
            )

    def _capture(
        self, picture: Picture, loaded: LoadedModel, layer: Layer, target: int | None, needs: set[Needs], score: Score
    ) -> tuple[_Seen, LayerCapture, Passes]:
        """The capture of one picture, layer and class, from what was seen before where that is enough."""
        gradients = "gradients" in needs
        seen, run = self._see(picture, loaded, layer, target, gradients, score)
        index = int(seen.logits.argmax()) if target is None else target
        prompts = None
        if "prompts" in needs:
            assert loaded.prompted is not None
            if seen.prompt_look is None:
                tensor = _prepare_for(picture, loaded)
                seen.prompt_look = look_through_prompts(loaded.prompted, tensor)
                run += self._count(Passes(forward=1))
            if index not in seen.prompts:
                seen.prompts[index] = capture_prompt(loaded.prompted, seen.prompt_look, index)
            prompts = seen.prompts[index]
        capture = LayerCapture(
            layer=layer,
            target=index,
            logits=seen.logits,
            activations=seen.activations[layer.name],
            gradients=seen.gradients.get((layer.name, index, score)),
            prompts=prompts,
            derived=seen.derived[layer.name],
        )
        return seen, capture, run

    def _see(
        self,
        picture: Picture,
        loaded: LoadedModel,
        layer: Layer | None = None,
        target: int | None = None,
        gradients: bool = False,
        score: Score = "logit",
    ) -> tuple[_Seen, Passes]:
        """What is known of a picture, after running the network once more if something asked for is missing."""
        key = (loaded.fingerprint, picture.digest)
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None:
                self._seen.move_to_end(key)
        if seen is not None:
            index = int(seen.logits.argmax()) if target is None else target
            has_activations = layer is None or layer.name in seen.activations
            has_gradients = not gradients or layer is None or (layer.name, index, score) in seen.gradients
            if has_activations and has_gradients:
                return seen, Passes()
        targets = [target] if gradients else []
        look = look_at(loaded.module, _prepare_for(picture, loaded), [layer] if layer else [], targets, score)
        run = self._count(Passes(forward=1, backward=len(look.targets)))
        if seen is None:
            seen = _Seen(find_box(picture.size, loaded.preprocessing), look.logits)
        for name, activations in look.activations.items():
            if name not in seen.activations:
                seen.activations[name] = activations
                seen.derived[name] = Derived()
        for (name, index), gradient in look.gradients.items():
            seen.gradients[name, index, score] = gradient
        with self._lock:
            self._seen[key] = seen
            self._seen.move_to_end(key)
        return seen, run

    @contextmanager
    def _keeping_account(self, picture: Picture, loaded: LoadedModel) -> Iterator[None]:
        """Afterwards, whatever happened: count what is kept of the picture, and forget the pictures used longest ago
        until the rest fits the budget. The newest always stays.
        """
        try:
            yield
        finally:
            self._trim((loaded.fingerprint, picture.digest))

    def _trim(self, changed: tuple[str, str]) -> None:
        with self._lock:
            seen = self._seen.get(changed)
        if seen is not None:
            seen.bytes_kept = seen.count_bytes()
        with self._lock:
            total = sum(kept.bytes_kept for kept in self._seen.values())
            while total > self._capture_bytes and len(self._seen) > 1:
                total -= self._seen.popitem(last=False)[1].bytes_kept

    def _lock_of(self, loaded: LoadedModel) -> threading.RLock:
        with self._lock:
            return self._model_locks.setdefault(loaded.fingerprint, threading.RLock())

    def _count(self, passes: Passes) -> Passes:
        with self._lock:
            self._passes = self._passes + passes
        return passes


def complete_settings(methods: Sequence[str], given: Mapping[str, Settings | Mapping[str, Any]]) -> dict[str, Settings]:
    """The settings of each method asked for, checked, with defaults where nothing was given.

    Raises:
        MethodError: a method or a setting does not exist, or a value is out of its bounds.
    """
    complete = {}
    for name in dict.fromkeys([*methods, *given]):
        method = get_method(name)
        values = given.get(name, {})
        if isinstance(values, Settings):
            values = values.model_dump()
        try:
            complete[name] = method.settings.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            field_name = ".".join(str(part) for part in first["loc"])
            known = ", ".join(method.settings.model_fields) or "none"
            raise MethodError(
                f"{method.title} does not take {field_name} = {first['input']!r}: {first['msg'].lower()}. "
                f"Its settings: {known}."
            ) from None
    return {name: complete[name] for name in methods}


def find_target(loaded: LoadedModel, target: int | str) -> int:
    """Index of a class given by index or label.

    Raises:
        TargetError: the model has no such class.
    """
    text = str(target).strip()
    count = len(loaded.labels)
    if not text:
        raise TargetError("Name a class: its label, or its index.")
    index = int(text) if re.fullmatch(r"[+-]?[0-9]{1,9}", text) else None
    if index is not None and 0 <= index < count:
        return index
    named = [i for i, label in enumerate(loaded.labels) if label.casefold() == text.casefold()]
    if len(named) == 1:
        return named[0]
    if named:
        raise TargetError(f"Several classes are named “{text}”. Give an index: {', '.join(map(str, named))}.")
    if index is not None:
        raise TargetError(f"There is no class {index}: this model knows classes 0 to {count - 1}.")
    near = [label for label in loaded.labels if text.casefold() in label.casefold()][:5]
    hint = f"Did you mean {', '.join(near)}?" if near else f"It knows {count} classes, from {loaded.labels[0]} on."
    raise TargetError(f"This model has no class “{text}”. {hint}")


def _open(picture: Picture | str | Path) -> Picture:
    if isinstance(picture, Picture):
        return picture
    return decode(read_file(Path(picture), PictureError), Path(picture).name)


def _stop_if(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("Stopped. Nothing was changed.")


def _name_last_attention(loaded: LoadedModel) -> str:
    assert loaded.prompted is not None
    inside = "backbone." if loaded.prompted is loaded.module else ""
    return f"{inside}blocks.{len(loaded.prompted.backbone.blocks) - 1}.attn"


def _rank_classes(logits: Tensor, labels: Sequence[str], top: int) -> tuple[Prediction, ...]:
    probabilities = logits.cpu().double().softmax(0)  # not every device has float64
    best = probabilities.topk(min(top, len(labels)))
    return tuple(
        Prediction(int(index), labels[int(index)], float(probability))
        for probability, index in zip(best.values, best.indices, strict=True)
    )


def _prepare_for(picture: Picture, loaded: LoadedModel) -> Tensor:
    """The model's input, `(1, C, h, w)`, where the model is."""
    tensor = prepare(picture, loaded.preprocessing).tensor
    parameter = next(loaded.module.parameters(), None)
    return tensor if parameter is None else tensor.to(parameter.device)


def _draw(method: Method, settings: Settings, capture: LayerCapture, layer: str, label: str, box: Box) -> Heatmap:
    """Run one method and say what must be said of its map."""
    import torch

    started = time.perf_counter()
    with torch.inference_mode(False), torch.no_grad():
        result = method.function(capture, settings)
        values = np.ascontiguousarray(result.values.cpu().numpy(), dtype=np.float32)
    seconds = time.perf_counter() - started
    for array in (values, *result.details.values()):
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return Heatmap(
        method=method.name,
        settings=settings,
        layer=layer,
        target=capture.target,
        label=label,
        values=values,
        box=box,
        blank=is_blank(values),
        seconds=seconds,
        passes=Passes(),
        warnings=find_warnings(method, values, label) + result.warnings,
        details=result.details,
    )
