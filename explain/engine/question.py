"""What is asked of a picture: layers, classes and methods, checked and completed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from explain.errors import LayerError, MethodError, TargetError
from explain.methods import Method, Settings, get_method
from explain.models.attention_library import AttentionCard, find_attention
from explain.models.loaded import LoadedModel, get_layer
from explain.passes.look import Ask, Score
from explain.settings import read_refusal

if TYPE_CHECKING:
    from explain.networks.layer import Layer

DEFAULT_METHODS = ("grad-cam", "eigen-cam", "cf-cam", "prompt-cam")

Layers = str | Sequence[str | None] | None
"""Layers as a caller names them; None is the model's default."""

Targets = Any
"""Classes as a caller names them: index, label or `auto`, NumPy's and torch's numbers, or several."""


@dataclass(frozen=True)
class Question:
    """What is asked of one picture.

    Attributes:
        layers: where to look.
        targets: the classes; None for the likeliest.
        methods: those that can work on the model.
        settings: by method name, complete.
        score: what of a class is differentiated.
        unavailable: by method name, why the others cannot, in a sentence.
        attention: the trained attention whose maps are asked for; None where none are.
        beside: the layers whose features it reads.
    """

    layers: tuple[Layer, ...]
    targets: tuple[int | None, ...]
    methods: tuple[Method, ...]
    settings: Mapping[str, Settings]
    score: Score
    unavailable: Mapping[str, str] = field(default_factory=dict)
    attention: AttentionCard | None = None
    beside: tuple[Layer, ...] = ()

    def list_asks(self) -> list[Ask]:
        """What must be differentiated, each once, for each class in turn."""
        differentiating = [method for method in self.methods if method.differentiates]
        return list(
            dict.fromkeys(self.make_ask(method, target) for target in self.targets for method in differentiating)
        )

    def make_ask(self, method: Method, target: int | None) -> Ask:
        """What a method wants differentiated for a class."""
        settings = self.settings[method.name]
        objective = method.objective(settings) if method.objective else None
        step = method.step(settings) if method.step else 0.0
        return Ask(target, self.score, objective, "curvature" in method.needs, step)

    def without(self, failed: Mapping[str, str]) -> Question:
        """The same but for methods that failed on the way, whose sentences are by their names."""
        if not failed:
            return self
        methods = tuple(method for method in self.methods if method.name not in failed)
        return replace(self, methods=methods, unavailable={**self.unavailable, **failed})


MapKey = tuple[str, str, int]
"""Method, where it looked, class."""


def build_question(
    loaded: LoadedModel,
    methods: str | Sequence[str],
    layer: Layers,
    target: Targets,
    settings: Mapping[str, Settings | Mapping[str, Any]],
    score: Score,
) -> Question:
    """The question for a model, checked. The arguments are those of `Engine.explain`.

    Raises:
        LayerError, TargetError, MethodError: something named does not exist, or nothing is named.
    """
    complete = complete_settings(list_methods(methods), settings)
    layers, targets = list_layers(loaded, layer), list_targets(target)
    if not layers or not targets:
        raise (LayerError if targets else TargetError)("Name at least one layer and one class, or leave them out.")
    if score not in get_args(Score):
        raise TargetError(f"There is no score “{score}”. Take {' or '.join(get_args(Score))}.")
    need_probability(loaded, score)
    unavailable = {
        name: obstacle for name in complete if (obstacle := find_obstacle(get_method(name), loaded)) is not None
    }
    attention = None
    for name in [
        name for name in complete if "trained attention" in get_method(name).needs and name not in unavailable
    ]:
        try:
            attention = find_attention(loaded, getattr(complete[name], "module", ""))
        except MethodError as error:
            unavailable[name] = str(error)
        else:
            # Named, so that whoever draws the map again has the same one, whatever was trained since.
            complete[name] = complete[name].model_copy(update={"module": attention.name})
    return Question(
        layers=tuple(dict.fromkeys(layers)),
        targets=tuple(dict.fromkeys(None if t == "auto" else find_target(loaded, t) for t in targets)),
        methods=tuple(get_method(name) for name in complete if name not in unavailable),
        settings=complete,
        score=score,
        unavailable=unavailable,
        attention=attention,
        beside=() if attention is None else attention.find_layers(loaded),
    )


def list_methods(methods: str | Sequence[str]) -> list[str]:
    """Names of methods, of one name, several with commas between, or a list.

    Raises:
        MethodError: something is no name.
    """
    names = methods.split(",") if isinstance(methods, str) else methods
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise MethodError('Name methods as text: methods="grad-cam", or a list of names.')
    return [name.strip() for name in names if name.strip()]


def list_layers(loaded: LoadedModel, layer: Layers) -> list[Layer]:
    """The layers that are meant by names, by the network's own modules, or by nothing: the default.

    Raises:
        LayerError: something is neither, or is no layer of the network.
    """
    given = layer if isinstance(layer, (list, tuple)) else [layer]
    found = []
    for one in given:
        if one is not None and not isinstance(one, str):
            raise LayerError(
                f'A layer is named by text, not by a {type(one).__name__}: layer="layer4". In code that has the '
                "module alone, its name is found by model.named_modules()."
            )
        found.append(get_layer(loaded, "auto" if one is None else one))
    return found


def list_targets(target: Targets) -> list[int | str]:
    """Classes by index or label, or `auto`, of one or several: also NumPy's and torch's numbers.

    Raises:
        TargetError: something is neither a whole number nor text.
    """
    if hasattr(target, "tolist"):  # NumPy's and torch's, which need not be imported for that
        target = target.tolist()
    if target is None or isinstance(target, (str, int, float)):
        target = [target]
    if not isinstance(target, Iterable) or isinstance(target, Mapping):
        raise TargetError(f"A class is an index or a label, not a {type(target).__name__}.")
    return [_read_target(one) for one in target]


