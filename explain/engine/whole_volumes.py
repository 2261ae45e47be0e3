"""A whole volume as a network of volumes is shown it, and what is answered of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from explain.bundled.caution import caution_of
from explain.engine.explainer import Explainer
from explain.engine.explanation import PictureExplanation, Prediction
from explain.engine.judging import Judge, Verdicts
from explain.engine.measuring import Meter
from explain.engine.question import DEFAULT_METHODS, Layers, Question, Targets, build_question
from explain.engine.sight import Sight, SightKey
from explain.engine.slices import SliceAnswer
from explain.errors import ModelError, PictureError
from explain.faithfulness.measured import Measured
from explain.faithfulness.probe import find_allowed
from explain.faithfulness.references import describe_unlike_volumes, list_volumes, name_volumes
from explain.faithfulness.verdict import Verdict
from explain.maps.mask import MaskSettings
from explain.maps.volume_map import FEW_CELLS, VolumeMap
from explain.methods import Settings
from explain.models.own_module import name_modules
from explain.passes.count import Passes
from explain.passes.look import Score
from explain.pictures.augmentation import list_views
from explain.pictures.geometry import Box
from explain.pictures.picture import Picture
from explain.pictures.volume_preprocessing import VolumePreprocessing
from explain.progress import Progress, Watch
from explain.volumes.model_input import Block, VolumeInput, prepare_volume
from explain.volumes.planes import Plane
from explain.volumes.volume import Volume

if TYPE_CHECKING:
    from torch import Tensor

    from explain.models.loaded import LoadedModel

SELDOM = "Maps of volumes agree with the network's evidence less often than people think (SE3D, arXiv 2405.14584)."
"""What is said once beside the maps of a volume."""

_NOT_SHOWN = "The model was not shown this slice: its input ends before. Choose one nearer to the middle."


@dataclass(frozen=True, eq=False)
class VolumeSight(Sight):
    """A volume under a model. Its picture is a slice from the middle, for whoever asks for one.

    Attributes:
        volume: what is looked at.
        input: the model's input and where it lies.
    """

    what: ClassVar[str] = "volume"

    volume: Volume | None = None
    input: VolumeInput | None = None

    @classmethod
    def of(cls, volume: Volume, loaded: LoadedModel) -> VolumeSight:
        """What a model is shown of a volume.

        Raises:
            ModelError: it reads pictures.
            PictureError: the volume cannot be its input.
        """
        if not isinstance(loaded.preprocessing, VolumePreprocessing):
            raise ModelError(
                f"“{loaded.request.name}” reads pictures of {' × '.join(map(str, loaded.preprocessing.input_size))} "
                "pixels, and a volume's slices are not its channels. Explain its slices one by one, or choose a model "
                "that reads volumes, such as phantom-3d or torchvision/r3d_18."
            )
        there = [int(at) for at in volume.present.nonzero()[0]]
        index = there[len(there) // 2]
        if volume.get_view().flips[0]:
            index = volume.count() - 1 - index
        return cls(volume.slice(index), loaded, volume=volume, input=prepare_volume(volume, loaded.preprocessing))

    @property
    def block(self) -> Block:
        """The part of the volume that the model's input shows."""
        assert self.input is not None
        return self.input.block

    @property
    def key(self) -> SightKey:
        """Equal for equal content, whatever volume and model are called."""
        assert self.volume is not None
        return self.loaded.fingerprint, self.loaded.outputs, f"volume {self.volume.digest}", self.view.name

    @cached_property
    def box(self) -> Box:
        """All of the slice; where a map of a volume lies, its block says."""
        return Box.whole(self.picture.size)

    def prepare(self) -> Tensor:
        """The model's input, `(1, C, d, h, w)`."""
        assert self.input is not None
        return self.view.change(self.input.tensor)

    def measure_cell(self, grid: Sequence[int]) -> tuple[float, ...] | None:
        """Millimetres of a cell along slices, rows and columns of the input; None where they are not known."""
        assert self.volume is not None
        own = self.volume.steps
        if own is None:
            return None
        spans, axes = self.block.spans, self.block.view.axes
        return tuple(own[axis] * spans[axis].length / count for axis, count in zip(axes, grid, strict=True))

    @property
    def seed(self) -> int:
        """Of masks, the same for the same content."""
        assert self.volume is not None
        return int(self.volume.digest[:8], 16)

    @property
    def is_even(self) -> bool:
        """Whether the model's input is the same everywhere."""
        assert self.input is not None
        return bool((self.input.tensor == self.input.tensor[:, :, :1, :1, :1]).all())

    @property
    def allowed(self) -> np.ndarray:
        """The blocks of the model's input that may be hidden, `(CELLS, CELLS, CELLS)` bool: those on the volume."""
        assert self.volume is not None
        stored = find_allowed(self.volume.stored.shape[:3], self.block.spans)
        return np.ascontiguousarray(self.block.view.turn(stored))

    def name_others(self, count: int) -> tuple[str, ...]:
        """What tells the volumes of `list_others` apart."""
        return name_volumes(count)

    def list_others(self, count: int) -> list[Sight]:
        """So many drawn phantoms under the same model; none where they cannot be its input."""
        try:
            return [VolumeSight.of(volume, self.loaded) for volume in list_volumes(count)]
        except PictureError:
            return []

    def describe_unlikeness(self) -> str:
        """Why phantoms say little about its maps, as the end of a sentence; empty where they do."""
        return describe_unlike_volumes(self.loaded.labels)


