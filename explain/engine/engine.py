"""The engine: the one object with state. It runs the network as seldom as it can and remembers what it saw.

Its jobs are done by a `Machine` (device, turns, memory), a `Memory` (what was seen), an `Observer` and `draw_all`. What
is called to *see* may be answered from memory; to *look* always runs the network.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args

from explain.bundled.models import FIRST_MODEL
from explain.engine.channels import ChannelMeter
from explain.engine.counted import Cache, Counted
from explain.engine.drawing import Job, make_capture
from explain.engine.effects import Remover
from explain.engine.explainer import Explainer
from explain.engine.explanation import Explanation, Prediction, rank_classes
from explain.engine.handed_over import Given, open_pictures
from explain.engine.judging import Judge, Verdicts
from explain.engine.known_pictures import KnownPictures
from explain.engine.machine import Machine
from explain.engine.measuring import Meter
from explain.engine.memory import Memory, Seen
from explain.engine.observer import Observer
from explain.engine.patching import Patcher
from explain.engine.question import DEFAULT_METHODS, Layers, Targets, build_question, find_obstacle, find_target
from explain.engine.sight import Sight
from explain.engine.slices import SliceAnswer
from explain.engine.stacks import Cut, Stacks
from explain.engine.visualisation import Visualiser
from explain.engine.whole_volumes import VolumeExplainer
from explain.errors import MethodError, ModelError, TargetError
from explain.faithfulness.measured import Measured
from explain.faithfulness.transplant import Transplant
from explain.maps.fusion import Fusion, fuse
from explain.maps.heatmap import Heatmap
from explain.methods import Method, Settings, get_method
from explain.models.loaded import LoadedModel
from explain.models.own_module import Labels, hand_over, load_own, name_modules
from explain.models.request import ModelRequest, name_model
from explain.networks.device import Precision, measure_memory
from explain.networks.meaning import Outputs
from explain.passes.capture import LayerCapture
from explain.passes.count import Passes
from explain.passes.look import Score
from explain.passes.prompts import PromptCapture
from explain.pictures.augmentation import Augmentation, list_views
from explain.pictures.picture import Picture
from explain.progress import Progress, Watch
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume
from explain.volumes.windows import Window

if TYPE_CHECKING:
    from torch import nn

Model = Union[str, Path, ModelRequest, LoadedModel, "nn.Module"]
"""A model in any of the ways in which it may be given; see `Engine.load`."""

_BATCH = 16  # on a device that works on pictures side by side


class Engine:
    """Explains pictures, and volumes (`VolumeExplainer`). `measure_effects` asks what happens without regions
    (`Remover`), `measure_channels`, `measure_paths` without channels (`ChannelMeter`), `measure_patches` with heads of
    another picture (`Patcher`), `measure_maps` how good kept maps are, `draw` what classes want. Threads may share it.

    Args:
        device: `auto` (CUDA, then MPS, then CPU) or a torch device name; left out, what `CAMSCOPE_DEVICE` says.
        capture_bytes: how much may be kept of pictures already seen; the least recently used go first.
        model_bytes: how much the weights of loaded models may take; the least recently used go first.
        precision: of the networks' arithmetic; left out, what `CAMSCOPE_PRECISION` says.
        batch: how many pictures go through the network at once. Left out, 16 on a GPU, and one on the CPU, where more
            are little faster, and each map is to be the one that its picture has alone, bit for bit.

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
        self._machine = Machine(device, precision, model_bytes, self.forget)
        self.admission = self._machine.admission
        self._memory = Memory(capture_bytes, self._machine.shelf.lock_of)
        self.forget_unused = self._memory.forget_unused
        self._observer = Observer(self._machine, self._memory)
        self._explainer = Explainer(self._machine, self._memory, self._observer)
        self._known = KnownPictures(self._machine, self._memory, self._observer)
        self._stacks = Stacks(self._memory, self._observer, self._explainer, self._known)
        self._judge = Judge(self._machine, self._memory, self._observer)
        self._meter = Meter(self._machine, self._memory, self._observer, self._judge)
        self.measure_maps = self._meter.measure_maps
        volumes = VolumeExplainer(self._explainer, self._judge, self._meter, self.load, lambda: self.description)
        self.explain_volume, self.judge_volume, self.measure_volume = volumes.explain, volumes.judge, volumes.measure
        self.measure_effects = Remover(self._machine, self._memory, self._observer, self._judge, self.load).measure
        channels = ChannelMeter(self._machine, self._memory, self._observer, self.load)
        self.measure_channels, self.measure_paths = channels.measure, channels.trace
        self.measure_patches = Patcher(self._machine, self._memory, self._observer, self.load).measure
        self._visualiser = Visualiser(self._machine, self._memory, self._observer, self.load)
        self.draw, self.find_exemplars = self._visualiser.draw, self._visualiser.find_exemplars
        self._batch = batch

    @property
    def precision(self) -> Precision:
        """Of the networks' arithmetic."""
        return self._machine.precision

    @property
    def passes(self) -> Passes:
        """Passes of all networks since the engine was made."""
        return self._machine.passes

    @property
    def bytes_kept(self) -> int:
        """Bytes kept of pictures already seen."""
        return self._memory.bytes_kept

    def read_counted(self) -> Counted:
        """What is counted of its memory, for whoever watches a server."""
        kept: dict[Cache, int] = {"captures": self.bytes_kept, "models": self._machine.shelf.bytes_kept}
        return Counted(self._machine.hits.read(), kept, measure_memory(self.device))

    @property
    def device(self) -> str:
        """The torch device that models run on.

        Raises:
            DeviceError: this computer has none like the one asked for.
        """
        return self._machine.device

    @property
    def description(self) -> str:
        """Where models run and in which precision, in a short phrase."""
        return self._machine.description

    @property
    def batch(self) -> int:
        """How many pictures go through the network at once."""
        return self._batch or (1 if self.device == "cpu" else _BATCH)

    def load(
        self,
        model: Model,
        weights: bytes | None = None,
        preprocessing: Any = None,
        labels: Labels = None,
        architecture: str | None = None,
        outputs: Outputs | None = None,
    ) -> LoadedModel:
        """Load a model, or give back the one already loaded. The same weights are kept once, whatever they are called.

        Args:
            model: `photo-cnn`, a timm name, a request, the path of a checkpoint (or `file:` and the path), or a network
                of one's own, which is copied and may be trained further.
            weights: the checkpoint's bytes, for a request whose source is a file.
            preprocessing: of a network of one's own; see `explain.models.own_module.hand_over`.
            labels: names of the classes of a network of one's own, or of a path's a known set.
            architecture: of a path's checkpoint, `timm/NAME` or `torchvision/NAME`.
            outputs: what the numbers of a network of one's own, or of a path's, mean; see `ModelRequest`.

        Raises:
            ModelError: it cannot be found or read.
        """
        if isinstance(model, LoadedModel):
            return self._machine.shelf.admit(model)
        label_set = labels if isinstance(labels, str) else None
        model, weights = name_model(model, weights, architecture=architecture, labels=label_set, outputs=outputs)
        if isinstance(model, ModelRequest):
            return self._machine.shelf.load(model, weights)
        import torch

        if not isinstance(model, torch.nn.Module):
            raise ModelError(
                f"A model cannot be a {type(model).__name__}. Give the name of one, the path of a checkpoint, or a "
                "torch.nn.Module."
            )
        own = hand_over(model, preprocessing, labels, outputs)
        return self._machine.shelf.load(own.request, make=lambda: load_own(own))

    def predict(self, picture: Picture, model: Model, top: int = 5) -> tuple[Prediction, ...]:
        """The likeliest classes of a picture with their probabilities, likeliest first."""
        sight = Sight(picture, self.load(model))
        with self._machine.turn(sight.loaded), self._memory.keeping_account(sight):
            seen, _ = self._observer.see(sight)
            return rank_classes(seen.logits, sight.loaded.labels, top, sight.loaded.outputs)

    def explain(
        self,
        pictures: Given | Iterable[Given],
        model: Model = FIRST_MODEL,
        methods: str | Sequence[str] = DEFAULT_METHODS,
        layer: Layers = "auto",
        target: Targets = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        fusion: Fusion = "none",
        augmentation: Augmentation = "none",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        preprocessing: Any = None,
        labels: Labels = None,
        outputs: Outputs | None = None,
        verdicts: bool = False,
        references: Given | Iterable[Given] | None = None,
    ) -> Explanation:
        """Explain pictures by several methods, which share one pass of the network for each picture.

        Args:
            pictures: one or several: paths of files, their bytes, Pillow's pictures, arrays or tensors of them, decoded
                ones. Arrays are `(H, W, 3)`, tensors `(3, H, W)`; uint8, or floats in 0…1 before any normalisation.
            model: see `load`.
            methods: names of methods, or one.
            layer: name of a layer, as the network or a tutorial writes it (`layer4[-1]`), the part of one's own network
                itself, or `auto` for the model's default; or several.
            target: class index (int) or label (str), or `auto` for each picture's likeliest class; or several.
            settings: by method name; what is not named keeps its default.
            score: differentiate the class's logit or its probability, which a value has not.
            fusion: how the maps of several layers become one; see `explain.maps.fusion`.
            augmentation: average the maps over changed views of the picture; see `explain.pictures.augmentation`.
            progress: called before each picture, and now and then by methods that take long.
            cancel: when set, work stops with `Cancelled` before the next picture, method or chunk of passes.
            preprocessing, labels, outputs: see `load`.
            verdicts: also judge the maps; see `judge`.
            references: pictures like those the model learned from, at least 39: a picture unlike them is said to be.
                Each takes one pass, once. Left out, bundled models have statistics of their own.

        Raises:
            ExplainError: with a sentence on what was wrong. A method that cannot work on this model is no error: it is
                listed in the result's `unavailable`, with the reason.
        """
        loaded = self.load(model, preprocessing=preprocessing, labels=labels, outputs=outputs)
        if not isinstance(model, (str, Path, ModelRequest)):
            layer = name_modules(model, layer)
        question = build_question(loaded, methods, layer, target, settings or {}, score)
        for name, known in ((fusion, get_args(Fusion)), (augmentation, get_args(Augmentation))):
            if name not in known:
                raise MethodError(f"“{name}” is not known here. Take one of: {', '.join(known)}.")
        if verdicts and (fusion, augmentation) != ("none", "none"):
            raise MethodError("Verdicts are measured on maps as they are. Leave out fusion and augmentation.")
        views = list_views(augmentation)
        sights = [Sight(picture, loaded, views[0]) for picture in open_pictures(pictures)]
        whole = Watch(progress, cancel)
        like = self._known.find(loaded) if references is None else self._known.learn(loaded, references, whole)
        explained = []
        ahead: dict[str, Passes] = {}
        batch = self.batch
        with self._stacks.going_first():
            for done, sight in enumerate(sights):
                watch = whole.part(done / len(sights), (done + 1) / len(sights), sight.picture.name)
                watch.report(0.0)
                if done % batch == 0:
                    ahead = self._observer.look_ahead(sights[done : done + batch], question, watch)
                run = ahead.pop(sight.picture.digest, Passes())
                one = self._known.tell(self._explainer.explain(sight, question, views, watch, run), sight, like)
                if verdicts:
                    for found in self._judge.judge(sight, question, watch):
                        one = replace(one, verdicts=found)
                depths = [layer.name for layer in loaded.layers]
                explained.append(one if fusion == "none" else replace(one, maps=fuse(one.maps, fusion, depths)))
        return Explanation(loaded, tuple(explained), score, fusion, augmentation, self.description)

    def explain_stack(
        self,
        volume: Volume,
        model: Model = FIRST_MODEL,
        methods: str | Sequence[str] = DEFAULT_METHODS,
        layer: Layers = "auto",
        target: Targets = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        plane: Plane = "stack",
        window: str | Window | None = None,
        invert: bool = False,
        first: int | None = None,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Iterator[SliceAnswer]:
        """Explain a stack slice by slice, for one class. What was answered before is not run again.

        Args:
            volume: the stack; `plane`, `window` and `invert` are those of `Volume.slice`.
            target: `auto` is the likeliest class of the slice in view. The other arguments are those of `explain`.
            first: the slice in view, from 0; left out, the middle one.

        Yields:
            The answer of each slice that is there, the nearest to the one in view first.

        Raises:
            ExplainError: with a sentence on what was wrong, before the first answer.
        """
        loaded = self.load(model)
        question = build_question(loaded, methods, layer, target, settings or {}, score)
        cut = Cut(volume, plane, window, invert, first)
        yield from self._stacks.explain(cut, loaded, question, self.batch, Watch(progress, cancel))

    def judge(
        self,
        picture: Picture,
        model: Model,
        methods: str | Sequence[str] = DEFAULT_METHODS,
        layer: Layers = "auto",
        target: Targets = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Iterator[Verdicts]:
        """Measure whether the maps of a picture may be believed, cheapest first. The arguments are those of `explain`.

        Yields:
            The verdict on each map, by its key, again and again as more is known. The last ones are settled.

        Raises:
            ExplainError: with a sentence on what was wrong; before the first verdict.
        """
        loaded = self.load(model)
        question = build_question(loaded, methods, layer, target, settings or {}, score)
        yield from self._judge.judge(Sight(picture, loaded), question, Watch(progress, cancel))

    def measure(
        self,
        picture: Picture,
        model: Model,
        methods: str | Sequence[str] = DEFAULT_METHODS,
        layer: str = "auto",
        target: int | str = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        measures: Collection[str] | None = None,
    ) -> Measured:
        """Measure how the maps of a picture compare with each other and with maps of no meaning, by all of `MEASURES`
        or those named. The arguments are those of `explain`. What was asked of the network before is not run again.

        Raises:
            ExplainError: with a sentence on what was wrong.
        """
        loaded = self.load(model)
        question = build_question(loaded, methods, layer, target, settings or {}, score)
        return self._meter.measure(Sight(picture, loaded), question, Watch(progress, cancel), measures)

    def try_places(
        self, picture: Picture, model: Model, methods: str | Sequence[str] = DEFAULT_METHODS, target: Targets = "auto"
    ) -> dict[str, tuple[Transplant, ...]]:
        """What places of a picture do to other pictures, by the key of each map; the same for all maps of a class. The
        arguments are those of `explain`; see `explain.faithfulness.transplant`.
        """
        loaded = self.load(model)
        question = build_question(loaded, methods, "auto", target, {}, "logit")
        return self._judge.try_places(Sight(picture, loaded), question, Watch())

    def capture(
        self,
        picture: Picture,
        model: Model,
        layer: str = "auto",
        target: int | str = "auto",
        score: Score = "logit",
        method: str = "grad-cam",
        settings: Settings | None = None,
    ) -> LayerCapture:
        """What a method is given: for pages and benchmarks that show more than the map.

        Raises:
            MethodError: the method cannot work on this model, or not at this layer.
        """
        sight = Sight(picture, self.load(model))
        question = build_question(sight.loaded, method, layer, target, {method: settings} if settings else {}, score)
        with self._machine.turn(sight.loaded), self._memory.keeping_account(sight):
            seen, _, failed = self._observer.see_all(sight, question, Watch())
            refused = {**question.unavailable, **failed}
            if refused:
                raise MethodError(next(iter(refused.values())))
            job = Job(question.methods[0], question.layers[0], seen.resolve(question.targets[0]))
            return make_capture(self._machine, sight, seen, question, job)

    def ask_prompts(
        self,
        picture: Picture,
        model: Model,
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
        sight = Sight(picture, self.load(model))
        obstacle = find_obstacle(get_method("prompt-cam"), sight.loaded)
        if obstacle is not None:
            raise MethodError(obstacle)
        if not targets:
            raise TargetError("Name at least one class.")
        named = [None if target == "auto" else find_target(sight.loaded, target) for target in targets]
        with self._machine.turn(sight.loaded), self._memory.keeping_account(sight):
            Watch(cancel=cancel).stop_if_cancelled()
            seen = self._memory.recall(sight) or Seen()
            look, _ = self._observer.see_prompts(sight, seen)
            self._memory.keep(sight, seen)
            resolved = [int(look.scores.argmax()) if target is None else target for target in named]
            return {target: self._observer.see_prompt(sight, seen, target) for target in dict.fromkeys(resolved)}

    def estimate_seconds(
        self, model: LoadedModel, method: Method, layer: str = "auto", settings: Settings | None = None
    ) -> float | None:
        """How long a method that runs the network by itself will take for one picture, from the passes it needs and
        the time that one has taken so far. None for every other method, and before a first picture was seen.
        """
        return self._observer.estimate_seconds(model, method, layer, settings, self._judge.pace_of(model))

    def estimate_verdicts(self, model: LoadedModel) -> float | None:
        """How long judging the maps of one picture will take, in seconds; None before a first picture was seen."""
        return self._judge.estimate_seconds(model)

    def estimate_stack(self, model: LoadedModel, maps: Sequence[Heatmap], count: int) -> float | None:
        """Seconds for so many slices that take as long as a picture with these maps; None before a first was seen."""
        pace = self._observer.pace_of(model)
        return None if pace is None else count * (pace + sum(heatmap.seconds for heatmap in maps))

    def forget(self) -> None:
        """Drop everything kept of pictures. Loaded models stay."""
        for part in (self._memory, self._judge, self._stacks, self._visualiser):
            part.forget()