def _read_target(target: Any) -> int | str:
    if hasattr(target, "tolist"):
        target = target.tolist()
    if target is None:
        return "auto"
    if isinstance(target, (int, str)) and not isinstance(target, bool):
        return target
    raise TargetError(f"A class is an index or a label, not {target!r:.60}. Several are a list of them.")


def complete_settings(methods: Sequence[str], given: Mapping[str, Settings | Mapping[str, Any]]) -> dict[str, Settings]:
    """The settings of each method asked for, checked, with defaults where nothing was given.

    Raises:
        MethodError: a method or a setting does not exist, or a value is out of its bounds.
    """
    complete = {}
    for name in dict.fromkeys([*methods, *given]):
        method = get_method(name)
        values = given.get(name, {})
        if not isinstance(values, (Settings, Mapping)):
            raise MethodError(f"Settings of {method.title} are given by name: {{{name!r}: {{…}}}}, not {values!r:.60}.")
        if isinstance(values, Settings):
            values = values.model_dump()
        try:
            complete[name] = method.settings.model_validate(dict(values))
        except ValidationError as error:
            refusal = read_refusal(error)
            known = ", ".join(method.settings.model_fields) or "none"
            raise MethodError(
                f"{method.title} does not take {refusal.path} = {refusal.given!r}: {refusal.reason}. "
                f"Its settings: {known}."
            ) from None
    return {name: complete[name] for name in methods}


def need_probability(loaded: LoadedModel, score: Score) -> None:
    """Refuse to explain the probability of what has none.

    Raises:
        TargetError: the probability is asked for, and the model answers with a value.
    """
    if score == "probability" and loaded.outputs == "value":
        what = "declared to be a value" if loaded.request.outputs else "not declared to be a logit"
        raise TargetError(
            f"“{loaded.request.name}” has no probability to explain: the number it answers with is {what}. Explain its "
            "score, or declare its outputs as “logit” if that is what they are."
        )


def find_target(loaded: LoadedModel, target: int | str) -> int:
    """Index of a class given by index or label.

    A number is an index. A text is a label or else an index; where it could be both, of two classes, it is refused, and
    `index:10` says which is meant.

    Raises:
        TargetError: the model has no such class, or the text names two.
    """
    count = len(loaded.labels)
    if isinstance(target, Integral):
        if not 0 <= int(target) < count:
            raise TargetError(f"There is no class {target}: this model knows classes 0 to {count - 1}.")
        return int(target)
    text = str(target).strip()
    if not text:
        raise TargetError("Name a class: its label, or its index.")
    named = [i for i, label in enumerate(loaded.labels) if label.casefold() == text.casefold()]
    number = re.fullmatch(r"(index:)?\s*([+-]?[0-9]{1,9})", text)
    index = int(number[2]) if number else None
    if index is not None and 0 <= index < count:
        if named and named != [index] and not (number and number[1]):
            raise TargetError(
                f"“{text}” is the name of class {', '.join(map(str, named))} and the index of the class "
                f"“{loaded.labels[index]}”. Say index:{named[0]} for the one so named, or index:{index} for the other."
            )
        return index
    if len(named) == 1:
        return named[0]
    if named:
        raise TargetError(f"Several classes are named “{text}”. Give an index: {', '.join(map(str, named))}.")
    if index is not None:
        raise TargetError(f"There is no class {index}: this model knows classes 0 to {count - 1}.")
    near = [label for label in loaded.labels if text.casefold() in label.casefold()][:5]
    hint = f"Did you mean {', '.join(near)}?" if near else f"It knows {count} classes, from {loaded.labels[0]} on."
    raise TargetError(f"This model has no class “{text}”. {hint}")


def part_asks(asks: Sequence[Ask], loaded: LoadedModel) -> list[list[Ask]]:
    """Asks that can share a forward pass, those of the network as it is first. Fused attention cannot be differentiated
    twice, and a pass without it differs in the last digits, so that there curvature is not asked together with the
    rest. After a step of training the network is another for each ask.
    """
    stepped = [[ask] for ask in asks if ask.step]
    asks = [ask for ask in asks if not ask.step]
    plain = [ask for ask in asks if not ask.curvature]
    curved = [ask for ask in asks if ask.curvature]
    if not curved or not any(getattr(module, "fused_attn", False) for module in loaded.module.modules()):
        return [asks, *stepped]
    return [plain, curved, *stepped] if plain else [curved, *stepped]


def find_obstacle(method: Method, loaded: LoadedModel) -> str | None:
    """Why a method cannot work on a model whatever the layer, in a sentence; None where it can."""
    told = loaded.find_told_obstacle(method.name)
    if told is not None:
        return told or None
    if "prompts" in method.needs and loaded.prompted is None:
        return f"{method.title} needs a ViT with trained class prompts; this model has none."
    if "trained attention" in method.needs:
        try:
            find_attention(loaded)
        except MethodError as error:
            return str(error)
    if "attention" in method.needs and loaded.reads_volumes:
        return f"{method.title} reads the attention of vision transformers of pictures; this model reads volumes."
    if "attention" in method.needs:
        from explain.passes.attention import find_attention_obstacle

        obstacle = find_attention_obstacle(loaded.module)
        return None if obstacle is None else f"{method.title} {obstacle}"
    return None


def name_place(method: Method, layer: Layer, loaded: LoadedModel) -> str:
    """Where a method looks: the layer, or its own fixed place."""
    if method.place == "last attention":
        assert loaded.prompted is not None
        inside = "backbone." if loaded.prompted is loaded.module else ""
        return f"{inside}blocks.{len(loaded.prompted.backbone.blocks) - 1}.attn"
    return layer.name if method.place == "layer" else method.place