@dataclass(frozen=True, eq=False)
class VolumeExplanation:
    """The engine's answer for a volume.

    Attributes:
        volume: what was explained.
        model: the model it was made with.
        predictions: all classes, likeliest first.
        targets: indices of the explained classes.
        labels: their names.
        layers: names of the explained layers.
        maps: by class, then by layer, then in the order the methods were asked for.
        unavailable: by method name, the sentence why it could not be used.
        cautions: that the model never saw such volumes, and what is wrong with this one as its input, in sentences;
            each stands among the notes too.
        notes: what a reader must know, in sentences.
        score: what of the classes was differentiated.
        device: where it was worked out, and in which precision.
        verdicts: what is said of each map, by its key, where they were asked for.
        masks: how its maps become masks, where that was chosen: for its files and its manifest.
    """

    volume: Volume
    model: LoadedModel
    predictions: tuple[Prediction, ...]
    targets: tuple[int, ...]
    labels: tuple[str, ...]
    layers: tuple[str, ...]
    maps: tuple[VolumeMap, ...]
    unavailable: Mapping[str, str]
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    score: Score = "logit"
    device: str = "CPU"
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    masks: MaskSettings | None = None

    def lay_on(self, picture: Picture) -> PictureExplanation:
        """The same as the answer to one slice of the volume: predictions are those of the whole, each map is cut there.

        Raises:
            PictureError: the picture is no slice of this volume.
        """
        section = picture.section
        if section is None or section.volume != self.volume.digest:
            raise PictureError(f"“{picture.name}” is no slice of “{self.volume.name}”. Choose one of its slices.")
        cuts = [one.cut(section.plane, section.index) for one in self.maps]  # type: ignore[arg-type]
        beside = {} if None not in cuts else {one.heatmap.method: _NOT_SHOWN for one in self.maps}
        return PictureExplanation(
            picture=picture,
            predictions=self.predictions[:5],
            prompt_predictions=(),
            targets=self.targets,
            labels=self.labels,
            layers=self.layers,
            maps=tuple(cut for cut in cuts if cut is not None),
            unavailable={**self.unavailable, **beside},
            outputs=self.model.outputs,
            caution=" ".join(self.cautions),
            verdicts=self.verdicts,
        )

    def answer_slice(self, plane: Plane, index: int) -> SliceAnswer:
        """The answer of one slice of the first class: the prediction is that of the whole volume, and each map is cut
        there.
        """
        target = self.targets[0]
        of_class = next(one for one in self.predictions if one.index == target)
        cuts = {one.heatmap.method: one.cut(plane, index) for one in self.maps if one.heatmap.target == target}
        return SliceAnswer(
            index=index,
            target=target,
            label=self.labels[0],
            probability=of_class.probability,
            score=of_class.score,
            predictions=self.predictions[:5],
            layer=self.layers[0],
            maps={name: cut for name, cut in cuts.items() if cut is not None},
            unavailable={**self.unavailable, **{name: _NOT_SHOWN for name, cut in cuts.items() if cut is None}},
            outputs=self.model.outputs,
            caution=" ".join(self.cautions),
        )


