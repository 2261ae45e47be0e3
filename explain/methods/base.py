"""What a method is: a pure function from a capture and its settings to a map, declared once together with both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeAlias, TypeVar

from explain.errors import MethodError
from explain.methods.formula import Formula
from explain.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from explain.networks.layer import Layer
    from explain.passes.capture import LayerCapture
    from explain.passes.look import Objective

Needs = Literal["activations", "gradients", "curvature", "attention", "head", "prompts", "trained attention", "runner"]
"""What a capture must hold for a method.

- `activations` of the layer; `gradients` there, of what the method differentiates (these imply activations);
  `curvature`, the product of the Hessian there and the activations (implies gradients).
- `attention`: the attention of every block of a transformer, with its gradients.
- `head`: the weights of a linear head right after a global average of the layer.
- `prompts`: what trained class prompts attend to.
- `trained attention`: the maps of a second network that was trained for the model (T-TAME).
- `runner`: more passes of the network.
"""

Group = Literal["gradient", "gradient-free", "transformer", "fine detail"]
"""How methods are grouped where a person picks them."""

Place = Literal["layer", "last attention", "all attention", "trained layers", "input"]
"""Where a method looks: at the layer asked for, or always at the same place, whatever the layer."""


Painting = Literal["smooth", "fine"]
"""What a method's maps are like, and so how they are painted.

- `smooth`: a few cells, drawn out over the picture.
- `fine`: a value for every pixel, most of them near zero. They lie on the picture in dim grey, and their colours leave
  out the strongest values at either end.
"""


@dataclass(frozen=True)
class MethodResult:
    """What a method gives back.

    Attributes:
        values: the map `(h, w)` at the layer's resolution, float32, signed, not normalised, no ReLU.
        warnings: sentences a reader must know about this very map.
        rules: names of the rules that decided something about the map, such as how its sign was chosen.
        details: what is worth showing beside the map (clusters, heads …): plain numbers, strings and arrays.
    """

    values: Tensor
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    rules: tuple[str, ...] = ()


Function: TypeAlias = "Callable[[LayerCapture, Any], MethodResult]"
"""From a capture and the method's settings to its map."""

F = TypeVar("F", bound=Function)
P = ParamSpec("P")


@dataclass(frozen=True)
class Method:
    """One explanation method, as everything else in CAMscope sees it. Its fields are what `@method` takes.

    Attributes:
        function: what draws the map.
        name: key on the command line and in links, e.g. `grad-cam`.
        title: the field's name for it, e.g. `Grad-CAM`.
        sentence: one line, what the map shows.
        paper: authors, title, year, identifier.
        group: see `Group`.
        needs: what the capture must hold; see `Needs`.
        class_agnostic: the map does not depend on the class.
        against: the map is high where something speaks against the class, not for it.
        place: see `Place`.
        painting: see `Painting`.
        settings: the pydantic model of its settings.
        presets: named settings, e.g. `published`.
        objective: from the settings, what is differentiated in place of the score of the class; equal objectives share
            one backward pass.
        step: from the settings, by how long a step the network is first trained for the class; see `Ask.step`.
        count_passes: from the layer and the settings, how many pictures the method sends through the network by itself;
            None for a method without a runner.
        after_layer: those passes run only what follows the layer.
        formula: how the map comes about; every method of ours has one.
    """

    function: Function
    _: KW_ONLY
    name: str
    title: str
    sentence: str
    paper: str
    group: Group
    needs: Set[Needs]
    class_agnostic: bool = False
    against: bool = False
    place: Place = "layer"
    painting: Painting = "smooth"
    settings: type[Settings] = Settings
    presets: Mapping[str, Settings] = field(default_factory=dict)
    objective: Callable[[Any], Objective] | None = None
    step: Callable[[Any], float] | None = None
    count_passes: Callable[[Layer, Any], int] | None = None
    after_layer: bool = False
    formula: Formula | None = None

    @property
    def differentiates(self) -> bool:
        """Whether it needs gradients at the layer."""
        return bool(self.needs & {"gradients", "curvature"})


_COSTS: dict[Needs, str] = {
    "activations": "one forward pass",
    "gradients": "one backward pass for each class",
    "curvature": "two backward passes for each class",
    "attention": "a transformer whose attention can be read; a pass of its own, forward and backward",
    "head": "a linear head right after a global average of the layer",
    "prompts": "a ViT with a trained prompt for each class",
    "trained attention": "one forward pass for all classes, a second network trained for the model",
    "runner": "many passes",
}


def describe_needs(method: Method) -> str:
    """What a method costs and asks of a model, in a phrase."""
    return ", ".join(cost for need, cost in _COSTS.items() if need in method.needs)


_METHODS: dict[str, Method] = {}


def _decorate_with(declare: Callable[Concatenate[Function, P], Method]) -> Callable[P, Callable[[F], F]]:
    """A decorator that takes what `declare` takes after the function: no field is written twice, all are checked."""

    def method(*args: P.args, **fields: P.kwargs) -> Callable[[F], F]:
        def register(function: F) -> F:
            declared = declare(function, *args, **fields)
            _METHODS[declared.name] = declared
            return function

        return register

    return method


method = _decorate_with(Method)
"""Register the decorated function as a method, given the fields of `Method`. Order of registration is the order shown.
"""


@contextmanager
def registered(method: Method) -> Iterator[Method]:
    """While entered, one more method is known, the last of all. For trying one out, and for tests.

    Raises:
        ValueError: there is one of that name.
    """
    if method.name in _METHODS:
        raise ValueError(f"There is a method “{method.name}” already. Give this one another name.")
    _METHODS[method.name] = method
    try:
        yield method
    finally:
        del _METHODS[method.name]


def all_methods() -> dict[str, Method]:
    """Every registered method by name, in the order shown."""
    return dict(_METHODS)


def get_method(name: str) -> Method:
    """The method of that name; an unknown one is a `MethodError` that lists the known."""
    try:
        return _METHODS[name]
    except KeyError:
        raise MethodError(f"There is no method “{name}”. Known methods: {', '.join(_METHODS)}.") from None