class VolumeExplainer:
    """Explains whole volumes, by models that read volumes.

    Args:
        explainer: explains what it is shown.
        judge: judges its maps.
        meter: measures them.
        load: loads a model, as `Engine.load` does.
        describe: says where networks run.
    """

    def __init__(
        self,
        explainer: Explainer,
        judge: Judge,
        meter: Meter,
        load: Callable[[Any], LoadedModel],
        describe: Callable[[], str],
    ):
        self._explainer = explainer
        self._judge = judge
        self._meter = meter
        self._load = load
        self._describe = describe

    def explain(
        self,
        volume: Volume,
        model: Any,
        methods: str | Sequence[str] = DEFAULT_METHODS,
        layer: Layers = "auto",
        target: Targets = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        verdicts: bool = False,
    ) -> VolumeExplanation:
        """Explain a volume by several methods, which share one pass of the network.

        Args:
            volume: as `explain.volumes.loading` opens it.
            model: one that reads volumes; a network of one's own goes through `Engine.load` first, with what its input
                is: `preprocessing={"depth": 32, "input_size": (64, 64), "spacing": (2.5, 1.5, 1.5), …}`.
            methods: as all that follows, see `Engine.explain`.
            layer: see there.
            target: see there.
            settings: see there.
            score: see there.
            progress: see there.
            cancel: see there.
            verdicts: also judge the maps; see `judge`.

        Raises:
            ExplainError: with a sentence on what was wrong.
        """
        loaded = self._load(model)
        question = build_question(loaded, methods, name_modules(loaded, layer), target, settings or {}, score)
        sight, watch = VolumeSight.of(volume, loaded), Watch(progress, cancel)
        found = replace(explain_whole(self._explainer, sight, question, watch), device=self._describe())
        if verdicts:
            for said in self._judge.judge(sight, question, watch):
                found = replace(found, verdicts=said)
        return found

    def judge(
        self,
        volume: Volume,
        model: Any,
        methods: str | Sequence[str] = DEFAULT_METHODS,
        layer: Layers = "auto",
        target: Targets = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Iterator[Verdicts]:
        """Measure whether the maps of a volume may be believed: blocks of it are hidden, its maps compared with those
        of other classes, of copies that nobody can tell from it, and of drawn phantoms. The arguments are those of
        `explain`; what is told is that of `Engine.judge`.
        """
        loaded = self._load(model)
        question = build_question(loaded, methods, name_modules(loaded, layer), target, settings or {}, score)
        yield from self._judge.judge(VolumeSight.of(volume, loaded), question, Watch(progress, cancel))

    def measure(
        self,
        volume: Volume,
        model: Any,
        methods: str | Sequence[str] = DEFAULT_METHODS,
        layer: Layers = "auto",
        target: Targets = "auto",
        settings: Mapping[str, Settings | Mapping[str, Any]] | None = None,
        score: Score = "logit",
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        measures: Collection[str] | None = None,
    ) -> Measured:
        """Measure how the maps of a volume compare, with blocks of it hidden in place of a picture's cells; see
        `Engine.measure`.
        """
        loaded = self._load(model)
        question = build_question(loaded, methods, name_modules(loaded, layer), target, settings or {}, score)
        return self._meter.measure(VolumeSight.of(volume, loaded), question, Watch(progress, cancel), measures)


def explain_whole(explainer: Explainer, sight: VolumeSight, question: Question, watch: Watch) -> VolumeExplanation:
    """What a model answers for a volume, its maps in the order of the volume's own axes and with their places.

    Raises:
        ExplainError: with a sentence on what was wrong.
    """
    volume, loaded = sight.volume, sight.loaded
    assert volume is not None and sight.input is not None
    explained = explainer.explain(sight, question, list_views("none"), watch, Passes(), len(loaded.labels))
    block, maps = sight.block, []
    for heatmap in explained.maps:
        values = block.turn_back(heatmap.values)
        values.setflags(write=False)
        one = VolumeMap(replace(heatmap, values=values), volume, block)
        if min(values.shape) < FEW_CELLS:
            warnings = (*heatmap.warnings, one.describe_cells())
            one = replace(one, heatmap=replace(one.heatmap, warnings=warnings))
        maps.append(one)
    request = loaded.request
    strange = caution_of(request.name, sight.picture, request.source, loaded.labels)
    cautions = (*filter(None, [strange]), *sight.input.notes)
    return VolumeExplanation(
        volume,
        loaded,
        explained.predictions,
        explained.targets,
        explained.labels,
        explained.layers,
        tuple(maps),
        explained.unavailable,
        cautions,
        (*cautions, SELDOM),
        question.score,
    )
